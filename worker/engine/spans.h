/*
 * spans: what the worker tells a trace collector. Off (no OTEL_EXPORTER_OTLP_ENDPOINT) it costs a
 * look at a pointer; a trace that its sender has not sampled is not told of.
 *
 *	the gateway's span
 *	└ process TYPE            CONSUMER   the workflow; named (span id) after its id
 *	  ├ call AGENT            CLIENT     each call, from its planning to its landing; after its
 *id │ └ submit, poll AGENT  CLIENT     each request; an agent's own spans stand beside them └
 *publish TYPE.EVENT    PRODUCER   the terminal event, until the broker's confirm; after its id
 *
 * An agent gets its call's span in traceparent, and the same at each attempt: it answers a repeated
 * key by what it did the first time. Workflow and calls are told together, at the end, by whoever
 * ends the workflow, from what its rows hold: so they are whole after any number of take-overs, and
 * once. Only attempts that a killed worker had not sent off yet are lost with it. A workflow that
 * is retried gets spans of its own, linked to those of the first time.
 *
 * Times: wait_ms + submit_ms + poll_ms is the whole of a call. wait: for the ledger, a place, a
 * retry, another worker. submit: in requests that submit. poll: from an agent's 202 to the result.
 */
#ifndef ENGINE_SPANS_H
#define ENGINE_SPANS_H

#include "engine/house.h"

void spans_of_attempt(struct tracer *tracer, struct call *call, bool http);
void spans_of_workflow(struct tracer *tracer, const struct run *run);
void spans_of_event(struct tracer *tracer, const struct event *event);

/* The workflow's span, from an event's body; false: it has none. */
bool spans_trace_of(const struct event *event, struct trace *out);

/* A request has its answer in call->answer. `http`: it went over the wire. By whoever has it. */
static inline void spans_attempt(const struct house *house, struct call *call, bool http)
{
	if (house->tracer)
		spans_of_attempt(house->tracer, call, http);
}

/* The run's end is committed and not settled yet. */
static inline void spans_workflow(const struct house *house, const struct run *run)
{
	if (house->tracer)
		spans_of_workflow(house->tracer, run);
}

/* The broker has confirmed an event. */
static inline void spans_event(const struct house *house, const struct event *event)
{
	if (house->tracer)
		spans_of_event(house->tracer, event);
}

#endif
