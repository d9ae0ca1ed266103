/* TDA: topics about a query (agents.md §2.6). */
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"

struct json_object *tda_topics(struct reply *reply)
{
	struct json_object *topics = json_arr(reply_body(reply), "discovered_topics");

	return topics ? topics : json_arr(reply_body(reply), "topics");
}

/* Anything but success is a failure, and so is a success without a topic: there is nothing to go on
 * with. */
static void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	const char *status = json_str(result, "status"), *message = json_str(result, "message");
	struct json_object *topics = json_arr(result, "discovered_topics");

	(void)call;
	topics = topics ? topics : json_arr(result, "topics");
	if (status && strcmp(status, "success") != 0)
		reply_failure(reply, REPLY_REPORTED, result, "TDA reported %s: %s", status,
			      message ? message : "it gave no message");
	else if (!topics)
		reply_failure(reply, REPLY_MALFORMED, result,
			      "TDA answered without a list of topics");
	else if (json_object_array_length(topics) == 0)
		reply_failure(reply, REPLY_REPORTED, result, "TDA found no topics");
	else
		reply_result(reply, json_object_get(result));
}

const struct agent tda = {.name = "TDA", .label = "tda", .index = AGENT_TDA, .accept = accept};

struct reply *tda_discover(struct run *run, const char *row_name, const char *query, int limit)
{
	struct call *call;

	if (!run_ask(run, &tda, "tda", &call)) {
		struct strbuf request, input;

		json_begin(&request);
		json_add_str(&request, "query", query);
		json_add_num(&request, "limit", limit);
		json_begin(&input);
		json_add_str(&input, "query", query);
		json_add_num(&input, "limit", limit);
		json_add_str(&input, "idempotency_key_for_tda", call->key);
		call_label(call, row_name, 1);
		call_send(call, &request, &input);
	}
	if (call_wants_summary(call) && call_reply(call)->kind == REPLY_RESULT) {
		struct strbuf summary;

		json_begin(&summary);
		json_add_num(&summary, "topic_count",
			     (int64_t)json_object_array_length(tda_topics(call_reply(call))));
		call_summary(call, &summary);
	}
	return call_reply(call);
}
