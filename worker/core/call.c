/* call: the transitions. One function for each thing that can come back. */
#include "core/call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

/* A task that an agent has lost, or a conflict: never asked for again in a tight loop, however
 * short the interval. */
enum {
	AGAIN_MIN_MS = 20,
	SPREAD_MIN_MS = 1000,
	PREVIEW_MAX = 300,
	RAW_MAX = 500,
	EXTERNAL_ID_MAX = 255,
	STATUS_URL_MAX = 1024
};

/* What one answer is judged with. */
struct hearing {
	struct call *call;
	const struct policy *policy;
	const struct agent_policy *agent;
	struct rng *rng;
	int64_t now_us, wall_us;
	struct json_object *body; /* NULL: not a JSON object */
	bool as_is;		  /* and its text can be kept as it came */
	bool polled;		  /* the answer to a poll */
};

static const struct errand nothing = {ERRAND_NONE, 0};

/* An answer without the white space around it (RFC 8259 §2), so that it reads back from its row as
 * it was. */
static void trim(char *text, size_t *len)
{
	static const char space[] = " \t\r\n";
	size_t before = strspn(text, space);

	while (*len > before && strchr(space, text[*len - 1]))
		--*len;
	*len -= before;
	memmove(text, text + before, *len);
	text[*len] = '\0';
}

/*
 * The reply's text is the agent's own where that can be kept: whole, or the result within it. Its
 * members are found by their names' bytes from then on, and in the tree by what these mean: where
 * that may differ, the tree is printed.
 */
static void keep_text(struct hearing *h)
{
	struct reply *reply = &h->call->reply;
	struct answer *a = &h->call->answer;
	struct json_slice slice;
	bool plain = h->as_is && reply->body && json_names_plain(a->body, a->len);

	if (plain && reply->body == h->body) {
		reply->text = a->body;
		reply->text_len = a->len;
		a->body = NULL;
		trim(reply->text, &reply->text_len);
	} else if (plain && reply->body == json_any(h->body, "result") &&
		   json_member(a->body, a->len, "result", &slice) &&
		   json_names_plain(slice.text, slice.len)) {
		reply->text = xstrndup(slice.text, slice.len);
		reply->text_len = slice.len;
	}
	reply_write(reply);
}

static struct errand landed(struct hearing *h)
{
	struct call *call = h->call;

	keep_text(h);
	call->state = CALL_LANDED;
	call->landed_us = h->wall_us;
	call->news |= CALL_ENDED;
	call->reply.http_status = call->answer.status;
	call->reply.polled = h->polled;
	free(call->request);
	call->request = NULL;
	call->request_len = 0;
	return nothing;
}

/* How an answer that is no JSON begins (agents.md §1.2: at most 500 characters); NULL when it is no
 * text. */
static struct json_object *raw_response(const struct answer *a)
{
	size_t n = a->body ? utf8_cut(a->body, a->len, RAW_MAX) : 0;
	struct json_object *o;

	if (!n || !utf8_ok(a->body, n))
		return NULL;
	o = json_object_new_object();
	json_set(o, "raw_response", json_object_new_string_len(a->body, (int)n));
	return o;
}

