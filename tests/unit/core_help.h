/*
 * core_help: what tests of the pure core share. A world in place of the engine: a policy, two
 * clocks, and the rows that commits leave, from which a run can be taken over. Its driving follows
 * engine/work.c and engine/aftermath.c.
 */
#ifndef TESTS_CORE_HELP_H
#define TESTS_CORE_HELP_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "agents/agents.h"
#include "core/run.h"
#include "workflows/workflows.h"

enum { HELP_ROWS = 8, HELP_EVENTS = 32 };

#define HELP_WORKFLOW "11111111-2222-3333-4444-555555555555"
#define HELP_TASK     "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
#define HELP_JOB      "{\"topic\":\"Bees\",\"task_id\":\"" HELP_TASK "\",\"client_id\":\"room 7\"}"

/* What the agents answer when all is well, and a job that says all that a job can say. */
#define HELP_WEB                                                                           \
	"{\"status\":\"success\",\"content\":\"Bees dance \xE2\x82\xAC\",\"source_urls\":" \
	"[\"http://a\",\"http://b\"],\"message\":\"2 of 2\",\"more\":1}"
#define HELP_SCRIPT \
	"{\"script_id\":\"s1\",\"title\":\"On bees\",\"segments\":[{},{}],\"intro\":\"hi\"}"
#define HELP_AUDIO                                                                          \
	"{\"status\":\"success\",\"message\":\"done\",\"audio_filepath\":\"gs://b/a.mp3\"," \
	"\"stream_id\":\"strm_1\",\"tts_settings_used\":{\"pitch\":1.5}}"
#define HELP_FULL                                                                              \
	"{\"topic\":\"Bees\",\"task_id\":\"" HELP_TASK "\",\"client_id\":\"room 7\","          \
	"\"voice_params\":{\"voice_name\":\"A\",\"audio_encoding\":\"MP3\"},"                  \
	"\"user_preferences\":{\"preferred_vfa_voice_name\":\"B\",\"preferred_vfa_pitch\":-2," \
	"\"preferred_vfa_speaking_rate\":1.25,\"preferred_vfa_language_code\":null,"           \
	"\"preferred_categories\":[\"x\"]},"                                                   \
	"\"test_scenarios\":{\"pswa\":\"llm_error\",\"sca\":\"other\"}}"

/* 2025-06-14T09:30:00.123Z */
static const int64_t help_wall_us = 1749893400123000;

/* What a commit keeps of a call. */
struct help_row {
	struct uuid id;
	char *name, *agent_name, *stage, *key, *input, *summary, *external_id, *status_url, *reply;
	size_t reply_len;
	int order;
	unsigned retries;
	int64_t planned_us, landed_us;
};

struct help_event {
	enum event_kind kind;
	struct uuid id;
	char *body, *reply_to;
	bool stored;
};

struct help_world {
	const char *label; /* told when something is wrong */
	struct policy policy;
	struct rng rng;
	int64_t mono_us, wall_us;

	/* the workflow's row */
	bool admitted;
	struct arena memory;
	struct job job;
	int64_t started_us;
	int ended;
	enum run_status status;
	unsigned sequence;
	char *reason, *context, *error, *terminal;

	/* the others */
	struct help_row rows[HELP_ROWS];
	int n_rows;
	struct help_event events[HELP_EVENTS];
	int n_events;
	char *saves[HELP_EVENTS];
	int n_saves;
	int asked; /* requests that went out */
};

struct help_answer {
	enum answer_kind kind;
	int status;
	const char *body;
	int64_t retry_after_ms;
};

/* ---- JSON ---- */

/* The text of what stands at a JSON pointer, "absent" when nothing does; good until eight further
 * calls. */
static inline const char *help_at(const char *text, const char *pointer)
{
	static char out[8][4096];
	static unsigned turn;
	struct json_object *o = json_tokener_parse(text), *at = NULL;
	bool found = o && json_pointer_get(o, pointer, &at) == 0;

	turn = (turn + 1) % 8;
	snprintf(out[turn], sizeof(out[turn]), "%s",
		 found ? json_object_to_json_string_ext(at, JSON_C_TO_STRING_PLAIN |
								    JSON_C_TO_STRING_NOSLASHESCAPE)
		       : "absent");
	json_object_put(o);
	return out[turn];
}

