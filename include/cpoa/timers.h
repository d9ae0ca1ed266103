/*
 * timers: what is due when. A binary heap of timers that live inside the things that wait.
 *
 * Add, cancel and move are O(log n), the next due time O(1). A timer is in at most one heap. Timers
 * with the same due time come out in the order in which they were added. One thread; nothing is
 * allocated for a timer itself.
 */
#ifndef CPOA_TIMERS_H
#define CPOA_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t due_us; /* monotonic */
	uint64_t seq;
	size_t slot; /* 1 + its place in the heap; 0: not set. Zero the struct before its first use.
		      */
};

struct timers {
	struct timer **heap;
	size_t n, cap;
	uint64_t seq;
};

void timers_init(struct timers *t);
void timers_release(struct timers *t); /* the timers themselves are not touched */

/* Sets it, or moves it when it is set already. */
void timers_set(struct timers *t, struct timer *timer, int64_t due_us);

/* Nothing happens when it is not set. */
void timers_cancel(struct timers *t, struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
	return timer->slot != 0;
}

/* Takes out and returns the earliest that is due at `now_us`, or NULL. */
struct timer *timers_pop_due(struct timers *t, int64_t now_us);

/* Milliseconds until the earliest (rounded up, at least 0, at most `max_ms`); max_ms when there is
 * none. */
int timers_wait_ms(const struct timers *t, int64_t now_us, int max_ms);

#endif
