/* links: cpoa_world cpoa_db cpoa_mq */
/* The trace of a workflow as a collector gets it: worker/engine/spans.h. */
#include "world.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/uuid.h"

#include "world_parts.h"

enum { KIND_CLIENT = 3, KIND_PRODUCER = 4, KIND_CONSUMER = 5, SPANS_MAX = 64, HASTE_US = 100000 };

static const char trace[] = "4bf92f3577b34da6a3ce929d0e0e4736", gateway[] = "00f067aa0ba902b7";

/* ---- what the collector has ---- */

static const char *collector(struct world *w)
{
	return world_format(w, "OTEL_EXPORTER_OTLP_ENDPOINT=%s/", world_agents_url(w));
}

struct spans {
	int n;
	struct json_object *span[SPANS_MAX];
};

static struct spans collected(struct world *w)
{
	struct json_object *requests = world_calls(w, "kind=spans");
	struct spans all = {0};

	for (size_t i = 0; i < json_object_array_length(requests); i++) {
		struct json_object *body = json_obj(json_object_array_get_idx(requests, i), "body");
		struct json_object *resource =
			json_object_array_get_idx(json_arr(body, "resourceSpans"), 0);
		struct json_object *scope =
			json_object_array_get_idx(json_arr(resource, "scopeSpans"), 0);
		struct json_object *list = json_arr(scope, "spans");

		for (size_t j = 0; j < json_object_array_length(list); j++) {
			cr_assert_lt(all.n, (int)SPANS_MAX);
			all.span[all.n++] = json_object_array_get_idx(list, j);
		}
	}
	return all;
}

struct wish {
	struct world *w;
	int n;
};

static bool has_come(void *ctx)
{
	struct wish *wish = ctx;

	return collected(wish->w).n >= wish->n;
}

static struct spans await_spans(struct world *w, int n)
{
	struct spans all;

	cr_assert(await(has_come, &(struct wish){w, n}, SOON_MS), "only %d spans of %d",
		  collected(w).n, n);
	all = collected(w);
	cr_assert_eq(all.n, n, "%d spans, not %d", all.n, n);
	return all;
}

/* The index-th of that name. */
static struct json_object *find(const struct spans *all, const char *name, int index)
{
	for (int i = 0; i < all->n; i++)
		if (strcmp(json_at(all->span[i], "name"), name) == 0 && index-- == 0)
			return all->span[i];
	return NULL;
}

static struct json_object *named(const struct spans *all, const char *name)
{
	struct json_object *span = find(all, name, 0);

	cr_assert(span, "no span '%s'", name);
	cr_assert_null(find(all, name, 1), "two spans '%s'", name);
	return span;
}

static const char *pair_of(struct json_object *pairs, const char *key)
{
	for (size_t i = 0; i < json_object_array_length(pairs); i++) {
		struct json_object *pair = json_object_array_get_idx(pairs, i);
		struct json_object *value = json_obj(pair, "value");

		if (strcmp(json_at(pair, "key"), key) == 0)
			return json_at(value,
				       json_str(value, "stringValue") ? "stringValue" : "intValue");
	}
	return "absent";
}

static const char *attribute(struct json_object *span, const char *key)
{
	return pair_of(json_arr(span, "attributes"), key);
}

static int64_t time_us(struct json_object *span, const char *member)
{
	return strtoll(json_at(span, member), NULL, 10) / 1000;
}

/* ---- what every span has ---- */

