/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
#include "core/event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_help.h"

static struct help_world world;
static struct run *run;

static void begin(const char *body)
{
	struct mq_message m = help_message(body);

	run = help_run(&world, &m);
	run->now_us = help_wall_us;
}

static void setup(void)
{
	world = help_world();
	begin(HELP_JOB);
}

static void teardown(void)
{
	run_unref(run);
	help_close(&world);
}

TestSuite(event, .init = setup, .fini = teardown);

static void again(const char *body)
{
	run_unref(run);
	begin(body);
}

Test(event, envelope_is_a_cloud_event)
{
	struct event *event = event_make(run, &(struct event_parts){.kind = EVENT_STARTED,
								    .sequence = 7,
								    .status = "in_progress"});

	HELP_IS(event->body, "/specversion", "\"1.0\"");
	HELP_IS(event->body, "/id", "\"3a173266-76a4-5ec0-9747-472b637606a5\"");
	HELP_IS(event->body, "/source", "\"/cpoa\"");
	HELP_IS(event->body, "/type", "\"aethercast.cpoa.podcast_generation.started\"");
	HELP_IS(event->body, "/subject", "\"" HELP_WORKFLOW "\"");
	HELP_IS(event->body, "/time", "\"2025-06-14T09:30:00.123Z\"");
	HELP_IS(event->body, "/datacontenttype", "\"application/json\"");
	HELP_IS(event->body, "/sequence", "\"0000000007\"");
	HELP_IS(event->body, "/tracestate", "absent");
	HELP_IS(event->body, "/data",
		"{\"workflow_id\":\"" HELP_WORKFLOW
		"\",\"workflow_type\":\"podcast_generation\",\"status\":\"in_progress\","
		"\"task_id\":\"" HELP_TASK
		"\",\"user_id\":null,\"client_id\":\"room 7\",\"idempotency_key\":\"key-1\","
		"\"result\":null,\"error\":null}");
	cr_assert_eq(event->len, strlen(event->body));
	event_free(event);
	event_free(NULL);
}

Test(event, struct_says_what_the_outbox_needs)
{
	static const struct {
		enum event_kind kind;
		const char *name;
		bool stored;
	} rows[] = {{EVENT_STARTED, "started", true},
		    {EVENT_PROGRESS, "progress", false},
		    {EVENT_COMPLETED, "completed", true},
		    {EVENT_FAILED, "failed", true},
		    {EVENT_CANCELLED, "cancelled", true}};

	cr_assert_eq(sizeof(rows) / sizeof(*rows), EVENT_KINDS);
	for (size_t i = 0; i < EVENT_KINDS; i++) {
		struct event_parts parts = {.kind = rows[i].kind, .sequence = 3, .status = "x"};
		struct event *event = event_make(run, &parts);
		struct uuid id = event_id(&run->job.workflow_id, 3);
		enum event_kind kind;
		char type[96];

		cr_assert_eq(event->stored, rows[i].stored, "%s", rows[i].name);
		cr_assert_eq(event->kind, rows[i].kind);
		cr_assert_eq(event->lease, 5);
		cr_assert_str_eq(event->type, "podcast_generation");
		cr_assert(uuid_equal(&event->id, &id));
		cr_assert(uuid_equal(&event->workflow_id, &run->job.workflow_id));
		snprintf(type, sizeof(type), "\"aethercast.cpoa.podcast_generation.%s\"",
			 rows[i].name);
		HELP_IS(event->body, "/type", type);
		cr_assert_str_eq(event_kind_name(rows[i].kind), rows[i].name);
		cr_assert(event_kind_from_name(rows[i].name, &kind) && kind == rows[i].kind);
		event_free(event);
	}
	cr_assert(!event_kind_from_name("", &(enum event_kind){0}));
	cr_assert(!event_kind_from_name("Started", &(enum event_kind){0}));
}

Test(event, ids_are_named_after_workflow_and_sequence)
{
	struct uuid one = run->job.workflow_id, other = one, seen[100];

	other.bytes[15] ^= 1;
	for (unsigned i = 0; i < 100; i++) {
		struct uuid twin = event_id(&one, i), foreign = event_id(&other, i);

		seen[i] = event_id(&one, i);
		cr_assert(uuid_equal(&seen[i], &twin));
		cr_assert(!uuid_equal(&seen[i], &foreign));
		for (unsigned k = 0; k < i; k++)
			cr_assert(!uuid_equal(&seen[i], &seen[k]));
	}
}

Test(event, sequence_has_ten_digits_that_sort_as_text)
{
	static const unsigned numbers[] = {0, 1, 9, 10, 999999999, 1000000000, UINT32_MAX};
	char last[16] = "";

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct event_parts parts = {.kind = EVENT_PROGRESS, .sequence = numbers[i]};
		struct event *event = event_make(run, &parts);
		const char *text = help_at(event->body, "/sequence");

		cr_assert_eq(strlen(text), 12, "%s", text);
		cr_assert_gt(strcmp(text, last), 0, "%s", text);
		cr_assert_eq(strtoul(text + 1, NULL, 10), numbers[i]);
		snprintf(last, sizeof(last), "%s", text);
		event_free(event);
	}
}