#define HELP_IS(text, pointer, expected)                                                           \
	cr_assert_str_eq(help_at((text), (pointer)), (expected), "%s is %s and not %s", (pointer), \
			 help_at((text), (pointer)), (expected))

/* ---- the world ---- */

static inline struct help_world help_world(void)
{
	struct help_world w = {.label = "", .mono_us = 1000000000, .wall_us = help_wall_us};

	w.policy = (struct policy){
		.retries = 3,
		.backoff_ms = 500,
		.content_max = 50000,
		.websocket_url = "ws://asf/stream",
	};
	for (int i = 0; i < AGENTS_MAX; i++)
		w.policy.agent[i] = (struct agent_policy){
			.url = "http://agent/",
			.submit_timeout_ms = 30000,
			.get_timeout_ms = 15000,
			.interval_ms = 5000,
			.total_ms = 60000,
		};
	rng_seed(&w.rng, 7);
	arena_init(&w.memory, 1024);
	return w;
}

static inline void help_close(struct help_world *w)
{
	for (int i = 0; i < w->n_rows; i++) {
		struct help_row *r = &w->rows[i];
		char *all[] = {r->name,	   r->agent_name,  r->stage,	  r->key,  r->input,
			       r->summary, r->external_id, r->status_url, r->reply};

		for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++)
			free(all[k]);
	}
	for (int i = 0; i < w->n_events; i++) {
		free(w->events[i].body);
		free(w->events[i].reply_to);
	}
	while (w->n_saves)
		free(w->saves[--w->n_saves]);
	free(w->reason);
	free(w->context);
	free(w->error);
	free(w->terminal);
	arena_release(&w->memory);
}

/* A job as a client sends it; the workflow's id is chosen by the client, so that it is the same
 * each time. */
static inline struct mq_message help_message(const char *body)
{
	static struct mq_header headers[] = {
		{"X-Workflow-ID", HELP_WORKFLOW},
		{"X-Idempotency-Key", "key-1"},
	};

	return (struct mq_message){
		.routing_key = "podcast_generation",
		.content_type = "application/json",
		.message_id = "message-1",
		.headers = headers,
		.n_headers = 2,
		.body = body,
		.body_len = strlen(body),
		.body_size = strlen(body),
	};
}

/* A run with its job read, before its first pass. */
static inline struct run *help_run(struct help_world *w, const struct mq_message *m)
{
	struct run *run = run_new(&w->policy);
	struct err e = {0};

	run->started_us = w->wall_us;
	run->claims = 1;
	run->lease = 5;
	run->verdict = job_read(&run->job, &run->arena, &podcast_generation, m, &run->args, &e);
	cr_assert_eq(run->verdict, JOB_GOOD, "%s: %s", w->label, e.text);
	return run;
}

static inline struct call *help_call(const struct run *run, const char *name)
{
	for (struct call *call = run->calls; call; call = call->next)
		if (strcmp(call->name, name) == 0)
			return call;
	return NULL;
}

static inline struct call *help_out(const struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next)
		if (call->out)
			return call;
	return NULL;
}

/* ---- what a commit keeps ---- */

/* The row's reply. free() it. */
static inline char *help_reply_text(const struct call *call, size_t *len)
{
	struct strbuf sb;

	strbuf_init(&sb, JSON_TEXT_MAX);
	call_reply_write(call, &sb);
	return strbuf_detach(&sb, len);
}

