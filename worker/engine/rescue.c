/* rescue: what dead workers have left behind, workflows and events. */
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "engine/fault.h"
#include "engine/ledger_parts.h"
#include "engine/pool.h"
#include "engine/say.h"
#include "engine/stats.h"

enum { CLAIM_MAX = 256, EVENTS_MAX = 500, DEAD_MAX = 64, MORE_MS = 20 };

static const char *text_or_null(struct run *run, const struct db_result *r, int row, int col)
{
	return db_is_null(r, row, col) ? NULL : arena_strdup(&run->arena, db_text(r, row, col));
}

/* Columns as SQL_CLAIM returns them. */
static struct run *run_from_row(struct ledger *l, const struct db_result *r, int row)
{
	struct run *run = run_new(&l->house->policy);
	struct job *job = &run->job;
	char *text = xstrndup(db_text(r, row, 2), db_length(r, row, 2));

	arena_own(&run->arena, text, free);
	job->workflow = workflow_by_type(db_text(r, row, 1));
	job->workflow_id = db_uuid(r, row, 0);
	job->text = text;
	job->text_len = db_length(r, row, 2);
	if (!db_is_null(r, row, 3))
		job->user_id = db_uuid(r, row, 3);
	job->key = text_or_null(run, r, row, 4);
	job->reply_to = text_or_null(run, r, row, 6);
	job->correlation_id = text_or_null(run, r, row, 7);
	job->traced = trace_parse(&job->parent, db_is_null(r, row, 8) ? NULL : db_text(r, row, 8));
	job->tracestate = text_or_null(run, r, row, 9);
	run->started_us = db_time(r, row, 5);
	run->taken_us = clock_wall_us();
	run->claims = (int)db_int(r, row, 10);
	run->sequence_base = (unsigned)db_int(r, row, 11);
	run->lease = l->lease;
	run->admitted = run->taken_over = run->from_row = true;
	atomic_init(&run->cancel_wanted, db_int(r, row, 12) != 0);
	return run;
}

/* Columns as SQL_LOAD_CALLS returns them. */
static bool call_from_row(struct run *run, const struct db_result *r, int row)
{
	const struct agent *agent = agent_of_call(db_text(r, row, 4));
	const char *status = db_text(r, row, 12);
	struct call *call = run_restore_call(run, agent, db_text(r, row, 4));

	if (!call)
		return false;
	call->id = db_uuid(r, row, 1);
	call->agent_name = arena_strdup(&run->arena, db_text(r, row, 2));
	call->order = (int)db_int(r, row, 3);
	call->retries = (unsigned)db_int(r, row, 7);
	call->planned_us = db_time(r, row, 8);
	call->landed_us = db_time(r, row, 9);
	call->stage = text_or_null(run, r, row, 11);
	if (!db_is_null(r, row, 10))
		return call_reply_read(call, db_text(r, row, 10), db_length(r, row, 10));
	if (!agent && (strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0))
		call->state = CALL_LANDED;
	else if (agent && !db_is_null(r, row, 5) && !db_is_null(r, row, 6)) {
		call->state = CALL_ACCEPTED;
		call->external_id = xstrdup(db_text(r, row, 5));
		call->status_url = xstrdup(db_text(r, row, 6));
	}
	return true;
}

static struct run *find_run(const struct mail_list *runs, const struct uuid *id)
{
	for (struct mail *mail = runs->head; mail; mail = mail->next) {
		struct run *run = mail_of(mail, struct run, mail);

		if (uuid_equal(&run->job.workflow_id, id))
			return run;
	}
	return NULL;
}

static bool load_calls(struct ledger *l)
{
	const struct db_result *r;

	read_begin(l);
	for (struct mail *mail = l->claimed.head; mail; mail = mail->next)
		db_put_uuid(batch_column(&l->batch, SQL_LOAD_CALLS, 1),
			    &mail_of(mail, struct run, mail)->job.workflow_id);
	read_add(l, SQL_LOAD_CALLS);
	if (!read_go(l))
		return false;
	r = batch_result(&l->batch, SQL_LOAD_CALLS);
	for (int row = 0; row < db_rows(r); row++) {
		struct uuid id = db_uuid(r, row, 0);
		struct run *run = find_run(&l->claimed, &id);

		if (!run || !call_from_row(run, r, row))
			log_error("a call's row cannot be read; it will be made again",
				  log_uuid("workflow.id", &id),
				  run ? say_trace(run) : log_str("trace.id", NULL),
				  log_str("call.name", db_text(r, row, 4)),
				  log_str("cpoa.agent", db_text(r, row, 2)), LOG_END);
	}
	return true;
}