static bool is_hex(const char *text, size_t n)
{
	return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

static void expect_shape(struct json_object *span)
{
	cr_assert(is_hex(json_at(span, "traceId"), 32));
	cr_assert(is_hex(json_at(span, "spanId"), 16));
	cr_assert(is_hex(json_at(span, "parentSpanId"), 16));
	cr_assert(json_str(span, "startTimeUnixNano"), "64-bit numbers are strings");
	cr_assert_eq(strlen(json_at(span, "startTimeUnixNano")), 19);
	cr_assert_leq(time_us(span, "startTimeUnixNano"), time_us(span, "endTimeUnixNano"));
	cr_assert(json_arr(span, "attributes"));
}

static void expect_shapes(const struct spans *all, const char *trace_id)
{
	for (int i = 0; i < all->n; i++) {
		expect_shape(all->span[i]);
		same(json_at(all->span[i], "traceId"), trace_id);
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(json_at(all->span[i], "spanId"),
					  json_at(all->span[j], "spanId"));
	}
}

/* The clocks of the parts are read one after another. */
static void expect_within(struct json_object *span, struct json_object *outer)
{
	same(json_at(span, "parentSpanId"), json_at(outer, "spanId"));
	cr_assert_geq(time_us(span, "startTimeUnixNano"),
		      time_us(outer, "startTimeUnixNano") - HASTE_US);
	cr_assert_leq(time_us(span, "endTimeUnixNano"),
		      time_us(outer, "endTimeUnixNano") + HASTE_US);
}

/* A UUID's second half is the span's id. */
static void expect_named_after(struct world *w, struct json_object *span, const char *uuid)
{
	same(json_at(span, "spanId"), world_format(w, "%.4s%.12s", uuid + 19, uuid + 24));
}

/* ---- a podcast's trace, whole ---- */

static struct job_spec traced(struct world *w, const char *name, const char *flags)
{
	struct job_spec job = world_podcast_spec(w, name, NULL);

	job.headers[2] = (struct mq_header){"traceparent",
					    world_format(w, "00-%s-%s-%s", trace, gateway, flags)};
	job.headers[3] = (struct mq_header){"tracestate", "vendor=1"};
	return job;
}

static void expect_workflow(struct world *w, struct json_object *span, const char *id)
{
	expect_named_after(w, span, id);
	same(json_at(span, "parentSpanId"), gateway);
	same(json_at(span, "traceState"), "vendor=1");
	cr_assert_eq(json_num(span, "kind", 0), KIND_CONSUMER);
	same(attribute(span, "workflow.id"), id);
	same(attribute(span, "workflow.type"), "podcast_generation");
	same(attribute(span, "messaging.system"), "rabbitmq");
	same(attribute(span, "messaging.destination.name"), "cpoa.jobs");
	same(attribute(span, "cpoa.outcome"), "completed");
	same(attribute(span, "cpoa.claims"), "1");
	same(json_at(span, "status"), "absent");
	same(json_at(span, "events"), "absent");
}

static void expect_times(struct json_object *call)
{
	int64_t whole =
		(time_us(call, "endTimeUnixNano") - time_us(call, "startTimeUnixNano")) / 1000;
	int64_t sum = 0;

	sum += strtoll(attribute(call, "cpoa.call.wait_ms"), NULL, 10);
	sum += strtoll(attribute(call, "cpoa.call.submit_ms"), NULL, 10);
	sum += strtoll(attribute(call, "cpoa.call.poll_ms"), NULL, 10);
	cr_assert(sum >= whole - 3 && sum <= whole, "%" PRId64 " of %" PRId64, sum, whole);
}

/* Agent, call, and each of its requests: as many as the agent has seen, all within the call. */
static int expect_call(struct world *w, const struct spans *all, struct json_object *workflow,
		       const char *agent, const char *label)
{
	struct json_object *call = named(all, world_format(w, "call %s", agent)), *attempt;
	struct json_object *seen = world_calls(w, world_format(w, "agent=%s", label));
	int submits = world_call_count(w, world_format(w, "agent=%s&kind=submit", label));
	int polls = (int)json_object_array_length(seen) - submits;

	expect_within(call, workflow);
	expect_times(call);
	cr_assert_eq(json_num(call, "kind", 0), KIND_CLIENT);
	same(attribute(call, "call.name"), label);
	same(attribute(call, "cpoa.agent"), agent);
	same(attribute(call, "cpoa.call.outcome"), "result");
	same(attribute(call, "cpoa.call.polls"), world_format(w, "%d", polls));
	/* The agent was told that this call is what its own spans belong to. */
	for (int i = 0; i < submits + polls; i++)
		same(json_at(seen, world_format(w, "%d.headers.traceparent", i)),
		     world_format(w, "00-%s-%s-01", trace, json_at(call, "spanId")));
	for (int i = 0; i < submits + polls; i++) {
		attempt = i < submits ? find(all, world_format(w, "submit %s", agent), i)
				      : find(all, world_format(w, "poll %s", agent), i - submits);
		cr_assert(attempt, "attempt %d of %s", i, agent);
		expect_within(attempt, call);
		cr_assert_eq(json_num(attempt, "kind", 0), KIND_CLIENT);
		same(attribute(attempt, "http.request.method"), i < submits ? "POST" : "GET");
		same(attribute(attempt, "server.address"), "127.0.0.1");
	}
	return 1 + submits + polls;
}

/* From the answer 202 to the result. */
static void expect_poll_time(struct json_object *call, struct json_object *accepted)
{
	int64_t told = strtoll(attribute(call, "cpoa.call.poll_ms"), NULL, 10);
	int64_t whole = time_us(call, "endTimeUnixNano") - time_us(accepted, "endTimeUnixNano");

	cr_assert_geq(told, 250);
	cr_assert(llabs(told - whole / 1000) <= 2, "%" PRId64 " is not %" PRId64 " us", told,
		  whole);
}

static void expect_retry(const struct spans *all)
{
	struct json_object *first = find(all, "submit PSWA", 0),
			   *second = find(all, "submit PSWA", 1);

	same(attribute(named(all, "call PSWA"), "cpoa.call.retries"), "1");
	same(attribute(named(all, "call VFA"), "cpoa.call.retries"), "0");
	same(attribute(first, "http.response.status_code"), "503");
	same(attribute(first, "error.type"), "503");
	same(json_at(first, "status.code"), "2");
	same(attribute(first, "http.request.resend_count"), "absent");
	same(attribute(second, "http.response.status_code"), "202");
	same(attribute(second, "http.request.resend_count"), "1");
	same(json_at(second, "status"), "absent");
	expect_poll_time(named(all, "call PSWA"), second);
}

static void expect_event(struct world *w, struct json_object *span, struct json_object *workflow,
			 const struct seen *end)
{
	expect_named_after(w, span, json_at(end->body, "id"));
	same(json_at(span, "parentSpanId"), json_at(workflow, "spanId"));
	cr_assert_eq(json_num(span, "kind", 0), KIND_PRODUCER);
	same(attribute(span, "messaging.destination.name"), "cpoa.events");
	same(attribute(span, "messaging.message.id"), json_at(end->body, "id"));
	same(json_at(end->body, "traceparent"),
	     world_format(w, "00-%s-%s-01", trace, json_at(workflow, "spanId")));
}

static void expect_sender(struct world *w)
{
	struct json_object *request = json_object_array_get_idx(world_calls(w, "kind=spans"), 0);
	struct json_object *body = json_obj(request, "body"), *pairs;

	pairs = json_arr(
		json_obj(json_object_array_get_idx(json_arr(body, "resourceSpans"), 0), "resource"),
		"attributes");
	same(json_at(request, "method"), "POST");
	same(json_at(request, "headers.content-type"), "application/json");
	same(json_at(request, "headers.authorization"), "Bearer s,3cret");
	same(pair_of(pairs, "service.name"), "casts");
	same(pair_of(pairs, "deployment.environment"), "a \"test\"");
	cr_assert_str_neq(pair_of(pairs, "service.instance.id"), "absent");
	cr_assert_str_neq(pair_of(pairs, "service.version"), "absent");
}

Test(tracing, tells_a_podcast_whole)
{
	struct world *w = world_open();
	const char *id = world_id(w, "tides");
	struct job_spec job = traced(w, "tides", "01");
	struct json_object *workflow;
	struct spans all;
	int n = 2;

	world_agents(w, "--style", "async", "--latency-pswa", "300", "--fault", "pswa:503=first:1");
	world_worker(w, collector(w), "OTEL_SERVICE_NAME=casts",
		     "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20s%2C3cret",
		     "OTEL_RESOURCE_ATTRIBUTES=service.name=x,deployment.environment=a%20\"test\"");
	world_publish(w, &job);
	same(json_at(world_end(w, id), "data.status"), "completed");
	all = await_spans(w, 5 + world_call_count(w, world_format(w, "workflow_id=%s", id)));

	expect_shapes(&all, trace);
	workflow = named(&all, "process podcast_generation");
	expect_workflow(w, workflow, id);
	n += expect_call(w, &all, workflow, "WCHA", "wcha");
	n += expect_call(w, &all, workflow, "PSWA", "pswa");
	n += expect_call(w, &all, workflow, "VFA", "vfa");
	cr_assert_eq(n, all.n, "and nothing else");
	expect_retry(&all);
	expect_event(w, named(&all, "publish podcast_generation.completed"), workflow,
		     world_event(w, NULL, id, 0, SOON_MS));
	expect_sender(w);
	cr_assert_eq((int)metric(w, 0, "cpoa_spans_exported_total"), n);
	cr_assert_eq((int)metric(w, 0, "cpoa_spans_dropped_total"), 0);
	cr_assert_not(log_contains(w, 0, "3cret"));
	world_close(w);
}

Test(tracing, tells_why_one_failed)
{
	struct world *w = world_open();
	struct json_object *workflow, *call;
	struct spans all;

	world_agents(w, "--fault", "pswa:400=1");
	world_worker(w, collector(w), NULL);
	same(json_at(world_end(w, world_podcast(w, "p", NULL)), "data.status"), "failed");
	/* The workflow, two calls with an attempt each, the event. */
	all = await_spans(w, 6);
	workflow = named(&all, "process podcast_generation");
	/* Nobody sent a trace: this is one of its own, named after the workflow. */
	same(json_at(workflow, "parentSpanId"), "absent");
	same(attribute(workflow, "cpoa.outcome"), "failed");
	same(attribute(workflow, "error.type"), "failed_pswa_request_exception");
	same(json_at(workflow, "status.code"), "2");
	has(json_at(workflow, "status.message"), "400");
	call = named(&all, "call PSWA");
	same(attribute(call, "cpoa.call.outcome"), "http");
	same(attribute(call, "http.response.status_code"), "400");
	same(attribute(call, "cpoa.call.poll_ms"), "0");
	same(attribute(named(&all, "submit PSWA"), "error.type"), "400");
	named(&all, "publish podcast_generation.failed");
	world_close(w);
}

Test(tracing, shows_a_take_over_and_tells_of_each_part_once)
{
	struct world *w = world_open();
	struct json_object *workflow;
	struct job_spec job = traced(w, "killed", "01");
	const char *id = world_id(w, "killed");
	struct spans all;
	int first;

	world_agents(w, "--latency-pswa", "2500");
	first = world_worker(w, collector(w), NULL);
	world_publish(w, &job);
	/* The harvest's attempt goes off a second after it; then PSWA thinks. */
	await_spans(w, 1);
	cr_assert_eq(world_call_count(w, "agent=pswa"), 1);
	world_worker(w, collector(w), NULL);
	worker_signal(w, first, SIGKILL);
	worker_wait_exit(w, first, SOON_MS);
	same(json_at(world_end(w, id), "data.status"), "completed");
	/* The workflow, three calls, the event, and the attempts but for that which died. */
	all = await_spans(w, 8);
	expect_shapes(&all, trace);
	workflow = named(&all, "process podcast_generation");
	same(attribute(workflow, "cpoa.claims"), "2");
	same(json_at(workflow, "events.0.name"), "taken over");
	same(pair_of(json_arr(json_object_array_get_idx(json_arr(workflow, "events"), 0),
			      "attributes"),
		     "cpoa.claims"),
	     "2");
	same(world_rows(w, "SELECT (extract(epoch FROM start_timestamp) * 1000000)::int8"
			   " FROM workflow_instances"),
	     world_format(w, "%" PRId64, time_us(workflow, "startTimeUnixNano")));
	same(json_at(named(&all, "call WCHA"), "parentSpanId"), json_at(workflow, "spanId"));
	same(json_at(named(&all, "submit WCHA"), "parentSpanId"),
	     json_at(named(&all, "call WCHA"), "spanId"));
	world_close(w);
}

/* Two spans of one id would be one to a collector. */
Test(tracing, a_retry_has_spans_of_its_own)
{
	struct world *w = world_open();
	const char *id = world_id(w, "again");
	struct job_spec job = traced(w, "again", "01");
	struct json_object *first, *second;
	struct spans all;

	world_agents(w, "--fault", "vfa:400=first:1");
	world_worker(w, collector(w), NULL);
	world_publish(w, &job);
	same(json_at(world_end(w, id), "data.status"), "failed");
	/* The workflow, three calls with an attempt each, the event. */
	await_spans(w, 8);
	cr_assert(await_rows(w, "null", "SELECT claimed_by FROM workflow_instances", SOON_MS));
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id), 0);
	world_event(w, "completed", id, 0, SOON_MS);
	/* The workflow, the call that is made again with its attempt, the event. */
	all = await_spans(w, 12);
	expect_shapes(&all, trace);
	first = find(&all, "process podcast_generation", 0);
	second = find(&all, "process podcast_generation", 1);
	expect_named_after(w, first, id);
	same(json_at(first, "links"), "absent");
	same(json_at(second, "links.0.spanId"), json_at(first, "spanId"));
	same(json_at(second, "links.0.traceId"), trace);
	same(json_at(second, "parentSpanId"), gateway);
	same(json_at(find(&all, "call VFA", 1), "parentSpanId"), json_at(second, "spanId"));
	same(json_at(find(&all, "submit VFA", 1), "parentSpanId"),
	     json_at(find(&all, "call VFA", 1), "spanId"));
	same(json_at(named(&all, "publish podcast_generation.completed"), "parentSpanId"),
	     json_at(second, "spanId"));
	same(json_at(world_calls(w, "agent=vfa"), "1.headers.traceparent"),
	     world_format(w, "00-%s-%s-01", trace, json_at(find(&all, "call VFA", 1), "spanId")));
	world_close(w);
}

