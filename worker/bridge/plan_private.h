/* plan_private: what the files of plan share. Manual: plan.h. */
#ifndef BRIDGE_PLAN_PRIVATE_H
#define BRIDGE_PLAN_PRIVATE_H

#include <sys/queue.h>

#include "cpoa/backoff.h"
#include "cpoa/timers.h"

#include "bridge/plan.h"

enum { BUCKETS = 4096 }; /* a power of two: about as many lines as there may be unacked events */

/* An event whose pushes have not all ended; or, in the list of settled ones, whose have. */
struct receipt {
	uint64_t tag;
	int open;
	STAILQ_ENTRY(receipt) link;
};

/* A push and what the plan knows of it. */
struct entry {
	struct push push; /* first: they are one */
	TAILQ_ENTRY(entry) link;
	struct line *line;
	struct receipt *receipt; /* NULL: of a rebuild */
	char workflow[NEWS_WORKFLOW_SIZE];
	bool terminal, asked;
	int64_t expires_us;
};

TAILQ_HEAD(entries, entry);
TAILQ_HEAD(lines, line);
STAILQ_HEAD(receipts, receipt);

/*
 * The pushes of one key. It is in exactly one state: its head is asked; it is put off (its timer is
 * set); or it stands in its gate's queue.
 */
struct line {
	struct timer timer;
	LIST_ENTRY(line) chain;	 /* its bucket */
	TAILQ_ENTRY(line) queue; /* ready */
	TAILQ_ENTRY(line) all;
	struct lines *in; /* NULL: in no queue */
	enum push_kind kind;
	char *key;
	struct entries entries;
	int n;
	unsigned failures; /* in a row */
};

LIST_HEAD(bucket, line);

struct gate {
	struct lines ready, rebuild; /* those whose head is of a rebuild come second */
	int asking, pending;
	bool down;
	int64_t retry_us;
	struct backoff backoff;
};

struct plan {
	struct plan_options o;
	struct gate gate[PUSH_KINDS];
	struct bucket buckets[BUCKETS];
	struct lines all;
	struct timers timers;
	struct receipts settled;
	struct rng rng;
	int rebuilding;
	bool came_back;
};

/* ---- plan_lines.c ---- */

/* Puts a line where its head belongs; an empty one goes. `first`: before all others. */
void line_place(struct plan *plan, struct line *line, bool first);
void line_unqueue(struct line *line);

/* A push ends; its line is to be placed afterwards. */
void entry_end(struct plan *plan, struct entry *e, enum push_end how);

/* Ends one that has become pointless; whether it had. */
bool entry_give_up(struct plan *plan, struct entry *e, int64_t now_us);

#endif