/* What is claimed goes to the pool once its calls are read. False: they could not be; the claims
 * stand, and the next look tries again. */
static bool take_over(struct ledger *l)
{
	struct mail *mail;

	if (l->claimed.head && !load_calls(l))
		return false;
	FAULT_WHEN(l->claimed.head, taken_over);
	while ((mail = mail_shift(&l->claimed))) {
		struct run *run = mail_of(mail, struct run, mail);

		metric_add(&m_rescued, 0, 0, 1);
		log_info("workflow taken over", SAY_RUN(run),
			 log_str("workflow.type", run->job.workflow->type),
			 log_int("cpoa.claims", run->claims), LOG_END);
		pool_put(l->house->pool, run);
	}
	return true;
}

void rescue_drop(struct ledger *l)
{
	struct mail *mail;

	while ((mail = mail_shift(&l->claimed)))
		house_leave(l->house, mail_of(mail, struct run, mail));
}

/*
 * How many may come in: a worker takes no more than it may hold, and leaves the rest to others. A
 * quarter of the room is for new jobs alone: ten thousand workflows that an operator has retried
 * must not hold them up.
 */
static int room(struct ledger *l)
{
	int64_t max = l->house->settings->max_inflight,
		left = max - atomic_load(&l->house->inflight),
		share = max - max / 4 - atomic_load(&l->house->from_rows);

	if (share < left)
		left = share;
	if (atomic_load(&l->house->draining) || left <= 0)
		return 0;
	return left < CLAIM_MAX ? (int)left : CLAIM_MAX;
}

static void put_types(struct ledger *l, struct db_column *c)
{
	for (int i = 0; i < WORKFLOW_COUNT; i++)
		if (l->house->settings->runs[i])
			db_put_text(c, workflow_types[i]);
}

static bool claim(struct ledger *l, const int64_t *dead, int n_dead, int limit)
{
	struct db_column *c = l->batch.columns[SQL_CLAIM], *o = l->batch.columns[SQL_CLAIM_EVENTS];
	const struct db_result *r;
	int n = 0;

	read_begin(l);
	for (int i = 0; i < n_dead; i++) {
		db_put_int(&c[1], dead[i]);
		db_put_int(&o[1], dead[i]);
	}
	db_put_int(&c[2], limit);
	put_types(l, &c[3]);
	db_put_time(&c[4], clock_wall_us());
	db_put_text(&c[5], l->house->worker_name);
	db_put_int(&c[6], l->house->settings->max_claims);
	db_put_int(&o[2], EVENTS_MAX);
	read_add(l, SQL_CLAIM);
	read_add(l, SQL_CLAIM_EVENTS);
	if (!read_go(l))
		return false;
	FAULT_WHEN(db_rows(batch_result(&l->batch, SQL_CLAIM)) > 0, rescuing);
	events_publish_rows(l, batch_result(&l->batch, SQL_CLAIM_EVENTS));
	r = batch_result(&l->batch, SQL_CLAIM);
	for (; n < db_rows(r); n++) {
		struct run *run = run_from_row(l, r, n);

		house_enter(l->house, run);
		atomic_fetch_add(&l->house->from_rows, 1);
		mail_append(&l->claimed, &run->mail);
	}
	if (!take_over(l))
		return false;
	/* There may be more of them: soon again, as long as there is room, but not for each one
	 * that leaves. */
	if (n && n == limit)
		l->rescue_at_us = clock_mono_us() + MORE_MS * 1000;
	return true;
}

void rescue_pardons(struct ledger *l)
{
	struct mail_list list = mailbox_take(&l->pardons);
	struct db_column *c = l->batch.columns[SQL_FORGIVE];
	struct mail *mail;

	if (!list.head)
		return;
	read_begin(l);
	while ((mail = mail_shift(&list))) {
		struct pardon *pardon = mail_of(mail, struct pardon, mail);

		db_put_uuid(&c[1], &pardon->workflow);
		db_put_int(&c[2], pardon->lease);
		free(pardon);
	}
	read_add(l, SQL_FORGIVE);
	(void)read_go(l);
}

