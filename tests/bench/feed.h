/*
 * feed: the world around a worker. Publishes jobs with confirms, and hears of their ends at
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
	const char *type;    /* of workflow */
	int64_t *us, timed; /* how long each of the first `timed` took, in order; see feed_time() */
};

/* Connects, empties the queues of jobs of this type and of the ASF, and listens. `type` is kept. */
MUST_CHECK bool feed_open(struct feed *f, const struct settings *s, const char *type,
			  struct err *e);
void feed_close(struct feed *f);

/* Publishes n jobs and waits until the broker has confirmed all. */
MUST_CHECK bool feed_publish(struct feed *f, int64_t n, struct err *e);

/* Publishes one, and waits only while too many are unconfirmed. */
MUST_CHECK bool feed_send(struct feed *f, struct err *e);

/* Hears what comes within so many milliseconds, at least what is there. True: go on. */
MUST_CHECK bool feed_hear(struct feed *f, int timeout_ms, struct err *e);

/* Hears for so long. */
MUST_CHECK bool feed_wait(struct feed *f, int64_t ms, struct err *e);

/* From now on the first n are timed, from publishing to the end: f->us has microseconds, less than
 * zero while it has not come. Before anything is published. */
void feed_time(struct feed *f, int64_t n);

/* Publishes one that is timed, and waits for its end. */
MUST_CHECK bool feed_one(struct feed *f, int64_t timeout_ms, struct err *e);

#endif
