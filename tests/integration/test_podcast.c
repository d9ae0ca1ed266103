/* links: cpoa_world cpoa_db cpoa_mq */
/* A podcast from the message to the event: agents.md §0, §1.1, §3; interface.md §3, §4, §5. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/uuid.h"

static const char trace[] = "4bf92f3577b34da6a3ce929d0e0e4736";

/* ---- what every event of a podcast has ---- */

static void expect_envelope(const struct seen *s, const char *id, const char *kind)
{
	char type[64];
	struct uuid uuid;
	int64_t time;

	snprintf(type, sizeof(type), "aethercast.cpoa.podcast_generation.%s", kind);
	same(json_at(s->body, "specversion"), "1.0");
	same(json_at(s->body, "source"), "/cpoa");
	same(json_at(s->body, "type"), type);
	same(json_at(s->body, "subject"), id);
	same(json_at(s->body, "datacontenttype"), "application/json");
	same(json_at(s->body, "data.workflow_id"), id);
	same(json_at(s->body, "data.workflow_type"), "podcast_generation");
	cr_assert(uuid_from_text(&uuid, json_at(s->body, "id")));
	cr_assert(clock_parse(json_at(s->body, "time"), &time));
	cr_assert_eq(strlen(json_at(s->body, "sequence")), 10);
	same(s->message->message_id, json_at(s->body, "id"));
	same(s->message->content_type, "application/cloudevents+json");
	same(s->message->exchange, "cpoa.events");
	cr_assert_eq(s->message->delivery_mode, 2);
}

static void expect_ui(const struct seen *s, const char *name, const char *stage,
		      const char *message)
{
	same(json_at(s->body, "data.ui.client_id"), "client-1");
	same(json_at(s->body, "data.ui.event_name"), name);
	same(json_at(s->body, "data.ui.data.stage"), stage);
	same(json_at(s->body, "data.ui.data.message"), message);
}

static void expect_events(struct world *w, const char *id)
{
	static const struct {
		const char *kind, *stage, *message;
		int index;
	} rows[] = {
		{"started", "initialization", "Podcast generation started.", 0},
		{"progress", "wcha_content_retrieval", "Fetching web content...", 0},
		{"progress", "pswa_script_generation", "Crafting script...", 1},
		{"progress", "vfa_audio_generation", "Synthesizing audio...", 2},
		{"progress", "asf_notification", "Preparing audio stream...", 3},
		{"completed", "finalization", "Podcast generation complete!", 0},
	};
	const char *last = "";

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct seen *s = world_event(w, rows[i].kind, id, rows[i].index, SOON_MS);

		expect_envelope(s, id, rows[i].kind);
		expect_ui(s, "generation_status", rows[i].stage, rows[i].message);
		cr_assert_gt(strcmp(json_at(s->body, "sequence"), last), 0, "sequence grows");
		last = json_at(s->body, "sequence");
		same(json_at(s->body, "data.client_id"), "client-1");
		same(json_at(s->body, "data.idempotency_key"), "tides");
		same(json_at(s->body, "data.task_id"), world_id(w, "task of tides"));
		has(json_at(s->body, "traceparent"), trace);
		if (i < 5)
			same(json_at(s->body, "data.status"), "in_progress");
	}
	cr_assert_eq(world_events(w, "progress", id), 4);
	cr_assert_eq(world_events(w, "started", id), 1);
	cr_assert_eq(world_events(w, NULL, id), 1);
}

/* ---- the result ---- */

