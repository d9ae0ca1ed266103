/*
 * plan: what the bridge sends next, what it gives up, and which event is done with. Pure: no
 * socket, no clock; time is handed in, and a test holds it in its hand.
 *
 * A push is one call to be made on the ASF. Pushes with the same key (a stream's id, a client's id)
 * stand in one line and go one after another, in the order in which they came; lines know nothing
 *of each other, so whatever is stuck holds up its own line alone.
 *
 *	stream  tried again until it is taken, or the ASF says that it will never take it
 *	ui      given up besides when it is too old, when a terminal one of the same workflow stands
 *		behind it in its line, or when its line is too long (the oldest that is not
 *terminal)
 *
 * Each kind has a gate: how many may be asked at once. Where nobody answers at all, one push tries
 * for all, with growing pauses; another failure puts off its own line alone.
 *
 * An event is settled, and may be acked, when all its pushes have ended. A push of a rebuild
 * (what the ASF is given again from PostgreSQL) belongs to no event, gives way to those that do,
 *and is dropped when a newer one of its stream comes.
 *
 * The bridge's thread alone. Times are monotonic, in microseconds.
 */
#ifndef BRIDGE_PLAN_H
#define BRIDGE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/news.h"

enum push_kind { PUSH_STREAM, PUSH_UI, PUSH_KINDS };

/* How a push ends. */
enum push_end {
	END_TAKEN,
	END_REFUSED, /* the ASF will never take it */
	END_TOO_OLD,
	END_SUPERSEDED,
	END_CROWDED_OUT,
	PUSH_ENDS
};

/* What came of asking. */
enum push_answer {
	PUSH_TAKEN,
	PUSH_REFUSED,
	PUSH_LATER,  /* somebody is there, and did not take it */
	PUSH_NOBODY, /* no connection, or only a proxy */
};

struct push {
	const char *key; /* of its line */
	char *body;	 /* to be posted */
	size_t len;
	enum push_kind kind;
	bool rebuild;
	unsigned tries; /* answers that it has had */
	int64_t came_us;
	void *errand; /* the asker's */
};

struct plan_options {
	int64_t ui_age_us;		/* an older ui is given up */
	int line_max;			/* uis in a line */
	int at_once[PUSH_KINDS];	/* asked at the same time */
	int64_t retry_ms, retry_max_ms; /* a line's pauses grow between them */
	int64_t look_max_ms;		/* a gate's, from retry_ms to this */
	uint64_t seed;			/* of the jitter; 0: the kernel's */
	/* A push has ended; it is freed behind this. */
	void (*ended)(void *ctx, const struct push *push, enum push_end end);
	void *ctx;
};

struct plan;

struct plan *plan_new(const struct plan_options *o);
void plan_free(struct plan *plan); /* ends nothing: nobody is told */

/*
 * An event has come, `age_us` old (0 when that is not known), to be acked by `tag`. What it has for
 * the ASF is taken out of *news. One that has nothing is settled at once.
 */
void plan_event(struct plan *plan, uint64_t tag, struct news *news, int64_t age_us, int64_t now_us);

/* The same for a stream that is given again. */
void plan_rebuild(struct plan *plan, struct news *news, int64_t now_us);

/* What is to be asked now, or NULL. It is in the asker's hands until plan_answer or plan_forget. */
struct push *plan_next(struct plan *plan, enum push_kind kind, int64_t now_us);

/* What came of it; the push may be gone afterwards. `retry_after_ms`: the ASF's wish, -1: none. */
void plan_answer(struct plan *plan, struct push *push, enum push_answer answer,
		 int64_t retry_after_ms, int64_t now_us);

/* Gives up what has become too old while it waits. To be called every second or so. */
void plan_sweep(struct plan *plan, int64_t now_us);

/* The tag of an event that is settled now; false: there is none. Each is told once. */
bool plan_settled(struct plan *plan, uint64_t *tag);

/*
 * Drops all pushes of events (their connection is lost: they come again), or all of the rebuild.
 * Nobody is told of them; `cancel` is called first for each that is in the asker's hands.
 */
void plan_forget(struct plan *plan, bool rebuild, void (*cancel)(struct push *push));

/* Whether nobody answers there; and what a look of another kind has found. */
bool plan_gate_down(const struct plan *plan, enum push_kind kind);
void plan_gate_note(struct plan *plan, enum push_kind kind, bool somebody, int64_t now_us);

/* Whether somebody answers streams again, where nobody did; asking takes it back. */
bool plan_came_back(struct plan *plan);

/* How many pushes there are; those of a rebuild are counted apart. */
int plan_pending(const struct plan *plan, enum push_kind kind);
int plan_rebuilding(const struct plan *plan);

/* How long nothing happens by itself, at most `max_ms`. */
int plan_wait_ms(const struct plan *plan, int64_t now_us, int max_ms);

#endif
