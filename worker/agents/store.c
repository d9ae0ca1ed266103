/*
 * store: what stands in our own tables, asked for like an agent, so that a workflow stays a pure
 * function and a run that was taken over sees what the first one saw.
 */
#include <stdio.h>

#include "cpoa/json.h"

#include "agents/agents.h"

static void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	(void)call;
	reply_result(reply, json_object_get(result));
}

const struct agent store = {
	.name = "STORE", .label = "topic", .index = AGENT_STORE, .local = true, .accept = accept};

struct reply *store_topic(struct run *run, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE], name[CALL_NAME_SIZE];
	struct call *call;

	uuid_to_text(id, text);
	snprintf(name, sizeof(name), "topic_%s", text);
	if (!run_ask(run, &store, name, &call)) {
		struct strbuf request;

		json_begin(&request);
		json_add_str(&request, "topic_id", text);
		call_label(call, store.name, 0);
		call_send(call, &request, NULL);
	}
	return call_reply(call);
}
