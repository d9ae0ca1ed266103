/*
 * suspects: messages that have been delivered before, several times, and that nobody has committed
 * or refused. One of them may be why: a job that kills whoever reads it, before there is a row that
 * could count. The others came along with it and went down with it.
 *
 * So they are read one at a time, each when the one before is settled, in a random order: the
 * innocent get out, and what is left alone is refused when it has been delivered often enough
 * (CPOA_MAX_CLAIMS, work.c). Intake's thread alone.
 */
#ifndef ENGINE_SUSPECTS_H
#define ENGINE_SUSPECTS_H

#include "cpoa/backoff.h"

#include "engine/house.h"

enum { SUSPECTS_QUIET_MS = 50 };

struct suspects {
	struct mail_list waiting; /* struct run, unread */
	int n;
	uint64_t reading;   /* the tag of the one that is with the pool; 0: none is */
	int64_t read_at_us; /* not before: more may be coming */
	struct rng rng;
};

/* How often a message was delivered before, as its queue counts (x-delivery-count); handing it back
 * counts as well. Any thread. */
long message_deliveries(const struct mq_message *m);

/* So many are one too many: it is refused unread. */
long deliveries_max(const struct house *house);

/* Whether a message is to be read alone. */
bool is_suspect(const struct mq_message *m);

/* Whether it is to be kept by a worker that is full. Handing back counts as a delivery too, and a
 * full worker must not use up the lives of whoever stands behind its work. */
bool is_worn(const struct house *house, const struct mq_message *m);

/* The run of one; handed over. */
void suspects_add(struct suspects *s, struct run *run);

/* A message of this connection is settled. */
void suspects_settled(struct suspects *s, uint64_t tag);

/* Reads the next one if none is being read and there is room beside those that wait; the first only
 * when no more have come for SUSPECTS_QUIET_MS, or the first of a queue would be read first in each
 * life. */
void suspects_turn(struct suspects *s, struct house *house);

/* Whether there is one that waits, or is being read. */
static inline bool suspects_any(const struct suspects *s)
{
	return s->n || s->reading;
}

/* Hands back all that wait, or forgets them when their connection is gone. */
void suspects_drop(struct suspects *s, struct house *house);

#endif
