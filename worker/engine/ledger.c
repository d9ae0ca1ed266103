/* ledger: the thread. Its commits: ledger_commit.c; the session: ledger_session.c; jobs that were
 * there already: duplicates.c; replies that were given back: recall.c; what is claimed from dead
 * workers: rescue.c. */
#include "engine/ledger.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/aftermath.h"
#include "engine/fault.h"
#include "engine/intake.h"
#include "engine/ledger_parts.h"
#include "engine/pool.h"

enum { IDLE_MAX_MS = 1000 };

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

void ledger_collect(struct ledger *l)
{
	struct mail_list runs = mailbox_take(&l->inbox), strikes = mailbox_take(&l->strike_box),
			 lookups = mailbox_take(&l->lookup_box);

	mail_join(&l->waiting, &runs);
	mail_join(&l->strikes, &strikes);
	mail_join(&l->lookups, &lookups);
}

static void drop_events(struct mail_list *events)
{
	struct mail *mail;

	while ((mail = mail_shift(events)))
		event_free(mail_of(mail, struct event, mail));
}

/* Without a session everything is void. */
static void drop_all(struct ledger *l)
{
	struct mail *mail;

	ledger_aftermath(l);
	ledger_void(l);
	while ((mail = mail_shift(&l->waiting)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	while ((mail = mail_shift(&l->delayed)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	while ((mail = mail_shift(&l->duplicates)))
		aftermath_lost(l->house, mail_of(mail, struct run, mail));
	while ((mail = mail_shift(&l->recalls)))
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

	if (l->waiting.head || l->strikes.head || ledger_has_filled(l) || l->duplicates.head ||
	    l->lookups.head || l->recalls.head)
		wait_ms = 0;
	if (l->delayed.head && wait_ms > LEDGER_LOCK_PAUSE_MS)
		wait_ms = LEDGER_LOCK_PAUSE_MS;
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

/* One transaction of what waits. With the next at hand, its aftermath is left for while the server
 * works on that. */
static void commit(struct ledger *l)
{
	ledger_fill(l);
	if (ledger_has_filled(l))
		ledger_run_filled(l);
	ledger_collect(l);
	if (l->db)
		ledger_fill(l);
	if (!ledger_has_filled(l))
		ledger_aftermath(l);
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
		ledger_collect(l);
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
		if (l->db && l->recalls.head)
			recall_replies(l);
		if (l->db)
			db_take_notes(l->db, on_notify, l);
		if (l->db)
			rescue_pardons(l);
		if (l->db && clock_mono_us() >= l->rescue_at_us)
			rescue_orphans(l);
	}
	ledger_collect(l);
	while (l->db && (l->waiting.head || l->strikes.head || ledger_has_filled(l)))
		commit(l);
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
	for (int i = 0; i < 2; i++)
		batch_init(&l->transactions[i].batch);
	l->filling = &l->transactions[0];
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
	for (int i = 0; i < 2; i++)
		batch_release(&l->transactions[i].batch);
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
