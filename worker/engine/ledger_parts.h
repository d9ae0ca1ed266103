/* ledger_parts: what the files of the ledger share: ledger*.c, duplicates.c, recall.c,
 * rescue.c. The ledger's thread alone. */
#ifndef ENGINE_LEDGER_PARTS_H
#define ENGINE_LEDGER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "cpoa/backoff.h"
#include "cpoa/db.h"

#include "engine/ledger.h"
#include "engine/ledger_batch.h"

/* A row that somebody else holds locked: how long its change is put off. */
enum { LEDGER_LOCK_PAUSE_MS = 300 };

struct transaction {
	struct ledger_batch batch;
	struct mail_list strikes; /* struct event: those in it */
};

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
	struct ledger_batch batch; /* for what is asked, and for changes one by one */
	struct transaction transactions[2], *filling; /* the other is with the server, or empty */
	struct mail_list committed;  /* struct run: what that causes is not done yet */
	struct mail_list waiting;    /* struct run: for the next transaction */
	struct mail_list duplicates; /* struct run: their jobs were there already */
	struct mail_list strikes;    /* struct event */
	struct mail_list lookups;    /* struct call */
	struct mail_list recalls;    /* struct run: replies of theirs are away */
	struct mail_list delayed;    /* struct run: a row of theirs is locked by somebody else */
	struct mail_list claimed;    /* struct run: from dead workers, their calls not read yet */
	struct backoff backoff;
	struct rng rng;
	int64_t retry_at_us, rescue_at_us; /* monotonic */
	int64_t began_us;		   /* the last transaction; monotonic */
};

/* What was lost with a session while its worker lived. */
struct pardon {
	struct mail mail;
	struct uuid workflow;
	int64_t lease;
};

/* Takes what has come in the mailboxes. */
void ledger_collect(struct ledger *l);

/* ---- ledger_commit.c ---- */

/* Moves what waits into the transaction that is being filled, as far as it has room. */
void ledger_fill(struct ledger *l);
bool ledger_has_filled(const struct ledger *l);

/* Runs that transaction. While the server works, what was committed before is let go on, and the
 * next is filled. Its own runs are on l->committed then. */
void ledger_run_filled(struct ledger *l);

/* What was committed goes on: its calls go out, its events are published, its message is acked. */
void ledger_aftermath(struct ledger *l);

/* Lets all go that is being filled: the session is gone. */
void ledger_void(struct ledger *l);

/* Runs l->batch once. What the server answers, good or bad, says that it keeps the lease for as
 * long again. */
MUST_CHECK bool ledger_ask(struct ledger *l, struct err *e);

/* ---- ledger_session.c ---- */

/* Opens a session and takes a lease; if that fails, sets the time of the next try. */
void ledger_try_session(struct ledger *l);

/*
 * Whether the schema is at fault when PostgreSQL has refused something with *e: a grant, a table or
 * a column is missing. Then *e says what, and the session is to be given up: none is opened again
 * until that is mended.
 */
MUST_CHECK bool ledger_schema_at_fault(struct ledger *l, struct err *e);

/* The session is gone; everything held under its lease is void. */
void ledger_session_lost(struct ledger *l, const struct err *e);

/* ---- ledger_read.c: what is read, not committed ---- */

/* A transaction that reads: begin, fill the columns of its statements, add each, go. */
void read_begin(struct ledger *l);
void read_add(struct ledger *l, enum sql_id id);
/* False: the session is gone, or (a bug of ours) a statement was refused; both are told and the
 * round is over. */
bool read_go(struct ledger *l);
/* The same for what is asked again at once if it fails: not without a pause. */
bool read_go_or_pause(struct ledger *l);

/* To be freed; NULL where the row has a null. */
char *cell_copy(const struct db_result *r, int row, int col);

/* An event of a type ("TYPE.KIND") that this version knows, without ids and body; else NULL. */
struct event *event_of_type(const char *text);

/* Hands the outbox events whose rows are this lease's. Columns: event_id, workflow_id, event_type,
 * reply_to, correlation_id, body. */
void events_publish_rows(struct ledger *l, const struct db_result *r);

/* Answers the calls on l->lookups. */
void lookups_answer(struct ledger *l);

/* ---- duplicates.c ---- */

/* Settles the jobs on l->duplicates: acks them, tells their end again, or finds that they are in
 * conflict. */
void duplicates_settle(struct ledger *l);

/* ---- recall.c ---- */

/* Reads what the runs on l->recalls have given back, and hands them to the pool. */
void recall_replies(struct ledger *l);

/* ---- rescue.c ---- */

/* Takes back the deaths that were none. */
void rescue_pardons(struct ledger *l);

/* Claims what dead workers have left behind, as far as there is room, and sets the next time to
 * look. */
void rescue_orphans(struct ledger *l);

/* Gives up what was claimed and not put to work: its lease is gone. */
void rescue_drop(struct ledger *l);

#endif
