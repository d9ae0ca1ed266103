/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "call_help.h"

TestSuite(call, .init = setup);

/* ---- one answer, one transition ---- */

/* delay_ms of a retry's row: BACKOFF stands for the first backoff's bounds. */
struct transition {
	const char *what;
	enum answer_kind kind;
	int status;
	int64_t retry_after_ms;
	const char *body;
	enum errand_kind errand;
	int64_t delay_ms;
	enum reply_kind reply; /* of one that has landed */
	const char *error;
};

#define ACCEPTED "{\"task_id\":\"t1\",\"status_url\":\"/v1/tasks/t1\"}"
#define CONFLICT "{\"status\":\"PROCESSING_CONFLICT\",\"message\":\"busy\"}"

/* clang-format off */
static const struct transition submissions[] = {
	{"200 with a result", 0, 200, -1, "{\"ok\":1}", ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"201 with a result", 0, 201, -1, "{\"ok\":1}", ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"200 with what the agent refuses", 0, 200, -1, "{\"message\":\"no\"}", ERRAND_NONE, 0, REPLY_REPORTED, "TEST did not like it: no"},
	{"200 that is no JSON", 0, 200, -1, "<html>", ERRAND_NONE, 0, REPLY_NOT_JSON, "TEST answered 200 with a body that is no JSON object: <html>"},
	{"201 that is no JSON", 0, 201, -1, "{", ERRAND_NONE, 0, REPLY_NOT_JSON, "TEST answered 201 with a body that is no JSON object: {"},
	{"200 with an array", 0, 200, -1, "[1]", ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: [1]"},
	{"200 with null", 0, 200, -1, "null", ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: null"},
	{"200 with a string", 0, 200, -1, "\"x\"", ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: \"x\""},
	{"200 without a body", 0, 200, -1, NULL, ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: no body"},
	{"200 with an empty body", 0, 200, -1, "", ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: no body"},
	{"200 with bytes", 0, 200, -1, "\xFF\xFE", ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: a body that is not text"},
	{"202 without a body", 0, 202, -1, NULL, ERRAND_NONE, 0, REPLY_NOT_JSON, "TEST answered 202 with a body that is no JSON object"},
	{"202 that is no JSON", 0, 202, -1, "later", ERRAND_NONE, 0, REPLY_NOT_JSON, "TEST answered 202 with a body that is no JSON object"},
	{"202 without task_id", 0, 202, -1, "{\"status_url\":\"/x\"}", ERRAND_NONE, 0, REPLY_MALFORMED, "TEST answered 202 without task_id and status_url"},
	{"202 without status_url", 0, 202, -1, "{\"task_id\":\"x\"}", ERRAND_NONE, 0, REPLY_MALFORMED, "without task_id and status_url"},
	{"202 with empty ones", 0, 202, -1, "{\"task_id\":\"\",\"status_url\":\"\"}", ERRAND_NONE, 0, REPLY_MALFORMED, "without task_id and status_url"},
	{"202 with a number", 0, 202, -1, "{\"task_id\":7,\"status_url\":\"/x\"}", ERRAND_NONE, 0, REPLY_MALFORMED, "without task_id and status_url"},
	{"409", 0, 409, -1, "{\"error_code\":\"TEST_IDEMPOTENCY_CONFLICT\"}", ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"409 without a body", 0, 409, -1, NULL, ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"409 with Retry-After", 0, 409, 9000, NULL, ERRAND_SUBMIT, 9000, 0, NULL},
	{"409 with a shorter Retry-After", 0, 409, 1000, NULL, ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"200 PROCESSING_CONFLICT", 0, 200, -1, CONFLICT, ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"500 PROCESSING_CONFLICT", 0, 500, -1, CONFLICT, ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"204", 0, 204, -1, NULL, ERRAND_NONE, 0, REPLY_HTTP, "TEST answered HTTP 204: no body"},
	{"302", 0, 302, -1, NULL, ERRAND_NONE, 0, REPLY_HTTP, "TEST answered HTTP 302: no body"},
	{"400 with a message", 0, 400, -1, "{\"error_code\":\"BAD\",\"message\":\"too short\"}", ERRAND_NONE, 0, REPLY_HTTP, "TEST answered HTTP 400: too short"},
	{"400 with an error", 0, 400, -1, "{\"error_code\":\"BAD\",\"error\":\"oops\"}", ERRAND_NONE, 0, REPLY_HTTP, "HTTP 400: oops"},
	{"400 with details", 0, 400, -1, "{\"error_code\":\"BAD\",\"details\":\"it\"}", ERRAND_NONE, 0, REPLY_HTTP, "HTTP 400: it"},
	{"400 with a code", 0, 400, -1, "{\"error_code\":\"BAD\",\"message\":\"\"}", ERRAND_NONE, 0, REPLY_HTTP, "HTTP 400: BAD"},
	{"400 with something else", 0, 400, -1, "{\"a\":1}", ERRAND_NONE, 0, REPLY_HTTP, "HTTP 400: {\"a\":1}"},
	{"401", 0, 401, -1, "go", ERRAND_NONE, 0, REPLY_HTTP, "TEST answered HTTP 401: go"},
	{"404", 0, 404, 1000, NULL, ERRAND_NONE, 0, REPLY_HTTP, "HTTP 404"},
	{"422", 0, 422, -1, NULL, ERRAND_NONE, 0, REPLY_HTTP, "HTTP 422"},
	{"499", 0, 499, -1, NULL, ERRAND_NONE, 0, REPLY_HTTP, "HTTP 499"},
	{"408", 0, 408, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"425", 0, 425, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"429", 0, 429, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"429 with Retry-After", 0, 429, 7000, NULL, ERRAND_SUBMIT, 7000, 0, NULL},
	{"429 with Retry-After 0", 0, 429, 0, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"500", 0, 500, -1, "{\"message\":\"x\"}", ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"502", 0, 502, -1, "<html>", ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"503 with Retry-After", 0, 503, 30000, NULL, ERRAND_SUBMIT, 30000, 0, NULL},
	{"503 with Retry-After at the deadline", 0, 503, TOTAL, NULL, ERRAND_SUBMIT, TOTAL, 0, NULL},
	{"503 with Retry-After beyond it", 0, 503, TOTAL + 1, NULL, ERRAND_NONE, 0, REPLY_HTTP, "TEST answered HTTP 503: no body (a further attempt would pass the limit of 60 s)"},
	{"504", 0, 504, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"599", 0, 599, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"unreachable", ANSWER_UNREACHABLE, 0, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"timeout", ANSWER_TIMEOUT, 0, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"broken", ANSWER_BROKEN, 0, -1, NULL, ERRAND_SUBMIT, BACKOFF, 0, NULL},
	{"too large", ANSWER_TOO_LARGE, 200, -1, NULL, ERRAND_NONE, 0, REPLY_UNREACHABLE, "TEST sent more than is allowed: words"},
	{"refused", ANSWER_REFUSED, 0, -1, NULL, ERRAND_NONE, 0, REPLY_UNREACHABLE, "TEST cannot be asked: words"},
	{"not asked", ANSWER_NOT_ASKED, 0, -1, NULL, ERRAND_NONE, 0, REPLY_TIMED_OUT, "TEST was not asked within 60 s: words"},
};

#define STATE(s) "{\"task_id\":\"t1\",\"status\":\"" s "\",\"result\":null}"
#define DONE "{\"status\":\"SUCCESS\",\"result\":{\"ok\":1}}"
#define LOST "{\"status\":\"FAILURE\",\"result\":{\"error\":{\"type\":\"task_failed\",\"message\":\"boom\"}}}"

static const struct transition polls[] = {
	{"SUCCESS", 0, 200, -1, DONE, ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"SUCCESS with 202", 0, 202, -1, DONE, ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"SUCCESS with 302", 0, 302, -1, DONE, ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"SUCCESS with 404", 0, 404, -1, DONE, ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"SUCCESS with 409", 0, 409, -1, DONE, ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"SUCCESS with 500", 0, 500, -1, DONE, ERRAND_NONE, 0, REPLY_RESULT, NULL},
	{"SUCCESS with what the agent refuses", 0, 500, -1, "{\"status\":\"SUCCESS\",\"result\":{\"message\":\"m\"}}", ERRAND_NONE, 0, REPLY_REPORTED, "TEST did not like it: m"},
	{"SUCCESS without a result", 0, 200, -1, "{\"status\":\"SUCCESS\"}", ERRAND_NONE, 0, REPLY_MALFORMED, "TEST reported success without a result object"},
	{"SUCCESS with result null", 0, 200, -1, "{\"status\":\"SUCCESS\",\"result\":null}", ERRAND_NONE, 0, REPLY_MALFORMED, "without a result object"},
	{"SUCCESS with a list", 0, 200, -1, "{\"status\":\"SUCCESS\",\"result\":[]}", ERRAND_NONE, 0, REPLY_MALFORMED, "without a result object"},
	{"conflict with 409", 0, 409, -1, "{\"status\":\"SUCCESS\",\"result\":" CONFLICT "}", ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"conflict with 200", 0, 200, 6000, "{\"status\":\"SUCCESS\",\"result\":" CONFLICT "}", ERRAND_SUBMIT, 6000, 0, NULL},
	{"409 alone", 0, 409, -1, NULL, ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"FAILURE with 500", 0, 500, -1, LOST, ERRAND_NONE, 0, REPLY_TASK_FAILED, "TEST reported that its task failed: boom"},
	{"FAILURE with 200", 0, 200, -1, LOST, ERRAND_NONE, 0, REPLY_TASK_FAILED, "failed: boom"},
	{"FAILURE with 404", 0, 404, -1, LOST, ERRAND_NONE, 0, REPLY_TASK_FAILED, "failed: boom"},
	{"FAILURE with a message", 0, 500, -1, "{\"status\":\"FAILURE\",\"result\":{\"message\":\"m\"}}", ERRAND_NONE, 0, REPLY_TASK_FAILED, "failed: m"},
	{"FAILURE with a string", 0, 500, -1, "{\"status\":\"FAILURE\",\"result\":\"s\"}", ERRAND_NONE, 0, REPLY_TASK_FAILED, "failed: s"},
	{"FAILURE without a reason", 0, 500, -1, "{\"status\":\"FAILURE\"}", ERRAND_NONE, 0, REPLY_TASK_FAILED, "failed: it gave no reason"},
	{"FAILURE with an empty reason", 0, 500, -1, "{\"status\":\"FAILURE\",\"result\":{\"message\":\"\"}}", ERRAND_NONE, 0, REPLY_TASK_FAILED, "failed: it gave no reason"},
	{"PENDING", 0, 202, -1, STATE("PENDING"), ERRAND_POLL, INTERVAL, 0, NULL},
	{"STARTED", 0, 202, -1, STATE("STARTED"), ERRAND_POLL, INTERVAL, 0, NULL},
	{"PROGRESS", 0, 200, -1, STATE("PROGRESS"), ERRAND_POLL, INTERVAL, 0, NULL},
	{"RETRY", 0, 202, 8000, STATE("RETRY"), ERRAND_POLL, 8000, 0, NULL},
	{"a state of another world", 0, 200, -1, STATE("success"), ERRAND_POLL, INTERVAL, 0, NULL},
	{"no state", 0, 200, -1, "{}", ERRAND_POLL, INTERVAL, 0, NULL},
	{"a state with 500", 0, 500, -1, STATE("STARTED"), ERRAND_POLL, INTERVAL, 0, NULL},
	{"404", 0, 404, -1, "{\"message\":\"who?\"}", ERRAND_SUBMIT, INTERVAL, 0, NULL},
	{"500", 0, 500, -1, "<html>", ERRAND_POLL, INTERVAL, 0, NULL},
	{"503 with Retry-After", 0, 503, 20000, NULL, ERRAND_POLL, 20000, 0, NULL},
	{"503 with Retry-After beyond the deadline", 0, 503, 2 * TOTAL, NULL, ERRAND_POLL, TOTAL, 0, NULL},
	{"429", 0, 429, 6000, NULL, ERRAND_POLL, 6000, 0, NULL},
	{"408", 0, 408, -1, NULL, ERRAND_POLL, INTERVAL, 0, NULL},
	{"425", 0, 425, -1, NULL, ERRAND_POLL, INTERVAL, 0, NULL},
	{"301", 0, 301, -1, NULL, ERRAND_NONE, 0, REPLY_HTTP, "the status page of TEST answered HTTP 301: no body"},
	{"400", 0, 400, -1, "{\"message\":\"m\"}", ERRAND_NONE, 0, REPLY_HTTP, "the status page of TEST answered HTTP 400: m"},
	{"403", 0, 403, -1, STATE("STARTED"), ERRAND_NONE, 0, REPLY_HTTP, "HTTP 403"},
	{"garbage with 200", 0, 200, -1, "]{", ERRAND_NONE, 0, REPLY_NOT_JSON, "the status page of TEST answered with a body that is no JSON object: ]{"},
	{"a list with 200", 0, 200, -1, "[]", ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: []"},
	{"nothing with 200", 0, 200, -1, NULL, ERRAND_NONE, 0, REPLY_NOT_JSON, "no JSON object: no body"},
	{"unreachable", ANSWER_UNREACHABLE, 0, -1, NULL, ERRAND_POLL, INTERVAL, 0, NULL},
	{"timeout", ANSWER_TIMEOUT, 0, -1, NULL, ERRAND_POLL, INTERVAL, 0, NULL},
	{"broken", ANSWER_BROKEN, 0, -1, NULL, ERRAND_POLL, INTERVAL, 0, NULL},
	{"too large", ANSWER_TOO_LARGE, 200, -1, NULL, ERRAND_NONE, 0, REPLY_UNREACHABLE, "TEST sent more than is allowed: words"},
	{"refused", ANSWER_REFUSED, 0, -1, NULL, ERRAND_NONE, 0, REPLY_UNREACHABLE, "TEST cannot be asked: words"},
};
/* clang-format on */

static void check_landed(const struct call *call, const struct transition *t, bool polling)
{
	cr_assert_eq(call->state, CALL_LANDED, "%s", t->what);
	cr_assert_eq(call->news, CALL_ENDED, "%s", t->what);
	cr_assert_eq(call->landed_us, WALL, "%s", t->what);
	cr_assert_eq(call->reply.kind, t->reply, "%s: kind %d", t->what, call->reply.kind);
	cr_assert_eq(call->reply.http_status, t->status, "%s", t->what);
	cr_assert_eq(call->reply.polled, polling, "%s", t->what);
	cr_assert_eq(call->retries, 0, "%s", t->what);
	cr_assert_null(call->request, "%s", t->what);
	if (!t->error) {
		cr_assert_null(call->reply.error, "%s: %s", t->what, call->reply.error);
		cr_assert_str_eq(call->reply.text, "{\"ok\":1}", "%s", t->what);
	} else {
		cr_assert(call->reply.error && strstr(call->reply.error, t->error), "%s: %s",
			  t->what, call->reply.error);
	}
}

static void check_goes_on(const struct call *call, const struct transition *t, struct errand errand)
{
	bool backoff = t->delay_ms == BACKOFF;
	enum call_state state = t->errand == ERRAND_SUBMIT ? CALL_SUBMITTING : CALL_ACCEPTED;

	cr_assert_eq(call->state, state, "%s", t->what);
	cr_assert_eq(call->news, 0, "%s", t->what);
	cr_assert(errand.delay_ms <= t->delay_ms &&
			  errand.delay_ms >= (backoff ? BACKOFF / 2 : t->delay_ms),
		  "%s: %lld ms", t->what, (long long)errand.delay_ms);
	cr_assert_eq(call->retries, t->errand == ERRAND_SUBMIT ? 1 : 0, "%s", t->what);
	cr_assert_not_null(call->request, "%s", t->what);
	cr_assert_null(call->reply.error, "%s", t->what);
	cr_assert_null(call->reply.text, "%s", t->what);
}

static void check(const struct transition *table, size_t n, bool polling)
{
	for (size_t i = 0; i < n; i++) {
		const struct transition *t = &table[i];
		struct call call = sent(polling);
		struct answer answer = {.kind = t->kind,
					.status = t->status,
					.retry_after_ms = t->retry_after_ms,
					.error = (char[]){"words"}};
		struct errand errand = answer_at(&call, NOW, &answer, t->body);

		cr_assert_eq(errand.kind, t->errand, "%s: errand %d", t->what, errand.kind);
		cr_assert_null(call.answer.body, "%s", t->what);
		cr_assert_eq(call.answer.retry_after_ms, -1, "%s", t->what);
		if (t->errand == ERRAND_NONE)
			check_landed(&call, t, polling);
		else
			check_goes_on(&call, t, errand);
		call_release(&call);
	}
}

Test(call, answers_to_a_submission)
{
	check(submissions, sizeof(submissions) / sizeof(*submissions), false);
}

Test(call, answers_to_a_poll)
{
	check(polls, sizeof(polls) / sizeof(*polls), true);
}

/* ---- the life of a call ---- */

Test(call, begins_with_a_submission_and_a_deadline)
{
	struct call call = {.agent = &test_agent};
	struct errand errand = call_begin(&call, &policy, NOW);

	cr_assert(errand.kind == ERRAND_SUBMIT && errand.delay_ms == 0);
	cr_assert_eq(call.deadline_us, NOW + TOTAL * 1000);
	cr_assert_eq(call.state, CALL_PLANNED);
}

Test(call, an_accepted_one_that_was_taken_over_is_polled_at_once_with_its_whole_time)
{
	struct call call = {.agent = &test_agent, .state = CALL_ACCEPTED};
	struct errand errand = call_begin(&call, &policy, NOW);

	cr_assert(errand.kind == ERRAND_POLL && errand.delay_ms == 0);
	cr_assert_eq(call.deadline_us, NOW + TOTAL * 1000);
}

Test(call, acceptance_is_news_and_keeps_what_a_take_over_needs)
{
	struct call call = sent(false);
	struct errand errand = came(&call, NOW, 202, ACCEPTED);

	cr_assert(errand.kind == ERRAND_POLL && errand.delay_ms >= INTERVAL / 4 &&
		  errand.delay_ms <= INTERVAL);
	cr_assert_eq(call.state, CALL_ACCEPTED);
	cr_assert_eq(call.news, CALL_TAKEN);
	cr_assert_str_eq(call.external_id, "t1");
	cr_assert_str_eq(call.status_url, "/v1/tasks/t1");
	cr_assert_not_null(call.request, "its task may be lost, and submitted again");
	cr_assert_null(call.reply.text);
	call_release(&call);
}

Test(call, gives_back_the_request_of_a_task_and_of_no_other_call)
{
	struct call call = sent(false);
	struct errand errand;

	call.input = xstrdup("{}");
	call_give_back(&call);
	cr_assert_not_null(call.request, "it is out, and may have to be sent again");
	cr_assert_null(call.input);
	(void)came(&call, NOW, 202, ACCEPTED);
	call.news = 0;
	call_give_back(&call);
	cr_assert_null(call.request);
	errand = came(&call, NOW, 404, NULL);
	cr_assert(errand.kind == ERRAND_SUBMIT && errand.delay_ms == INTERVAL);
	cr_assert_eq(call.state, CALL_SUBMITTING, "with a request that a pass makes again");
	call_release(&call);
}

Test(call, acceptance_again_replaces_the_task)
{
	struct call call = sent(false);

	(void)came(&call, NOW, 202, ACCEPTED);
	call.news = 0;
	cr_assert_eq(came(&call, NOW, 404, NULL).kind, ERRAND_SUBMIT);
	(void)came(&call, NOW, 202, "{\"task_id\":\"t2\",\"status_url\":\"/2\"}");
	cr_assert_eq(call.news, CALL_TAKEN);
	cr_assert_str_eq(call.external_id, "t2");
	cr_assert_str_eq(call.status_url, "/2");
	cr_assert_eq(call.retries, 1);
	call_release(&call);
}

Test(call, limits_of_task_id_and_status_url)
{
	for (int i = 0; i < 4; i++) {
		size_t id = i == 1 ? 256 : 255, url = i == 2 ? 1025 : 1024;
		struct call call = sent(false);
		struct strbuf body;

		strbuf_init(&body, 4096);
		strbuf_addf(&body, "{\"task_id\":\"%0*d\",\"status_url\":\"%0*d\"}", (int)id, 1,
			    (int)url, 2);
		(void)came(&call, NOW, 202, body.buf);
		if (i == 1 || i == 2) {
			cr_assert_eq(call.reply.kind, REPLY_MALFORMED);
			cr_assert(strstr(call.reply.error, "too long"));
			cr_assert_eq(call.news, CALL_ENDED);
			cr_assert_null(call.external_id);
		} else {
			cr_assert_eq(call.state, CALL_ACCEPTED);
			cr_assert(strlen(call.external_id) == id && strlen(call.status_url) == url);
		}
		call_release(&call);
		strbuf_release(&body);
	}
}

Test(call, as_many_attempts_as_allowed_with_growing_waits)
{
	struct answer answers[] = {
		{.status = 500, .retry_after_ms = -1},
		{.kind = ANSWER_UNREACHABLE, .retry_after_ms = -1, .error = (char[]){"w"}},
		{.kind = ANSWER_TIMEOUT, .retry_after_ms = -1, .error = (char[]){"w"}},
		{.kind = ANSWER_BROKEN, .retry_after_ms = -1, .error = (char[]){"w"}}};

	for (unsigned retries = 0; retries <= 6; retries++) {
		struct call call = sent(false);
		struct errand errand;

		policy.retries = retries;
		for (unsigned n = 0; n < retries; n++) {
			int64_t top = BACKOFF << n;

			errand = answer_at(&call, NOW, &answers[n % 4], NULL);
			cr_assert_eq(errand.kind, ERRAND_SUBMIT);
			cr_assert(errand.delay_ms >= top / 2 && errand.delay_ms <= top,
				  "wait %u is %lld", n, (long long)errand.delay_ms);
			cr_assert_eq(call.retries, n + 1);
			call.attempts++;
		}
		errand = came(&call, NOW, 500, "{\"message\":\"down\"}");
		cr_assert_eq(errand.kind, ERRAND_NONE);
		cr_assert_eq(call.retries, retries);
		cr_assert_eq(call.reply.kind, REPLY_HTTP);
		cr_assert_eq(call.reply.http_status, 500);
		cr_assert(strstr(call.reply.error, "TEST answered HTTP 500: down (after "));
		cr_assert_eq((unsigned)strtoul(strstr(call.reply.error, "after ") + 6, NULL, 10),
			     retries + 1, "%s", call.reply.error);
		call_release(&call);
	}
}

Test(call, waits_are_scattered_and_never_above_the_ceiling)
{
	int64_t seen[2] = {INT64_MAX, 0};

	policy.retries = 1000;
	policy.agent[2].total_ms = 100 * BACKOFF_MAX_MS;
	for (int i = 0; i < 300; i++) {
		struct call call = sent(false);
		int64_t ms = came(&call, NOW, 503, NULL).delay_ms;

		seen[0] = ms < seen[0] ? ms : seen[0];
		seen[1] = ms > seen[1] ? ms : seen[1];
		call.failures = (unsigned)i;
		ms = came(&call, NOW, 503, NULL).delay_ms;
		cr_assert(ms >= BACKOFF / 2 && ms <= BACKOFF_MAX_MS, "%lld", (long long)ms);
		call_release(&call);
	}
	cr_assert(seen[0] < 300 && seen[1] > 450, "%lld to %lld", (long long)seen[0],
		  (long long)seen[1]);
}

Test(call, a_silent_agent_is_named_with_what_was_wrong)
{
	static const char *const words[] = {
		[ANSWER_UNREACHABLE] = "TEST could not be reached: no route (after 1 attempts)",
		[ANSWER_TIMEOUT] = "TEST did not answer in time: no route (after 1 attempts)",
		[ANSWER_BROKEN] = "TEST broke off the connection: no route (after 1 attempts)",
	};

	policy.retries = 0;
	for (int kind = ANSWER_UNREACHABLE; kind <= ANSWER_BROKEN; kind++) {
		struct call call = sent(false);
		struct answer answer = {.kind = (enum answer_kind)kind,
					.retry_after_ms = -1,
					.error = (char[]){"no route"}};

		(void)answer_at(&call, NOW, &answer, NULL);
		cr_assert_eq(call.reply.kind, REPLY_UNREACHABLE);
		cr_assert_str_eq(call.reply.error, words[kind]);
		cr_assert_eq(call.reply.http_status, 0);
		call_release(&call);
	}
}

Test(call, a_conflict_is_no_failure_and_costs_no_attempt)
{
	struct call call = sent(false);

	for (int i = 0; i < 11; i++) {
		struct errand errand = came(&call, NOW + i * INTERVAL * 1000L, 409, NULL);

		cr_assert(errand.kind == ERRAND_SUBMIT && errand.delay_ms == INTERVAL);
	}
	cr_assert_eq(call.failures, 0);
	cr_assert_eq(call.retries, 11);
	call_release(&call);
}

Test(call, never_asked_again_in_a_tight_loop)
{
	struct call call = sent(false);
	struct errand errand;

	policy.agent[2].interval_ms = 0;
	errand = came(&call, NOW, 409, NULL);
	cr_assert(errand.kind == ERRAND_SUBMIT && errand.delay_ms >= 20);
	call.state = CALL_ACCEPTED;
	errand = came(&call, NOW, 404, NULL);
	cr_assert(errand.kind == ERRAND_SUBMIT && errand.delay_ms >= 20);
	call_release(&call);
}

/* ---- the deadline ---- */

struct late {
	const char *what;
	bool polling;
	int status;
	const char *body, *error;
};

/* clang-format off */
static const struct late lates[] = {
	{"conflict", false, 409, NULL, "(another worker's request under the same key is being processed)"},
	{"poll conflict", true, 409, NULL, "(another worker's request under the same key is being processed)"},
	{"lost task", true, 404, NULL, "(the agent does not know the task any more)"},
	{"sick status page", true, 500, NULL, "(its status page answers with errors)"},
	{"still at work", true, 202, STATE("STARTED"), "(its task is still at work)"},
	{"accepted", false, 202, ACCEPTED, NULL},
};
/* clang-format on */

Test(call, is_asked_a_last_time_at_the_deadline_and_then_fails)
{
	for (size_t i = 0; i < sizeof(lates) / sizeof(*lates); i++) {
		const struct late *t = &lates[i];
		struct call call = sent(t->polling);
		int64_t end = call.deadline_us;
		struct errand errand = came(&call, end - 1700000, t->status, t->body);

		/* A first poll comes somewhat sooner than the interval. */
		cr_assert(errand.kind != ERRAND_NONE && errand.delay_ms <= 1700 &&
				  (errand.delay_ms == 1700 || t->body == lates[5].body),
			  "%s: %lld", t->what, (long long)errand.delay_ms);
		call.state = t->polling ? CALL_ACCEPTED : CALL_SUBMITTING;
		call.news = 0;
		errand = came(&call, end, t->status, t->body);
		cr_assert_eq(errand.kind, ERRAND_NONE, "%s", t->what);
		cr_assert_eq(call.reply.kind, REPLY_TIMED_OUT, "%s", t->what);
		cr_assert(strstr(call.reply.error, "TEST gave no result within 60 s"), "%s",
			  t->what);
		cr_assert(!t->error || strstr(call.reply.error, t->error), "%s: %s", t->what,
			  call.reply.error);
		call_release(&call);
	}
}

Test(call, a_result_after_the_deadline_is_taken)
{
	struct call call = sent(true);

	cr_assert_eq(came(&call, call.deadline_us + 5000000, 200, DONE).kind, ERRAND_NONE);
	cr_assert_eq(call.reply.kind, REPLY_RESULT);
	call_release(&call);
}

Test(call, silence_of_the_status_page_ends_at_the_deadline)
{
	struct call call = sent(true);
	struct answer answer = {
		.kind = ANSWER_TIMEOUT, .retry_after_ms = -1, .error = (char[]){"w"}};
	int64_t now = NOW;
	int polled = 0;

	for (struct errand errand = {ERRAND_POLL, 0}; errand.kind == ERRAND_POLL; polled++) {
		now += errand.delay_ms * 1000;
		cr_assert_leq(now, call.deadline_us);
		errand = answer_at(&call, now, &answer, NULL);
	}
	cr_assert_eq(now, call.deadline_us, "the last one is at the deadline");
	cr_assert_eq(polled, TOTAL / INTERVAL + 1);
	cr_assert(strstr(call.reply.error, "its status page does not answer"));
	call_release(&call);
}

Test(call, a_retry_that_would_pass_the_deadline_is_not_waited_for)
{
	struct call call = sent(false);

	(void)came(&call, call.deadline_us - 1000, 503, NULL);
	cr_assert_eq(call.state, CALL_LANDED);
	cr_assert_eq(call.reply.kind, REPLY_HTTP);
	cr_assert(strstr(call.reply.error, "HTTP 503: no body (a further attempt would pass"));
	cr_assert_eq(call.retries, 0);
	call_release(&call);
}

Test(call, the_longest_retry_after_does_not_overflow)
{
	for (int polling = 0; polling < 2; polling++)
		for (int status = 409; status <= 503; status += 94) {
			struct call call = sent(polling);
			struct answer answer = {.status = status,
						.retry_after_ms = 7LL * 86400 * 1000};
			struct errand errand = answer_at(&call, NOW, &answer, NULL);

			cr_assert_leq(errand.delay_ms, TOTAL);
			call_release(&call);
		}
}

Test(call, can_be_failed_by_the_engine)
{
	struct call call = sent(false);

	(void)came(&call, NOW, 202, ACCEPTED);
	call_fail(&call, REPLY_MALFORMED, WALL, "no such %s", "host");
	cr_assert_eq(call.state, CALL_LANDED);
	cr_assert_eq(call.news, CALL_TAKEN | CALL_ENDED);
	cr_assert_str_eq(call.reply.error, "no such host");
	cr_assert_eq(call.reply.http_status, 0);
	cr_assert_eq(call.landed_us, WALL);
	cr_assert_null(call.reply.text);
	cr_assert_null(call.request);
	call_release(&call);
}
