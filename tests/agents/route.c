/* route.c - from a request to its answer: the protocol that all six agents share (agents.md §2.0)
 */
#include "standin.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

void answer_text(struct answer *answer, unsigned status, struct buf *body)
{
	answer->status = status;
	answer->len = body->len;
	answer->body = buf_take(body);
}

void answer_json(struct answer *answer, unsigned status, struct json_object *body)
{
	struct buf text = {0};

	buf_adds(&text, json_object_to_json_string_ext(
				body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	answer_text(answer, status, &text);
	json_object_put(body);
}

void answer_error(struct answer *answer, unsigned status, const char *code, const char *message)
{
	struct json_object *body = json_object_new_object();

	json_put_text(body, "error_code", code);
	json_put_text(body, "message", message);
	answer_json(answer, status, body);
}

/* <AGENT>_<what>, as all of them name their errors. */
static void answer_agent_error(struct answer *answer, unsigned status, const struct agent *agent,
			       const char *what, const char *message)
{
	char code[64];

	(void)snprintf(code, sizeof(code), "%s_%s", agent->title, what);
	answer_error(answer, status, code, message);
}

/* ---- faults ---- */

static void answer_fault_status(const struct options *options, const struct fault *fault,
				const struct agent *agent, struct answer *answer)
{
	unsigned http = fault->kind->http;
	char what[32];

	(void)snprintf(what, sizeof(what), "SIMULATED_%u", http);
	answer_agent_error(answer, http, agent, http == 409 ? "IDEMPOTENCY_CONFLICT" : what,
			   "A fault that was asked for.");
	answer->retry_after = fault->retry_after;
	if (answer->retry_after < 0 && (http == 503 || http == 409))
		answer->retry_after = options->retry_after;
}

/* True when the fault is the whole answer; false when it bends the agent's own. */
static bool answer_fault(const struct options *options, const struct fault *fault,
			 const struct agent *agent, struct answer *answer)
{
	struct buf garbage = {0};

	switch (fault->kind->effect) {
	case EFFECT_STATUS:
		answer_fault_status(options, fault, agent, answer);
		return true;
	case EFFECT_RESET:
		answer->manner = ANSWER_RESET;
		return true;
	case EFFECT_HANG:
		answer->manner = ANSWER_HANG;
		answer->due_us = HOLD_FOREVER;
		return true;
	case EFFECT_GARBAGE:
		buf_add(&garbage, "{\"status\": \x01\x80garbage, [", 24);
		answer_text(answer, fault->kind->http, &garbage);
		return true;
	case EFFECT_OVERSIZE:
		answer->manner = ANSWER_FLOOD;
		answer->status = fault->kind->http;
		return true;
	case EFFECT_CUT:
		answer->manner = ANSWER_CUT;
		return false;
	case EFFECT_SLOW:
		answer->manner = ANSWER_DRIP;
		return false;
	case EFFECT_UTF8:
	case EFFECT_NUL:
	case EFFECT_CONFLICT:
	case EFFECT_NONE:
		return false;
	}
	return false;
}

static enum fault_effect taint_of(const struct fault *fault)
{
	enum fault_effect effect = fault ? fault->kind->effect : EFFECT_NONE;

	return effect == EFFECT_NUL || effect == EFFECT_UTF8 ? effect : EFFECT_NONE;
}

/* ---- the result ---- */

static void add_tainted(struct buf *out, const struct entry *entry, enum fault_effect taint)
{
	const char *bytes = taint == EFFECT_NUL ? "\0" : "\xff\xc3(";
	struct json_object *clean = json_tokener_parse(entry->result);
	struct json_object *tainted = json_taint(clean, bytes, taint == EFFECT_NUL ? 1 : 3);

	buf_adds(out, json_object_to_json_string_ext(
			      tainted, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(tainted);
	json_object_put(clean);
}

static void add_result(struct buf *out, const struct entry *entry, const char *wrap,
		       enum fault_effect taint)
{
	if (wrap)
		buf_addf(out, "{\"%s\":", wrap);
	if (taint != EFFECT_NONE)
		add_tainted(out, entry, taint);
	else
		buf_add(out, entry->result, entry->result_len);
	if (wrap)
		buf_adds(out, "}");
}

static void answer_result(const struct entry *entry, struct answer *answer)
{
	struct buf body = {0};

	add_result(&body, entry, entry->wrap_sync ? entry->wrap : NULL, entry->taint);
	answer_text(answer, entry->http, &body);
	answer->due_us = entry->ready_us + (entry->slow_poll ? ms_to_us(SLOW_POLL_MS) : 0);
	answer->speech = speech_ref(entry->speech);
}

static void answer_accepted(const struct options *options, const struct entry *entry,
			    const struct request *request, struct answer *answer)
{
	struct json_object *body = json_object_new_object();
	char id[37], url[64];

	id_format(entry->id, id);
	(void)snprintf(url, sizeof(url), "%s%s", entry->agent->status_path, id);
	json_put_text(body, "task_id", id);
	json_put_text(body, "status_url",
		      options->evil_status_url ? options->evil_status_url : url);
	json_put_text(body, "message", "Task accepted.");
	json_put_text(body, "idempotency_key_processed", request->header[HEADER_KEY]);
	if (entry->agent->id == VFA)
		json_put_text(body, "workflow_id_processed", request->header[HEADER_WORKFLOW]);
	answer_json(answer, 202, body);
}

/* ---- POST ---- */

/* A submission on its way through submit()'s steps; a step that answers it returns false. */
struct submission {
	struct standin *standin;
	const struct agent *agent;
	const struct request *request;
	struct answer *answer;
	struct call *note;
	struct entry *entry;
	const struct scenario *scenario;
	char derived_key[64];
	const char *key;
};

/* Only WCHA's callers need not send a key: the same body of the same workflow is the same work. */
static bool take_key(struct submission *s)
{
	const struct request *request = s->request;
	const char *workflow = request->header[HEADER_WORKFLOW];
	uint64_t hash;

	s->key = request->header[HEADER_KEY];
	if (s->key && *s->key)
		return true;
	if (s->agent->key_required) {
		answer_agent_error(s->answer, 400, s->agent, "MISSING_IDEMPOTENCY_KEY",
				   "The header X-Idempotency-Key is required.");
		return false;
	}
	hash = hash_bytes(0, workflow ? workflow : "", workflow ? strlen(workflow) : 0);
	hash = hash_bytes(hash, request->body, request->body_len);
	(void)snprintf(s->derived_key, sizeof(s->derived_key), "derived-%016llx",
		       (unsigned long long)hash);
	s->key = s->derived_key;
	return true;
}

static void meet_key(struct submission *s, uint64_t body_hash)
{
	struct stats *stats = &s->standin->stats[s->agent->id];
	struct id id = id_make(s->agent->name, s->key);

	s->entry = store_find(&s->standin->store, id);
	if (!s->entry) {
		s->entry = store_add(&s->standin->store, id, s->agent);
		stats->distinct_keys++;
	}
	s->entry->submits++;
	if (!s->entry->done)
		return;
	s->note->repeat = true;
	stats->repeats++;
	if (s->entry->body_hash != body_hash)
		stats->key_conflicts++;
}

static bool meet_fault(struct submission *s)
{
	struct entry *entry = s->entry;
	const struct fault *fault = faults_pick(&s->standin->options, PHASE_SUBMIT, s->agent,
						entry->id.high, entry->submits);

	entry->taint = taint_of(fault);
	if (!fault)
		return true;
	s->note->fault = fault->kind->name;
	return !answer_fault(&s->standin->options, fault, s->agent, s->answer);
}

static bool check_body(struct submission *s)
{
	struct refusal refusal = {0};
	bool empty = s->request->body_len == 0;

	if (!s->request->json_valid && !empty) {
		answer_agent_error(s->answer, 400, s->agent, "MALFORMED_JSON",
				   "The body is not JSON.");
		return false;
	}
	if (empty && s->agent->body_optional)
		return true;
	if (s->agent->check(s->request->json, &refusal))
		return true;
	answer_error(s->answer, refusal.http, refusal.code, refusal.message);
	return false;
}

static bool follow_scenario(struct submission *s)
{
	const struct scenario *scenario = agent_scenario(s->agent, s->request);
	struct buf body = {0};

	s->scenario = scenario;
	s->entry->slow_poll = scenario && scenario->slow_poll;
	if (scenario && scenario->nul)
		s->entry->taint = EFFECT_NUL;
	if (!scenario || !scenario->refuse_http)
		return true;
	buf_adds(&body, scenario->replace);
	answer_text(s->answer, scenario->refuse_http, &body);
	return false;
}

static void do_work(struct submission *s, uint64_t body_hash)
{
	const struct options *options = &s->standin->options;
	struct entry *entry = s->entry;
	struct outcome outcome;
	struct job job = {
		.agent = s->agent,
		.request = s->request,
		.body = s->request->json,
		.hash = entry->id.high,
		.audio_dir = options->audio_dir,
	};

	agent_work(&job, s->scenario, &outcome);
	entry->body_hash = body_hash;
	entry->accepted_us = clock_us();
	entry->ready_us = entry->accepted_us + ms_to_us(options_latency_ms(options, s->agent));
	store_finish(&s->standin->store, entry, &outcome);
}

static void submit(struct submission *s)
{
	const struct options *options = &s->standin->options;
	struct stats *stats = &s->standin->stats[s->agent->id];
	uint64_t body_hash = hash_bytes(0, s->request->body, s->request->body_len);
	bool async;

	stats->submits++;
	s->answer->agent = s->agent; /* route_end counts it out again */
	if (++stats->in_flight > stats->max_in_flight)
		stats->max_in_flight = stats->in_flight;
	if (!take_key(s))
		return;
	meet_key(s, body_hash);
	if (!meet_fault(s) || !check_body(s) || !follow_scenario(s))
		return;
	if (!s->entry->done)
		do_work(s, body_hash);
	async = options->style == STYLE_ASYNC ||
		(options->style == STYLE_MIXED && (s->entry->id.low >> 32) % 2 == 0);
	if (async)
		answer_accepted(options, s->entry, s->request, s->answer);
	else
		answer_result(s->entry, s->answer);
}

/* ---- polls ---- */

static void answer_task(struct answer *answer, unsigned http, const char *id, const char *state,
			struct buf *result)
{
	struct buf body = {0};

	buf_addf(&body, "{\"task_id\":");
	buf_add_quoted(&body, id);
	buf_addf(&body, ",\"status\":\"%s\",\"result\":%s}", state,
		 result->data ? result->data : "null");
	buf_release(result);
	answer_text(answer, http, &body);
}

static void add_conflict(struct buf *result)
{
	buf_adds(result, "{\"status\":\"PROCESSING_CONFLICT\","
			 "\"message\":\"Another task is at work under this idempotency key.\"}");
}

static void poll_end(struct standin *standin, struct entry *entry, const char *id,
		     enum fault_effect taint, struct call *note, struct answer *answer)
{
	const struct agent *agent = entry->agent;
	const struct fault *conflict = faults_pick(&standin->options, PHASE_TERMINAL, agent,
						   entry->id.high, ++entry->terminal_polls);
	struct buf result = {0};

	if (conflict) {
		note->fault = conflict->kind->name;
		add_conflict(&result);
		answer_task(answer, agent->conflict_http, id, "SUCCESS", &result);
		return;
	}
	add_result(&result, entry, entry->wrap, taint != EFFECT_NONE ? taint : entry->taint);
	answer_task(answer, entry->http, id, entry->state, &result);
}

static bool is_at_work(const struct options *options, const struct entry *entry, int64_t now)
{
	return now < entry->ready_us || entry->polls < (unsigned long)options->polls ||
	       (entry->speech && !speech_done(entry->speech));
}

/* PENDING for the first third of the thinking time, then the agent's word for being at work. */
static void poll_task(struct standin *standin, struct entry *entry, const char *id,
		      struct call *note, struct answer *answer)
{
	const struct fault *fault = faults_pick(&standin->options, PHASE_POLL, entry->agent,
						entry->id.high, ++entry->polls);
	struct buf none = {0};
	int64_t now = clock_us();
	int64_t started_us = entry->accepted_us + (entry->ready_us - entry->accepted_us) / 3;

	standin->stats[entry->agent->id].polls++;
	if (fault) {
		note->fault = fault->kind->name;
		if (answer_fault(&standin->options, fault, entry->agent, answer))
			return;
	}
	if (entry->slow_poll)
		answer->due_us = now + ms_to_us(SLOW_POLL_MS);
	if (now < started_us || !entry->done)
		answer_task(answer, 202, id, "PENDING", &none);
	else if (is_at_work(&standin->options, entry, now))
		answer_task(answer, 202, id, entry->agent->busy_state, &none);
	else
		poll_end(standin, entry, id, taint_of(fault), note, answer);
}

/* The id of a status path, whatever it belongs to, or NULL. */
static const char *status_id(const char *path)
{
	static const char *const prefixes[] = {"/v1/tasks/", "/tasks/"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], len) == 0 && path[len] && !strchr(path + len, '/'))
			return path + len;
	}
	return NULL;
}

static void poll_route(struct standin *standin, const struct request *request, const char *id,
		       struct call *note, struct answer *answer)
{
	struct entry *entry = NULL;
	const char *served;
	struct buf none = {0};
	struct id parsed;

	note->kind = CALL_POLL;
	if (id_parse(id, &parsed))
		entry = store_find(&standin->store, parsed);
	if (!entry) {
		/* Celery does not know which tasks there are: an unknown one is pending. */
		answer_task(answer, 202, id, "PENDING", &none);
		return;
	}
	note->agent = entry->agent;
	served = entry->agent->status_path;
	if (strncmp(request->path, served, strlen(served)) != 0)
		answer_error(answer, 404, "NOT_FOUND", "This agent's tasks are found elsewhere.");
	else
		poll_task(standin, entry, id, note, answer);
}

/* ---- a trace collector (OTLP over HTTP): GET /calls?kind=spans shows what it got ---- */

static void collect_spans(const struct options *options, struct answer *answer)
{
	struct buf body = {0};

	if (options->collector == 0)
		answer->manner = ANSWER_HANG;
	buf_adds(&body, "{\"partialSuccess\":{}}");
	answer_text(answer, (unsigned)options->collector, &body);
}

/* ---- all requests ---- */

/* How many keys to remember: --remember, but not fewer than polls and "first:" faults need. */
static size_t remember_max(const struct options *options)
{
	size_t max = (size_t)options->remember_max;
	bool needed = options->style != STYLE_SYNC;

	for (size_t i = 0; i < options->fault_n; i++)
		needed = needed || options->faults[i].first > 0;
	return needed && max < STORE_TASKS_MIN ? STORE_TASKS_MIN : max;
}

void route(struct standin *standin, const struct request *request, struct answer *answer)
{
	const struct agent *agent = agent_by_path(request->path);
	const char *task = status_id(request->path);
	struct call note = {.kind = CALL_UNKNOWN};

	*answer = (struct answer){.retry_after = -1};
	if (admin_route(standin, request, answer))
		return;
	if (agent && strcmp(request->method, "POST") == 0) {
		struct submission submission = {
			.standin = standin,
			.agent = agent,
			.request = request,
			.answer = answer,
			.note = &note,
		};

		note.agent = agent;
		note.kind = CALL_SUBMIT;
		submit(&submission);
	} else if (strcmp(request->path, "/v1/traces") == 0) {
		note.kind = CALL_SPANS;
		collect_spans(&standin->options, answer);
	} else if (task && strcmp(request->method, "GET") == 0) {
		poll_route(standin, request, task, &note, answer);
	} else if (asf_route(standin, request, answer)) {
		note.kind = CALL_ASF;
	} else if (strcmp(request->method, "GET") == 0 &&
		   web_route(&standin->options, request, answer)) {
		note.kind = CALL_PAGE;
	} else if (agent || task) {
		answer_error(answer, 405, "METHOD_NOT_ALLOWED", "Not by this method.");
	} else {
		answer_error(answer, 404, "NOT_FOUND", "There is nothing here.");
	}
	note.status = answer->status;
	if (standin->options.log)
		record_line(standin->options.log, request, &note);
	record_add(&standin->record, request, &note, (size_t)standin->options.record_max);
	store_trim(&standin->store, remember_max(&standin->options));
}

void route_end(struct standin *standin, struct answer *answer)
{
	if (answer->agent)
		standin->stats[answer->agent->id].in_flight--;
	speech_unref(answer->speech);
	free(answer->body);
	*answer = (struct answer){0};
}
