/* ledger_parts: what ledger.c and rescue.c share. The ledger's thread alone. */
#ifndef ENGINE_LEDGER_PARTS_H
#define ENGINE_LEDGER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "cpoa/backoff.h"
#include "cpoa/db.h"

#include "engine/ledger.h"
#include "engine/ledger_batch.h"

struct ledger {
	struct house *house;
	pthread_t thread;
	struct mailbox inbox;	   /* struct run */
	struct mailbox strike_box; /* struct event; posting pokes the inbox */
	struct mailbox pause;	   /* never gets mail: to wait on */
	struct mailbox lookup_box; /* struct call; likewise */
	struct mailbox pardons;	   /* struct pardon; taken when there is a session */
	atomic_bool stop;

	struct db *db; /* NULL: no session */
	int64_t lease;
	struct ledger_batch batch;
	struct mail_list waiting;    /* struct run: for the next transaction */
	struct mail_list duplicates; /* struct run: their jobs were there already */
	struct mail_list strikes;    /* struct event */
	struct mail_list lookups;    /* struct call */
	struct mail_list delayed;    /* struct run: a row of theirs is locked by somebody else */
	struct mail_list claimed;    /* struct run: from dead workers, their calls not read yet */
	struct backoff backoff;
	struct rng rng;
	int64_t retry_at_us, rescue_at_us; /* monotonic */
};

/* What was lost with a session while its worker lived. */
struct pardon {
	struct mail mail;
	struct uuid workflow;
	int64_t lease;
};

/* Runs the batch once. What the server answers, good or bad, says that it keeps the lease for as
 * long again. */
MUST_CHECK bool ledger_try_batch(struct ledger *l, struct err *e);

/* Opens a session and takes a lease; if that fails, sets the time of the next try. */
void ledger_try_session(struct ledger *l);

/* The session is gone; everything held under its lease is void. */
void ledger_session_lost(struct ledger *l, const struct err *e);

/* Settles the jobs on l->duplicates: acks them, tells their end again, or finds that they are in
 * conflict. */
void rescue_duplicates(struct ledger *l);

/* Takes back the deaths that were none. */
void rescue_pardons(struct ledger *l);

/* Answers the calls on l->lookups. */
void rescue_lookups(struct ledger *l);

/* Claims what dead workers have left behind, as far as there is room, and sets the next time to
 * look. */
void rescue_orphans(struct ledger *l);

/* Gives up what was claimed and not put to work: its lease is gone. */
void rescue_drop(struct ledger *l);

#endif
