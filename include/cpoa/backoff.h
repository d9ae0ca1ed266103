/*
 * backoff: how long to wait before the next try; and the random numbers for it.
 *
 * Wait n is drawn evenly from the upper half of base·2^n (at most `max`): growing, so that a server
 * in trouble gets rest, and scattered, so that a thousand clients do not come back in the same
 * millisecond.
 *
 * A struct belongs to one thread. rng_seed(0) seeds from the kernel; any other seed repeats
 * exactly.
 */
#ifndef CPOA_BACKOFF_H
#define CPOA_BACKOFF_H

#include <stdint.h>

struct rng {
	uint64_t s[2];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);

/* Evenly from lo to hi, both included; lo <= hi. */
int64_t rng_between(struct rng *rng, int64_t lo, int64_t hi);

/* The n-th wait (n from 0) in milliseconds: within [base·2^n / 2, base·2^n], never above `max_ms`.
 */
int64_t backoff_ms(struct rng *rng, int64_t base_ms, int64_t max_ms, unsigned n);

/* The same as a running count, for reconnecting. */
struct backoff {
	int64_t base_ms, max_ms;
	unsigned n;
	struct rng rng;
};

void backoff_init(struct backoff *b, int64_t base_ms, int64_t max_ms);
int64_t backoff_next_ms(struct backoff *b);
void backoff_reset(struct backoff *b);

#endif
