/*
 * ledger_commit: transactions, one after the other. While the server works on one, the ledger does
 * what the one before has caused and fills the next: neither waits for the other longer than it
 * must.
 */
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "engine/aftermath.h"
#include "engine/caller.h"
#include "engine/fault.h"
#include "engine/ledger_parts.h"
#include "engine/outbox.h"
#include "engine/say.h"
#include "engine/stats.h"

enum {
	REFUSED_PAUSE_MS = 200,
	RETRY_PAUSE_MS = 100,
	FILL_MS = 4,	      /* how often what has come is filled in while the server works */
	FILL_FOR_US = 100000, /* of a server that takes longer, nothing is had by looking on */
	PACE_US = 2000,
	PACE_CROWD = 3, /* changes a transaction, from which on it is kept */
};

/* ---- what a commit has caused ---- */

/* Whether a run's id is among the rows that the statement returned; they come in the runs' order,
 * so it is the next one. */
static bool find_admitted(const struct db_result *r, struct run *run, int *next)
{
	int rows = r ? db_rows(r) : 0;

	for (int i = 0; i < rows; i++) {
		int row = (*next + i) % rows;
		struct uuid id = db_uuid(r, row, 0);

		if (!uuid_equal(&id, &run->job.workflow_id))
			continue;
		run->unknown_user = !uuid_is_zero(&run->job.user_id) && db_int(r, row, 1);
		*next = row + 1;
		return true;
	}
	return false;
}

static void mark_admitted(struct ledger_batch *b)
{
	const struct db_result *r = batch_result(b, SQL_ADMIT);
	int next = 0;

	for (int i = 0; i < b->n; i++) {
		struct run *run = b->runs[i];

		if (run->verdict == JOB_GOOD && !run->admitted)
			run->duplicate = !find_admitted(r, run, &next);
	}
}

/* How busy the worker is: of this thread alone, which works through what has gathered. */
static void note_crowd(struct house *house, int n)
{
	double before = atomic_load_explicit(&house->crowd, memory_order_relaxed);

	atomic_store_explicit(&house->crowd, (3 * before + n) / 4, memory_order_relaxed);
}

static void succeeded(struct ledger *l, struct ledger_batch *b)
{
	FAULT_WHEN(b->n, committed);
	mark_admitted(b);
	metric_observe_count(&m_ledger_batch, 0, 0, b->n);
	if (b->n) /* strikes alone tell nothing of how many move */
		note_crowd(l->house, b->n);
	for (int i = 0; i < b->n; i++)
		mail_append(b->runs[i]->duplicate ? &l->duplicates : &l->committed,
			    &b->runs[i]->mail);
}

void ledger_aftermath(struct ledger *l)
{
	struct mail_list events = {0}, calls = {0};
	struct mail *mail;

	while ((mail = mail_shift(&l->committed)))
		aftermath_committed(l->house, mail_of(mail, struct run, mail), &events, &calls);
	/* All at once: the caller is woken once for them, and what the broker gets in one piece
	 * costs it half. */
	caller_send_all(l->house->caller, &calls);
	if (events.head)
		outbox_publish(l->house->outbox, &events);
}

/* ---- filling ---- */

static void drop_events(struct mail_list *events)
{
	struct mail *mail;

	while ((mail = mail_shift(events)))
		event_free(mail_of(mail, struct event, mail));
}

/* Empties it; what its runs come to is somebody else's. */
static void begin(struct ledger *l, struct transaction *t)
{
	drop_events(&t->strikes);
	batch_begin(&t->batch, l->lease);
}

static void lose_runs(struct ledger *l, struct ledger_batch *b)
{
	for (int i = 0; i < b->n; i++)
		aftermath_lost(l->house, b->runs[i]);
}

void ledger_void(struct ledger *l)
{
	lose_runs(l, &l->filling->batch);
	begin(l, l->filling);
}