static void expect_result(struct world *w, const char *id)
{
	struct json_object *end = world_end(w, id),
			   *result = json_obj(json_obj(end, "data"), "result");
	const char *stream = json_at(result, "final_audio_details.stream_id");
	const char *path = json_at(result, "final_audio_filepath");

	same(json_at(end, "data.status"), "completed");
	same(json_at(end, "data.error"), "null");
	same(json_at(end, "data.ui.data.is_terminal"), "true");
	same(json_at(end, "data.ui.data.final_status"), "completed");
	same(json_at(end, "data.stream.stream_id"), stream);
	same(json_at(end, "data.stream.filepath"), path);
	same(json_at(result, "task_id"), world_id(w, "task of tides"));
	same(json_at(result, "workflow_id"), id);
	same(json_at(result, "topic"), "The story of tides");
	same(json_at(result, "status"), "completed");
	same(json_at(result, "error_message"), "null");
	same(json_at(result, "asf_websocket_url"),
	     world_format(w, "ws://asf.test/stream?stream_id=%s", stream));
	has(json_at(result, "asf_notification_status"), json_at(end, "id"));
	same(json_at(result, "final_audio_details.status"), "success");
	same(json_at(result, "final_audio_details.audio_filepath"), path);
	same(json_at(result, "final_audio_details.tts_settings_used.voice_name"),
	     "en-GB-Neural2-A");
	cr_assert_eq(strncmp(path, "gs://", 5), 0);
	same(json_at(result, "orchestration_log.0.stage"), "initialization");
	same(json_at(result, "orchestration_log.1.stage"), "wcha_content_retrieval");
	same(json_at(result, "orchestration_log.3.stage"), "pswa_script_generation");
	same(json_at(result, "orchestration_log.5.stage"), "vfa_audio_generation");
	cr_assert_leq(strlen(json_at(result, "orchestration_log.2.data_preview")), 253);
}

/* ---- the rows ---- */

static void expect_workflow_row(struct world *w, const char *id, const char *user)
{
	same(world_rows(w,
			"SELECT trigger_event_type, overall_status, user_id, idempotency_key, "
			"claimed_by,"
			" claims, error_message, end_timestamp >= start_timestamp,"
			" trigger_event_details_json->>'topic', length(job_digest)"
			" FROM workflow_instances WHERE workflow_id = '%s'",
			id),
	     world_format(
		     w, "podcast_generation|completed|%s|tides|null|1|null|t|The story of tides|32",
		     user));
	same(world_rows(w,
			"SELECT string_agg(k, ' ' ORDER BY k) FROM workflow_instances,"
			" jsonb_object_keys(context_data_json) k WHERE workflow_id = '%s'",
			id),
	     "final_audio_gcs_uri script_id script_title stream_id tts_settings_used"
	     " wcha_source_urls");
}

static void expect_task_rows(struct world *w, const char *id, bool async)
{
	const char *told = async ? "t|t" : "f|f";

	same(world_rows(w,
			"SELECT agent_name, task_order, status, call_name, retry_count,"
			" end_timestamp >= start_timestamp, error_details_json IS NULL"
			" FROM task_instances WHERE workflow_id = '%s' ORDER BY task_order",
			id),
	     "WCHA|1|completed|wcha|0|t|t\nPSWA|2|completed|pswa|0|t|t\n"
	     "VFA|3|completed|vfa|0|t|t\nASF_NOTIFY|4|completed|asf_notify|0|t|t");
	same(world_rows(w,
			"SELECT external_celery_task_id IS NOT NULL, status_url IS NOT NULL, reply "
			"IS NOT NULL"
			" FROM task_instances WHERE workflow_id = '%s' AND task_order < 4"
			" ORDER BY task_order",
			id),
	     world_format(w, "%s|t\n%s|t\n%s|t", told, told, told));
	same(world_rows(w,
			"SELECT string_agg(k, ' ' ORDER BY task_order, k) FROM task_instances,"
			" jsonb_object_keys(input_params_json) k WHERE workflow_id = '%s'",
			id),
	     "idempotency_key_for_wcha topic"
	     " content_input_length idempotency_key_for_pswa topic"
	     " idempotency_key_for_vfa script_id title voice_params_input"
	     " gcs_uri stream_id");
	same(world_rows(w,
			"SELECT string_agg(k, ' ' ORDER BY task_order, k) FROM task_instances,"
			" jsonb_object_keys(output_result_summary_json) k WHERE workflow_id = '%s'",
			id),
	     "content_length message source_urls"
	     " script_id segment_count title"
	     " audio_gcs_uri status stream_id tts_settings_used"
	     " event_id message");
	same(world_rows(w,
			"SELECT output_result_summary_json->>'event_id' FROM task_instances"
			" WHERE workflow_id = '%s' AND task_order = 4",
			id),
	     json_at(world_end(w, id), "id"));
}

