/*
 * feed: the world around a worker. Publishes jobs with confirms as a gateway does, and takes the
 * events from the ASF's queue as the ASF does.
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

/* When it happened to a job (clock_mono_us()); 0: not yet. */
struct feed_times {
	int64_t sent_us; /* published */
	int64_t in_us;	 /* confirmed: the broker has it for good, and hands it to a worker */
	int64_t end_us;	 /* its last event has come, which the broker has for good */
};

struct feed {
	struct mq *mq;
	int64_t sent, settled;	     /* all up to number `settled` are confirmed */
	bool confirmed[FEED_WINDOW]; /* of those after it, by number */
	int64_t completed, failed;
	int64_t last_end_us;	  /* wall time at which the last end was heard of */
	const char *type;	  /* of workflow */
	struct feed_times *times; /* of the first `timed`, in order; see feed_time() */
	int64_t timed;
	uint64_t unacked; /* the last delivery, while it is not acked; else 0 */
	int64_t next_ack_ms;
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

/* The first n are to be timed. Before anything is published. */
void feed_time(struct feed *f, int64_t n);

/* Publishes one that is timed, and waits for its end. */
MUST_CHECK bool feed_one(struct feed *f, int64_t timeout_ms, struct err *e);

#endif
