/* spans: workflows, calls, attempts and events as spans. */
#include "engine/spans.h"

#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/http.h"

#include "engine/topology.h"
#include "engine/tracer.h"

enum { NAME_SIZE = 96, SAMPLED = 1 };

static bool sampled(const struct trace *trace)
{
	return trace->flags & SAMPLED;
}

/* A span of a part of the run, below `parent`. */
static void begin(struct span *span, enum span_kind kind, const struct run *run,
		  const struct uuid *part, const struct trace *parent, const char *name)
{
	struct trace trace = run_trace(run, part);

	span_begin(span, kind, &trace, name);
	span_state(span, run->job.tracestate);
	if (parent)
		memcpy(span->parent, parent->span_id, sizeof(span->parent));
}

static void add_uuid(struct span *span, const char *key, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	uuid_to_text(id, text);
	span_text(span, key, text);
}

/* ---- attempts ---- */

static const char *trouble(const struct answer *a, char status[16])
{
	static const char *const kinds[] = {
		[ANSWER_CAME] = NULL,
		[ANSWER_UNREACHABLE] = "unreachable",
		[ANSWER_TIMEOUT] = "timeout",
		[ANSWER_BROKEN] = "broken",
		[ANSWER_TOO_LARGE] = "too_large",
		[ANSWER_REFUSED] = "refused",
	};

	if (a->kind != ANSWER_CAME || a->status < 400)
		return kinds[a->kind];
	snprintf(status, 16, "%d", a->status);
	return status;
}

/* What its call's span will tell. */
static void measure(struct call *call, bool submit, int64_t begun_us, int64_t ended_us)
{
	struct call_times *t = &call->times;

	t->requests++;
	if (submit) {
		t->submit_us += ended_us - begun_us;
		t->accepted_us = call->answer.status == 202 ? ended_us : 0;
	} else {
		t->polls++;
		if (!t->accepted_us)
			t->accepted_us = begun_us; /* by another worker */
	}
}

/* Another worker's attempts at the same call have other ids: its lease is another. */
static struct uuid attempt_id(const struct call *call)
{
	char name[64];

	snprintf(name, sizeof(name), "attempt %lld %u", (long long)call->run->lease,
		 call->times.requests);
	return uuid_named(&call->id, name, strlen(name));
}

static void add_address(struct span *span, const struct call *call)
{
	struct http_url url;
	struct err e;

	if (!http_url_read(&url, call->run->policy->agent[call->agent->index].url, &e))
		return;
	span_text(span, "server.address", url.host);
	span_number(span, "server.port", url.port);
}

static void add_http(struct span *span, const struct call *call, bool submit)
{
	span_text(span, "http.request.method", submit ? "POST" : "GET");
	if (call->answer.status)
		span_number(span, "http.response.status_code", call->answer.status);
	if (submit && call->attempts > 1)
		span_number(span, "http.request.resend_count", call->attempts - 1);
	add_address(span, call);
}

void spans_of_attempt(struct tracer *tracer, struct call *call, bool http)
{
	struct trace parent = run_trace(call->run, &call->id);
	bool submit = call->errand.kind == ERRAND_SUBMIT;
	int64_t now = clock_wall_us(), begun = now - call->answer.took_us;
	char name[NAME_SIZE], status[16];
	const char *error = trouble(&call->answer, status);
	struct uuid id;
	struct span span;

	measure(call, submit, begun, now);
	if (!sampled(&parent))
		return;
	id = attempt_id(call);
	snprintf(name, sizeof(name), "%s %s", http ? (submit ? "submit" : "poll") : "harvest",
		 call->agent->name);
	begin(&span, http ? SPAN_CLIENT : SPAN_INTERNAL, call->run, &id, &parent, name);
	span.start_us = begun;
	span.end_us = now;
	add_uuid(&span, "workflow.id", &call->run->job.workflow_id);
	span_text(&span, "call.name", call->name);
	span_text(&span, "cpoa.agent", call->agent->name);
	if (http)
		add_http(&span, call, submit);
	if (error)
		span_fail(&span, error, call->answer.error);
	tracer_add(tracer, &span);
}

/* ---- calls ---- */

static void add_times(struct span *span, const struct call *call)
{
	const struct call_times *t = &call->times;
	int64_t poll_us = t->accepted_us ? span->end_us - t->accepted_us : 0;
	int64_t wait_us = span->end_us - span->start_us - t->submit_us - poll_us;

	/* One that had landed when its workflow was taken over was timed by somebody else. */
	if (!t->requests)
		return;
	span_number(span, "cpoa.call.wait_ms", wait_us > 0 ? wait_us / 1000 : 0);
	span_number(span, "cpoa.call.submit_ms", t->submit_us / 1000);
	span_number(span, "cpoa.call.poll_ms", poll_us / 1000);
	span_number(span, "cpoa.call.polls", t->polls);
}

static void add_outcome(struct span *span, const struct call *call)
{
	const struct reply *reply = &call->reply;
	const char *kind = reply_kind_name(reply->kind);

	if (call->state != CALL_LANDED) {
		span_text(span, "cpoa.call.outcome", "abandoned");
		return;
	}
	span_text(span, "cpoa.call.outcome", kind);
	if (reply->http_status)
		span_number(span, "http.response.status_code", reply->http_status);
	if (reply->kind != REPLY_RESULT)
		span_fail(span, kind, reply->error);
}

