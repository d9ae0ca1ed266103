/* ledger_batch: filling columns. One function a kind of row, beside the statement's columns in
 * sql.c. */
#include "engine/ledger_batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

void batch_init(struct ledger_batch *b)
{
	for (int id = 0; id < SQL_COUNT; id++)
		for (unsigned i = 0; i < sql_table[id].n_params; i++)
			db_column_init(&b->columns[id][i], sql_table[id].types[i]);
	db_batch_init(&b->db);
	b->n = 0;
}

void batch_release(struct ledger_batch *b)
{
	db_batch_clear(&b->db);
	for (int id = 0; id < SQL_COUNT; id++)
		for (unsigned i = 0; i < sql_table[id].n_params; i++)
			db_column_release(&b->columns[id][i]);
}

void batch_begin(struct ledger_batch *b, int64_t lease)
{
	db_batch_clear(&b->db);
	db_batch_init(&b->db);
	b->n = 0;
	b->lease = lease;
	for (int id = 0; id < SQL_COUNT; id++) {
		b->step[id] = -1;
		for (unsigned i = 0; i < sql_table[id].n_params; i++)
			db_column_reset(&b->columns[id][i]);
		db_put_int(&b->columns[id][0], lease);
	}
}

struct db_column *batch_column(struct ledger_batch *b, enum sql_id id, int param)
{
	return &b->columns[id][param];
}

const struct db_result *batch_result(const struct ledger_batch *b, enum sql_id id)
{
	return b->step[id] < 0 ? NULL : b->db.step[b->step[id]].result;
}

/* ---- the rows ---- */

static void put_admit(struct ledger_batch *b, const struct run *run)
{
	struct db_column *c = b->columns[SQL_ADMIT];
	const struct job *job = &run->job;
	char parent[TRACE_PARENT_SIZE];

	if (job->traced)
		trace_text(&job->parent, parent);
	db_put_uuid(&c[1], &job->workflow_id);
	db_put_uuid(&c[2], uuid_is_zero(&job->user_id) ? NULL : &job->user_id);
	db_put_text(&c[3], job->workflow->type);
	db_put_bytes(&c[4], job->text, job->text_len);
	db_put_time(&c[5], run->started_us);
	db_put_text(&c[6], job->key);
	db_put_bytes(&c[7], job->digest, sizeof(job->digest));
	db_put_text(&c[8], job->reply_to);
	db_put_text(&c[9], job->correlation_id);
	db_put_text(&c[10], job->traced ? parent : NULL);
	db_put_text(&c[11], job->tracestate);
}

static const char *task_status(const struct call *call)
{
	if (call->state != CALL_LANDED)
		return "dispatched";
	return call->reply.kind == REPLY_RESULT ? "completed" : "failed";
}

static void put_plan(struct ledger_batch *b, const struct run *run, const struct call *call)
{
	struct db_column *c = b->columns[SQL_PLAN];

	db_put_uuid(&c[1], &run->job.workflow_id);
	db_put_bool(&c[2], !run->admitted);
	db_put_uuid(&c[3], &call->id);
	db_put_text(&c[4], call->agent_name);
	db_put_int(&c[5], call->order);
	db_put_text(&c[6], task_status(call));
	db_put_text(&c[7], call->name);
	db_put_text(&c[8], call->input);
	db_put_text(&c[9], call->summary);
	db_put_time(&c[10], call->planned_us);
	db_put_time(&c[11], call->landed_us);
	db_put_text(&c[12], call->stage);
}

static void put_take(struct ledger_batch *b, const struct run *run, const struct call *call)
{
	struct db_column *c = b->columns[SQL_TAKE];

	db_put_uuid(&c[1], &run->job.workflow_id);
	db_put_uuid(&c[2], &call->id);
	db_put_text(&c[3], call->external_id);
	db_put_text(&c[4], call->status_url);
	db_put_int(&c[5], call->retries);
	db_put_time(&c[6], clock_wall_us());
}

static void put_land(struct ledger_batch *b, const struct run *run, const struct call *call)
{
	struct db_column *c = b->columns[SQL_LAND];
	char *error = call_error_text(call);

	db_put_uuid(&c[1], &run->job.workflow_id);
	db_put_uuid(&c[2], &call->id);
	db_put_text(&c[3], task_status(call));
	db_put_text(&c[4], call->summary);
	db_put_text(&c[5], error);
	call_reply_write(call, db_open_bytes(&c[6]));
	db_close_bytes(&c[6]);
	db_put_int(&c[7], call->retries);
	db_put_time(&c[8], call->landed_us);
	free(error);
}

static void put_stage(struct ledger_batch *b, const struct run *run, const struct save *save)
{
	struct db_column *c = b->columns[SQL_SAVE_STAGE];
	struct uuid podcast;

	if (!uuid_from_text(&podcast, run->job.task_id))
		BUG("a podcast whose task_id is no UUID");
	db_put_uuid(&c[1], &run->job.workflow_id);
	db_put_bool(&c[2], !run->admitted);
	db_put_uuid(&c[3], &podcast);
	db_put_text(&c[4], save->text);
}