void ledger_fill(struct ledger *l)
{
	struct transaction *t = l->filling;
	struct mail_list later = {0};
	struct mail *mail;

	/* It was begun in a session that is gone. */
	if (t->batch.lease != l->lease)
		ledger_void(l);
	while (t->batch.n < BATCH_RUNS_MAX && (mail = mail_shift(&l->waiting))) {
		struct run *run = mail_of(mail, struct run, mail);

		if (run->lease != l->lease)
			aftermath_lost(l->house, run);
		else if (run->pass_due)
			mail_append(&l->recalls, mail);
		else if (!batch_add(&t->batch, run))
			mail_append(&later, mail);
	}
	mail_join(&later, &l->waiting);
	l->waiting = later;
	for (mail = l->strikes.head; mail; mail = mail->next)
		batch_strike(&t->batch, mail_of(mail, struct event, mail));
	mail_join(&t->strikes, &l->strikes);
}

bool ledger_has_filled(const struct ledger *l)
{
	return l->filling->batch.n > 0 || l->filling->strikes.head;
}

/* ---- running ---- */

static bool is_locked(const struct err *e)
{
	return strcmp(e->code, "55P03") == 0;
}

/* The server counts from when it has answered; we from when we asked, which is earlier. */
static void keeps_lease(struct ledger *l, int64_t asked_us)
{
	atomic_store(&l->house->lease_until_us, asked_us + l->house->settings->lease_us);
}

/* What can be done while the server works: when it has done, the next is to be at hand, for it is
 * the server that all others wait for. */
static void do_beside(struct ledger *l)
{
	int64_t until = clock_mono_us() + FILL_FOR_US;

	FAULT(sent);
	ledger_aftermath(l);
	do {
		ledger_collect(l);
		ledger_fill(l);
	} while (!db_batch_wait(l->db, FILL_MS) && clock_mono_us() < until);
}

static bool try_batch(struct ledger *l, struct db_batch *b, bool beside, struct err *e)
{
	int64_t asked_us = clock_mono_us();
	bool done;

	if (!db_batch_send(l->db, b, e))
		return false;
	if (beside)
		do_beside(l);
	done = db_batch_finish(l->db, b, e);
	if (done || e->class != ERR_LOST)
		keeps_lease(l, asked_us);
	return done;
}

bool ledger_ask(struct ledger *l, struct err *e)
{
	/* Calls and acks do not wait for an answer that has nothing to do with them. */
	ledger_aftermath(l);
	return try_batch(l, &l->batch.db, false, e);
}

/* Closes the batch and runs it, waiting out what may pass. False: ERR_LOST or ERR_REJECT. */
static bool run_batch(struct ledger *l, struct ledger_batch *b, bool beside, struct err *e)
{
	batch_close(b);
	FAULT_WHEN(b->n, committing);
	while (!try_batch(l, &b->db, beside, e)) {
		/* A row that somebody holds locked is one change's trouble, not the server's. */
		if (e->class != ERR_RETRY || is_locked(e))
			return false;
		/* The server is in trouble as a whole (disk, memory, read-only) or chose us as a
		 * deadlock's victim. */
		log_warn("PostgreSQL cannot commit now", log_err(e), log_str("error.code", e->code),
			 LOG_END);
		house_tick(l->house, THREAD_LEDGER, clock_mono_us());
		if (atomic_load(&l->stop))
			return err_set(e, ERR_LOST, "stopped while PostgreSQL could not commit");
		mailbox_wait(&l->pause, -1, RETRY_PAUSE_MS);
	}
	metric_add(&m_ledger_commits, 0, 0, 1);
	return true;
}

/* ---- what was refused ---- */

/*
 * Even our own words were refused, by a trigger say. The message stays with the broker, or the row
 * is left for anybody to claim, after a pause: it may be mended by then, and until then it must not
 * be a storm. One pause a batch, for there is a lease to keep.
 */
static void set_aside(struct ledger *l, struct run *run, const char *why, bool *paused)
{
	struct err e = {0};

	log_error("PostgreSQL refuses whatever is said to it of a change; it is tried again",
		  SAY_RUN(run), log_str("error.message", why), LOG_END);
	if (!*paused)
		mailbox_wait(&l->pause, -1, REFUSED_PAUSE_MS);
	*paused = true;
	if (run->admitted) {
		batch_begin(&l->batch, l->lease);
		db_put_uuid(batch_column(&l->batch, SQL_LET_GO, 1), &run->job.workflow_id);
		l->batch.step[SQL_LET_GO] = db_batch_add(&l->batch.db, &sql_table[SQL_LET_GO],
							 l->batch.columns[SQL_LET_GO]);
		/* A claim that cannot be given back would keep it from everybody for as long as we
		 * live: it ends with the session. */
		if (!run_batch(l, &l->batch, false, &e))
			ledger_session_lost(l, &e);
	}
	aftermath_lost(l->house, run);
}