static void expect_podcast_row(struct world *w, const char *id)
{
	struct json_object *result = json_obj(json_obj(world_end(w, id), "data"), "result");

	same(world_rows(w,
			"SELECT cpoa_status, cpoa_error_message, final_audio_filepath, stream_id,"
			" asf_websocket_url, asf_notification_status FROM podcasts"
			" WHERE podcast_id = '%s'",
			world_id(w, "task of tides")),
	     world_format(w, "completed|null|%s|%s|%s|%s", json_at(result, "final_audio_filepath"),
			  json_at(result, "final_audio_details.stream_id"),
			  json_at(result, "asf_websocket_url"),
			  json_at(result, "asf_notification_status")));
	same(world_rows(w,
			"SELECT last_updated_timestamp > task_created_timestamp,"
			" jsonb_array_length(cpoa_full_orchestration_log), "
			"tts_settings_used->>'voice_name'"
			" FROM podcasts WHERE podcast_id = '%s'",
			world_id(w, "task of tides")),
	     world_format(w, "t|%zu|en-GB-Neural2-A",
			  json_object_array_length(json_arr(result, "orchestration_log"))));
}

/* ---- the calls ---- */

static void expect_call(struct world *w, const char *id, const char *agent, const char *scenario)
{
	struct json_object *calls = world_calls(w, world_format(w, "agent=%s", agent));
	size_t n = json_object_array_length(calls);

	cr_assert_geq(n, 1);
	for (size_t i = 0; i < n; i++) {
		struct json_object *call = json_object_array_get_idx(calls, i);

		same(json_at(call, "headers.x-idempotency-key"),
		     world_format(w, "tides_%s", agent));
		same(json_at(call, "headers.x-workflow-id"), id);
		has(json_at(call, "headers.traceparent"), trace);
		same(json_at(call, "headers.tracestate"), "vendor=1");
		same(json_at(call, "headers.x-test-scenario"), scenario);
	}
	cr_assert_eq(world_call_count(w, world_format(w, "agent=%s&kind=submit", agent)), 1);
}

static void expect_calls(struct world *w, const char *id)
{
	struct json_object *call;

	expect_call(w, id, "wcha", "absent");
	expect_call(w, id, "pswa", "for_pswa");
	expect_call(w, id, "vfa", "for_vfa");
	cr_assert_eq(world_call_count(w, "kind=unknown"), 0);
	call = world_calls(w, "agent=wcha&kind=submit");
	same(json_at(call, "0.body.topic"), "The story of tides");
	same(json_at(call, "0.body.use_search"), "true");
	call = world_calls(w, "agent=pswa&kind=submit");
	same(json_at(call, "0.body.topic"), "The story of tides");
	has(json_at(call, "0.body.content"), "Source: https://");
	call = world_calls(w, "agent=vfa&kind=submit");
	/* What the user asked for comes first, then what the user prefers. */
	same(json_at(call, "0.body.voice_params.voice_name"), "en-GB-Neural2-A");
	same(json_at(call, "0.body.voice_params.speaking_rate"), "1.1");
	same(json_at(call, "0.body.voice_params.language_code"), "en-GB");
	has(json_at(call, "0.body.script.script_id"), "pswa_script_");
}

static struct job_spec tides(struct world *w)
{
	struct job_spec job = world_podcast_spec(
		w, "tides",
		"\"client_id\":\"client-1\",\"voice_params\":{\"voice_name\":\"en-GB-Neural2-A\"},"
		"\"user_preferences\":{\"preferred_vfa_voice_name\":\"other\","
		"\"preferred_vfa_speaking_rate\":1.1,\"preferred_vfa_language_code\":\"en-GB\"},"
		"\"test_scenarios\":{\"pswa\":\"for_pswa\",\"vfa\":\"for_vfa\"}");

	job.headers[2] = (struct mq_header){
		"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
	job.headers[3] = (struct mq_header){"tracestate", "vendor=1"};
	return job;
}

static void whole_story(const char *style)
{
	struct world *w = world_open();
	const char *id = world_id(w, "tides");
	struct job_spec job = tides(w);

	world_sql(w,
		  "INSERT INTO podcasts (podcast_id, topic, cpoa_status, task_created_timestamp)"
		  " VALUES ('%s', 'tides', 'pending_cpoa_dispatch', now())",
		  world_id(w, "task of tides"));
	world_agents(w, "--style", style);
	world_control(w, "{\"polls\":2}");
	world_worker(w, "ASF_WEBSOCKET_BASE_URL=ws://asf.test/stream");
	world_publish(w, &job);
	expect_events(w, id);
	expect_result(w, id);
	expect_workflow_row(w, id, "null");
	if (strcmp(style, "mixed") != 0)
		expect_task_rows(w, id, strcmp(style, "async") == 0);
	expect_podcast_row(w, id);
	expect_calls(w, id);
	if (strcmp(style, "mixed") != 0)
		cr_assert_eq(world_call_count(w, "kind=poll"), strcmp(style, "async") == 0 ? 6 : 0);
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", 5000));
	same(world_rows(w, "SELECT count(*), min(version) ~ '^[0-9.]+' FROM leases"), "1|t");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 0);
	cr_assert_eq(world_queue(w, "cpoa.events.asf"), 6);
	cr_assert_eq(
		(int)metric(
			w, 0,
			"cpoa_workflows_total{type=\"podcast_generation\",status=\"completed\"}"),
		1);
	world_close(w);
}

