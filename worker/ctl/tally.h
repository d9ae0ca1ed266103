/*
 * tally: which jobs of a load were sent, how they ended, and how long that took. Pure.
 *
 * A job's time runs from when it was to be sent, not from when it was: a load generator that falls
 * behind, or is held up by what it measures, must not hide that (coordinated omission).
 *
 * The workflow ids of a load bear a random mark and the job's number, so that an event finds its
 * job without a search.
 */
#ifndef CTL_TALLY_H
#define CTL_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/uuid.h"

enum tally_end {
	TALLY_OPEN, /* nothing was heard of it */
	TALLY_COMPLETED,
	TALLY_WITH_ERRORS,
	TALLY_FAILED,
	TALLY_CANCELLED,
	TALLY_ENDS
};

struct tally_job {
	int64_t wanted_us, took_us;
	uint8_t type, end;
};

struct tally {
	struct tally_job *job;
	int64_t n, room;
	int64_t ended;
	struct uuid mark;
};

/* For at most `room` jobs. */
void tally_init(struct tally *t, int64_t room, const struct uuid *mark);
void tally_release(struct tally *t);

/* One more was sent; its workflow's id. */
struct uuid tally_sent(struct tally *t, int type, int64_t wanted_us);

/* A job has ended; false: it is none of this load, or had ended before. */
bool tally_ended(struct tally *t, const struct uuid *id, enum tally_end end, int64_t now_us);

/* Of those of a type (-1: all): how they ended, and the times of those that did (by nearest rank).
 */
struct tally_sum {
	int64_t sent, end[TALLY_ENDS];
	int64_t p50_us, p90_us, p99_us, max_us; /* 0 when none has ended */
};
void tally_sum(const struct tally *t, int type, struct tally_sum *sum);

#endif