/* A grant say, that a trigger lacks (SQLSTATE class 42): that is no value's fault, and no job is to
 * be buried for it. */
static bool is_of_the_schema(const struct err *e)
{
	return strncmp(e->code, "42", 2) == 0;
}

/* A batch was refused: each change alone, so that only the bad one fails. */
static void commit_singly(struct ledger *l, const struct ledger_batch *refused)
{
	bool paused = false;
	struct err e = {0};

	ledger_aftermath(l); /* of the one before: what was not sent had nothing beside it */
	for (int i = 0; i < refused->n; i++) {
		struct run *run = refused->runs[i];

		house_tick(l->house, THREAD_LEDGER, clock_mono_us());
		if (!l->db) {
			aftermath_lost(l->house, run);
			continue;
		}
		batch_begin(&l->batch, l->lease);
		if (!batch_add(&l->batch, run))
			BUG("an empty batch refused a run");
		if (run_batch(l, &l->batch, false, &e)) {
			succeeded(l, &l->batch);
			ledger_aftermath(l);
		} else if (e.class == ERR_LOST) {
			ledger_session_lost(l, &e);
			aftermath_lost(l->house, run);
		} else if (strcmp(e.code, SQL_FENCED) == 0) {
			aftermath_lost(l->house, run);
		} else if (is_locked(&e)) {
			run->not_before_us = clock_mono_us() + LEDGER_LOCK_PAUSE_MS * 1000;
			mail_append(&l->delayed, &run->mail);
		} else if (run->verdict != JOB_GOOD || run->refused || is_of_the_schema(&e)) {
			set_aside(l, run, e.text, &paused);
		} else {
			aftermath_refused(l->house, run, e.text);
		}
	}
}

/*
 * A strike is only ids and cannot have been it; it is repeated, for the transaction is gone. One
 * that was refused all by itself is repeated after a pause, and at the end left: its event is told
 * once more by whoever comes next.
 */
static void keep_strikes(struct ledger *l, struct transaction *t)
{
	if (t->batch.n == 0) {
		mailbox_wait(&l->pause, -1, REFUSED_PAUSE_MS);
		if (atomic_load(&l->stop))
			return;
	}
	mail_join(&l->strikes, &t->strikes);
}

/* ---- a transaction ---- */

/*
 * A small transaction costs the server nearly as much as one of twenty changes. Where several
 * workflows move at once, none begins sooner than PACE_US after the last, and what comes meanwhile
 * is in it: at half of the full load the server has a sixth less to do, and the tail is calmer. One
 * workflow alone waits for nothing, and at full load a transaction takes longer than that.
 */
static void pace(struct ledger *l)
{
	int64_t early_us = l->began_us + PACE_US - clock_mono_us();

	if (early_us > 0 &&
	    atomic_load_explicit(&l->house->crowd, memory_order_relaxed) >= PACE_CROWD) {
		ledger_aftermath(l);
		mailbox_wait(&l->pause, -1, (int)(early_us + 999) / 1000);
		ledger_collect(l);
		ledger_fill(l);
	}
	l->began_us = clock_mono_us();
}

void ledger_run_filled(struct ledger *l)
{
	struct transaction *t = l->filling;
	struct err e = {0};

	pace(l);
	l->filling = &l->transactions[t == &l->transactions[0]];
	if (run_batch(l, &t->batch, true, &e)) {
		succeeded(l, &t->batch);
	} else if (e.class == ERR_LOST || ledger_schema_at_fault(l, &e)) {
		ledger_session_lost(l, &e);
		lose_runs(l, &t->batch);
	} else {
		log_warn("a batch was refused; trying its changes one by one", log_err(&e),
			 log_str("error.code", e.code), LOG_END);
		commit_singly(l, &t->batch);
		keep_strikes(l, t);
	}
	begin(l, t);
}