Test(podcast, answers_in_one_go)
{
	whole_story("sync");
}

Test(podcast, answers_by_polling)
{
	whole_story("async");
}

Test(podcast, answers_of_both_kinds)
{
	whole_story("mixed");
}

Test(podcast, is_told_to_whoever_asked)
{
	struct world *w = world_open();
	struct job_spec job = world_podcast_spec(w, "asked", NULL);
	struct mq_message *m;
	struct err e;
	char queue[MQ_SHORT_MAX + 1];

	world_agents(w, NULL);
	world_worker(w, NULL);
	cr_assert(mq_declare_queue(world_mq(w), "", true, NULL, 0, queue, &e), "%s", e.text);
	cr_assert(mq_consume(world_mq(w), queue, "replies", false, &e), "%s", e.text);
	job.reply_to = queue;
	job.correlation_id = "my question";
	world_publish(w, &job);

	m = world_delivery(w, "replies", SOON_MS);
	world_end(w, world_id(w, "asked"));
	same(m->correlation_id, "my question");
	same(m->content_type, "application/cloudevents+json");
	same(m->body, world_event(w, "completed", NULL, 0, SOON_MS)->message->body);
	let_pass(300);
	world_events(w, NULL, NULL);
	cr_assert_null(m->next, "only the terminal event goes there");
	world_close(w);
}

Test(podcast, needs_neither_row_nor_client_nor_trace)
{
	struct world *w = world_open();
	struct job_spec job = world_podcast_spec(w, "bare", NULL);
	const struct seen *end;
	const char *id;

	world_agents(w, NULL);
	world_worker(w, NULL);
	/* Only what must be there: the key is the message_id, the workflow's id is ours to choose.
	 */
	job.headers[0] = (struct mq_header){0};
	world_publish(w, &job);
	end = world_event(w, "completed", NULL, 0, SOON_MS);
	id = json_at(end->body, "subject");
	cr_assert_str_neq(id, world_id(w, "bare"));
	same(json_at(end->body, "data.ui"), "absent");
	same(json_at(end->body, "data.client_id"), "null");
	same(json_at(end->body, "data.idempotency_key"), "bare");
	cr_assert_eq(strncmp(json_at(end->body, "traceparent"), "00-", 3), 0);
	same(json_at(world_calls(w, "agent=pswa"), "0.headers.x-idempotency-key"), "bare_pswa");
	same(json_at(world_calls(w, "agent=pswa"), "0.headers.tracestate"), "absent");
	same(json_at(world_calls(w, "agent=pswa"), "0.headers.x-test-scenario"), "absent");
	same(world_rows(w, "SELECT count(*) FROM podcasts"), "0");
	same(json_at(world_calls(w, "agent=vfa&kind=submit"), "0.body.voice_params"), "{}");
	world_close(w);
}

Test(podcast, belongs_to_its_user)
{
	struct world *w = world_open();
	const char *ann = world_id(w, "Ann"), *nobody = world_id(w, "nobody"), *id;

	world_sql(w, "INSERT INTO users VALUES ('%s', 'ann', 'ann@x', 'h', now())", ann);
	world_agents(w, NULL);
	world_worker(w, NULL);
	id = world_podcast(w, "hers", world_format(w, "\"user_id\":\"%s\"", ann));
	same(json_at(world_end(w, id), "data.user_id"), ann);
	same(world_rows(w, "SELECT user_id FROM workflow_instances WHERE workflow_id = '%s'", id),
	     ann);

	/* An unknown one must not sink the workflow. */
	id = world_podcast(w, "whose", world_format(w, "\"user_id\":\"%s\"", nobody));
	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(
		     w,
		     "SELECT user_id, context_data_json::text ~ 'user_id' FROM workflow_instances"
		     " WHERE workflow_id = '%s'",
		     id),
	     "null|t");
	world_close(w);
}
