/*
 * feed: the world around a worker. Publishes podcast jobs with confirms, and hears of their ends at
 * a queue of its own.
 */
#ifndef BENCH_FEED_H
#define BENCH_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/mq.h"

#include "engine/settings.h"

enum {
	FEED_WINDOW = 2048 /* publishings under way */
};

struct feed {
	struct mq *mq;
	int64_t sent, settled;	     /* all up to number `settled` are confirmed */
	bool confirmed[FEED_WINDOW]; /* of those after it, by number */
	int64_t completed, failed;
	int64_t last_end_us; /* wall time at which the last end was heard of */
	char awaited[40];    /* the task_id whose end is waited for, or "" */
	bool heard;	     /* it has come */
};

/* Connects, empties the queues of jobs and of the ASF, and listens. */
MUST_CHECK bool feed_open(struct feed *f, const struct settings *s, struct err *e);
void feed_close(struct feed *f);

/* Publishes n jobs and waits until the broker has confirmed all. */
MUST_CHECK bool feed_publish(struct feed *f, int64_t n, struct err *e);

/* Hears what comes within so many milliseconds, at least what is there. True: go on. */
MUST_CHECK bool feed_hear(struct feed *f, int timeout_ms, struct err *e);

/* One podcast from its publishing to its end: *us. */
MUST_CHECK bool feed_one(struct feed *f, int64_t timeout_ms, int64_t *us, struct err *e);

#endif
