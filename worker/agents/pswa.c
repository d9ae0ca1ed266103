/* PSWA: a script made of content (agents.md §2.2). */
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"

enum { BESIDE = 200 }; /* bytes of a request beside the content */

static bool truthy(const char *s)
{
	return s && *s;
}

/* A stored answer comes as {"script_data": {script}, …}, an answer in one go as the script itself.
 */
static void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	struct json_object *script = json_obj(result, "script_data");
	const char *error = json_str(result, "error"), *code = json_str(result, "error_code");
	const char *message = json_str(result, "message");

	(void)call;
	if (!script && (truthy(error) || truthy(code)))
		reply_failure(reply, REPLY_REPORTED, result, "PSWA reported %s: %s",
			      truthy(error) ? error : code,
			      message ? message : "it gave no message");
	else if (!script && json_any(result, "script_data"))
		reply_failure(reply, REPLY_MALFORMED, result, "PSWA's script_data is no object");
	else {
		script = script ? script : result;
		if (!truthy(json_str(script, "script_id")) || !truthy(json_str(script, "title")) ||
		    !json_arr(script, "segments"))
			reply_failure(
				reply, REPLY_MALFORMED, result,
				"PSWA's script lacks a script_id, a title or a list of segments");
		else
			reply_result(reply, json_object_get(script));
	}
}

const struct agent pswa = {.name = "PSWA", .label = "pswa", .index = AGENT_PSWA, .accept = accept};

struct reply *pswa_weave(struct run *run, const char *topic, struct reply *web)
{
	struct call *call;

	if (!run_ask(run, &pswa, "pswa", &call)) {
		struct strbuf request, input;
		const char *content = reply_string(web, "content");

		json_begin_large(&request, web->text_len + BESIDE);
		json_add_text(&request, "content", reply_member(web, "content"));
		json_add_str(&request, "topic", topic);
		json_begin(&input);
		json_add_str(&input, "topic", topic);
		json_add_num(&input, "content_input_length",
			     (int64_t)utf8_count(content, strlen(content)));
		json_add_str(&input, "idempotency_key_for_pswa", call->key);
		call_send(call, &request, &input);
	}
	if (call_wants_summary(call) && call_reply(call)->kind == REPLY_RESULT) {
		struct json_object *script = reply_body(call_reply(call));
		struct strbuf summary;

		json_begin(&summary);
		json_add_str(&summary, "script_id", json_str(script, "script_id"));
		json_add_str(&summary, "title", json_str(script, "title"));
		json_add_num(&summary, "segment_count",
			     (int64_t)json_object_array_length(json_arr(script, "segments")));
		call_summary(call, &summary);
	}
	return call_reply(call);
}