static void put_save(struct ledger_batch *b, const struct run *run, const struct save *save)
{
	static const enum sql_id statement[SAVE_KINDS] = {
		[SAVE_PODCAST] = SQL_SAVE_PODCAST,
		[SAVE_SNIPPET] = SQL_SAVE_SNIPPET,
	};
	struct db_column *c = b->columns[statement[save->kind]];

	db_put_uuid(&c[1], &run->job.workflow_id);
	db_put_bool(&c[2], !run->admitted);
	db_put_text(&c[3], save->text);
}

static void put_tell(struct ledger_batch *b, const struct run *run, const struct event *event)
{
	struct db_column *c = b->columns[SQL_TELL];
	char type[EVENT_KEY_SIZE];

	event_key(event, type);
	db_put_uuid(&c[1], &run->job.workflow_id);
	db_put_bool(&c[2], !run->admitted);
	db_put_uuid(&c[3], &event->id);
	db_put_text(&c[4], type);
	/* The terminal event stands in the workflow's row, where it stays when this row goes. */
	if (event == run->change.terminal)
		db_put_null(&c[5]);
	else
		db_put_bytes(&c[5], event->body, event->len);
	db_put_text(&c[6], event->reply_to);
	db_put_text(&c[7], event->correlation_id);
}

static void put_finish(struct ledger_batch *b, const struct run *run)
{
	struct db_column *c = b->columns[SQL_FINISH];
	const struct change *change = &run->change;
	char type[EVENT_KEY_SIZE];

	event_key(change->terminal, type);
	db_put_uuid(&c[1], &run->job.workflow_id);
	db_put_bool(&c[2], !run->admitted);
	db_put_text(&c[3], run_status_name(change->status));
	db_put_time(&c[4], run->now_us);
	db_put_text(&c[5], change->context);
	db_put_text(&c[6], change->error);
	db_put_uuid(&c[7], &change->terminal->id);
	db_put_text(&c[8], type);
	db_put_bytes(&c[9], change->terminal->body, change->terminal->len);
	db_put_int(&c[10], change->sequence);
}

/* ---- dead letters ---- */

/* Of what a sender wrote, only what can be stored: a dead letter must never be refused itself. */
static void set_clean(struct json_object *o, const char *key, const char *value)
{
	if (value && utf8_ok(value, strlen(value)))
		json_set_str(o, key, value);
	else if (value)
		json_set_str(o, key, "(not UTF-8)");
}

static void put_message(struct db_column *c, const struct mq_message *m)
{
	struct json_object *properties = json_object_new_object(),
			   *headers = json_object_new_object();
	char *text;

	set_clean(properties, "content_type", m->content_type);
	set_clean(properties, "message_id", m->message_id);
	set_clean(properties, "correlation_id", m->correlation_id);
	set_clean(properties, "reply_to", m->reply_to);
	set_clean(properties, "type", m->type);
	set_clean(properties, "app_id", m->app_id);
	json_set_num(properties, "delivery_mode", m->delivery_mode);
	/* What is not whole here must not go out again as if it were. */
	if (m->body_size > m->body_len)
		json_set_num(properties, "body_size", (int64_t)m->body_size);
	if (m->headers_cut)
		json_set_num(properties, "headers_cut", 1);
	for (size_t i = 0; i < m->n_headers; i++)
		if (utf8_ok(m->headers[i].name, strlen(m->headers[i].name)))
			set_clean(headers, m->headers[i].name, m->headers[i].value);
	text = json_text(properties, NULL);
	db_put_text(&c[10], text);
	free(text);
	text = json_text(headers, NULL);
	db_put_text(&c[11], text);
	free(text);
	json_put(&properties);
	json_put(&headers);
}

static const char *clean(const char *s)
{
	return s && utf8_ok(s, strlen(s)) ? s : NULL;
}

/*
 * What a refused message is known by: delivered again after a crash between commit and ack, it is
 * the same dead letter. A digest, for what a sender wrote may be fit for no column.
 */
enum { FINGERPRINT_SIZE = DIGEST_TEXT_SIZE + 8 };

static void message_fingerprint(const struct mq_message *m, char out[FINGERPRINT_SIZE])
{
	uint8_t all[3 * DIGEST_SIZE];
	const char *key = m->routing_key ? m->routing_key : "",
		   *id = m->message_id ? m->message_id : "";

	digest(m->body, m->body_len, all);
	digest(key, strlen(key), all + DIGEST_SIZE);
	digest(id, strlen(id), all + 2 * DIGEST_SIZE);
	digest(all, sizeof(all), all);
	snprintf(out, FINGERPRINT_SIZE, "message:");
	digest_text(all, out + strlen(out));
}