/* With WCHA in process its attempt is a harvest, which is no request to an agent. */
Test(tracing, shows_a_harvest_in_process)
{
	struct world *w = world_open();
	const char *url;
	struct json_object *harvest;
	struct spans all;

	world_agents(w, NULL);
	url = world_agents_url(w);
	world_worker(w, collector(w), "WCHA_SERVICE_BASE_URL=",
		     world_format(w, "WCHA_SEARCH_URL=%s/search?q={query}", url),
		     world_format(w, "WCHA_ALLOW_HOSTS=%s", url + strlen("http://")));
	same(json_at(world_end(w, world_podcast(w, "p", NULL)), "data.status"), "completed");
	all = await_spans(w, 8);
	harvest = named(&all, "harvest WCHA");
	expect_within(harvest, named(&all, "call WCHA"));
	cr_assert_eq(json_num(harvest, "kind", 0), 1);
	same(attribute(harvest, "http.request.method"), "absent");
	world_close(w);
}

/* ---- what is not told ---- */

Test(tracing, tells_nothing_of_what_was_not_sampled)
{
	struct world *w = world_open();
	struct job_spec quiet = traced(w, "quiet", "00");
	const char *loud;
	struct spans all;

	world_agents(w, NULL);
	world_worker(w, collector(w), NULL);
	world_publish(w, &quiet);
	world_end(w, world_id(w, "quiet"));
	loud = world_podcast(w, "loud", NULL);
	world_end(w, loud);
	all = await_spans(w, 8);
	for (int i = 0; i < all.n; i++)
		same(attribute(all.span[i], "workflow.id"), loud);
	has(json_at(world_calls(w, "agent=vfa"), "0.headers.traceparent"), "-00");
	world_close(w);
}