static inline char *help_dup(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static inline void help_keep_string(struct help_world *w, const char **s)
{
	*s = *s ? arena_strdup(&w->memory, *s) : NULL;
}

static inline void help_keep_job(struct help_world *w, const struct run *run)
{
	w->admitted = true;
	w->started_us = run->started_us;
	w->job = run->job;
	help_keep_string(w, &w->job.key);
	help_keep_string(w, &w->job.text);
	help_keep_string(w, &w->job.reply_to);
	help_keep_string(w, &w->job.correlation_id);
	help_keep_string(w, &w->job.tracestate);
	help_keep_string(w, &w->job.client_id);
	help_keep_string(w, &w->job.task_id);
}

static inline struct help_row *help_row(struct help_world *w, const char *name)
{
	for (int i = 0; i < w->n_rows; i++)
		if (strcmp(w->rows[i].name, name) == 0)
			return &w->rows[i];
	return NULL;
}

/* The row of a call that is planned. */
static inline struct help_row help_planned(const struct call *call)
{
	return (struct help_row){
		.id = call->id,
		.name = xstrdup(call->name),
		.agent_name = xstrdup(call->agent_name),
		.stage = help_dup(call->stage),
		.key = xstrdup(call->key),
		.input = help_dup(call->input),
		.order = call->order,
		.planned_us = call->planned_us,
	};
}

static inline void help_keep_call(struct help_world *w, const struct call *call)
{
	struct help_row *row = help_row(w, call->name);

	if (call->news & CALL_NEW) {
		cr_assert(!row && w->n_rows < HELP_ROWS, "%s: %s twice", w->label, call->name);
		row = &w->rows[w->n_rows++];
		*row = help_planned(call);
	}
	cr_assert(row && !row->reply, "%s: %s landed twice", w->label, call->name);
	row->retries = call->retries;
	if ((call->news & CALL_TAKEN) && call->state == CALL_ACCEPTED) {
		free(row->external_id);
		free(row->status_url);
		row->external_id = xstrdup(call->external_id);
		row->status_url = xstrdup(call->status_url);
	}
	if (call->news & CALL_ENDED) {
		row->landed_us = call->landed_us;
		row->summary = help_dup(call->summary);
		if (call->agent || !(call->news & CALL_NEW))
			row->reply = help_reply_text(call, &row->reply_len);
	}
}

static inline void help_keep_events(struct help_world *w, const struct mail_list *list)
{
	for (struct mail *mail = list->head; mail; mail = mail->next) {
		const struct event *event = mail_of(mail, struct event, mail);

		cr_assert_lt(w->n_events, HELP_EVENTS);
		w->events[w->n_events++] = (struct help_event){
			.kind = event->kind,
			.id = event->id,
			.body = xstrdup(event->body),
			.reply_to = help_dup(event->reply_to),
			.stored = event->stored,
		};
	}
}

static inline void help_keep_end(struct help_world *w, const struct change *change)
{
	w->ended++;
	cr_assert_eq(w->ended, 1, "%s: it ended twice", w->label);
	w->status = change->status;
	w->sequence = change->sequence;
	w->reason = help_dup(change->reason);
	w->context = help_dup(change->context);
	w->error = help_dup(change->error);
	w->terminal = xstrdup(change->terminal->body);
}

static inline void help_send(struct help_world *w, struct call *call)
{
	struct help_row *row = help_row(w, call->name);

	cr_assert(!call->out, "%s: %s has two requests out", w->label, call->name);
	cr_assert(row && !row->reply, "%s: %s was asked without a row, or again", w->label,
		  call->name);
	cr_assert_str_eq(row->key, call->key, "%s", w->label);
	cr_assert(uuid_equal(&row->id, &call->id), "%s", w->label);
	cr_assert(call->errand.kind != ERRAND_NONE && call->errand.delay_ms >= 0, "%s: %s",
		  w->label, call->name);
	cr_assert(w->mono_us + call->errand.delay_ms * 1000 <= call->deadline_us,
		  "%s: %s is to be asked beyond its deadline", w->label, call->name);
	cr_assert(call->errand.kind == ERRAND_POLL ? call->poll_url != NULL : call->request != NULL,
		  "%s: %s", w->label, call->name);
	call->out = true;
	call->state = call->errand.kind == ERRAND_SUBMIT ? CALL_SUBMITTING : CALL_ACCEPTED;
	if (call->errand.kind == ERRAND_SUBMIT)
		call->attempts++;
	w->asked++;
}

/* What is saved, as the columns that it sets. */
static inline char *help_save_text(const struct run *run, const struct save *save)
{
	struct strbuf sb;

	if (save->kind != SAVE_STAGE)
		return xstrdup(save->text);
	strbuf_init(&sb, 4096);
	strbuf_addf(&sb, "{\"podcast_id\":\"%s\",\"cpoa_status\":\"%s\"}", run->job.task_id,
		    save->text);
	return strbuf_detach(&sb, NULL);
}

static inline void help_commit(struct help_world *w, struct run *run)
{
	bool ended = run->change.ended, started = run->change.events.head && !w->admitted;
	struct mail_list none = {0};

	if (!w->admitted)
		help_keep_job(w, run);
	for (struct call *call = run->calls; call; call = call->next)
		if (call->news)
			help_keep_call(w, call);
	help_keep_events(w, started ? &run->change.events : &none);
	help_keep_events(w, &run->change.fleeting);
	help_keep_events(w, started ? &none : &run->change.events);
	for (const struct save *save = run->change.saves; save; save = save->next) {
		cr_assert_lt(w->n_saves, HELP_EVENTS);
		w->saves[w->n_saves++] = help_save_text(run, save);
	}
	if (ended)
		help_keep_end(w, &run->change);
	for (struct call *call = run->calls; call && !ended; call = call->next) {
		if (!call->agent || call->state == CALL_LANDED || !call->news)
			continue;
		if (call->news & CALL_NEW)
			call->errand = call_begin(call, &w->policy, w->mono_us);
		help_send(w, call);
	}
	run_settle(run);
}

/* ---- a run, driven ---- */

static inline void help_resume(struct help_world *w, struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next) {
		if (!call->agent || call->news || call->out || call->state == CALL_LANDED ||
		    !call->request)
			continue;
		call->errand = call_begin(call, &w->policy, w->mono_us);
		help_send(w, call);
	}
}