static void put_refusal(struct ledger_batch *b, const struct run *run)
{
	struct db_column *c = b->columns[SQL_BURY];
	const struct mq_message *m = run->message;
	char fingerprint[FINGERPRINT_SIZE];

	message_fingerprint(m, fingerprint);
	db_put_text(&c[1], fingerprint);
	db_put_text(&c[2], job_reason(run->verdict));
	db_put_text(&c[3], run->verdict_text);
	db_put_text(&c[4], run->job.workflow ? run->job.workflow->type : clean(m->routing_key));
	db_put_uuid(&c[5], NULL);
	db_put_text(&c[6], clean(m->message_id));
	db_put_text(&c[7], clean(m->exchange));
	db_put_text(&c[8], clean(m->routing_key));
	db_put_bytes(&c[9], m->body, m->body_len);
	put_message(c, m);
	db_put_time(&c[12], clock_wall_us());
	db_put_bool(&c[13], false);
}

static void put_failure(struct ledger_batch *b, const struct run *run)
{
	struct db_column *c = b->columns[SQL_BURY];
	char fingerprint[UUID_TEXT_SIZE + 16] = "workflow:";

	uuid_to_text(&run->job.workflow_id, fingerprint + strlen(fingerprint));
	db_put_text(&c[1], fingerprint);
	db_put_text(&c[2], run->change.reason);
	db_put_text(&c[3], run->change.error);
	db_put_text(&c[4], run->job.workflow->type);
	db_put_uuid(&c[5], &run->job.workflow_id);
	db_put_null(&c[6]);
	db_put_text(&c[7], "cpoa.jobs");
	db_put_text(&c[8], run->job.workflow->type);
	db_put_bytes(&c[9], run->job.text, run->job.text_len);
	db_put_null(&c[10]);
	db_put_null(&c[11]);
	db_put_time(&c[12], run->now_us);
	db_put_bool(&c[13], !run->admitted);
}

/* ---- a run ---- */

static uint64_t job_hash(const struct run *run)
{
	uint64_t h = 1469598103934665603U + run->job.workflow->index;

	for (const char *p = run->job.key; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211U;
	return h ? h : 1;
}

/*
 * Whether the batch has a change of this job or workflow already. Jobs in one batch must differ,
 * for the statement that admits them tells its rows apart by id; a job that came with an id of its
 * own may collide with any run.
 */
static bool collides(const struct ledger_batch *b, const struct run *run, uint64_t hash)
{
	for (int i = 0; i < b->n; i++) {
		const struct run *other = b->runs[i];

		if (hash && b->job_hash[i] == hash)
			return true;
		if ((run->job.workflow_id_given || other->job.workflow_id_given) &&
		    uuid_equal(&run->job.workflow_id, &other->job.workflow_id))
			return true;
	}
	return false;
}

bool batch_add(struct ledger_batch *b, struct run *run)
{
	uint64_t hash = run->verdict == JOB_GOOD && !run->admitted ? job_hash(run) : 0;

	if (b->n == BATCH_RUNS_MAX || collides(b, run, hash))
		return false;
	b->job_hash[b->n] = hash;
	b->runs[b->n++] = run;
	if (run->verdict != JOB_GOOD) {
		put_refusal(b, run);
		return true;
	}
	if (run->admitted)
		db_put_uuid(&b->columns[SQL_GUARD][1], &run->job.workflow_id);
	else
		put_admit(b, run);
	for (const struct call *call = run->calls; call; call = call->next) {
		if (call->news & CALL_NEW)
			put_plan(b, run, call);
		else if (call->news & CALL_ENDED)
			put_land(b, run, call);
		else if (call->news & CALL_TAKEN)
			put_take(b, run, call);
	}
	for (const struct save *save = run->change.saves; save; save = save->next) {
		if (save->kind == SAVE_STAGE)
			put_stage(b, run, save);
		else
			put_save(b, run, save);
	}
	for (struct mail *mail = run->change.events.head; mail; mail = mail->next)
		put_tell(b, run, mail_of(mail, struct event, mail));
	if (run->change.ended)
		put_finish(b, run);
	if (run->change.ended && run->change.reason)
		put_failure(b, run);
	return true;
}

void batch_strike(struct ledger_batch *b, const struct event *event)
{
	db_put_uuid(&b->columns[SQL_STRIKE][1], &event->id);
}

void batch_close(struct ledger_batch *b)
{
	/* FINISH gives a claim up, so BURY, which needs it, comes before it although the table
	 * names it later. */
	static const enum sql_id order[] = {
		SQL_GUARD,	  SQL_ADMIT,	    SQL_PLAN, SQL_TAKE, SQL_LAND,   SQL_SAVE_STAGE,
		SQL_SAVE_PODCAST, SQL_SAVE_SNIPPET, SQL_TELL, SQL_BURY, SQL_FINISH, SQL_STRIKE};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		enum sql_id id = order[i];

		if (!b->columns[id][1].n)
			continue;
		if (id == SQL_SAVE_PODCAST || id == SQL_SAVE_SNIPPET)
			db_put_time(&b->columns[id][4], clock_wall_us());
		if (id == SQL_SAVE_STAGE)
			db_put_time(&b->columns[id][5], clock_wall_us());
		if (id == SQL_TELL)
			db_put_time(&b->columns[id][8], clock_wall_us());
		b->step[id] = db_batch_add(&b->db, &sql_table[id], b->columns[id]);
	}
}
