/*
 * acks: the deliveries of a connection that are not acked yet, in the order in which they came, so
 * that one ack can speak for all before it. Their tags rise by one. Intake's thread alone.
 */
#ifndef ENGINE_ACKS_H
#define ENGINE_ACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "workflows/workflows.h"

enum {
	CONSUMER_DEAD = WORKFLOW_COUNT, /* of the broker's dead letters, behind those of jobs */
	CONSUMERS,
	PREFETCH_MAX = 256, /* deliveries that a consumer may have unacked: enough for one commit */
	ACKS_MAX = 2048,    /* that all may have unacked; a power of two */
};

_Static_assert(ACKS_MAX >= CONSUMERS * PREFETCH_MAX, "there is a place for every window");

struct unacked {
	uint64_t tag;
	int consumer;
	enum { FATE_OPEN, FATE_ACK, FATE_RETURN, FATE_SENT } fate; /* SENT: acked before its turn */
};

/* All zero: there are none. */
struct acks {
	struct unacked ring[ACKS_MAX]; /* from `first` to `next`, by number */
	uint64_t first, next;
	int n[CONSUMERS]; /* of each consumer */
};

/* Their connection is gone: nobody is to be told. */
void acks_forget(struct acks *a);

/* A delivery to that consumer. */
void acks_add(struct acks *a, uint64_t tag, int consumer);

/* The one that was added last goes back to the broker. */
void acks_return_last(struct acks *a);

/* What is to become of one: an ack, or back to the broker. False: there are none at all. */
bool acks_settle(struct acks *a, uint64_t tag, bool ack);

/* How many more the broker may send without an ack, when each consumer that has some may have
 * `prefetch`. */
int acks_open_windows(const struct acks *a, int prefetch);

/*
 * Sends what is settled, in the order of delivery, up to the first that is not; no more than
 * `credit` acks. *held_back: it ended at one that is settled. False: the connection is lost.
 */
MUST_CHECK bool acks_send(struct acks *a, struct mq *mq, int64_t credit, bool *held_back,
			  struct err *e);

/* Acks each that is settled by itself, also behind one that is not. */
MUST_CHECK bool acks_send_singly(struct acks *a, struct mq *mq, struct err *e);

#endif
