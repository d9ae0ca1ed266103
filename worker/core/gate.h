/*
 * gate: whose turn it is to ask an agent, and who waits for it. One for each agent.
 *
 * A request may go when a place is free (`max` at once), and, if it submits work, the agent's rate
 * (core/rate.h) and its breaker (core/breaker.h) let it. A poll needs a place alone: what it asks
 * for is done already, its pace is the polling interval, and a status page that answers 500 tells
 * of its task, not of the agent (agents.md §2.0). Who must wait waits in order; what holds up
 * submits holds up no poll. The probe of a breaker is the submit with the most attempts left: it is
 * likely to lose one.
 *
 * For how long: for a place and a token as long as it takes, for a breaker as long as its patience
 * lasts (gate_expired).
 *
 * Pure: times are monotonic and passed in. A turn lives inside what asks; nothing is allocated. One
 * thread.
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/breaker.h"
#include "core/rate.h"

/* Zeroed before its first use. */
struct turn {
	/* ---- to be filled in ---- */
	bool poll;
	unsigned failures;   /* attempts that it has lost by now */
	int64_t patience_us; /* with a breaker */
	/* ---- gate's ---- */
	enum { TURN_NONE, TURN_WAITS, TURN_ASKS } place;
	int64_t since_us; /* when it began to wait */
	int64_t held_us;  /* once it asks or has expired: how long of that a breaker kept it */
	unsigned ticket;
	TAILQ_ENTRY(turn) link;
};

TAILQ_HEAD(turns, turn);

struct gate {
	int64_t max; /* requests at once; 0: no limit */
	int64_t asking;
	int64_t waiting;
	struct turns polls, submits;
	struct rate rate;
	struct breaker breaker;
};

/* What keeps a turn waiting. */
enum gate_keeper { KEPT_BY_BREAKER, KEPT_BY_RATE, KEPT_BY_PLACES, GATE_KEEPERS };

void gate_init(struct gate *gate, int64_t max, double per_second,
	       const struct breaker_policy *policy, struct rng *rng);

/* A turn queues up. */
void gate_queue(struct gate *gate, struct turn *turn, int64_t now_us);

/* The next that may ask, and is from now on asking; NULL: nobody. To be called until then whenever
 * something has changed: somebody queued, was done or quit, or gate_look_us() has come. */
struct turn *gate_next(struct gate *gate, int64_t now_us);

/* It has asked. `workflow`: a hash of whose it was. */
void gate_done(struct gate *gate, struct turn *turn, enum health health, uint64_t workflow,
	       int64_t now_us);

/* It goes without an answer, from wherever it is. */
void gate_quit(struct gate *gate, struct turn *turn);

/* One whose patience with the breaker is at an end, taken off the queue; NULL: none. */
struct turn *gate_expired(struct gate *gate, int64_t now_us);

/* When to call gate_expired() and gate_next() even if nothing happens; INT64_MAX: never. */
int64_t gate_look_us(const struct gate *gate, int64_t now_us);

/* Whether there is anything to look after. */
static inline bool gate_is_busy(const struct gate *gate)
{
	return gate->waiting > 0 || gate->breaker.state != BREAKER_CLOSED;
}

/* Why one that has just queued up was not called. */
enum gate_keeper gate_keeper(const struct gate *gate, const struct turn *turn, int64_t now_us);

#endif
