/*
 * topics_help: core_help's world for workflows that fan out: of any type, with many rows, and with
 * several calls out at a time, each answered by its name.
 */
#ifndef TESTS_TOPICS_HELP_H
#define TESTS_TOPICS_HELP_H

#include "core_help.h"

enum { MANY_ROWS = 160 };

struct many_row {
	struct help_row row;
	bool landed;
	int submitted, polled;
};

struct many {
	struct help_world w; /* its rows are not used */
	struct many_row rows[MANY_ROWS];
	int n_rows;
	struct run *run;
};

static inline void many_open(struct many *m)
{
	*m = (struct many){.w = help_world()};
	m->w.policy.retries = 0;
}

static inline void many_close(struct many *m)
{
	for (int i = 0; i < m->n_rows; i++) {
		struct help_row *r = &m->rows[i].row;
		char *all[] = {r->name,	   r->agent_name,  r->stage,	  r->key,  r->input,
			       r->summary, r->external_id, r->status_url, r->reply};

		for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++)
			free(all[k]);
	}
	if (m->run)
		run_unref(m->run);
	help_close(&m->w);
}

static inline struct many_row *many_row(struct many *m, const char *name)
{
	for (int i = 0; i < m->n_rows; i++)
		if (strcmp(m->rows[i].row.name, name) == 0)
			return &m->rows[i];
	return NULL;
}

/* A row that must be there. */
static inline struct help_row *many_the_row(struct many *m, const char *name)
{
	struct many_row *r = many_row(m, name);

	cr_assert(r, "there is no row %s", name);
	return &r->row;
}

/* ---- what a commit keeps and causes (engine/ledger_batch.c, engine/aftermath.c) ---- */

static inline void many_plan(struct many *m, const struct call *call)
{
	cr_assert(!many_row(m, call->name) && m->n_rows < MANY_ROWS, "%s twice", call->name);
	m->rows[m->n_rows++].row = help_planned(call);
}

static inline void many_keep_call(struct many *m, const struct call *call)
{
	struct many_row *r;

	if (call->news & CALL_NEW)
		many_plan(m, call);
	r = many_row(m, call->name);
	cr_assert(r && !r->landed, "%s landed twice", call->name);
	if (call->news & CALL_TAKEN) {
		free(r->row.external_id);
		free(r->row.status_url);
		r->row.external_id = xstrdup(call->external_id);
		r->row.status_url = xstrdup(call->status_url);
	}
	if (!(call->news & CALL_ENDED))
		return;
	cr_assert(call->agent || !(call->news & CALL_NEW), "%s: its reply is lost", call->name);
	r->landed = true;
	r->row.landed_us = call->landed_us;
	r->row.summary = help_dup(call->summary);
	r->row.reply = help_reply_text(call, &r->row.reply_len);
}

static inline void many_send(struct many *m, struct call *call)
{
	struct many_row *r = many_row(m, call->name);

	cr_assert(r && !r->landed && !call->out, "%s is asked again", call->name);
	cr_assert_str_eq(r->row.key, call->key);
	cr_assert(uuid_equal(&r->row.id, &call->id), "%s", call->name);
	call->out = true;
	if (call->errand.kind == ERRAND_SUBMIT) {
		cr_assert(call->request, "%s is asked for nothing", call->name);
		call->state = CALL_SUBMITTING;
		call->attempts++;
		r->submitted++;
	} else {
		r->polled++;
	}
	m->w.asked++;
}

static inline void many_keep(struct many *m)
{
	struct run *run = m->run;

	if (!m->w.admitted)
		help_keep_job(&m->w, run);
	for (struct call *call = run->calls; call; call = call->next)
		if (call->news)
			many_keep_call(m, call);
	help_keep_events(&m->w, &run->change.events);
	help_keep_events(&m->w, &run->change.fleeting);
	for (const struct save *save = run->change.saves; save; save = save->next) {
		cr_assert_eq(save->kind, SAVE_SNIPPET);
		cr_assert_lt(m->w.n_saves, HELP_EVENTS);
		m->w.saves[m->w.n_saves++] = xstrdup(save->text);
	}
}

static inline void many_commit(struct many *m)
{
	struct run *run = m->run;
	bool ended = run->change.ended;

	many_keep(m);
	if (ended)
		help_keep_end(&m->w, &run->change);
	for (struct call *call = run->calls; call && !ended; call = call->next) {
		if (!call->agent || call->state == CALL_LANDED || !call->news)
			continue;
		if (call->news & CALL_NEW)
			call->errand = call_begin(call, &m->w.policy, m->w.mono_us);
		many_send(m, call);
	}
	run_settle(run);
}