static void drop_leases(struct ledger *l, const int64_t *dead, int n_dead)
{
	read_begin(l);
	for (int i = 0; i < n_dead; i++)
		db_put_int(batch_column(&l->batch, SQL_DROP_LEASES, 1), dead[i]);
	read_add(l, SQL_DROP_LEASES);
	(void)read_go(l);
}

/* Those that run here and are to be cancelled. One that has ended meanwhile is not found. */
static void cancel_asked(struct ledger *l)
{
	const struct db_result *r = batch_result(&l->batch, SQL_CANCELLED);

	for (int row = 0; row < db_rows(r); row++) {
		struct uuid id = db_uuid(r, row, 0);

		pool_cancel(l->house->pool, &id, l->lease);
	}
}

/*
 * A session that waits for its worker can outlive it: in the midst of a pipeline no timeout of the
 * server's runs, and where a frozen process or a network that swallows keeps the connection,
 * nothing else ends it; its lease is alive, and its rows are locked. So whoever has been silent for
 * a lease is ended by whoever sees it. He may do so to his own role's sessions, without a grant.
 */
static void end_silent(struct ledger *l, const struct db_result *r)
{
	int64_t lease[DEAD_MAX];
	int n = 0;

	for (; n < db_rows(r) && n < DEAD_MAX; n++) {
		lease[n] = db_int(r, n, 0);
		log_warn("a worker was silent for longer than the lease: its session is ended",
			 log_int("cpoa.lease", lease[n]), log_str("cpoa.worker", db_text(r, n, 1)),
			 LOG_END);
	}
	if (n == 0)
		return;
	read_begin(l);
	db_put_int(batch_column(&l->batch, SQL_END_SESSIONS, 1), LEASE_CLASS);
	for (int i = 0; i < n; i++)
		db_put_int(batch_column(&l->batch, SQL_END_SESSIONS, 2), lease[i]);
	read_add(l, SQL_END_SESSIONS);
	if (read_go(l)) /* what it held is free in a moment */
		l->rescue_at_us = clock_mono_us() + MORE_MS * 1000;
}

/* Asks for all that a look is about, in one round trip. False: there is no answer. */
static bool look(struct ledger *l)
{
	read_begin(l);
	db_put_int(batch_column(&l->batch, SQL_SILENT, 1), LEASE_CLASS);
	db_put_int(batch_column(&l->batch, SQL_SILENT, 2), l->house->settings->lease_us / 1000);
	db_put_int(batch_column(&l->batch, SQL_DEAD_LEASES, 1), LEASE_CLASS);
	put_types(l, batch_column(&l->batch, SQL_DEAD_LEASES, 2));
	read_add(l, SQL_SILENT);
	read_add(l, SQL_DEAD_LEASES);
	read_add(l, SQL_CANCELLED);
	return read_go(l);
}

void rescue_orphans(struct ledger *l)
{
	int64_t dead[DEAD_MAX], interval = l->house->settings->rescue_us;
	const struct db_result *r;
	int n = 0, limit;
	bool claimed;

	/* It is the ping as well: a server that hears nothing from us for a lease ends it. */
	if (interval > l->house->settings->lease_us / 3)
		interval = l->house->settings->lease_us / 3;
	l->rescue_at_us = clock_mono_us() + rng_between(&l->rng, interval / 2, interval);
	if (!take_over(l))
		return;
	if (!look(l))
		return;
	cancel_asked(l);
	r = batch_result(&l->batch, SQL_DEAD_LEASES);
	for (; n < db_rows(r) && n < DEAD_MAX; n++)
		dead[n] = db_int(r, n, 0);
	end_silent(l, batch_result(&l->batch, SQL_SILENT));
	if (n == 0 || !l->db)
		return;
	/* The room is taken before it is filled, for intake is filling it at the same time. */
	limit = room(l);
	atomic_fetch_add(&l->house->inflight, limit);
	claimed = claim(l, dead, n, limit);
	atomic_fetch_sub(&l->house->inflight, limit);
	if (claimed && l->db)
		drop_leases(l, dead, n);
}
