/*
 * rate: how many a second. A token bucket, kept as the time at which it will be full again: to ask
 * it is one comparison, to take from it one addition.
 *
 * It holds the tokens of a tenth of a second, at least one; a bucket that has rested lets so many
 * go at once. Pure: times are monotonic and passed in. One thread.
 */
#ifndef CORE_RATE_H
#define CORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	int64_t interval_ns; /* between two tokens; 0: no limit */
	int64_t burst_ns;    /* how far `full_ns` may lie ahead when one is taken */
	int64_t full_ns;
};

/* 0: no limit; else up to RATE_MAX, fractions allowed. */
enum { RATE_MAX = 100000 };
void rate_init(struct rate *rate, double per_second);

/* When a token is there: at once, unless that lies ahead. */
static inline int64_t rate_free_us(const struct rate *rate)
{
	return (rate->full_ns - rate->burst_ns + 999) / 1000;
}

static inline bool rate_lets(const struct rate *rate, int64_t now_us)
{
	return rate->interval_ns == 0 || now_us >= rate_free_us(rate);
}

/* Only when it lets. */
void rate_take(struct rate *rate, int64_t now_us);

#endif
