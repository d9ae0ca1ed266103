/* rescue: what the ledger reads. Workflows and events of dead workers, and jobs that were there
 * already. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "engine/aftermath.h"
#include "engine/fault.h"
#include "engine/ledger_parts.h"
#include "engine/outbox.h"
#include "engine/pool.h"
#include "engine/say.h"
#include "engine/stats.h"

enum { CLAIM_MAX = 256, EVENTS_MAX = 500, DEAD_MAX = 64, MORE_MS = 20 };

/* ---- one statement after another ---- */

static void begin(struct ledger *l)
{
	batch_begin(&l->batch, l->lease);
}

static void add(struct ledger *l, enum sql_id id)
{
	l->batch.step[id] = db_batch_add(&l->batch.db, &sql_table[id], l->batch.columns[id]);
}

/* False: the session is gone, or (a bug of ours) a statement was refused; both are told and the
 * round is over. */
static bool go(struct ledger *l)
{
	struct err e = {0};

	if (ledger_try_batch(l, &e))
		return true;
	if (e.class == ERR_LOST)
		ledger_session_lost(l, &e);
	else
		log_error("PostgreSQL refused a statement of the rescue", log_err(&e),
			  log_str("error.code", e.code), LOG_END);
	return false;
}

/* ---- events ---- */

static char *copy(const struct db_result *r, int row, int col)
{
	return db_is_null(r, row, col) ? NULL
				       : xstrndup(db_text(r, row, col), db_length(r, row, col));
}

/* An event of a type ("TYPE.KIND") that this version knows, without ids and body; else NULL. */
static struct event *event_of_type(const char *text)
{
	const char *dot = strrchr(text, '.');
	struct event *event;
	enum event_kind kind;

	if (!dot || !event_kind_from_name(dot + 1, &kind))
		return NULL;
	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		size_t n = strlen(workflow_types[i]);

		if (n != (size_t)(dot - text) || strncmp(text, workflow_types[i], n) != 0)
			continue;
		event = xcalloc(1, sizeof(*event));
		event->type = workflow_types[i];
		event->kind = kind;
		return event;
	}
	return NULL;
}

/* Columns: event_id, workflow_id, event_type, reply_to, correlation_id, body. */
static struct event *event_from_row(struct ledger *l, const struct db_result *r, int row)
{
	struct event *event = db_is_null(r, row, 5) ? NULL : event_of_type(db_text(r, row, 2));

	if (!event)
		return NULL;
	event->id = db_uuid(r, row, 0);
	event->workflow_id = db_uuid(r, row, 1);
	event->reply_to = copy(r, row, 3);
	event->correlation_id = copy(r, row, 4);
	event->body = copy(r, row, 5);
	event->len = db_length(r, row, 5);
	event->stored = true;
	event->lease = l->lease;
	return event;
}

static void publish_rows(struct ledger *l, const struct db_result *r)
{
	struct mail_list events = {0}, later = {0};

	for (int i = 0; r && i < db_rows(r); i++) {
		struct event *event = event_from_row(l, r, i);

		/* Rows come in no order, and a start is to be told before its end. */
		if (event)
			mail_append(event->kind == EVENT_STARTED ? &events : &later, &event->mail);
		else
			log_error("an event in the outbox cannot be read",
				  log_str("event.type", db_text(r, i, 2)), LOG_END);
	}
	mail_join(&events, &later);
	if (events.head)
		outbox_publish(l->house->outbox, &events);
}

/* ---- jobs that were there already ---- */

static void conflict(struct run *run, const char *why)
{
	run->duplicate = false; /* it is judged: what follows is a refusal like any other */
	run->verdict = JOB_IDEMPOTENCY_CONFLICT;
	run->verdict_text = xstrdup(why);
}

/* Columns: workflow_id, digest and terminal_event_id of the job with this key; whether our own id
 * is taken; type and text of the terminal event. */
static bool judge(struct ledger *l, struct run *run, const struct db_result *r, int row, bool *tell)
{
	bool same_key = !db_is_null(r, row, 0);

	*tell = false;
	if (same_key && db_length(r, row, 1) == DIGEST_SIZE &&
	    memcmp(db_text(r, row, 1), run->job.digest, DIGEST_SIZE) == 0) {
		*tell = !db_is_null(r, row, 2);
		return true;
	}
	if (same_key)
		conflict(run, "an earlier job of this type has the same idempotency key and "
			      "another body; give a new job a new key");
	else if (db_int(r, row, 3))
		conflict(run,
			 "the X-Workflow-ID is another workflow's; give each job an id of its own");
	else
		run->duplicate = false; /* what it collided with is gone again: it is admitted like
					   any other */
	mail_append(&l->waiting, &run->mail);
	return false;
}

/* Each who sends an ended job again gets the answer, whoever else has asked for it. */
static void reply_to(struct ledger *l, const struct run *run, const struct db_result *r, int row,
		     struct mail_list *replies)
{
	struct event *event;

	if (!run->job.reply_to || db_is_null(r, row, 4) || db_is_null(r, row, 5))
		return;
	event = event_of_type(db_text(r, row, 4));
	if (!event)
		return;
	event->id = db_uuid(r, row, 2);
	event->workflow_id = db_uuid(r, row, 0);
	event->reply_to = xstrdup(run->job.reply_to);
	event->correlation_id = run->job.correlation_id ? xstrdup(run->job.correlation_id) : NULL;
	event->body = copy(r, row, 5);
	event->len = db_length(r, row, 5);
	event->reply_only = true;
	event->lease = l->lease;
	mail_append(replies, &event->mail);
}

