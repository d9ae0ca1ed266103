/* ledger: the thread and the commits. The session: ledger_session.c; jobs that were there already:
 * duplicates.c; what is claimed from dead workers: rescue.c. */
#include "engine/ledger.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "engine/aftermath.h"
#include "engine/fault.h"
#include "engine/intake.h"
#include "engine/ledger_parts.h"
#include "engine/outbox.h"
#include "engine/pool.h"
#include "engine/say.h"
#include "engine/stats.h"

enum { LOCK_PAUSE_MS = 300, REFUSED_PAUSE_MS = 200, RETRY_PAUSE_MS = 100, IDLE_MAX_MS = 1000 };

/* ---- commits ---- */

bool ledger_try_batch(struct ledger *l, struct err *e)
{
	/* The server counts from when it has answered; we from when we asked, which is earlier. */
	int64_t asked_us = clock_mono_us();
	bool done = db_batch_run(l->db, &l->batch.db, e);

	if (done || e->class != ERR_LOST)
		atomic_store(&l->house->lease_until_us, asked_us + l->house->settings->lease_us);
	return done;
}

static bool is_locked(const struct err *e)
{
	return strcmp(e->code, "55P03") == 0;
}

/* Closes the batch and runs it, waiting out what may pass. False: ERR_LOST or ERR_REJECT. */
static bool run_batch(struct ledger *l, struct err *e)
{
	batch_close(&l->batch);
	FAULT_WHEN(l->batch.n, committing);
	for (;;) {
		if (ledger_try_batch(l, e)) {
			metric_add(&m_ledger_commits, 0, 0, 1);
			return true;
		}
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
}

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

static void mark_admitted(struct ledger *l)
{
	const struct db_result *r = batch_result(&l->batch, SQL_ADMIT);
	int next = 0;

	for (int i = 0; i < l->batch.n; i++) {
		struct run *run = l->batch.runs[i];

		if (run->verdict == JOB_GOOD && !run->admitted)
			run->duplicate = !find_admitted(r, run, &next);
	}
}

/* How busy the worker is: of this thread alone, which works through what has gathered. */
static void note_crowd(struct house *house, int n)
{
	int before = atomic_load_explicit(&house->crowd, memory_order_relaxed);

	atomic_store_explicit(&house->crowd, (3 * before + n) / 4, memory_order_relaxed);
}

static void batch_succeeded(struct ledger *l)
{
	struct run *runs[BATCH_RUNS_MAX];
	int n = l->batch.n;

	FAULT_WHEN(n, committed);
	mark_admitted(l);
	memcpy(runs, l->batch.runs, sizeof(runs[0]) * (size_t)n);
	metric_observe_count(&m_ledger_batch, 0, 0, n);
	note_crowd(l->house, n);
	for (int i = 0; i < n; i++) {
		if (runs[i]->duplicate)
			mail_append(&l->duplicates, &runs[i]->mail);
		else
			aftermath_committed(l->house, runs[i]);
	}
}

static void lose_batch(struct ledger *l)
{
	for (int i = 0; i < l->batch.n; i++)
		aftermath_lost(l->house, l->batch.runs[i]);
}

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
		if (!run_batch(l, &e))
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
static void commit_singly(struct ledger *l)
{
	struct run *runs[BATCH_RUNS_MAX];
	int n = l->batch.n;
	bool paused = false;
	struct err e = {0};

	memcpy(runs, l->batch.runs, sizeof(runs[0]) * (size_t)n);
	for (int i = 0; i < n; i++) {
		if (!l->db) {
			aftermath_lost(l->house, runs[i]);
			continue;
		}
		batch_begin(&l->batch, l->lease);
		if (!batch_add(&l->batch, runs[i]))
			BUG("an empty batch refused a run");
		if (run_batch(l, &e)) {
			batch_succeeded(l);
		} else if (e.class == ERR_LOST) {
			ledger_session_lost(l, &e);
			aftermath_lost(l->house, runs[i]);
		} else if (strcmp(e.code, SQL_FENCED) == 0) {
			aftermath_lost(l->house, runs[i]);
		} else if (is_locked(&e)) {
			runs[i]->not_before_us = clock_mono_us() + LOCK_PAUSE_MS * 1000;
			mail_append(&l->delayed, &runs[i]->mail);
		} else if (runs[i]->verdict != JOB_GOOD || runs[i]->refused ||
			   is_of_the_schema(&e)) {
			set_aside(l, runs[i], e.text, &paused);
		} else {
			aftermath_refused(l->house, runs[i], e.text);
		}
	}
}

/* Moves runs into the batch; those that must wait for the next one stay on the list. */
static void fill(struct ledger *l)
{
	struct mail_list later = {0};
	struct mail *mail;

	while ((mail = mail_shift(&l->waiting))) {
		struct run *run = mail_of(mail, struct run, mail);

		if (run->lease != l->lease)
			aftermath_lost(l->house, run);
		else if (!batch_add(&l->batch, run))
			mail_append(&later, mail);
		if (l->batch.n == BATCH_RUNS_MAX)
			break;
	}
	mail_join(&later, &l->waiting);
	l->waiting = later;
}

static void fill_strikes(struct ledger *l)
{
	for (struct mail *mail = l->strikes.head; mail; mail = mail->next)
		batch_strike(&l->batch, mail_of(mail, struct event, mail));
}

static void drop_events(struct mail_list *events)
{
	struct mail *mail;

	while ((mail = mail_shift(events)))
		event_free(mail_of(mail, struct event, mail));
}

/*
 * A strike is only ids and cannot have been it; it is repeated, for the transaction is gone. One
 * that was refused all by itself is repeated after a pause, and at the end left: its event is told
 * once more by whoever comes next.
 */
static void keep_strikes(struct ledger *l, bool alone)
{
	if (!alone)
		return;
	mailbox_wait(&l->pause, -1, REFUSED_PAUSE_MS);
	if (atomic_load(&l->stop))
		drop_events(&l->strikes);
}

/* One transaction of what waits. */
static void commit(struct ledger *l)
{
	struct err e = {0};
	bool alone;

	batch_begin(&l->batch, l->lease);
	fill(l);
	fill_strikes(l);
	if (l->batch.n == 0 && !l->strikes.head)
		return;
	if (run_batch(l, &e)) {
		batch_succeeded(l);
	} else if (e.class == ERR_LOST || ledger_schema_at_fault(l, &e)) {
		ledger_session_lost(l, &e);
		lose_batch(l);
	} else {
		log_warn("a batch was refused; trying its changes one by one", log_err(&e),
			 log_str("error.code", e.code), LOG_END);
		alone = l->batch.n == 0;
		commit_singly(l);
		keep_strikes(l, alone);
		return;
	}
	drop_events(&l->strikes);
}

/* ---- the thread ---- */

/* Those whose pause is over go on, before what has just come. When all is let go they wait for no
 * lock any more: their rows are given back as they are. */
static void take_delayed(struct ledger *l)
{
	struct mail_list due = {0}, rest = {0};
	int64_t now = clock_mono_us();
	struct mail *mail;

	while (atomic_load(&l->house->stopping) && (mail = mail_shift(&l->delayed)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	while ((mail = mail_shift(&l->delayed)))
		mail_append(mail_of(mail, struct run, mail)->not_before_us <= now ? &due : &rest,
			    mail);
	l->delayed = rest;
	mail_join(&due, &l->waiting);
	l->waiting = due;
}

static void collect(struct ledger *l)
{
	struct mail_list runs = mailbox_take(&l->inbox), strikes = mailbox_take(&l->strike_box),
			 lookups = mailbox_take(&l->lookup_box);

	mail_join(&l->waiting, &runs);
	mail_join(&l->strikes, &strikes);
	mail_join(&l->lookups, &lookups);
}

/* Without a session everything is void. */
static void drop_all(struct ledger *l)
{
	struct mail *mail;

	while ((mail = mail_shift(&l->waiting)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	while ((mail = mail_shift(&l->delayed)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	while ((mail = mail_shift(&l->duplicates)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	/* Their runs are void: they are brought back to be dropped. */
	while ((mail = mail_shift(&l->lookups)))
		pool_bring(l->house->pool, mail_of(mail, struct call, mail));
	rescue_drop(l);
	drop_events(&l->strikes);
}

/* An operator has retried or cancelled something: it is looked for now and not in a while. */
static void on_notify(void *ctx, const char *channel, const char *payload)
{
	struct ledger *l = ctx;

	l->rescue_at_us = 0;
	(void)channel;
	(void)payload;
}

static void wait_for_work(struct ledger *l)
{
	int64_t now = clock_mono_us(), until = l->db ? l->rescue_at_us : l->retry_at_us;
	int64_t wait_ms = (until - now) / 1000 + 1;
	struct err e = {0};

	if (l->waiting.head || l->strikes.head || l->duplicates.head || l->lookups.head)
		wait_ms = 0;
	if (l->delayed.head && wait_ms > LOCK_PAUSE_MS)
		wait_ms = LOCK_PAUSE_MS;
	if (wait_ms > IDLE_MAX_MS)
		wait_ms = IDLE_MAX_MS;
	/* Readable without being asked: the server says goodbye, or a notification has come. */
	if (mailbox_wait(&l->inbox, l->db ? db_fd(l->db) : -1, wait_ms < 0 ? 0 : (int)wait_ms) &&
	    !db_notified(l->db, on_notify, l, &e))
		ledger_session_lost(l, &e);
}

static void give_back(struct ledger *l)
{
	struct err e = {0};
	char sql[512];

	if (!l->db)
		return;
	batch_begin(&l->batch, l->lease);
	l->batch.step[SQL_RELEASE] =
		db_batch_add(&l->batch.db, &sql_table[SQL_RELEASE], l->batch.columns[SQL_RELEASE]);
	l->batch.step[SQL_RELEASE_EVENTS] = db_batch_add(
		&l->batch.db, &sql_table[SQL_RELEASE_EVENTS], l->batch.columns[SQL_RELEASE_EVENTS]);
	/* A row that somebody else has locked keeps its claim; the lease stays for whoever looks
	 * for it. */
	snprintf(sql, sizeof(sql),
		 "DELETE FROM leases WHERE lease_id = %lld AND NOT EXISTS (SELECT FROM "
		 "workflow_instances WHERE claimed_by = %lld) AND NOT EXISTS (SELECT FROM "
		 "outbox_events WHERE claimed_by = %lld)",
		 (long long)l->lease, (long long)l->lease, (long long)l->lease);
	if (!db_batch_run(l->db, &l->batch.db, &e) || !db_script(l->db, sql, &e))
		log_warn("claims could not be given back; they end with the session", log_err(&e),
			 LOG_END);
	atomic_store(&l->house->lease, 0);
}

static void *ledger_thread(void *arg)
{
	struct ledger *l = arg;

	log_thread_name("ledger");
	house_enter_thread(l->house);
	while (!atomic_load(&l->stop)) {
		int64_t now = clock_mono_us();

		house_tick(l->house, THREAD_LEDGER, now);
		if (!l->db && now >= l->retry_at_us)
			ledger_try_session(l);
		wait_for_work(l);
		collect(l);
		if (!l->db) {
			drop_all(l);
			continue;
		}
		if (l->delayed.head)
			take_delayed(l);
		commit(l);
		if (l->db && l->duplicates.head)
			duplicates_settle(l);
		if (l->db && l->lookups.head)
			lookups_answer(l);
		if (l->db)
			db_take_notes(l->db, on_notify, l);
		if (l->db)
			rescue_pardons(l);
		if (l->db && clock_mono_us() >= l->rescue_at_us)
			rescue_orphans(l);
	}
	collect(l);
	while (l->db && (l->waiting.head || l->strikes.head)) {
		commit(l);
		collect(l);
	}
	drop_all(l);
	FAULT(releasing);
	give_back(l);
	return NULL;
}

/* ---- the interface ---- */

struct ledger *ledger_start(struct house *house, struct err *e)
{
	struct ledger *l = xcalloc(1, sizeof(*l));
	int errnum;

	l->house = house;
	batch_init(&l->batch);
	backoff_init(&l->backoff, 50, 2000);
	rng_seed(&l->rng, 0);
	if (!mailbox_init(&l->inbox, e) || !mailbox_init(&l->strike_box, e) ||
	    !mailbox_init(&l->lookup_box, e) || !mailbox_init(&l->pardons, e) ||
	    !mailbox_init(&l->pause, e))
		return NULL;
	errnum = pthread_create(&l->thread, NULL, ledger_thread, l);
	if (errnum) {
		err_errno(e, ERR_USAGE, errnum, "cannot start the ledger's thread");
		return NULL;
	}
	return l;
}

void ledger_stop(struct ledger *l)
{
	atomic_store(&l->stop, true);
	mailbox_poke(&l->inbox);
	pthread_join(l->thread, NULL);
}

void ledger_free(struct ledger *l)
{
	struct mail_list left;
	struct mail *mail;

	if (!l)
		return;
	left = mailbox_take(&l->inbox);
	while ((mail = mail_shift(&left)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	left = mailbox_take(&l->lookup_box);
	while ((mail = mail_shift(&left)))
		run_unref(mail_of(mail, struct call, mail)->run);
	left = mailbox_take(&l->strike_box);
	drop_events(&left);
	mailbox_destroy(&l->inbox);
	mailbox_destroy(&l->strike_box);
	mailbox_destroy(&l->lookup_box);
	left = mailbox_take(&l->pardons);
	while ((mail = mail_shift(&left)))
		free(mail_of(mail, struct pardon, mail));
	mailbox_destroy(&l->pardons);
	mailbox_destroy(&l->pause);
	batch_release(&l->batch);
	db_close(l->db);
	free(l);
}

void ledger_commit(struct ledger *l, struct run *run)
{
	mailbox_post(&l->inbox, &run->mail);
}

void ledger_strike(struct ledger *l, struct mail_list *events)
{
	mailbox_post_list(&l->strike_box, events);
	mailbox_poke(&l->inbox);
}

void ledger_forgive(struct ledger *l, const struct uuid *workflow, int64_t lease)
{
	struct pardon *pardon = xcalloc(1, sizeof(*pardon));

	pardon->workflow = *workflow;
	pardon->lease = lease;
	mailbox_post(&l->pardons, &pardon->mail);
}

void ledger_look_up(struct ledger *l, struct call *call)
{
	mailbox_post(&l->lookup_box, &call->mail);
	mailbox_poke(&l->inbox);
}
