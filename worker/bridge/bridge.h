/*
 * bridge: brings the events of cpoa.events.asf to an ASF that knows nothing of them, by the two
 *HTTP calls that it has always taken (agents.md §2.7, §2.8).
 *
 *	RabbitMQ ─▶ hear ─▶ news ─▶ plan ─▶ ask ─▶ ASF
 *	   ▲                         │ ▲      │
 *	   └────────── ack ──────────┘ └──────┘ answer
 *	PostgreSQL ─▶ rebuild ────────▲
 *
 *	main     signals
 *	bridge   the consuming AMQP connection, the curl multi handle, the plan (plan.h)
 *	rebuild  a PostgreSQL session, while streams are given again; only with rebuild_since_us
 *	admin    nothing: it reads counters
 *
 * An event is acked when all that it has for the ASF was taken or given up, and not before:
 *whatever happens to a bridge, what it had in hand is delivered again, to it or to another. So the
 *ASF may be told something twice, and nothing never. Several bridges may run; order holds within
 *one.
 *
 * Memory is bounded by BRIDGE_PREFETCH events in hand, of each of which only the bodies for the ASF
 * are kept (at most twice NEWS_BODY_MAX).
 *
 * An ASF keeps its streams in memory and forgets them when it is restarted. With rebuild_since_us
 * the streams of that time are given again when the bridge starts, and whenever nobody answered at
 * the ASF and somebody does again; it is asked every BRIDGE_PROBE_MS, so that a restart is noticed
 * also while there is nothing to tell. (One that is over sooner goes unnoticed.)
 */
#ifndef BRIDGE_BRIDGE_H
#define BRIDGE_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/db.h"
#include "cpoa/err.h"
#include "cpoa/mq.h"

enum {
	BRIDGE_PREFETCH = 4000,	     /* events in hand */
	BRIDGE_AT_ONCE = 16,	     /* requests of a kind at once: the ASF is one process */
	BRIDGE_UI_AGE_S = 60,	     /* an older update is given up */
	BRIDGE_UI_LINE = 100,	     /* updates that wait for one client */
	BRIDGE_RETRY_MS = 100,	     /* the pause after a failure, growing to … */
	BRIDGE_RETRY_MAX_MS = 10000, /* … this */
	BRIDGE_LOOK_MAX_MS = 2000,   /* or this, where nobody answers at all */
	BRIDGE_TIMEOUT_MS = 10000,   /* a request */
	BRIDGE_PROBE_MS = 1000,
};

struct bridge;

/* All must outlive the bridge. */
struct bridge_options {
	struct mq_options mq;
	const char *queue;
	/* Declares what is consumed, on each new connection; NULL: it is there. */
	bool (*declare)(struct mq *mq, struct err *e);
	const char *stream_url, *ui_url;
	const char *ca_file;	  /* for https://; NULL or "": the system's */
	int64_t rebuild_since_us; /* 0: never */
	struct db_options db;	  /* for that */
};

/* NULL: ERR_USAGE, the text says why. The servers need not be there. http_global_init first. */
MUST_CHECK struct bridge *bridge_start(const struct bridge_options *o, struct err *e);

/* Takes nothing new, asks nothing new; what is being asked comes to its end. */
void bridge_drain(struct bridge *b);

/* Whether nothing is being asked any more. */
bool bridge_idle(const struct bridge *b);

/* Ends it: what was not acked goes back to the queue. NULL is fine. */
void bridge_stop(struct bridge *b);

/* For probes; any thread. */
bool bridge_alive(const struct bridge *b); /* its thread has come round lately */
bool bridge_consuming(const struct bridge *b);
bool bridge_draining(const struct bridge *b);

#endif
