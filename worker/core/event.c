/* event: the CloudEvents envelope. */
#include "core/event.h"

#include <assert.h>
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

void event_key(const struct event *event, char out[EVENT_KEY_SIZE])
{
	const char *kind = kind_names[event->kind];
	size_t n = strlen(event->type), m = strlen(kind);

	assert(n + 1 + m < EVENT_KEY_SIZE);
	memcpy(out, event->type, n);
	out[n] = '.';
	memcpy(out + n + 1, kind, m + 1);
}

struct uuid event_id(const struct uuid *workflow_id, unsigned sequence)
{
	char name[32];

	snprintf(name, sizeof(name), "event %u", sequence);
	return uuid_named(workflow_id, name, strlen(name));
}

/* ---- the text ---- */

static void add_uuid(struct strbuf *sb, const char *key, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	uuid_to_text(id, text);
	json_add_str(sb, key, text);
}

static void add_object(struct strbuf *sb, const char *key, const char *text)
{
	json_add_text(sb, key, (struct json_slice){text, text ? strlen(text) : 0});
}

static void add_ui(struct strbuf *sb, const struct job *job, const struct event_parts *parts)
{
	json_open(sb, "ui", '{');
	json_add_str(sb, "client_id", job->client_id);
	json_add_str(sb, "event_name", parts->ui_event);
	add_object(sb, "data", parts->ui);
	json_close(sb, '}');
}

static void add_data(struct strbuf *sb, const struct run *run, const struct event_parts *parts)
{
	const struct job *job = &run->job;

	json_open(sb, "data", '{');
	add_uuid(sb, "workflow_id", &job->workflow_id);
	json_add_str(sb, "workflow_type", job->workflow->type);
	json_add_str(sb, "status", parts->status);
	json_add_str(sb, "task_id", job->task_id);
	if (uuid_is_zero(&job->user_id))
		json_add_str(sb, "user_id", NULL);
	else
		add_uuid(sb, "user_id", &job->user_id);
	json_add_str(sb, "client_id", job->client_id);
	json_add_str(sb, "idempotency_key", job->key);
	add_object(sb, "result", parts->result);
	add_object(sb, "error", parts->error);
	if (job->client_id && parts->ui)
		add_ui(sb, job, parts);
	if (parts->stream)
		add_object(sb, "stream", parts->stream);
	json_close(sb, '}');
}

static void add_trace(struct strbuf *sb, const struct run *run)
{
	struct trace trace = run_trace(run, &run->job.workflow_id);
	char text[TRACE_PARENT_SIZE];

	trace_text(&trace, text);
	json_add_str(sb, "traceparent", text);
	if (run->job.tracestate)
		json_add_str(sb, "tracestate", run->job.tracestate);
}

/* Ten digits, so that they sort as text. */
static void add_sequence(struct strbuf *sb, unsigned sequence)
{
	char text[11] = "0000000000";

	for (int i = 9; sequence; sequence /= 10)
		text[i--] = (char)('0' + sequence % 10);
	json_add_str(sb, "sequence", text);
}

static char *event_text(const struct run *run, const struct event_parts *parts,
			const struct uuid *id, size_t *len)
{
	enum { ENVELOPE = 1024 }; /* bytes, with some to spare */
	char time[CLOCK_TEXT_SIZE];
	struct strbuf sb;

	json_begin_large(&sb, ENVELOPE + (parts->result ? strlen(parts->result) : 0));
	json_add_str(&sb, "specversion", "1.0");
	add_uuid(&sb, "id", id);
	json_add_str(&sb, "source", "/cpoa");
	json_add_joined(&sb, "type", "aethercast.cpoa.", run->job.workflow->type, ".",
			kind_names[parts->kind], NULL);
	add_uuid(&sb, "subject", &run->job.workflow_id);
	clock_text(time, run->now_us);
	json_add_str(&sb, "time", time);
	json_add_str(&sb, "datacontenttype", "application/json");
	add_sequence(&sb, parts->sequence);
	add_trace(&sb, run);
	add_data(&sb, run, parts);
	return json_end(&sb, len);
}

/* ---- the interface ---- */

struct event *event_make(struct run *run, const struct event_parts *parts)
{
	struct event *event = xcalloc(1, sizeof(*event));

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
	event->body = event_text(run, parts, &event->id, &event->len);
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