Test(tracing, is_off_unless_there_is_a_collector)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	world_end(w, world_podcast(w, "p", NULL));
	worker_signal(w, 0, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, 0, SOON_MS), 0);
	cr_assert_eq(world_call_count(w, "kind=spans"), 0);
	world_close(w);
}

/* ---- a collector in trouble ---- */

static bool has_dropped(void *ctx)
{
	struct wish *wish = ctx;

	return (int)metric(wish->w, 0, "cpoa_spans_dropped_total") >= wish->n;
}

/* Podcasts go their way at once, their spans are dropped and counted, and the worker ends soon. */
static void work_goes_on(const char *endpoint, const char *status, const char *timeout)
{
	struct world *w = world_open();
	int64_t begun;

	world_agents(w, "--collector", status);
	world_worker(w, endpoint ? endpoint : collector(w), timeout);
	begun = clock_mono_ms();
	for (int i = 0; i < 3; i++)
		world_podcast(w, world_format(w, "p%d", i), NULL);
	world_await_ends(w, 3, SOON_MS);
	cr_assert_lt(clock_mono_ms() - begun, 5000);
	cr_assert(await(has_dropped, &(struct wish){w, 3 * 8}, SOON_MS));
	cr_assert_eq((int)metric(w, 0, "cpoa_spans_dropped_total"), 3 * 8);
	cr_assert_eq((int)metric(w, 0, "cpoa_spans_exported_total"), 0);
	cr_assert(log_contains(w, 0, "the trace collector takes no spans"));

	/* What is left at the end does not hold it up. */
	world_end(w, world_podcast(w, "last", NULL));
	begun = clock_mono_ms();
	worker_signal(w, 0, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, 0, SOON_MS), 0);
	cr_assert_lt(clock_mono_ms() - begun, 8000);
	world_close(w);
}