static struct errand fail(struct hearing *h, enum reply_kind kind, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static struct errand fail(struct hearing *h, enum reply_kind kind, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* What was cut at the buffer's end may have been cut within a character. */
	text[utf8_cut(text, strlen(text), ERR_TEXT_MAX - 8)] = '\0';
	if (kind == REPLY_NOT_JSON && !h->body)
		h->body = raw_response(&h->call->answer);
	reply_failure(&h->call->reply, kind, h->body, "%s", text);
	return landed(h);
}

/*
 * The errand in `delay_ms`, but not beyond the call's deadline: a wait that would pass it ends at
 * it, so that the agent is asked a last time; once it has passed, the call fails.
 */
static struct errand within_deadline(struct hearing *h, enum errand_kind kind, int64_t delay_ms,
				     const char *why)
{
	int64_t left_ms = (h->call->deadline_us - h->now_us) / 1000;

	if (left_ms <= 0)
		return fail(h, REPLY_TIMED_OUT, "%s gave no result within %lld s (%s)",
			    h->call->agent->name, (long long)(h->agent->total_ms / 1000), why);
	return (struct errand){kind, delay_ms < left_ms ? delay_ms : left_ms};
}

static void submitted_again(struct call *call, const char *why)
{
	call->retries++;
	call->state = CALL_SUBMITTING;
	free(call->trouble);
	call->trouble = xstrdup(why);
}

/* An attempt failed in a way that may pass: once more after a growing wait, as often as allowed. */
static struct errand retry(struct hearing *h, enum reply_kind kind, const char *why)
{
	struct call *call = h->call;
	int64_t wait = backoff_ms(h->rng, h->policy->backoff_ms, BACKOFF_MAX_MS, call->failures);

	if (call->failures >= h->policy->retries)
		return fail(h, kind, "%s (after %u attempts)", why, call->attempts);
	if (call->answer.retry_after_ms > wait)
		wait = call->answer.retry_after_ms;
	/* Asking at the deadline although the agent said "later" would only be refused again. */
	if (h->now_us + wait * 1000 > call->deadline_us)
		return fail(h, kind, "%s (a further attempt would pass the limit of %lld s)", why,
			    (long long)(h->agent->total_ms / 1000));
	call->failures++;
	submitted_again(call, why);
	return (struct errand){ERRAND_SUBMIT, wait};
}

/* Submits again under the same key: the agent knows it, so nothing is done or paid twice. */
static struct errand submit_again(struct hearing *h, const char *why)
{
	int64_t wait = h->agent->interval_ms > AGAIN_MIN_MS ? h->agent->interval_ms : AGAIN_MIN_MS;

	if (h->call->answer.retry_after_ms > wait)
		wait = h->call->answer.retry_after_ms;
	submitted_again(h->call, why);
	return within_deadline(h, ERRAND_SUBMIT, wait, why);
}

static struct errand poll_in(struct hearing *h, int64_t wait_ms, const char *why)
{
	if (h->call->answer.retry_after_ms > wait_ms)
		wait_ms = h->call->answer.retry_after_ms;
	return within_deadline(h, ERRAND_POLL, wait_ms, why);
}

static struct errand poll_again(struct hearing *h, const char *why)
{
	return poll_in(h, h->agent->interval_ms, why);
}

/* Sooner than the ones that follow: tasks that were accepted all at once would otherwise be polled,
 * and land, all at once. */
static struct errand poll_first(struct hearing *h)
{
	int64_t wait = h->agent->interval_ms;

	if (wait >= SPREAD_MIN_MS)
		wait = rng_between(h->rng, wait / 4, wait);
	return poll_in(h, wait, "its task is still at work");
}

static struct errand accept_result(struct hearing *h, struct json_object *result)
{
	h->call->agent->accept(h->call, result, &h->call->reply);
	assert(h->call->reply.kind == REPLY_RESULT || h->call->reply.error);
	return landed(h);
}

/* What an agent's body says about a failure, for a sentence: the usual members, else how it begins.
 */
static const char *said(struct hearing *h, char preview[PREVIEW_MAX + 1])
{
	static const char *const members[] = {"message", "error", "details", "error_code"};
	const struct answer *a = &h->call->answer;
	size_t n;

	for (size_t i = 0; h->body && i < sizeof(members) / sizeof(*members); i++) {
		const char *s = json_str(h->body, members[i]);

		if (s && *s)
			return s;
	}
	n = a->body ? utf8_cut(a->body, a->len, PREVIEW_MAX) : 0;
	if (n && !utf8_ok(a->body, n))
		return "a body that is not text";
	memcpy(preview, a->body ? a->body : "", n);
	preview[n] = '\0';
	return n ? preview : "no body";
}

/* ---- the answers to a submission ---- */

static struct errand on_accepted(struct hearing *h)
{
	struct call *call = h->call;
	const char *id = json_str(h->body, "task_id"), *url = json_str(h->body, "status_url");

	if (!h->body)
		return fail(h, REPLY_NOT_JSON, "%s answered 202 with a body that is no JSON object",
			    call->agent->name);
	if (!id || !*id || !url || !*url)
		return fail(h, REPLY_MALFORMED, "%s answered 202 without task_id and status_url",
			    call->agent->name);
	if (strlen(id) > EXTERNAL_ID_MAX || strlen(url) > STATUS_URL_MAX)
		return fail(h, REPLY_MALFORMED,
			    "%s answered 202 with a task_id or status_url that is too long",
			    call->agent->name);
	free(call->external_id);
	free(call->status_url);
	call->external_id = xstrdup(id);
	call->status_url = xstrdup(url);
	call->state = CALL_ACCEPTED;
	call->news |= CALL_TAKEN;
	return poll_first(h);
}

static bool is_conflict(struct json_object *result)
{
	const char *status = json_str(result, "status");

	return status && strcmp(status, "PROCESSING_CONFLICT") == 0;
}

static bool may_pass(int status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

static struct errand on_submitted(struct hearing *h)
{
	struct call *call = h->call;
	int status = call->answer.status;
	char preview[PREVIEW_MAX + 1], why[ERR_TEXT_MAX];

	if (status == 202)
		return on_accepted(h);
	if (status == 409 || (h->body && is_conflict(h->body)))
		return submit_again(
			h, "another worker's request under the same key is being processed");
	if (status == 200 || status == 201)
		return h->body ? accept_result(h, h->body)
			       : fail(h, REPLY_NOT_JSON,
				      "%s answered %d with a body that is no JSON object: %s",
				      call->agent->name, status, said(h, preview));
	snprintf(why, sizeof(why), "%s answered HTTP %d: %s", call->agent->name, status,
		 said(h, preview));
	if (may_pass(status))
		return retry(h, REPLY_HTTP, why);
	return fail(h, REPLY_HTTP, "%s", why);
}

/* ---- the answers to a poll ---- */

static struct errand on_failure_state(struct hearing *h)
{
	struct json_object *result = json_any(h->body, "result");
	const char *message = json_str(json_obj(result, "error"), "message");

	if (!message)
		message = json_str(result, "message");
	if (!message)
		message = json_object_is_type(result, json_type_string)
				  ? json_object_get_string(result)
				  : NULL;
	return fail(h, REPLY_TASK_FAILED, "%s reported that its task failed: %s",
		    h->call->agent->name, message && *message ? message : "it gave no reason");
}

static struct errand on_terminal(struct hearing *h, const char *status)
{
	struct json_object *result = json_obj(h->body, "result");

	if (strcmp(status, "FAILURE") == 0)
		return on_failure_state(h);
	if (!result)
		return fail(h, REPLY_MALFORMED, "%s reported success without a result object",
			    h->call->agent->name);
	if (is_conflict(result))
		return submit_again(
			h, "another worker's request under the same key is being processed");
	return accept_result(h, result);
}

static struct errand on_polled(struct hearing *h)
{
	struct call *call = h->call;
	int status = call->answer.status;
	const char *state = json_str(h->body, "status");
	char preview[PREVIEW_MAX + 1];

	call->state = CALL_ACCEPTED;
	/* The originals tell a failure by 500 and a conflict by 409: what the body says counts,
	 * whatever the status. */
	if (state && (strcmp(state, "SUCCESS") == 0 || strcmp(state, "FAILURE") == 0))
		return on_terminal(h, state);
	if (status == 404)
		return submit_again(h, "the agent does not know the task any more");
	if (may_pass(status))
		return poll_again(h, "its status page answers with errors");
	if (status == 409)
		return submit_again(
			h, "another worker's request under the same key is being processed");
	if (status >= 300)
		return fail(h, REPLY_HTTP, "the status page of %s answered HTTP %d: %s",
			    call->agent->name, status, said(h, preview));
	if (!h->body)
		return fail(h, REPLY_NOT_JSON,
			    "the status page of %s answered with a body that is no JSON object: %s",
			    call->agent->name, said(h, preview));
	return poll_again(h, "its task is still at work");
}

/* ---- no answer ---- */

static struct errand on_silence(struct hearing *h, bool polling)
{
	static const char *const what[] = {
		[ANSWER_CAME] = "",
		[ANSWER_UNREACHABLE] = "could not be reached",
		[ANSWER_TIMEOUT] = "did not answer in time",
		[ANSWER_BROKEN] = "broke off the connection",
		[ANSWER_TOO_LARGE] = "sent more than is allowed",
		[ANSWER_REFUSED] = "cannot be asked",
		[ANSWER_NOT_ASKED] = "",
	};
	const struct answer *a = &h->call->answer;
	const char *words = a->error ? a->error : "";
	char why[ERR_TEXT_MAX];

	if (a->kind == ANSWER_NOT_ASKED)
		return fail(h, REPLY_TIMED_OUT, "%s was not asked within %lld s: %s",
			    h->call->agent->name, (long long)(h->agent->total_ms / 1000), words);
	snprintf(why, sizeof(why), "%s %s: %s", h->call->agent->name, what[a->kind], words);
	/* The same request would get the same flood, or be refused again by our own client. */
	if (a->kind == ANSWER_TOO_LARGE || a->kind == ANSWER_REFUSED)
		return fail(h, REPLY_UNREACHABLE, "%s", why);
	return polling ? poll_again(h, "its status page does not answer")
		       : retry(h, REPLY_UNREACHABLE, why);
}

/* ---- the interface ---- */

struct errand call_begin(struct call *call, const struct policy *policy, int64_t now_us)
{
	const struct agent_policy *agent = &policy->agent[call->agent->index];

	assert(call->state != CALL_LANDED);
	/* A call that was taken over has its whole time again: how long its worker was gone is not
	 * the agent's fault. */
	call->asked = false;
	call->deadline_us = now_us + agent->total_ms * 1000;
	return call->state == CALL_ACCEPTED ? (struct errand){ERRAND_POLL, 0}
					    : (struct errand){ERRAND_SUBMIT, 0};
}

static void answer_release(struct answer *a)
{
	free(a->body);
	free(a->error);
	*a = (struct answer){.retry_after_ms = -1};
}

static void read_answer(struct hearing *h)
{
	const struct answer *a = &h->call->answer;
	struct err e;

	if (json_read_as_is(a->body, a->len, JSON_DEPTH_MAX, &h->as_is, &h->body, &e) != JSON_OK ||
	    !json_object_is_type(h->body, json_type_object)) {
		json_put(&h->body);
		h->as_is = false;
	}
}

struct errand call_answer(struct call *call, const struct policy *policy, struct rng *rng,
			  int64_t now_us, int64_t wall_us)
{
	struct hearing h = {
		.call = call,
		.policy = policy,
		.agent = &policy->agent[call->agent->index],
		.rng = rng,
		.now_us = now_us,
		.wall_us = wall_us,
	};
	bool polling = h.polled = call->state == CALL_ACCEPTED;
	struct errand errand;

	assert(call->state == CALL_SUBMITTING || polling);
	if (call->answer.kind == ANSWER_CAME && call->answer.body)
		read_answer(&h);
	if (call->answer.kind != ANSWER_CAME)
		errand = on_silence(&h, polling);
	else
		errand = polling ? on_polled(&h) : on_submitted(&h);
	json_put(&h.body);
	answer_release(&call->answer);
	return errand;
}

void call_fail(struct call *call, enum reply_kind kind, int64_t wall_us, const char *fmt, ...)
{
	struct hearing h = {.call = call, .wall_us = wall_us};
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail(&h, kind, "%s", text);
}

void call_rest(struct call *call)
{
	json_put(&call->reply.body);
}

void call_give_back(struct call *call)
{
	assert(!call->news);
	free(call->input);
	free(call->summary);
	call->input = call->summary = NULL;
	/* Work of our own may have its words nowhere else. */
	if (call->agent)
		reply_give_back(&call->reply);
	if (call->state != CALL_ACCEPTED)
		return;
	free(call->request);
	call->request = NULL;
	call->request_len = 0;
}

bool call_recall(struct call *call, const char *text, size_t len)
{
	struct reply was = call->reply;

	assert(was.away);
	call->reply = (struct reply){0};
	if (!call_reply_read(call, text, len)) {
		call->reply = was;
		return false;
	}
	reply_release(&was);
	return true;
}

void call_release(struct call *call)
{
	reply_release(&call->reply);
	free(call->input);
	free(call->summary);
	free(call->external_id);
	free(call->status_url);
	free(call->request);
	free(call->poll_url);
	free(call->trouble);
	answer_release(&call->answer);
}
