/*
 * hold.c - connections that wait, all in one thread
 *
 * Ten thousand agents that think at the same time are ten thousand items in a heap. hold.mutex
 * guards everything in struct hold; it is never held while a connection is resumed, because that
 * takes locks of the HTTP library.
 */
#include "standin.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SWEEP_US = 500000 }; /* how often the connections held for ever are looked at */

struct item {
	void *connection;
	int fd;
	int64_t due_us;
};

struct list {
	struct item *item;
	size_t count;
	size_t cap;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	void (*resume)(void *connection);
	struct list timed; /* a heap, the earliest first */
	struct list stuck; /* HOLD_FOREVER, in no order */
	bool stopping;
} hold = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void list_add(struct list *list, struct item item)
{
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->item = realloc(list->item, list->cap * sizeof(list->item[0]));
		if (!list->item)
			abort();
	}
	list->item[list->count++] = item;
}

static void heap_add(struct list *heap, struct item item)
{
	size_t at = heap->count;

	list_add(heap, item);
	while (at > 0 && heap->item[(at - 1) / 2].due_us > item.due_us) {
		heap->item[at] = heap->item[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->item[at] = item;
}

static struct item heap_pop(struct list *heap)
{
	struct item top = heap->item[0];
	struct item last = heap->item[--heap->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < heap->count &&
		    heap->item[child + 1].due_us < heap->item[child].due_us)
			child++;
		if (child >= heap->count || heap->item[child].due_us >= last.due_us)
			break;
		heap->item[at] = heap->item[child];
		at = child;
	}
	heap->item[at] = last;
	return top;
}

/* Moves the stuck connections whose peer has gone to the heap, due at once: a client that gave
 * up must not cost a descriptor for the rest of a long test. */
static void sweep_stuck(void)
{
	struct pollfd *fds = xcalloc(hold.stuck.count, sizeof(*fds));
	size_t kept = 0;

	for (size_t i = 0; i < hold.stuck.count; i++)
		fds[i] = (struct pollfd){.fd = hold.stuck.item[i].fd, .events = POLLRDHUP};
	if (poll(fds, hold.stuck.count, 0) < 0)
		memset(fds, 0, hold.stuck.count * sizeof(*fds));
	for (size_t i = 0; i < hold.stuck.count; i++) {
		struct item item = hold.stuck.item[i];

		if (fds[i].revents) {
			item.due_us = 0;
			heap_add(&hold.timed, item);
		} else {
			hold.stuck.item[kept++] = item;
		}
	}
	hold.stuck.count = kept;
	free(fds);
}

/* Waits until something is due or was added. */
static void wait_until(int64_t due_us)
{
	struct timespec until = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};

	if (due_us == HOLD_FOREVER)
		pthread_cond_wait(&hold.changed, &hold.mutex);
	else
		pthread_cond_timedwait(&hold.changed, &hold.mutex, &until);
}

static int64_t next_due_us(int64_t sweep_us)
{
	int64_t due_us = hold.stuck.count ? sweep_us : HOLD_FOREVER;

	if (hold.timed.count && hold.timed.item[0].due_us < due_us)
		due_us = hold.timed.item[0].due_us;
	return due_us;
}

static void *hold_thread(void *unused)
{
	int64_t sweep_us = 0;

	(void)unused;
	pthread_mutex_lock(&hold.mutex);
	while (!hold.stopping) {
		int64_t now = clock_us();

		if (hold.stuck.count && now >= sweep_us) {
			sweep_stuck();
			sweep_us = now + SWEEP_US;
		}
		if (hold.timed.count && hold.timed.item[0].due_us <= now) {
			struct item item = heap_pop(&hold.timed);

			pthread_mutex_unlock(&hold.mutex);
			hold.resume(item.connection);
			pthread_mutex_lock(&hold.mutex);
		} else {
			wait_until(next_due_us(sweep_us));
		}
	}
	pthread_mutex_unlock(&hold.mutex);
	return NULL;
}

bool hold_start(void (*resume)(void *connection))
{
	pthread_condattr_t attributes;
	bool ok;

	hold.resume = resume;
	if (pthread_condattr_init(&attributes) != 0)
		return false;
	ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
	     pthread_cond_init(&hold.changed, &attributes) == 0 &&
	     pthread_create(&hold.thread, NULL, hold_thread, NULL) == 0;
	pthread_condattr_destroy(&attributes);
	return ok;
}

bool hold_until(void *connection, int fd, int64_t due_us)
{
	struct item item = {connection, fd, due_us};
	bool taken;

	pthread_mutex_lock(&hold.mutex);
	taken = !hold.stopping;
	if (taken && due_us == HOLD_FOREVER) {
		list_add(&hold.stuck, item);
		if (hold.stuck.count == 1) /* the sweep begins */
			pthread_cond_signal(&hold.changed);
	} else if (taken) {
		heap_add(&hold.timed, item);
		if (hold.timed.item[0].connection == connection) /* the earliest */
			pthread_cond_signal(&hold.changed);
	}
	pthread_mutex_unlock(&hold.mutex);
	return taken;
}

bool hold_stopping(void)
{
	bool stopping;

	pthread_mutex_lock(&hold.mutex);
	stopping = hold.stopping;
	pthread_mutex_unlock(&hold.mutex);
	return stopping;
}

void hold_stop(void)
{
	pthread_mutex_lock(&hold.mutex);
	hold.stopping = true;
	pthread_cond_signal(&hold.changed);
	pthread_mutex_unlock(&hold.mutex);
	pthread_join(hold.thread, NULL);
	/* Nothing is added any more, and the thread has gone: no lock is needed. */
	for (size_t i = 0; i < hold.timed.count; i++)
		hold.resume(hold.timed.item[i].connection);
	for (size_t i = 0; i < hold.stuck.count; i++)
		hold.resume(hold.stuck.item[i].connection);
	free(hold.timed.item);
	free(hold.stuck.item);
	hold.timed = hold.stuck = (struct list){0};
	pthread_cond_destroy(&hold.changed);
}
