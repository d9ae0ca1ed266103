/* WCHA, a service or engine/harvester.h: web content about a topic (agents.md §2.1, §6). */
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"

/* PSWA refuses more than it can read: the text is cut here, once, so that the row holds what was
 * really used. */
static struct json_object *harvest_of(struct json_object *result, const char *content, size_t max)
{
	struct json_object *o = json_object_new_object();
	size_t n = utf8_cut(content, strlen(content), max);

	json_set_str(o, "status", "success");
	json_set(o, "content", json_object_new_string_len(content, (int)n));
	json_set_ref(o, "source_urls", json_arr(result, "source_urls"));
	json_set_str(o, "message", json_str(result, "message"));
	if (json_arr(result, "sources"))
		json_set_ref(o, "sources", json_arr(result, "sources"));
	return o;
}

static void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	const char *status = json_str(result, "status"), *content = json_str(result, "content");
	const char *message = json_str(result, "message");

	if (!status || strcmp(status, "success") != 0)
		reply_failure(reply, REPLY_REPORTED, result, "WCHA reported %s: %s",
			      status ? status : "no status",
			      message ? message : "it gave no message");
	else if (!content || !*content)
		reply_failure(reply, REPLY_MALFORMED, result, "WCHA critical failure: No content.");
	else if (strlen(content) <= call->run->policy->content_max)
		reply_result(reply, json_object_get(result));
	else
		reply_result(reply, harvest_of(result, content, call->run->policy->content_max));
}

const struct agent wcha = {.name = "WCHA", .label = "wcha", .index = AGENT_WCHA, .accept = accept};

struct reply *wcha_harvest(struct run *run, const char *topic)
{
	struct call *call;

	if (!run_ask(run, &wcha, "wcha", &call)) {
		struct strbuf request, input;

		json_begin(&request);
		json_add_str(&request, "topic", topic);
		json_add_bool(&request, "use_search", true);
		json_begin(&input);
		json_add_str(&input, "topic", topic);
		json_add_str(&input, "idempotency_key_for_wcha", call->key);
		call_send(call, &request, &input);
	}
	if (call_wants_summary(call) && call_reply(call)->kind == REPLY_RESULT) {
		struct json_object *body = reply_body(call_reply(call));
		const char *content = json_str(body, "content");
		struct strbuf summary;

		json_begin(&summary);
		json_add_num(&summary, "content_length",
			     (int64_t)utf8_count(content, strlen(content)));
		json_add_obj(&summary, "source_urls", json_arr(body, "source_urls"));
		json_add_str(&summary, "message", json_str(body, "message"));
		if (json_arr(body, "sources"))
			json_add_obj(&summary, "sources", json_arr(body, "sources"));
		call_summary(call, &summary);
	}
	return call_reply(call);
}
