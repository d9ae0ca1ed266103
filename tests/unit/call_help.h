/* call_help: one call of an agent of its own, and what comes back to it. */
#ifndef CALL_HELP_H
#define CALL_HELP_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "core/call.h"

enum { NOW = 1000000000, INTERVAL = 5000, TOTAL = 60000, BACKOFF = 500, WALL = 77 };

static struct policy policy;
static struct rng rng;

/* Takes {"ok":…}, refuses anything else in its own words. */
static inline void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	(void)call;
	if (json_any(result, "ok"))
		reply_result(reply, json_object_get(result));
	else
		reply_failure(reply, REPLY_REPORTED, result, "TEST did not like it: %s",
			      json_str(result, "message"));
}

static const struct agent test_agent = {
	.name = "TEST", .label = "test", .index = 2, .accept = accept};

static inline void setup(void)
{
	rng_seed(&rng, 3);
	policy = (struct policy){.retries = 3, .backoff_ms = BACKOFF};
	policy.agent[2] = (struct agent_policy){
		.url = "http://test/", .interval_ms = INTERVAL, .total_ms = TOTAL};
}

/* A call whose request is out, its deadline TOTAL after NOW. */
static inline struct call sent(bool polling)
{
	struct call call = {.agent = &test_agent, .name = "test", .attempts = 1};

	call.request = xstrdup("{}");
	(void)call_begin(&call, &policy, NOW);
	call.state = polling ? CALL_ACCEPTED : CALL_SUBMITTING;
	return call;
}

static inline struct errand answer_at(struct call *call, int64_t now_us,
				      const struct answer *answer, const char *body)
{
	call->answer = *answer;
	call->answer.body = body ? xstrdup(body) : NULL;
	call->answer.len = body ? strlen(body) : 0;
	call->answer.error = answer->error ? xstrdup(answer->error) : NULL;
	return call_answer(call, &policy, &rng, now_us, WALL);
}

static inline struct errand came(struct call *call, int64_t now_us, int status, const char *body)
{
	return answer_at(call, now_us, &(struct answer){.status = status, .retry_after_ms = -1},
			 body);
}

#endif