Test(event, ui_only_for_a_client)
{
	struct event_parts parts = {.kind = EVENT_PROGRESS, .ui_event = "generation_status"};
	struct event *event = event_make(run, &parts);

	HELP_IS(event->body, "/data/ui", "absent");
	event_free(event);
	parts.ui = "{\"message\":\"m\",\"stage\":\"s\"}";
	event = event_make(run, &parts);
	HELP_IS(event->body, "/data/ui",
		"{\"client_id\":\"room 7\",\"event_name\":\"generation_status\","
		"\"data\":{\"message\":\"m\",\"stage\":\"s\"}}");
	event_free(event);
	again("{\"topic\":\"Bees\",\"task_id\":\"" HELP_TASK "\"}");
	event = event_make(run, &parts);
	HELP_IS(event->body, "/data/ui", "absent");
	HELP_IS(event->body, "/data/client_id", "null");
	event_free(event);
}

Test(event, parts_are_shown)
{
	struct event *event =
		event_make(run, &(struct event_parts){.kind = EVENT_COMPLETED,
						      .status = "completed",
						      .result = "{\"a\":1.10}",
						      .error = "{\"code\":\"c\"}",
						      .stream = "{\"stream_id\":\"s\"}"});

	HELP_IS(event->body, "/data/status", "\"completed\"");
	HELP_IS(event->body, "/data/result", "{\"a\":1.10}");
	HELP_IS(event->body, "/data/error", "{\"code\":\"c\"}");
	HELP_IS(event->body, "/data/stream", "{\"stream_id\":\"s\"}");
	event_free(event);
}

Test(event, user_id_of_the_job)
{
	struct event *event;

	again("{\"topic\":\"B\",\"task_id\":\"" HELP_TASK "\",\"user_id\":\"" HELP_WORKFLOW "\"}");
	event = event_make(run, &(struct event_parts){.kind = EVENT_STARTED});
	HELP_IS(event->body, "/data/user_id", "\"" HELP_WORKFLOW "\"");
	event_free(event);
}

Test(event, only_the_end_is_a_reply)
{
	run->job.reply_to = "amq.reply";
	for (int i = 0; i < EVENT_KINDS; i++) {
		bool end = i != EVENT_STARTED && i != EVENT_PROGRESS;
		struct event_parts parts = {.kind = (enum event_kind)i};
		struct event *event;

		run->job.correlation_id = "c";
		event = event_make(run, &parts);
		cr_assert_eq(event->reply_to != NULL, end, "%d", i);
		cr_assert_eq(event->correlation_id != NULL, end, "%d", i);
		cr_assert(!end || strcmp(event->reply_to, "amq.reply") == 0);
		cr_assert(!end || strcmp(event->correlation_id, "c") == 0);
		event_free(event);
		run->job.correlation_id = NULL;
		event = event_make(run, &parts);
		cr_assert(!event->correlation_id && !event->reply_to == !end);
		event_free(event);
	}
	run->job.reply_to = NULL;
	run->job.correlation_id = "c";
	for (int i = 0; i < EVENT_KINDS; i++) {
		struct event *event =
			event_make(run, &(struct event_parts){.kind = (enum event_kind)i});

		cr_assert(!event->reply_to && !event->correlation_id);
		event_free(event);
	}
}

Test(event, trace_is_the_jobs_or_the_workflows)
{
	struct event_parts parts = {.kind = EVENT_STARTED};
	struct event *event = event_make(run, &parts);

	/* Without a parent the trace is named after the workflow, the span after its second half.
	 */
	HELP_IS(event->body, "/traceparent",
		"\"00-11111111222233334444555555555555-4444555555555555-01\"");
	event_free(event);
	run->job.traced = trace_parse(&run->job.parent,
				      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
	run->job.tracestate = "a=1";
	event = event_make(run, &parts);
	HELP_IS(event->body, "/traceparent",
		"\"00-0af7651916cd43dd8448eb211c80319c-4444555555555555-00\"");
	HELP_IS(event->body, "/tracestate", "\"a=1\"");
	event_free(event);
}

Test(event, text_of_strangers_stays_json)
{
	struct event *event;

	again("{\"topic\":\"B\",\"task_id\":\"" HELP_TASK
	      "\",\"client_id\":\"\\\"}\\u0001\\r\\n\\u2028\xF0\x9F\x98\x80\"}");
	event = event_make(run, &(struct event_parts){.kind = EVENT_STARTED});
	HELP_IS(event->body, "/data/client_id",
		"\"\\\"}\\u0001\\r\\n\xE2\x80\xA8\xF0\x9F\x98\x80\"");
	cr_assert(!strchr(event->body, '\n') && !strchr(event->body, 1));
	event_free(event);
}
