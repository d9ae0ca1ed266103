#include "cpoa/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "cpoa/err.h"

void timers_init(struct timers *t)
{
	*t = (struct timers){0};
}

void timers_release(struct timers *t)
{
	free(t->heap);
	timers_init(t);
}

static bool before(const struct timer *a, const struct timer *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->seq < b->seq;
}

static void put(struct timers *t, size_t at, struct timer *timer)
{
	t->heap[at] = timer;
	timer->slot = at + 1;
}

static void sift_up(struct timers *t, size_t at, struct timer *timer)
{
	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (!before(timer, t->heap[parent]))
			break;
		put(t, at, t->heap[parent]);
		at = parent;
	}
	put(t, at, timer);
}

static void sift_down(struct timers *t, size_t at, struct timer *timer)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= t->n)
			break;
		if (child + 1 < t->n && before(t->heap[child + 1], t->heap[child]))
			child++;
		if (!before(t->heap[child], timer))
			break;
		put(t, at, t->heap[child]);
		at = child;
	}
	put(t, at, timer);
}

static void settle(struct timers *t, size_t at, struct timer *timer)
{
	if (at > 0 && before(timer, t->heap[(at - 1) / 2]))
		sift_up(t, at, timer);
	else
		sift_down(t, at, timer);
}

void timers_set(struct timers *t, struct timer *timer, int64_t due_us)
{
	size_t at;

	if (timer_is_set(timer)) {
		at = timer->slot - 1;
		assert(at < t->n && t->heap[at] == timer);
	} else {
		if (t->n == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 64;
			t->heap = xrealloc(t->heap, t->cap * sizeof(struct timer *));
		}
		at = t->n++;
	}
	timer->due_us = due_us;
	timer->seq = t->seq++;
	settle(t, at, timer);
}

void timers_cancel(struct timers *t, struct timer *timer)
{
	struct timer *last;
	size_t at;

	if (!timer_is_set(timer))
		return;
	at = timer->slot - 1;
	assert(at < t->n && t->heap[at] == timer);
	timer->slot = 0;
	last = t->heap[--t->n];
	if (last != timer)
		settle(t, at, last);
}

struct timer *timers_pop_due(struct timers *t, int64_t now_us)
{
	struct timer *first;

	if (t->n == 0 || t->heap[0]->due_us > now_us)
		return NULL;
	first = t->heap[0];
	timers_cancel(t, first);
	return first;
}

int timers_wait_ms(const struct timers *t, int64_t now_us, int max_ms)
{
	int64_t left_us, left_ms;

	assert(max_ms >= 0);
	if (t->n == 0)
		return max_ms;
	if (t->heap[0]->due_us <= now_us)
		return 0;
	if (__builtin_sub_overflow(t->heap[0]->due_us, now_us, &left_us))
		return max_ms;
	left_ms = left_us / 1000 + (left_us % 1000 != 0);
	return left_ms < max_ms ? (int)left_ms : max_ms;
}