Test(tracing, a_collector_that_is_away_stops_nothing)
{
	work_goes_on("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:1/x", "200", NULL);
}

Test(tracing, a_collector_that_refuses_stops_nothing)
{
	work_goes_on(NULL, "500", NULL);
}

Test(tracing, a_collector_that_never_answers_stops_nothing)
{
	work_goes_on(NULL, "0", "OTEL_EXPORTER_OTLP_TIMEOUT=200");
}

Test(tracing, a_collector_that_comes_back_gets_all)
{
	struct world *w = world_open();
	struct spans all;
	int tries;

	world_agents(w, "--collector", "503");
	world_worker(w, collector(w), NULL);
	world_end(w, world_podcast(w, "p", NULL));
	cr_assert(await_log(w, 0, "the trace collector takes no spans", SOON_MS));
	world_control(w, "{\"collector\":200}");
	cr_assert(await_log(w, 0, "the trace collector takes spans again", SOON_MS));
	tries = world_call_count(w, "kind=spans");
	cr_assert_geq(tries, 2);
	/* The stand-in has recorded the refused ones too. */
	all = collected(w);
	cr_assert_geq(all.n, 16);
	cr_assert_eq((int)metric(w, 0, "cpoa_spans_dropped_total"), 0);
	cr_assert_eq((int)metric(w, 0, "cpoa_spans_exported_total"), 8);
	world_close(w);
}

