/*
 * breaker: leaves an agent alone that only fails, and finds out when it is back.
 *
 *	CLOSED ──a run of failures──▶ OPEN ──its pause is over──▶ HALF_OPEN ──nobody is kept──▶
 *CLOSED ▲                              │ └──────────the probe failed────┘
 *
 * CLOSED: everything may go. It opens when `failures` requests in a row have failed, these lie at
 * least `span_us` apart (the first from the last), and they were of BREAKER_WORKFLOWS workflows: a
 * lone workflow, or a few that fail as they would have anyway, use up their attempts and end as
 * agents.md §5 says. Any success ends the run.
 *
 * OPEN: nothing goes until its pause is over: drawn from the upper half of pause·2^n, at most
 * `pause_max_ms` (cpoa/backoff.h).
 *
 * HALF_OPEN: one request may be out, the probe; each success makes room for one more, so what has
 * waited goes out in ones and twos, then twice as many each time; a failure halves the room, and
 *one where there is room for one alone opens it again. It closes once it keeps nobody
 * (breaker_settle).
 *
 * What went out before it opened has no say any more. Pure: times are monotonic and passed in. One
 * thread.
 */
#ifndef CORE_BREAKER_H
#define CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/backoff.h"

/* The numbers are those of the metric (interface.md §7). */
enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN };

/* From so many workflows the failures of a run must be; fewer where `failures` is less. */
enum { BREAKER_WORKFLOWS = 5 };

struct breaker_policy {
	unsigned failures; /* 0: it never opens */
	int64_t span_us, pause_ms, pause_max_ms;
};

/* What a request has shown of its agent. */
enum health {
	HEALTH_GOOD,  /* it answers */
	HEALTH_BAD,   /* no answer, or an error of its own */
	HEALTH_LATER, /* it asks for less: no failure, but a probe has not succeeded either */
};

struct breaker {
	const struct breaker_policy *policy;
	struct rng *rng;
	enum breaker_state state;
	/* CLOSED: the run of failures, its first one's time, and whose they were: a bit a workflow,
	 * by hash, so that no two bits are one workflow. */
	unsigned run;
	int64_t run_since_us;
	uint64_t run_of;
	/* otherwise */
	int64_t since_us;    /* when it was last closed */
	int64_t until_us;    /* OPEN: the end of its pause */
	unsigned pauses;     /* since a request last succeeded */
	unsigned room, out;  /* HALF_OPEN: how many may be out, and are */
	unsigned generation; /* of tickets: those of an older one went out before it opened */
};

/* Both pointers must outlive it. */
void breaker_init(struct breaker *b, const struct breaker_policy *policy, struct rng *rng);

static inline bool breaker_lets(const struct breaker *b, int64_t now_us)
{
	return b->state == BREAKER_CLOSED ||
	       (b->state == BREAKER_OPEN ? now_us >= b->until_us : b->out < b->room);
}

/* Whether the next request to go is a probe. */
static inline bool breaker_probes(const struct breaker *b)
{
	return b->state == BREAKER_OPEN || (b->state == BREAKER_HALF_OPEN && b->room == 1);
}

/* A request goes out, when it lets: the ticket to come back with, by one of the two below. */
unsigned breaker_send(struct breaker *b);

/* What came of it. `workflow`: a hash of whose it was. */
void breaker_hear(struct breaker *b, unsigned ticket, enum health health, uint64_t workflow,
		  int64_t now_us);

/* Nothing came of it: it was taken back. */
void breaker_unsend(struct breaker *b, unsigned ticket);

/* Nobody waits because of it: half-open, and something has succeeded, it closes. */
void breaker_settle(struct breaker *b);

#endif
