/* IGA: a cover for a snippet (agents.md §2.5). */
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"

/* A picture that comes along with its address would be kept in the row, and nobody reads it. */
static struct json_object *without_picture(struct json_object *result)
{
	struct json_object *o;

	if (!json_any(result, "image_base64"))
		return json_object_get(result);
	o = json_object_new_object();
	json_object_object_foreach(result, key, value)
	{
		if (strcmp(key, "image_base64") != 0)
			json_set_ref(o, key, value);
	}
	return o;
}

static void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	const char *code = json_str(result, "error_code"), *message = json_str(result, "message");

	(void)call;
	if (code)
		reply_failure(reply, REPLY_REPORTED, result, "IGA reported %s: %s", code,
			      message ? message : "it gave no message");
	else
		reply_result(reply, without_picture(result));
}

const struct agent iga = {.name = "IGA", .label = "iga", .index = AGENT_IGA, .accept = accept};

struct reply *iga_draw(struct run *run, const char *name, int order, const char *prompt)
{
	struct call *call;

	if (!run_ask(run, &iga, name, &call)) {
		struct strbuf request, input;

		json_begin(&request);
		json_add_str(&request, "prompt", prompt);
		json_begin(&input);
		json_add_str(&input, "prompt", prompt);
		json_add_str(&input, "idempotency_key_for_iga", call->key);
		call_label(call, iga.name, order);
		call_send(call, &request, &input);
	}
	if (call_wants_summary(call) && call_reply(call)->kind == REPLY_RESULT) {
		struct strbuf summary;

		json_begin(&summary);
		json_add_str(&summary, "image_url", reply_string(call_reply(call), "image_url"));
		call_summary(call, &summary);
	}
	return call_reply(call);
}