static inline void many_after_pass(struct many *m)
{
	for (struct call *call = m->run->calls; call && !m->run->change.ended; call = call->next) {
		if (!call->agent || call->news || call->out || call->state == CALL_LANDED)
			continue;
		call->errand = call_begin(call, &m->w.policy, m->w.mono_us);
		many_send(m, call);
	}
	run_rest(m->run);
	if (run_has_news(m->run))
		many_commit(m);
}

/* ---- a run, driven ---- */

/* The verdict of a job of that type; JOB_GOOD: m->run is before its first pass. */
static inline enum job_verdict many_read(struct many *m, const char *type, const char *body,
					 struct err *e)
{
	struct mq_message message = help_message(body);

	m->run = run_new(&m->w.policy);
	m->run->started_us = m->w.wall_us;
	message.routing_key = type;
	return job_read(&m->run->job, &m->run->arena, workflow_by_type(type), &message,
			&m->run->args, e);
}

static inline void many_start(struct many *m, const char *type, const char *body)
{
	struct err e = {0};

	cr_assert_eq(many_read(m, type, body, &e), JOB_GOOD, "%s", e.text);
	run_pass(m->run, m->w.wall_us);
	many_commit(m);
}

/* The answer to the call of that name; what follows from it is committed. */
static inline void many_answer(struct many *m, const char *name, const struct help_answer *a)
{
	struct call *call = help_call(m->run, name);

	cr_assert(call && call->out, "nobody waits for an answer to %s", name);
	call->out = false;
	call->answer = (struct answer){
		.kind = a->kind,
		.status = a->status,
		.retry_after_ms = -1,
		.body = help_dup(a->body),
		.len = a->body ? strlen(a->body) : 0,
		.error = help_dup("curl says so"),
	};
	call->errand = call_answer(call, &m->w.policy, &m->w.rng, m->w.mono_us, m->w.wall_us);
	if ((call->news & CALL_TAKEN) && call->state == CALL_ACCEPTED) {
		free(call->poll_url);
		call->poll_url = xstrdup(call->status_url);
	}
	if (call->state == CALL_LANDED) {
		run_pass(m->run, m->w.wall_us);
		many_after_pass(m);
	} else if (call->news) {
		many_commit(m);
	} else {
		many_send(m, call);
	}
}

static inline void many_land(struct many *m, const char *name, int status, const char *body)
{
	many_answer(m, name, &(struct help_answer){.status = status, .body = body});
}

/* ---- taken over (engine/rescue.c) ---- */

static inline void many_restore(struct run *run, const struct many_row *r)
{
	const struct agent *agent = agent_of_call(r->row.name);
	struct call *call = run_restore_call(run, agent, r->row.name);

	cr_assert(call, "%s", r->row.name);
	call->agent_name = arena_strdup(&run->arena, r->row.agent_name);
	call->order = r->row.order;
	call->planned_us = r->row.planned_us;
	call->landed_us = r->row.landed_us;
	if (r->landed) {
		cr_assert(call_reply_read(call, r->row.reply, r->row.reply_len), "%s: %s",
			  r->row.name, r->row.reply);
	} else if (r->row.external_id) {
		call->state = CALL_ACCEPTED;
		call->external_id = xstrdup(r->row.external_id);
		call->status_url = xstrdup(r->row.status_url);
		call->poll_url = xstrdup(r->row.status_url);
	}
}

/* Throws the run away and goes on with one made of the rows, as another worker would. */
static inline void many_take_over(struct many *m)
{
	run_unref(m->run);
	m->run = run_new(&m->w.policy);
	m->run->job = m->w.job;
	m->run->started_us = m->w.started_us;
	m->run->admitted = m->run->taken_over = true;
	for (int i = 0; i < m->n_rows; i++)
		many_restore(m->run, &m->rows[i]);
	run_pass(m->run, m->w.wall_us);
	many_after_pass(m);
}

/* ---- looking ---- */

/* Which calls are out, in the order of asking: "sca_a sca_b". Good until the next call. */
static inline const char *many_out(const struct many *m)
{
	static char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (const struct call *call = m->run->calls; call; call = call->next)
		if (call->out)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "",
					      call->name);
	return text;
}

static inline const char *many_save(const struct many *m, int i)
{
	cr_assert_lt(i, m->w.n_saves);
	return m->w.saves[i];
}

#endif