/* The answer of a call in flight, heard; true when it has landed. */
static inline bool help_hear(struct help_world *w, struct call *call, const struct help_answer *a)
{
	cr_assert(call && call->out, "%s: nobody waits for that answer", w->label);
	call->out = false;
	call->answer = (struct answer){
		.kind = a->kind,
		.status = a->status,
		.retry_after_ms = a->retry_after_ms ? a->retry_after_ms : -1,
		.body = help_dup(a->body),
		.len = a->body ? strlen(a->body) : 0,
		.error = help_dup("curl says so"),
	};
	call->errand = call_answer(call, &w->policy, &w->rng, w->mono_us, w->wall_us);
	cr_assert_null(call->answer.body, "the answer is consumed");
	if ((call->news & CALL_TAKEN) && call->state == CALL_ACCEPTED) {
		free(call->poll_url);
		call->poll_url = xstrdup(call->status_url);
	}
	if (call->state == CALL_LANDED)
		return true;
	if (!(call->news & CALL_TAKEN))
		help_send(w, call);
	return false;
}

static inline void help_after(struct help_world *w, struct run *run, bool landed)
{
	if (landed)
		run_pass(run, w->wall_us);
	if (!run->change.ended)
		help_resume(w, run);
	run_rest(run);
}

/* Read, run, committed: its first call is out. */
static inline struct run *help_start(struct help_world *w, const char *body)
{
	struct mq_message m = help_message(body);
	struct run *run = help_run(w, &m);

	run_pass(run, w->wall_us);
	help_commit(w, run);
	return run;
}

/* The call that is out is answered at once with status and body, and what follows is committed. */
static inline void help_land(struct help_world *w, struct run *run, int status, const char *body)
{
	bool landed =
		help_hear(w, help_out(run), &(struct help_answer){.status = status, .body = body});

	help_after(w, run, landed);
	if (run_has_news(run))
		help_commit(w, run);
}

/* A run as another worker finds it: from its rows alone (engine/rescue.c); its pass is still to
 * come. */
static inline struct run *help_take_over(struct help_world *w)
{
	struct run *run = run_new(&w->policy);

	run->job = w->job;
	run->started_us = w->started_us;
	run->admitted = true;
	run->taken_over = true;
	run->lease = 6;
	for (int i = 0; i < w->n_rows; i++) {
		const struct help_row *row = &w->rows[i];
		const struct agent *agent = agent_of_call(row->name);
		struct call *call = run_restore_call(run, agent, row->name);

		cr_assert_not_null(call);
		call->agent_name = row->agent_name;
		call->order = row->order;
		call->retries = row->retries;
		call->planned_us = row->planned_us;
		call->landed_us = row->landed_us;
		call->stage = row->stage;
		if (row->reply) {
			cr_assert(call_reply_read(call, row->reply, row->reply_len), "%s: %s",
				  w->label, row->reply);
		} else if (!agent) {
			call->state = CALL_LANDED;
		} else if (row->external_id) {
			call->state = CALL_ACCEPTED;
			call->external_id = xstrdup(row->external_id);
			call->status_url = xstrdup(row->status_url);
			call->poll_url = xstrdup(row->status_url);
		}
	}
	return run;
}

#endif