static bool find_duplicates(struct ledger *l)
{
	struct db_column *c = l->batch.columns[SQL_FIND_DUPLICATES];

	begin(l);
	for (struct mail *mail = l->duplicates.head; mail; mail = mail->next) {
		const struct job *job = &mail_of(mail, struct run, mail)->job;

		db_put_text(&c[1], job->workflow->type);
		db_put_text(&c[2], job->key);
		db_put_uuid(&c[3], &job->workflow_id);
	}
	add(l, SQL_FIND_DUPLICATES);
	return go(l);
}

void rescue_duplicates(struct ledger *l)
{
	struct mail_list known = {0}, replies = {0}, list;
	struct db_column *c = l->batch.columns[SQL_TELL_AGAIN];
	struct db_batch found;
	struct mail *mail;
	bool tell;
	int row = 0;

	if (!find_duplicates(l))
		return;
	/* The answer is read while the next statement is put together. */
	found = l->batch.db;
	db_batch_init(&l->batch.db);
	begin(l);
	list = l->duplicates;
	l->duplicates = (struct mail_list){0};
	while ((mail = mail_shift(&list))) {
		struct run *run = mail_of(mail, struct run, mail);
		struct uuid id = db_uuid(found.step[0].result, row, 0);

		if (judge(l, run, found.step[0].result, row++, &tell)) {
			mail_append(&known, mail);
			if (tell) {
				db_put_uuid(&c[1], &id);
				reply_to(l, run, found.step[0].result, row - 1, &replies);
			}
		}
	}
	db_batch_clear(&found);
	if (c[1].n) {
		db_put_time(&c[2], clock_wall_us());
		add(l, SQL_TELL_AGAIN);
		if (!go(l)) {
			while ((mail = mail_shift(&replies)))
				event_free(mail_of(mail, struct event, mail));
			while ((mail = mail_shift(&known)))
				aftermath_lost(l->house, mail_of(mail, struct run, mail));
			return;
		}
		publish_rows(l, batch_result(&l->batch, SQL_TELL_AGAIN));
	}
	if (replies.head)
		outbox_publish(l->house->outbox, &replies);
	while ((mail = mail_shift(&known)))
		aftermath_duplicate(l->house, mail_of(mail, struct run, mail));
}

/* ---- what workflows ask of our own tables ---- */

/* A call's name is "topic_UUID"; columns: the answer as JSON. */
void rescue_lookups(struct ledger *l)
{
	const struct db_result *r;
	struct mail *mail;
	struct uuid id;
	int row = 0;

	begin(l);
	for (mail = l->lookups.head; mail; mail = mail->next) {
		const char *name = mail_of(mail, struct call, mail)->name;

		if (!uuid_from_text(&id, name + strlen("topic_")))
			BUG("a look-up named %s", name);
		db_put_uuid(batch_column(&l->batch, SQL_FIND_TOPICS, 1), &id);
	}
	add(l, SQL_FIND_TOPICS);
	if (!go(l))
		return;
	r = batch_result(&l->batch, SQL_FIND_TOPICS);
	while ((mail = mail_shift(&l->lookups))) {
		struct call *call = mail_of(mail, struct call, mail);

		call->answer = (struct answer){
			.kind = ANSWER_CAME,
			.status = 200,
			.retry_after_ms = -1,
			.body = xstrndup(db_text(r, row, 0), db_length(r, row, 0)),
			.len = db_length(r, row, 0),
		};
		row++;
		pool_bring(l->house->pool, call);
	}
}

/* ---- orphans ---- */

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

	begin(l);
	for (struct mail *mail = l->claimed.head; mail; mail = mail->next)
		db_put_uuid(batch_column(&l->batch, SQL_LOAD_CALLS, 1),
			    &mail_of(mail, struct run, mail)->job.workflow_id);
	add(l, SQL_LOAD_CALLS);
	if (!go(l))
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

	begin(l);
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
	add(l, SQL_CLAIM);
	add(l, SQL_CLAIM_EVENTS);
	if (!go(l))
		return false;
	FAULT_WHEN(db_rows(batch_result(&l->batch, SQL_CLAIM)) > 0, rescuing);
	publish_rows(l, batch_result(&l->batch, SQL_CLAIM_EVENTS));
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
	begin(l);
	while ((mail = mail_shift(&list))) {
		struct pardon *pardon = mail_of(mail, struct pardon, mail);

		db_put_uuid(&c[1], &pardon->workflow);
		db_put_int(&c[2], pardon->lease);
		free(pardon);
	}
	add(l, SQL_FORGIVE);
	(void)go(l);
}

static void drop_leases(struct ledger *l, const int64_t *dead, int n_dead)
{
	begin(l);
	for (int i = 0; i < n_dead; i++)
		db_put_int(batch_column(&l->batch, SQL_DROP_LEASES, 1), dead[i]);
	add(l, SQL_DROP_LEASES);
	(void)go(l);
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
	begin(l);
	db_put_int(batch_column(&l->batch, SQL_DEAD_LEASES, 1), LEASE_CLASS);
	put_types(l, batch_column(&l->batch, SQL_DEAD_LEASES, 2));
	add(l, SQL_DEAD_LEASES);
	add(l, SQL_CANCELLED);
	if (!go(l))
		return;
	cancel_asked(l);
	r = batch_result(&l->batch, SQL_DEAD_LEASES);
	for (; n < db_rows(r) && n < DEAD_MAX; n++)
		dead[n] = db_int(r, n, 0);
	if (n == 0)
		return;
	/* The room is taken before it is filled, for intake is filling it at the same time. */
	limit = room(l);
	atomic_fetch_add(&l->house->inflight, limit);
	claimed = claim(l, dead, n, limit);
	atomic_fetch_sub(&l->house->inflight, limit);
	if (claimed && l->db)
		drop_leases(l, dead, n);
}
