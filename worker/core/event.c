/* event: the CloudEvents envelope. */
#include "core/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "core/run.h"

static const char *const kind_names[EVENT_KINDS] = {
	[EVENT_STARTED] = "started",	 [EVENT_PROGRESS] = "progress",
	[EVENT_COMPLETED] = "completed", [EVENT_FAILED] = "failed",
	[EVENT_CANCELLED] = "cancelled",
};

const char *event_kind_name(enum event_kind kind)
{
	return kind_names[kind];
}

bool event_kind_from_name(const char *name, enum event_kind *kind)
{
	for (int i = 0; i < EVENT_KINDS; i++)
		if (strcmp(name, kind_names[i]) == 0) {
			*kind = (enum event_kind)i;
			return true;
		}
	return false;
}

struct uuid event_id(const struct uuid *workflow_id, unsigned sequence)
{
	char name[32];

	snprintf(name, sizeof(name), "event %u", sequence);
	return uuid_named(workflow_id, name, strlen(name));
}

static void set_uuid(struct json_object *o, const char *key, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	uuid_to_text(id, text);
	json_set_str(o, key, text);
}

static struct json_object *data_of(const struct run *run, const struct event_parts *parts)
{
	const struct job *job = &run->job;
	struct json_object *data = json_object_new_object(), *ui;

	set_uuid(data, "workflow_id", &job->workflow_id);
	json_set_str(data, "workflow_type", job->workflow->type);
	json_set_str(data, "status", parts->status);
	json_set_str(data, "task_id", job->task_id);
	if (uuid_is_zero(&job->user_id))
		json_set(data, "user_id", NULL);
	else
		set_uuid(data, "user_id", &job->user_id);
	json_set_str(data, "client_id", job->client_id);
	json_set_str(data, "idempotency_key", job->key);
	json_set_ref(data, "result", parts->result);
	json_set_ref(data, "error", parts->error);
	if (job->client_id && parts->ui) {
		ui = json_object_new_object();
		json_set_str(ui, "client_id", job->client_id);
		json_set_str(ui, "event_name", parts->ui_event);
		json_set_ref(ui, "data", parts->ui);
		json_set(data, "ui", ui);
	}
	if (parts->stream)
		json_set_ref(data, "stream", parts->stream);
	return data;
}

static struct json_object *envelope_of(const struct run *run, const struct event_parts *parts,
				       const struct uuid *id)
{
	struct json_object *o = json_object_new_object();
	char text[TRACE_PARENT_SIZE + CLOCK_TEXT_SIZE + 128];
	struct trace trace;

	json_set_str(o, "specversion", "1.0");
	set_uuid(o, "id", id);
	json_set_str(o, "source", "/cpoa");
	snprintf(text, sizeof(text), "aethercast.cpoa.%s.%s", run->job.workflow->type,
		 kind_names[parts->kind]);
	json_set_str(o, "type", text);
	set_uuid(o, "subject", &run->job.workflow_id);
	clock_text(text, run->now_us);
	json_set_str(o, "time", text);
	json_set_str(o, "datacontenttype", "application/json");
	snprintf(text, sizeof(text), "%010u", parts->sequence);
	json_set_str(o, "sequence", text);
	trace = run_trace(run, &run->job.workflow_id);
	trace_text(&trace, text);
	json_set_str(o, "traceparent", text);
	if (run->job.tracestate)
		json_set_str(o, "tracestate", run->job.tracestate);
	json_set(o, "data", data_of(run, parts));
	return o;
}

struct event *event_make(struct run *run, const struct event_parts *parts)
{
	struct event *event = xcalloc(1, sizeof(*event));
	struct json_object *o;

	event->id = event_id(&run->job.workflow_id, parts->sequence);
	event->workflow_id = run->job.workflow_id;
	event->type = run->job.workflow->type;
	event->kind = parts->kind;
	event->lease = run->lease;
	event->stored = parts->kind != EVENT_PROGRESS;
	if (parts->kind != EVENT_PROGRESS && parts->kind != EVENT_STARTED && run->job.reply_to) {
		event->reply_to = xstrdup(run->job.reply_to);
		event->correlation_id =
			run->job.correlation_id ? xstrdup(run->job.correlation_id) : NULL;
	}
	o = envelope_of(run, parts, &event->id);
	event->body = json_text(o, &event->len);
	json_put(&o);
	return event;
}

void event_free(struct event *event)
{
	if (!event)
		return;
	free(event->body);
	free(event->reply_to);
	free(event->correlation_id);
	free(event);
}
