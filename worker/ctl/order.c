/* order: from arguments to a message (interface.md §3). */
#include "ctl/order.h"

#include <stdlib.h>
#include <string.h>

#include "cpoa/arena.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "core/job.h"
#include "core/policy.h"
#include "ctl/body.h"
#include "engine/topology.h"
#include "workflows/workflows.h"

enum { ARENA_FIRST = 1024 };

/* The task_ids of jobs with a key are named in here: the same command twice is the same job, and no
 * conflict. */
static const struct uuid task_space = {{0x6b, 0x1d, 0x0e, 0x42, 0x9f, 0x57, 0x4c, 0x83, 0xa2, 0x60,
					0x3c, 0x18, 0xd5, 0x7a, 0xe4, 0x91}};

/* Events carry the stages only for a job that has a client. */
static const char client_of_ours[] = "cpoa-enqueue";

static bool has(const struct order *o, const char *field)
{
	return json_object_object_get_ex(o->body, field, NULL);
}

/* ---- making it ---- */

bool order_type(const char *type, struct err *e)
{
	return args_choose("type of job", type, workflow_types, WORKFLOW_COUNT, e) >= 0;
}

static void fill_task(struct order *o)
{
	struct uuid id = o->key ? uuid_named(&task_space, o->key, strlen(o->key)) : uuid_new();

	if (strcmp(o->type, podcast_generation.type) != 0 || has(o, "task_id"))
		return;
	uuid_to_text(&id, o->task_id);
	json_set_str(o->body, "task_id", o->task_id);
}

/* With a key also when nobody waits now: the body must be the same if somebody does later. */
static void fill_client(struct order *o)
{
	if (o->client)
		json_set_str(o->body, "client_id", o->client);
	else if ((o->wait || o->key) && !has(o, "client_id"))
		json_set_str(o->body, "client_id", client_of_ours);
}

static bool fill_body(struct order *o, struct err *e)
{
	o->body = body_read(o->file, e);
	if (!o->body)
		return false;
	for (int i = 0; i < o->args.n; i++)
		if (!body_set(o->body, "--arg", o->args.item[i], e))
			return false;
	fill_task(o);
	fill_client(o);
	o->text = json_text(o->body, &o->len);
	return true;
}

static bool fill_ids(struct order *o, struct err *e)
{
	struct uuid message = uuid_new(), workflow = uuid_new();

	if (o->workflow && !uuid_from_text(&workflow, o->workflow))
		return err_set(e, ERR_USAGE, "--workflow-id is '%.64s', which is no UUID",
			       o->workflow);
	uuid_to_text(&message, o->message_id);
	uuid_to_text(&workflow, o->workflow_id);
	return true;
}

/* Whoever has called us may be part of a trace. */
static void fill_trace(struct order *o)
{
	const char *state = getenv("TRACESTATE");
	struct trace parent, trace;
	bool traced = trace_parse(&parent, getenv("TRACEPARENT"));

	trace = traced ? trace_child(&parent) : trace_new();
	trace_text(&trace, o->traceparent);
	o->tracestate = traced && state && trace_state_ok(state) ? state : NULL;
}

bool order_fill(struct order *o, struct err *e)
{
	if (!order_type(o->type, e))
		return false;
	if (o->key && !header_safe(o->key, KEY_MAX))
		return err_set(e, ERR_USAGE,
			       "--idempotency-key must be 1 to %d printable ASCII characters",
			       KEY_MAX);
	if (!fill_body(o, e) || !fill_ids(o, e))
		return false;
	fill_trace(o);
	return true;
}

void order_release(struct order *o)
{
	json_put(&o->body);
	free(o->text);
	o->text = NULL;
}

/* ---- checking it ---- */

static bool check_as_worker(const struct order *o, const struct workflow *workflow, struct err *e)
{
	AUTO(arena_release) struct arena arena;
	AUTO(json_put) struct json_object *args = NULL;
	struct mq_header headers[3] = {{"X-Workflow-ID", o->workflow_id},
				       {"traceparent", o->traceparent},
				       {"X-Idempotency-Key", o->key}};
	struct job job = {0};
	struct mq_message m = {
		.exchange = EXCHANGE_JOBS,
		.routing_key = o->type,
		.content_type = "application/json",
		.message_id = o->message_id,
		.headers = headers,
		.n_headers = o->key ? 3 : 2,
		.body = o->text,
		.body_len = o->len,
		.body_size = o->len,
	};

	arena_init(&arena, ARENA_FIRST);
	return job_read(&job, &arena, workflow, &m, &args, e) == JOB_GOOD;
}

bool order_check(const struct order *o, struct err *e)
{
	const struct workflow *workflow = workflow_by_type(o->type);
	bool good;

	if (workflow)
		good = check_as_worker(o, workflow, e);
	else
		good = o->len <= BODY_MAX ||
		       err_set(e, ERR_USAGE, "the body has %zu bytes; at most %d are allowed",
			       o->len, BODY_MAX);
	if (!good)
		e->class = ERR_USAGE;
	return good;
}

struct cpoa_client_job order_job(const struct order *o)
{
	return (struct cpoa_client_job){
		.type = o->type,
		.arguments = o->text,
		.idempotency_key = o->key,
		.message_id = o->message_id,
		.workflow_id = o->workflow_id,
		.traceparent = o->traceparent,
		.tracestate = o->tracestate,
	};
}