static void add_call(struct tracer *tracer, const struct run *run, const struct call *call,
		     const struct trace *parent)
{
	char name[NAME_SIZE];
	struct span span;

	snprintf(name, sizeof(name), "call %s", call->agent_name);
	begin(&span, call->agent->local ? SPAN_INTERNAL : SPAN_CLIENT, run, &call->id, parent,
	      name);
	span.start_us = call->planned_us;
	span.end_us = call->state == CALL_LANDED ? call->landed_us : run->now_us;
	add_uuid(&span, "workflow.id", &run->job.workflow_id);
	span_text(&span, "call.name", call->name);
	span_text(&span, "cpoa.agent", call->agent_name);
	span_text(&span, "cpoa.stage", call->stage);
	span_number(&span, "cpoa.call.retries", call->retries);
	add_outcome(&span, call);
	add_times(&span, call);
	tracer_add(tracer, &span);
}

/* A workflow that runs again after its failure was told of then: what had landed is old. */
static bool told_before(const struct run *run, const struct call *call)
{
	return run->sequence_base && call->state == CALL_LANDED && !(call->news & CALL_NEW) &&
	       call->landed_us < run->taken_us;
}

/* ---- workflows ---- */

static void add_job(struct span *span, const struct job *job, int64_t started_us)
{
	add_uuid(span, "workflow.id", &job->workflow_id);
	span_text(span, "workflow.type", job->workflow->type);
	span_text(span, "messaging.system", "rabbitmq");
	span_text(span, "messaging.operation.type", "process");
	span_text(span, "messaging.operation.name", "process");
	span_text(span, "messaging.destination.name", EXCHANGE_JOBS);
	span_text(span, "messaging.rabbitmq.destination.routing_key", job->workflow->type);
	if (job->published_us && job->published_us < started_us)
		span_number(span, "cpoa.job.wait_ms", (started_us - job->published_us) / 1000);
}

void spans_of_workflow(struct tracer *tracer, const struct run *run)
{
	const struct change *change = &run->change;
	struct trace trace = run_trace(run, &run->job.workflow_id);
	char name[NAME_SIZE];
	struct span span;

	if (!sampled(&trace))
		return;
	snprintf(name, sizeof(name), "process %s", run->job.workflow->type);
	begin(&span, SPAN_CONSUMER, run, &run->job.workflow_id,
	      run->job.traced ? &run->job.parent : NULL, name);
	span.start_us = run->started_us;
	span.end_us = run->now_us;
	span.taken_us = run->taken_us;
	span.claims = run->claims;
	/* Retried: the first time it ran, its span was named after it alone. */
	if (run->sequence_base)
		memcpy(span.link, run->job.workflow_id.bytes + 8, sizeof(span.link));
	add_job(&span, &run->job, run->started_us);
	span_number(&span, "cpoa.claims", run->claims);
	span_text(&span, "cpoa.outcome", run_status_name(change->status));
	if (change->reason)
		span_fail(&span, change->reason, change->error);
	tracer_add(tracer, &span);
	for (const struct call *call = run->calls; call; call = call->next)
		if (call->agent && !told_before(run, call))
			add_call(tracer, run, call, &trace);
}

/* ---- events ---- */

/* The first in the text is the envelope's own: what strangers wrote comes after it, in `data`. */
bool spans_trace_of(const struct event *event, struct trace *out)
{
	static const char key[] = "\"traceparent\":\"";
	const char *found = event->body ? strstr(event->body, key) : NULL;
	char text[TRACE_PARENT_SIZE] = "";

	if (found)
		snprintf(text, sizeof(text), "%s", found + sizeof(key) - 1);
	return trace_parse(out, text);
}

void spans_of_event(struct tracer *tracer, const struct event *event)
{
	char name[NAME_SIZE], key[NAME_SIZE];
	struct trace trace;
	struct span span;
	uint8_t parent[sizeof(trace.span_id)];

	if (event->kind == EVENT_STARTED || event->kind == EVENT_PROGRESS ||
	    !spans_trace_of(event, &trace) || !sampled(&trace))
		return;
	memcpy(parent, trace.span_id, sizeof(parent));
	memcpy(trace.span_id, event->id.bytes + 8, sizeof(trace.span_id));
	snprintf(key, sizeof(key), "%s.%s", event->type, event_kind_name(event->kind));
	snprintf(name, sizeof(name), "publish %.80s", key);
	span_begin(&span, SPAN_PRODUCER, &trace, name);
	memcpy(span.parent, parent, sizeof(parent));
	span.start_us = event->published_us;
	span.end_us = clock_wall_us();
	add_uuid(&span, "workflow.id", &event->workflow_id);
	span_text(&span, "messaging.system", "rabbitmq");
	span_text(&span, "messaging.operation.type", "send");
	span_text(&span, "messaging.operation.name", "publish");
	span_text(&span, "messaging.destination.name", EXCHANGE_EVENTS);
	span_text(&span, "messaging.rabbitmq.destination.routing_key", key);
	add_uuid(&span, "messaging.message.id", &event->id);
	span_number(&span, "messaging.message.body.size", (int64_t)event->len);
	tracer_add(tracer, &span);
}
