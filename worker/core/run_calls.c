/* run_calls: asking for calls by name. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "core/run.h"
#include "core/run_parts.h"

static struct call *find(const struct run *run, const char *name)
{
	for (struct call *call = run->calls; call; call = call->next)
		if (strcmp(call->name, name) == 0)
			return call;
	return NULL;
}

/* <the job's key>_<name> */
static const char *key_of(struct run *run, const char *name)
{
	size_t n = strlen(run->job.key), more = strlen(name) + 1;
	char *key = arena_alloc(&run->arena, n + 1 + more);

	memcpy(key, run->job.key, n);
	key[n] = '_';
	memcpy(key + n + 1, name, more);
	return key;
}

static struct call *add(struct run *run, const struct agent *agent, const char *name)
{
	struct call *call = arena_alloc(&run->arena, sizeof(*call));

	assert(header_safe(name, NAME_MAX_BYTES));
	call->run = run;
	call->agent = agent;
	call->name = arena_strdup(&run->arena, name);
	/* Named, not drawn: whoever runs this workflow gives the same call the same id and the same
	 * key. */
	call->id = uuid_part(&run->job.workflow_id, name, strlen(name));
	call->key = key_of(run, name);
	call->agent_name = agent ? agent->name : NULL;
	call->answer.retry_after_ms = -1;
	*run->calls_tail = call;
	run->calls_tail = &call->next;
	call->order = ++run->n_calls;
	return call;
}

bool run_ask(struct run *run, const struct agent *agent, const char *name, struct call **call)
{
	*call = find(run, name);
	if (*call) {
		/* A stage whose call was planned by an earlier pass was told by that pass. */
		if (!((*call)->news & CALL_NEW))
			run->stage.reached = true;
		if (!(*call)->stage)
			(*call)->stage = run->stage.name;
		/* One that was taken over, or has given its request back, has a row but no request
		 * any more: it is built again from the same replies. */
		return !agent || (*call)->state == CALL_LANDED || (*call)->request || (*call)->out;
	}
	run_tell_stage(run);
	*call = add(run, agent, name);
	(*call)->news = CALL_NEW;
	(*call)->planned_us = run->now_us;
	(*call)->stage = run->stage.name;
	return false;
}

struct call *run_restore_call(struct run *run, const struct agent *agent, const char *name)
{
	if (run->n_calls >= 2 * CALLS_MAX || !header_safe(name, NAME_MAX_BYTES))
		return NULL;
	return add(run, agent, name);
}

/* To that agent only (agents.md §0). */
static const char *scenario_for(struct run *run, const struct agent *agent)
{
	const char *scenario = json_str(run_obj(run, "test_scenarios"), agent->label);

	if (!scenario || !header_safe(scenario, SCENARIO_MAX))
		return NULL;
	return arena_printf(&run->arena, "X-Test-Scenario: %s", scenario);
}

/* Drops what was written and is not wanted. */
static void drop(struct strbuf *sb)
{
	if (sb)
		strbuf_release(sb);
}

void call_send(struct call *call, struct strbuf *request, struct strbuf *input)
{
	assert(call->state != CALL_LANDED && !call->request);
	call->request = json_end(request, &call->request_len);
	if (!call->scenario)
		call->scenario = scenario_for(call->run, call->agent);
	if (call->news & CALL_NEW)
		call->input = input ? json_end(input, NULL) : xstrdup(call->request);
	else
		drop(input);
}

struct reply *call_reply(struct call *call)
{
	return call->state == CALL_LANDED ? &call->reply : NULL;
}

bool call_wants_summary(const struct call *call)
{
	return (call->news & CALL_ENDED) && !call->summary;
}

void call_summary(struct call *call, struct strbuf *summary)
{
	if (call_wants_summary(call))
		call->summary = json_end(summary, NULL);
	else
		drop(summary);
}

void run_note(struct run *run, const char *agent_name, const char *name, int order,
	      struct strbuf *input, struct strbuf *output)
{
	struct call *call = find(run, name);

	if (call) {
		drop(input);
		drop(output);
		return;
	}
	call = add(run, NULL, name);
	call->news = CALL_NEW | CALL_ENDED;
	call->state = CALL_LANDED;
	call->agent_name = agent_name;
	call->order = order;
	call->stage = run->stage.name;
	call->planned_us = call->landed_us = run->now_us;
	call->input = json_end(input, NULL);
	call->summary = json_end(output, NULL);
}

/* ---- items ---- */

struct call *run_item(struct run *run, const char *agent_name, const char *name, int order,
		      struct strbuf *input)
{
	struct call *item = find(run, name);

	if (item) {
		drop(input);
		return item;
	}
	item = add(run, NULL, name);
	item->news = CALL_NEW;
	item->agent_name = agent_name;
	item->order = order;
	item->planned_us = run->now_us;
	item->input = json_end(input, NULL);
	return item;
}

void item_end(struct call *item, struct strbuf *output, const char *error)
{
	struct reply *reply = &item->reply;

	if (item->state == CALL_LANDED) {
		drop(output);
		return;
	}
	item->state = CALL_LANDED;
	item->news |= CALL_ENDED;
	item->landed_us = item->run->now_us;
	if (error) {
		reply_failure(reply, REPLY_REPORTED, NULL, "%s", error);
		reply->text = json_end(output, &reply->text_len);
	} else {
		item->summary = json_end(output, NULL);
	}
}

bool run_landed_now(const struct run *run, const char *name)
{
	const struct call *call = find(run, name);

	return call && (call->news & CALL_ENDED);
}

void call_label(struct call *call, const char *agent_name, int order)
{
	if (!(call->news & CALL_NEW))
		return;
	call->agent_name = agent_name;
	call->order = order;
}

void call_name(char out[CALL_NAME_SIZE], const char *prefix, const char *id)
{
	/* A name space of our own, drawn once: the same id gives the same name for ever. */
	static const struct uuid space = {{0x6c, 0x1f, 0x93, 0x0e, 0x5a, 0x77, 0x4d, 0x21, 0x9b,
					   0x3c, 0x2e, 0x88, 0xd4, 0x0a, 0x61, 0xf5}};
	char text[UUID_TEXT_SIZE];
	struct uuid named;

	if (header_safe(id, NAME_MAX_BYTES - 64)) {
		snprintf(out, CALL_NAME_SIZE, "%s_%.136s", prefix, id);
		return;
	}
	named = uuid_named(&space, id, strlen(id));
	uuid_to_text(&named, text);
	snprintf(out, CALL_NAME_SIZE, "%s_%s", prefix, text);
}
