/*
 * fuzz_reply: what agents answer, from the wire to the end of the workflow.
 *
 * The first byte chooses the workflow. Parts follow, divided by a line "%%": each is the answer to
 * the call that has been out longest, its first three digits the status (or less than 100: no
 * answer of that kind), the rest the body. So a 202 is followed by the answer to its poll.
 *
 * Whatever comes, a reply must be read back from its row as it was, and the run must get somewhere.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/http.h"
#include "cpoa/json.h"

#include "agents/agents.h"
#include "workflows/workflows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWERS_MAX = 40 };

static const char *const jobs[WORKFLOW_COUNT] = {
	"{\"topic\":\"Bees\",\"task_id\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\"}",
	"{\"topic_info\":{\"title_suggestion\":\"Bees\",\"topic_id\":\"t1\"}}",
	"{\"query\":\"bees\",\"client_id\":\"c\"}",
	"{\"current_topic_id\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\"}",
	"{\"limit\":2}",
	"{}",
};

static struct policy policy = {
	.retries = 2, .backoff_ms = 1, .content_max = 2000, .websocket_url = "ws://asf"};
static struct rng rng;

static struct run *start(unsigned type)
{
	struct mq_message m = {.routing_key = workflow_types[type],
			       .message_id = "m1",
			       .body = jobs[type],
			       .body_len = strlen(jobs[type]),
			       .body_size = strlen(jobs[type])};
	struct run *run = run_new(&policy);
	struct err e;

	run->lease = 1;
	run->started_us = 1760000000000000;
	if (job_read(&run->job, &run->arena, workflows[type], &m, &run->args, &e) != JOB_GOOD)
		BUG("%s", e.text);
	run_pass(run, run->started_us);
	return run;
}

/* The row's reply. free() it. */
static char *row_text(const struct call *call, size_t *len)
{
	struct strbuf sb;

	strbuf_init(&sb, JSON_TEXT_MAX);
	call_reply_write(call, &sb);
	return strbuf_detach(&sb, len);
}

/* The row's text, and what a worker that takes over reads out of it. */
static void check_row(struct call *call)
{
	struct call other = {.agent = call->agent, .run = call->run};
	size_t len, again_len;
	char *text = row_text(call, &len), *again, *error = call_error_text(call);

	if (!utf8_ok(text, len))
		BUG("a reply's row is no text");
	if (!call_reply_read(&other, text, len))
		BUG("a reply cannot be read back: %.200s", text);
	again = row_text(&other, &again_len);
	if (other.reply.kind != call->reply.kind || again_len != len ||
	    memcmp(again, text, len) != 0)
		BUG("a reply is another one after its row: %.200s", text);
	call_release(&other);
	free(text);
	free(again);
	free(error);
}

/* As engine/work.c does it. */
static void resolve(struct call *call)
{
	const char *base = policy.agent[call->agent->index].url;
	char url[HTTP_URL_MAX];
	struct err e = {0};

	free(call->poll_url);
	call->poll_url = NULL;
	if (!http_resolve(base, call->status_url, url, &e))
		call_fail(call, REPLY_MALFORMED, 1, "no status_url: %.*s",
			  (int)utf8_cut(e.text, strlen(e.text), 300), e.text);
	else if (!http_same_origin(base, url))
		call_fail(call, REPLY_MALFORMED, 1, "a status_url on another host");
	else
		call->poll_url = xstrdup(url);
}

/* Commits: every call that is new goes out. */
static void commit(struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next) {
		if ((call->news & CALL_ENDED) && call->agent)
			check_row(call);
		if (call->news & CALL_NEW && call->agent) {
			call->errand = call_begin(call, &policy, 0);
			call->state = CALL_SUBMITTING;
			call->out = true;
		}
	}
	run_settle(run);
}

static struct call *first_out(struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next)
		if (call->out)
			return call;
	return NULL;
}

static void hear(struct call *call, const char *part, size_t len)
{
	char digits[4] = "";
	int status;

	memcpy(digits, part, len < 3 ? len : 3);
	status = (int)strtol(digits, NULL, 10);
	part += len < 3 ? len : 3;
	len -= len < 3 ? len : 3;
	call->answer = (struct answer){.status = status, .retry_after_ms = -1};
	if (status < 100) {
		call->answer.kind = (enum answer_kind)(1 + (unsigned)status % ANSWER_REFUSED);
	} else {
		call->answer.body = xmalloc(len + 1);
		memcpy(call->answer.body, part, len);
		call->answer.body[len] = '\0';
		call->answer.len = len;
	}
	call->out = false;
	call->errand = call_answer(call, &policy, &rng, 0, 1760000000000001);
	if ((call->news & CALL_TAKEN) && call->state == CALL_ACCEPTED)
		resolve(call);
	if (call->state == CALL_LANDED)
		return;
	call->out = true;
	call->state = call->errand.kind == ERRAND_SUBMIT ? CALL_SUBMITTING : CALL_ACCEPTED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data + 1, *end = (const char *)data + size;
	struct call *call;
	struct run *run;

	if (size < 1)
		return 0;
	for (int i = 0; i < AGENTS_MAX; i++)
		policy.agent[i] =
			(struct agent_policy){.url = "http://agent/work", .total_ms = 1000};
	rng_seed(&rng, 1);
	run = start(data[0] % WORKFLOW_COUNT);
	for (int n = 0; n < ANSWERS_MAX && at < end && !run->change.ended; n++) {
		const char *stop = memmem(at, (size_t)(end - at), "\n%%\n", 4);
		size_t len = (size_t)((stop ? stop : end) - at);

		commit(run);
		call = first_out(run);
		if (!call)
			BUG("it neither waits nor has it ended");
		hear(call, at, len);
		at = stop ? stop + 4 : end;
		if (call->state == CALL_LANDED)
			run_pass(run, 1760000000000002);
		run_rest(run);
	}
	for (call = run->calls; call; call = call->next)
		if (call->state == CALL_LANDED && call->agent)
			check_row(call);
	if (!run->change.ended)
		run_give_up(run, "fuzz", "no more answers", 1760000000000003);
	if (!utf8_ok(run->change.terminal->body, run->change.terminal->len))
		BUG("the end is no text");
	run_unref(run);
	return 0;
}
