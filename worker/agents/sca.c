/* SCA: a snippet about a topic (agents.md §2.4). */
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"

enum { BRIEF_MAX = 1000 };

/* Success with an error code, or with nothing to show, is a failure that SCA tells in its own way.
 */
static void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	const char *code = json_str(result, "error_code"), *message = json_str(result, "message");

	(void)call;
	if (code)
		reply_failure(reply, REPLY_REPORTED, result, "SCA reported %s: %s", code,
			      message ? message : "it gave no message");
	else if (json_object_object_length(result) == 0)
		reply_failure(reply, REPLY_REPORTED, result,
			      "SCA reported success with an empty result");
	else
		reply_result(reply, json_object_get(result));
}

const struct agent sca = {.name = "SCA", .label = "sca", .index = AGENT_SCA, .accept = accept};

/* SCA refuses a brief of more characters than it reads. */
static const char *brief(struct run *run, const char *title)
{
	size_t bytes = strlen(title);

	if (utf8_count(title, bytes) <= BRIEF_MAX)
		return title;
	while (utf8_count(title, bytes) > BRIEF_MAX)
		bytes = utf8_cut(title, bytes, bytes - (utf8_count(title, bytes) - BRIEF_MAX));
	return arena_strndup(&run->arena, title, bytes);
}

struct reply *sca_craft(struct run *run, const char *name, int order, struct json_object *info)
{
	struct call *call;

	if (!run_ask(run, &sca, name, &call)) {
		const char *id = json_str(info, "topic_id"),
			   *title = json_str(info, "title_suggestion");
		struct strbuf request, input;

		json_begin(&request);
		json_add_str(&request, "topic_id", id);
		json_add_str(&request, "content_brief", brief(run, title));
		json_add_obj(&request, "topic_info", info);
		json_begin(&input);
		json_add_str(&input, "topic_id", id);
		json_add_str(&input, "topic_title", title);
		json_add_str(&input, "idempotency_key_for_sca", call->key);
		call_label(call, sca.name, order);
		call_send(call, &request, &input);
	}
	if (call_wants_summary(call) && call_reply(call)->kind == REPLY_RESULT) {
		struct strbuf summary;

		json_begin(&summary);
		json_add_str(&summary, "snippet_id", reply_string(call_reply(call), "snippet_id"));
		json_add_str(&summary, "title", reply_string(call_reply(call), "title"));
		call_summary(call, &summary);
	}
	return call_reply(call);
}

const char *sca_error_code(struct reply *reply)
{
	switch (reply->kind) {
	case REPLY_NOT_JSON:
		return reply->polled ? "SCA_POLL_JSON_DECODE_ERROR" : "SCA_RESPONSE_INVALID_JSON";
	case REPLY_TIMED_OUT:
		return "SCA_POLLING_TIMEOUT";
	case REPLY_TASK_FAILED:
		return "SCA_TASK_FAILED";
	case REPLY_REPORTED:
		return "SCA_TASK_LOGICAL_ERROR";
	case REPLY_MALFORMED:
		return reply->polled ? "SCA_TASK_LOGICAL_ERROR" : "SCA_BAD_TASK_RESPONSE";
	case REPLY_HTTP:
		if (reply->polled)
			return "SCA_CALL_UNEXPECTED_ERROR";
		return reply->http_status < 400 ? "SCA_TASK_REJECTED"
						: "SCA_CALL_FAILED_AFTER_RETRIES";
	case REPLY_UNREACHABLE:
		return "SCA_CALL_FAILED_AFTER_RETRIES";
	case REPLY_RESULT:
	case REPLY_KINDS:
		break;
	}
	return "SCA_CALL_UNEXPECTED_ERROR";
}