/* What is in hand at the end is sent. */
Test(tracing, the_last_spans_go_before_the_worker_ends)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, collector(w), NULL);
	world_end(w, world_podcast(w, "p", NULL));
	worker_signal(w, 0, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, 0, SOON_MS), 0);
	cr_assert_eq(collected(w).n, 8);
	world_close(w);
}

Test(tracing, mistakes_are_refused_in_words)
{
	static const struct {
		const char *variable, *says;
	} rows[] = {
		{"OTEL_EXPORTER_OTLP_HEADERS=s3cret", "OTEL_EXPORTER_OTLP_HEADERS: member 1"},
		{"OTEL_EXPORTER_OTLP_HEADERS=a=s3cret,b:c=1",
		 "OTEL_EXPORTER_OTLP_HEADERS: member 2"},
		{"OTEL_RESOURCE_ATTRIBUTES==x", "OTEL_RESOURCE_ATTRIBUTES: member 1"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "http:// or https://"},
	};
	struct world *w = world_open();

	world_agents(w, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int worker = world_worker_unready(w, collector(w), rows[i].variable);

		cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 2);
		cr_assert(log_contains(w, worker, rows[i].says), "%s", rows[i].variable);
		cr_assert_not(log_contains(w, worker, "s3cret"));
		worker_forget(w, worker);
	}
	world_close(w);
}
