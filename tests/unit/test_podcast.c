/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "podcast_help.h"

TestSuite(podcast, .init = setup, .fini = teardown);

static const struct help_event *last_event(void)
{
	cr_assert_gt(world.n_events, 0);
	return &world.events[world.n_events - 1];
}

static const char *last_save(void)
{
	cr_assert_gt(world.n_saves, 0);
	return world.saves[world.n_saves - 1];
}

static void check_event(int i, enum event_kind kind, const char *sequence, const char *ui)
{
	const struct help_event *event = &world.events[i];
	char id[UUID_TEXT_SIZE], quoted[UUID_TEXT_SIZE + 2];

	cr_assert_lt(i, world.n_events);
	cr_assert_eq(event->kind, kind, "event %d", i);
	HELP_IS(event->body, "/sequence", sequence);
	HELP_IS(event->body, "/data/ui/data", ui);
	uuid_to_text(&event->id, id);
	snprintf(quoted, sizeof(quoted), "\"%s\"", id);
	HELP_IS(event->body, "/id", quoted);
}

/* ---- what each pass plans ---- */

static void check_call(const char *name, int order, const char *agent, const char *request,
		       const char *input)
{
	struct call *call = help_call(run, name);
	char key[64];

	cr_assert(call && call->out, "%s", name);
	cr_assert_eq(call, help_out(run), "%s", name);
	cr_assert_eq(call->order, order, "%s", name);
	cr_assert_str_eq(call->agent_name, agent);
	cr_assert_str_eq(call->request, request);
	cr_assert_eq(call->request_len, strlen(request), "%s", name);
	cr_assert_str_eq(call->input, input);
	snprintf(key, sizeof(key), "key-1_%s", name);
	cr_assert_str_eq(call->key, key);
	cr_assert_eq(run->n_calls, order, "one call a stage");
}

Test(podcast, harvests_first)
{
	start(HELP_FULL);
	check_call("wcha", 1, "WCHA", "{\"topic\":\"Bees\",\"use_search\":true}",
		   "{\"topic\":\"Bees\",\"idempotency_key_for_wcha\":\"key-1_wcha\"}");
	cr_assert_str_eq(help_call(run, "wcha")->stage, "wcha_content_retrieval");
	cr_assert_null(help_call(run, "wcha")->scenario);
	cr_assert_eq(world.n_events, 2);
	check_event(0, EVENT_STARTED, "\"0000000001\"",
		    "{\"message\":\"Podcast generation started.\",\"stage\":\"initialization\"}");
	check_event(1, EVENT_PROGRESS, "\"0000000002\"",
		    "{\"message\":\"Fetching web "
		    "content...\",\"stage\":\"wcha_content_retrieval\"}");
	HELP_IS(world.events[0].body, "/data/ui/event_name", "\"generation_status\"");
	HELP_IS(world.events[1].body, "/data/ui/event_name", "\"generation_status\"");
	cr_assert_eq(world.n_saves, 1);
	cr_assert_str_eq(last_save(), "{\"podcast_id\":\"" HELP_TASK
				      "\",\"cpoa_status\":\"wcha_content_retrieval\"}");
}

Test(podcast, then_writes_a_script)
{
	start(HELP_FULL);
	land(200, HELP_WEB);
	check_call("pswa", 2, "PSWA",
		   "{\"content\":\"Bees dance \xE2\x82\xAC\",\"topic\":\"Bees\"}",
		   "{\"topic\":\"Bees\",\"content_input_length\":12,"
		   "\"idempotency_key_for_pswa\":\"key-1_pswa\"}");
	cr_assert_str_eq(help_call(run, "pswa")->scenario, "X-Test-Scenario: llm_error");
	cr_assert_str_eq(help_row(&world, "wcha")->summary,
			 "{\"content_length\":12,\"source_urls\":[\"http://a\",\"http://b\"],"
			 "\"message\":\"2 of 2\"}");
	cr_assert_eq(world.n_events, 3);
	check_event(2, EVENT_PROGRESS, "\"0000000003\"",
		    "{\"message\":\"Crafting script...\",\"stage\":\"pswa_script_generation\"}");
	cr_assert_eq(world.n_saves, 2);
	HELP_IS(last_save(), "/cpoa_status", "\"pswa_script_generation\"");
}

Test(podcast, then_speaks_it)
{
	start(HELP_FULL);
	land(200, HELP_WEB);
	land(200, "{\"script_data\":" HELP_SCRIPT ",\"status_for_metric\":\"x\"}");
	check_call("vfa", 3, "VFA",
		   "{\"script\":" HELP_SCRIPT ",\"voice_params\":{\"voice_name\":\"A\","
		   "\"audio_encoding\":\"MP3\",\"speaking_rate\":1.25,\"pitch\":-2}}",
		   "{\"script_id\":\"s1\",\"title\":\"On bees\",\"voice_params_input\":"
		   "{\"voice_name\":\"A\",\"audio_encoding\":\"MP3\",\"speaking_rate\":1.25,"
		   "\"pitch\":-2},\"idempotency_key_for_vfa\":\"key-1_vfa\"}");
	cr_assert_null(help_call(run, "vfa")->scenario, "scenarios go to their agent alone");
	cr_assert_str_eq(help_row(&world, "pswa")->summary,
			 "{\"script_id\":\"s1\",\"title\":\"On bees\",\"segment_count\":2}");
	check_event(3, EVENT_PROGRESS, "\"0000000004\"",
		    "{\"message\":\"Synthesizing audio...\",\"stage\":\"vfa_audio_generation\"}");
	HELP_IS(last_save(), "/cpoa_status", "\"vfa_audio_generation\"");
}

/* What the user has asked for wins over what the user prefers; without either VFA gets an empty
 * object. */
Test(podcast, voice_is_asked_for_or_preferred)
{
	static const struct {
		const char *more, *voice;
	} rows[] = {
		{"", "{}"},
		{",\"voice_params\":{}", "{}"},
		{",\"voice_params\":{\"pitch\":3}", "{\"pitch\":3}"},
		{",\"user_preferences\":{\"preferred_vfa_voice_name\":\"B\"}",
		 "{\"voice_name\":\"B\"}"},
		{",\"user_preferences\":{\"preferred_vfa_language_code\":\"de\",\"voice_name\":"
		 "\"x\"}",
		 "{\"language_code\":\"de\"}"},
		{",\"voice_params\":{\"voice_name\":\"A\"},\"user_preferences\":"
		 "{\"preferred_vfa_voice_name\":\"B\",\"preferred_vfa_pitch\":1}",
		 "{\"voice_name\":\"A\",\"pitch\":1}"},
		{",\"user_preferences\":{\"preferred_vfa_pitch\":null}", "{}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char body[512];

		snprintf(body, sizeof(body), "{\"topic\":\"B\",\"task_id\":\"" HELP_TASK "\"%s}",
			 rows[i].more);
		start(body);
		land(200, HELP_WEB);
		land(200, HELP_SCRIPT);
		HELP_IS(help_call(run, "vfa")->request, "/voice_params", rows[i].voice);
		HELP_IS(help_call(run, "vfa")->input, "/voice_params_input", rows[i].voice);
	}
}

Test(podcast, content_is_cut_for_pswa)
{
	world.policy.content_max = 11;
	run = help_start(&world, HELP_JOB);
	land(200, HELP_WEB);
	cr_assert_str_eq(help_call(run, "pswa")->request,
			 "{\"content\":\"Bees dance \",\"topic\":\"Bees\"}");
	HELP_IS(help_row(&world, "wcha")->reply, "/body/content", "\"Bees dance \"");
}

Test(podcast, script_may_come_in_one_go_or_as_script_data)
{
	const char *in_one_go;
	char kept[512];

	start(HELP_FULL);
	land(200, HELP_WEB);
	land(200, HELP_SCRIPT);
	in_one_go = help_call(run, "vfa")->request;
	snprintf(kept, sizeof(kept), "%s", in_one_go);
	start(HELP_FULL);
	land(200, HELP_WEB);
	land(202, "{\"task_id\":\"t\",\"status_url\":\"/t\"}");
	cr_assert_str_eq(help_row(&world, "pswa")->external_id, "t");
	land(200, "{\"status\":\"SUCCESS\",\"result\":{\"script_data\":" HELP_SCRIPT "}}");
	cr_assert_str_eq(help_call(run, "vfa")->request, kept);
}

/* ---- the end of one that went well ---- */

static void complete(const char *job)
{
	start(job);
	land(200, HELP_WEB);
	land(200, HELP_SCRIPT);
	land(200, HELP_AUDIO);
	cr_assert_eq(world.ended, 1);
}

#define TIME "2025-06-14T09:30:00.123Z"
#define ENTRY(stage, message) \
	"{\"timestamp\":\"" TIME "\",\"stage\":\"" stage "\",\"message\":\"" message "\""

/* clang-format off */
static const char *const whole_log = "["
	ENTRY("initialization", "Podcast generation started.") "},"
	ENTRY("wcha_content_retrieval", "WCHA called.") "},"
	ENTRY("wcha_content_retrieval", "WCHA succeeded.") ",\"data_preview\":\"Bees dance \xE2\x82\xAC\"},"
	ENTRY("pswa_script_generation", "PSWA called.") "},"
	ENTRY("pswa_script_generation", "PSWA succeeded.") ",\"data_preview\":\"On bees\"},"
	ENTRY("vfa_audio_generation", "VFA called.") "},"
	ENTRY("vfa_audio_generation", "VFA succeeded.") "},"
	ENTRY("asf_notification", "The ASF is told by the completion event.") "},"
	ENTRY("finalization", "Podcast generation ended with status completed.") "}]";
/* clang-format on */

Test(podcast, complete_result_object)
{
	const char *body;
	char status[200];

	complete(HELP_FULL);
	body = world.terminal;
	cr_assert_eq(world.status, STATUS_COMPLETED);
	cr_assert(!world.error && !world.reason);
	HELP_IS(body, "/type", "\"aethercast.cpoa.podcast_generation.completed\"");
	HELP_IS(body, "/data/status", "\"completed\"");
	HELP_IS(body, "/data/error", "null");
	HELP_IS(body, "/data/stream", "{\"stream_id\":\"strm_1\",\"filepath\":\"gs://b/a.mp3\"}");
	HELP_IS(body, "/data/result/task_id", "\"" HELP_TASK "\"");
	HELP_IS(body, "/data/result/workflow_id", "\"" HELP_WORKFLOW "\"");
	HELP_IS(body, "/data/result/topic", "\"Bees\"");
	HELP_IS(body, "/data/result/status", "\"completed\"");
	HELP_IS(body, "/data/result/error_message", "null");
	snprintf(status, sizeof(status), "\"Event %.36s recorded for stream strm_1.\"",
		 help_at(body, "/id") + 1);
	HELP_IS(body, "/data/result/asf_notification_status", status);
	HELP_IS(body, "/data/result/asf_websocket_url", "\"ws://asf/stream?stream_id=strm_1\"");
	HELP_IS(body, "/data/result/final_audio_details", HELP_AUDIO);
	HELP_IS(body, "/data/result/final_audio_filepath", "\"gs://b/a.mp3\"");
	HELP_IS(body, "/data/result/orchestration_log", whole_log);
	HELP_IS(body, "/data/ui/event_name", "\"generation_status\"");
	cr_assert_str_eq(world.context,
			 "{\"wcha_source_urls\":[\"http://a\",\"http://b\"],"
			 "\"script_title\":\"On bees\",\"script_id\":\"s1\","
			 "\"final_audio_gcs_uri\":\"gs://b/a.mp3\",\"stream_id\":\"strm_1\","
			 "\"tts_settings_used\":{\"pitch\":1.5}}");
}

Test(podcast, complete_events_and_rows)
{
	complete(HELP_FULL);
	cr_assert_eq(world.n_events, 6);
	check_event(4, EVENT_PROGRESS, "\"0000000005\"",
		    "{\"message\":\"Preparing audio stream...\",\"stage\":\"asf_notification\"}");
	check_event(5, EVENT_COMPLETED, "\"0000000006\"",
		    "{\"message\":\"Podcast generation complete!\",\"stage\":\"finalization\","
		    "\"final_status\":\"completed\",\"legacy_status\":\"completed\","
		    "\"is_terminal\":true}");
	cr_assert_eq(world.sequence, 6);
	for (int i = 0; i < world.n_events; i++)
		cr_assert_eq(world.events[i].stored, world.events[i].kind != EVENT_PROGRESS);
	cr_assert_str_eq(help_row(&world, "vfa")->summary,
			 "{\"status\":\"success\",\"audio_gcs_uri\":\"gs://b/a.mp3\","
			 "\"stream_id\":\"strm_1\",\"tts_settings_used\":{\"pitch\":1.5}}");
	cr_assert_eq(world.n_saves, 4);
	HELP_IS(last_save(), "/podcast_id", "\"" HELP_TASK "\"");
	HELP_IS(last_save(), "/cpoa_status", "\"completed\"");
	HELP_IS(last_save(), "/final", "true");
	HELP_IS(last_save(), "/cpoa_error_message", "null");
	HELP_IS(last_save(), "/final_audio_filepath", "\"gs://b/a.mp3\"");
	HELP_IS(last_save(), "/stream_id", "\"strm_1\"");
	HELP_IS(last_save(), "/asf_websocket_url", "\"ws://asf/stream?stream_id=strm_1\"");
	HELP_IS(last_save(), "/asf_notification_status",
		help_at(world.terminal, "/data/result/asf_notification_status"));
	HELP_IS(last_save(), "/tts_settings_used", "{\"pitch\":1.5}");
	HELP_IS(last_save(), "/cpoa_full_orchestration_log", whole_log);
}

Test(podcast, notes_that_the_asf_is_told)
{
	const struct help_row *note;
	struct call *call;

	complete(HELP_JOB);
	note = help_row(&world, "asf_notify");
	call = help_call(run, "asf_notify");
	cr_assert(note && call);
	cr_assert_str_eq(note->agent_name, "ASF_NOTIFY");
	cr_assert_str_eq(note->stage, "asf_notification");
	cr_assert_eq(note->order, 4);
	cr_assert_str_eq(note->input, "{\"stream_id\":\"strm_1\",\"gcs_uri\":\"gs://b/a.mp3\"}");
	HELP_IS(note->summary, "/event_id", help_at(world.terminal, "/id"));
	HELP_IS(note->summary, "/message",
		help_at(world.terminal, "/data/result/asf_notification_status"));
	cr_assert(call->state == CALL_LANDED && !call->agent && !call->request && !note->reply);
	cr_assert_eq(note->planned_us, help_wall_us);
	cr_assert_eq(note->landed_us, help_wall_us);
}

Test(podcast, without_a_client_nobody_is_shown_anything)
{
	complete("{\"topic\":\"Bees\",\"task_id\":\"" HELP_TASK "\"}");
	for (int i = 0; i < world.n_events; i++)
		HELP_IS(world.events[i].body, "/data/ui", "absent");
	HELP_IS(world.terminal, "/data/stream/stream_id", "\"strm_1\"");
}

Test(podcast, an_unknown_user_is_a_warning)
{
	start(HELP_JOB);
	run->unknown_user = true;
	land(400, NULL);
	HELP_IS(world.context, "/warning",
		"\"user_id is in no row of users and was stored as NULL\"");
}

Test(podcast, a_stream_of_any_name_stays_text)
{
	for (int offset = 0; offset < 4; offset++)
		for (int n = 60; n < 400; n += 110) {
			struct strbuf body;

			strbuf_init(&body, 1 << 16);
			strbuf_addf(&body,
				    "{\"status\":\"success\",\"audio_filepath\":\"f\","
				    "\"stream_id\":\"%.*s",
				    offset, "xxxx");
			for (int i = 0; i < n; i++)
				strbuf_adds(&body, "\xE2\x82\xAC");
			strbuf_adds(&body, "\"}");
			start(HELP_JOB);
			land(200, HELP_WEB);
			land(200, HELP_SCRIPT);
			land(200, body.buf);
			cr_assert_eq(world.status, STATUS_COMPLETED);
			cr_assert(utf8_ok(world.terminal, strlen(world.terminal)));
			cr_assert(utf8_ok(last_save(), strlen(last_save())));
			/* Not cut to fit: half an address is worse than none. */
			cr_assert_eq(strcmp(help_at(last_save(), "/asf_websocket_url"), "null") ==
					     0,
				     n > 335, "%d", n);
			strbuf_release(&body);
		}
}

/* ---- every other end ---- */

struct end {
	const char *what;
	int landed; /* calls that land well before this answer */
	int status;
	const char *body, *legacy, *error, *stage;
};

#define FAILED(reason) "{\"status\":\"FAILURE\",\"result\":{\"message\":\"" reason "\"}}"

/* clang-format off */
static const struct end ends[] = {
	{"web: 404", 0, 404, "{\"status\":\"failure\",\"content\":null,\"message\":\"no results\"}", "failed_wcha_content_harvest", "WCHA answered HTTP 404: no results", "wcha_content_retrieval"},
	{"web: failure", 0, 200, "{\"status\":\"failure_dependency\",\"message\":\"m\"}", "failed_wcha_content_harvest", "WCHA reported failure_dependency: m", "wcha_content_retrieval"},
	{"web: no content", 0, 200, "{\"status\":\"success\",\"content\":\"\"}", "failed_wcha_content_harvest", "WCHA critical failure: No content.", "wcha_content_retrieval"},
	{"web: content null", 0, 200, "{\"status\":\"success\",\"content\":null}", "failed_wcha_content_harvest", "WCHA critical failure: No content.", "wcha_content_retrieval"},
	{"web: no status", 0, 200, "{\"content\":\"x\"}", "failed_wcha_content_harvest", "WCHA reported no status: it gave no message", "wcha_content_retrieval"},
	{"web: no JSON", 0, 200, "<", "failed_wcha_content_harvest", "no JSON object", "wcha_content_retrieval"},
	{"script: 400", 1, 400, "{\"message\":\"too long\"}", "failed_pswa_request_exception", "PSWA answered HTTP 400: too long", "pswa_script_generation"},
	{"script: 500", 1, 500, NULL, "failed_pswa_request_exception", "PSWA answered HTTP 500: no body (after 1 attempts)", "pswa_script_generation"},
	{"script: no JSON", 1, 200, "<", "failed_pswa_json_decode", "no JSON object", "pswa_script_generation"},
	{"script: no segments", 1, 200, "{\"script_id\":\"s\",\"title\":\"t\"}", "failed_pswa_bad_script_structure", "lacks a script_id, a title or a list of segments", "pswa_script_generation"},
	{"script: segments an object", 1, 200, "{\"script_id\":\"s\",\"title\":\"t\",\"segments\":{}}", "failed_pswa_bad_script_structure", "lacks", "pswa_script_generation"},
	{"script: no id", 1, 200, "{\"title\":\"t\",\"segments\":[]}", "failed_pswa_bad_script_structure", "lacks", "pswa_script_generation"},
	{"script: an empty title", 1, 200, "{\"script_id\":\"s\",\"title\":\"\",\"segments\":[]}", "failed_pswa_bad_script_structure", "lacks", "pswa_script_generation"},
	{"script: data no object", 1, 200, "{\"script_data\":\"x\"}", "failed_pswa_bad_script_structure", "script_data is no object", "pswa_script_generation"},
	{"script: insufficient", 1, 200, "{\"error\":\"Insufficient content\",\"message\":\"m\"}", "failed_pswa_request_exception", "PSWA reported Insufficient content: m", "pswa_script_generation"},
	{"script: a code", 1, 200, "{\"error_code\":\"PSWA_X\"}", "failed_pswa_request_exception", "PSWA reported PSWA_X: it gave no message", "pswa_script_generation"},
	{"audio: 400", 2, 400, "{\"message\":\"m\"}", "failed_vfa_request_exception", "VFA answered HTTP 400: m", "vfa_audio_generation"},
	{"audio: no JSON", 2, 200, "[]", "failed_vfa_json_decode", "no JSON object", "vfa_audio_generation"},
	{"audio: error", 2, 200, "{\"status\":\"error\",\"message\":\"m\"}", "failed_vfa_reported_error", "VFA reported an error: m", "vfa_audio_generation"},
	{"audio: a code", 2, 200, "{\"error_code\":\"VFA_X\",\"message\":\"m\"}", "failed_vfa_reported_error", "VFA reported VFA_X: m", "vfa_audio_generation"},
	{"audio: unknown", 2, 200, "{\"status\":\"perhaps\"}", "failed_vfa_unknown_status", "VFA answered with the unknown status 'perhaps'", "vfa_audio_generation"},
	{"audio: unknown with a code", 2, 200, "{\"status\":\"perhaps\",\"error_code\":\"X\"}", "failed_vfa_unknown_status", "unknown status 'perhaps'", "vfa_audio_generation"},
	{"audio: nothing", 2, 200, "{}", "failed_vfa_unknown_status", "unknown status ''", "vfa_audio_generation"},
	{"audio: skipped", 2, 200, "{\"status\":\"skipped\",\"message\":\"too short\"}", "completed_with_vfa_skipped", "too short", NULL},
	{"audio: skipped without a word", 2, 200, "{\"status\":\"skipped\"}", "completed_with_vfa_skipped", "VFA skipped the synthesis.", NULL},
	{"audio: no path", 2, 200, "{\"status\":\"success\",\"stream_id\":\"s\"}", "completed_with_vfa_data_missing", "ASF notification skipped: audio_filepath or stream_id missing", NULL},
	{"audio: no stream", 2, 200, "{\"status\":\"success\",\"audio_filepath\":\"f\",\"stream_id\":null}", "completed_with_vfa_data_missing", "ASF notification skipped", NULL},
	{"audio: empty ones", 2, 200, "{\"status\":\"success\",\"audio_filepath\":\"\",\"stream_id\":\"\"}", "completed_with_vfa_data_missing", "ASF notification skipped", NULL},
};
/* clang-format on */

static void end_with(const struct end *t)
{
	static const char *const answers[] = {HELP_WEB, HELP_SCRIPT, HELP_AUDIO};

	start(HELP_JOB);
	world.policy.retries = 0;
	for (int i = 0; i < t->landed; i++)
		land(200, answers[i]);
	land(t->status, t->body);
	cr_assert_eq(world.ended, 1, "%s", t->what);
}

static void check_quoted(const char *what, const char *pointer, const char *expected)
{
	char quoted[256];

	snprintf(quoted, sizeof(quoted), "\"%s\"", expected);
	cr_assert_str_eq(help_at(world.terminal, pointer), quoted, "%s: %s is %s", what, pointer,
			 help_at(world.terminal, pointer));
}

static void check_end(const struct end *t)
{
	bool failed = t->stage != NULL;
	const char *status = failed ? "failed" : "completed_with_errors";

	cr_assert_eq(world.status, failed ? STATUS_FAILED : STATUS_COMPLETED_WITH_ERRORS, "%s",
		     t->what);
	cr_assert_eq(last_event()->kind, failed ? EVENT_FAILED : EVENT_COMPLETED, "%s", t->what);
	cr_assert(strstr(world.error, t->error), "%s: %s", t->what, world.error);
	cr_assert(failed ? !strcmp(world.reason, t->legacy) : !world.reason, "%s", t->what);
	check_quoted(t->what, "/data/status", status);
	check_quoted(t->what, "/data/result/status", t->legacy);
	check_quoted(t->what, "/data/result/error_message", world.error);
	check_quoted(t->what, "/data/error/code", t->legacy);
	check_quoted(t->what, "/data/error/message", world.error);
	check_quoted(t->what, "/data/error/stage", failed ? t->stage : "vfa_audio_generation");
	check_quoted(t->what, "/data/ui/event_name", "task_error");
	check_quoted(t->what, "/data/ui/data/message", world.error);
	check_quoted(t->what, "/data/ui/data/stage", failed ? t->stage : "finalization");
	check_quoted(t->what, "/data/ui/data/final_status", status);
	check_quoted(t->what, "/data/ui/data/legacy_status", t->legacy);
	HELP_IS(world.terminal, "/data/stream", "absent");
	HELP_IS(world.terminal, "/data/ui/data/is_terminal", "true");
	cr_assert_null(help_call(run, "asf_notify"), "%s", t->what);
	cr_assert_eq(run->n_calls, t->landed + 1, "%s", t->what);
	/* started, a progress for each stage, the end: numbered without a gap */
	cr_assert_eq(world.n_events, t->landed + 3, "%s", t->what);
	cr_assert_eq(world.sequence, (unsigned)t->landed + 3, "%s", t->what);
}

Test(podcast, ends_with_the_legacy_status_of_what_went_wrong)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		const struct end *t = &ends[i];
		char legacy[64];

		end_with(t);
		check_end(t);
		snprintf(legacy, sizeof(legacy), "\"%s\"", t->legacy);
		HELP_IS(last_save(), "/cpoa_status", legacy);
		HELP_IS(last_save(), "/final", "true");
		HELP_IS(last_save(), "/cpoa_error_message",
			help_at(world.terminal, "/data/result/error_message"));
	}
}

/* Without a result in the whole time, or with a task that has died, a stage fails like its other
 * kinds. */
Test(podcast, ends_when_a_task_fails_or_never_ends)
{
	for (int i = 0; i < 2; i++) {
		start(HELP_JOB);
		land(200, HELP_WEB);
		land(200, HELP_SCRIPT);
		land(202, "{\"task_id\":\"t\",\"status_url\":\"/t\"}");
		world.mono_us += i * 60000000LL;
		land(i ? 202 : 500, i ? "{\"status\":\"STARTED\"}" : FAILED("no voice"));
		cr_assert_eq(world.ended, 1);
		cr_assert_str_eq(world.reason,
				 i ? "failed_vfa_request_exception" : "failed_vfa_reported_error");
		cr_assert(strstr(world.error, i ? "no result within 60 s" : "no voice"));
	}
}

Test(podcast, audio_details_carry_what_vfa_said)
{
	static const struct {
		const char *what, *details, *asf;
	} rows[] = {
		{"script: 400",
		 "{\"status\":\"not_run\",\"message\":\"VFA not "
		 "reached.\",\"tts_settings_used\":null}",
		 "null"},
		{"audio: 400",
		 "{\"message\":\"m\",\"status\":\"error\",\"tts_settings_used\":null}", "null"},
		{"audio: error",
		 "{\"status\":\"error\",\"message\":\"m\",\"tts_settings_used\":null}", "null"},
		{"audio: a code",
		 "{\"error_code\":\"VFA_X\",\"message\":\"m\",\"status\":\"error\","
		 "\"tts_settings_used\":null}",
		 "null"},
		{"audio: nothing",
		 "{\"status\":\"error\",\"message\":\"VFA answered with the unknown status ''\","
		 "\"tts_settings_used\":null}",
		 "null"},
		{"audio: skipped",
		 "{\"status\":\"skipped\",\"message\":\"too short\",\"tts_settings_used\":null}",
		 "null"},
		{"audio: no path",
		 "{\"status\":\"success\",\"stream_id\":\"s\",\"tts_settings_used\":null}",
		 "\"ASF notification skipped: audio_filepath or stream_id missing from VFA success "
		 "response.\""},
	};
	int found = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t k = 0; k < sizeof(ends) / sizeof(*ends); k++) {
			if (strcmp(ends[k].what, rows[i].what) != 0)
				continue;
			found++;
			end_with(&ends[k]);
			HELP_IS(world.terminal, "/data/result/final_audio_details",
				rows[i].details);
			HELP_IS(world.terminal, "/data/result/asf_notification_status",
				rows[i].asf);
		}
	cr_assert_eq(found, 7);
}

Test(podcast, a_failure_stands_in_the_log)
{
	end_with(&ends[6]); /* script: 400 */
	HELP_IS(world.terminal, "/data/result/orchestration_log/4",
		ENTRY("pswa_script_generation",
		      "PSWA failed.") ",\"structured_data\":{\"message\":\"PSWA answered HTTP 400: "
				      "too long\",\"http_status\":400},\"is_error_payload\":true}");
	HELP_IS(world.terminal, "/data/result/orchestration_log/5",
		ENTRY("finalization", "Podcast generation ended with status "
				      "failed_pswa_request_exception.") ",\"data_preview\":"
									"\"PSWA answered HTTP 400: "
									"too long\"}");
	HELP_IS(world.terminal, "/data/result/orchestration_log/6", "absent");
	cr_assert_str_eq(world.context, "{\"wcha_source_urls\":[\"http://a\",\"http://b\"]}");
}

Test(podcast, the_log_tells_when_each_thing_was)
{
	static const char *const answers[] = {HELP_WEB, HELP_SCRIPT, HELP_AUDIO};
	/* the start, called and succeeded for each, the end: a second passes before each answer */
	static const int seconds[] = {0, 0, 1, 1, 2, 2, 3, 3};

	start(HELP_JOB);
	for (int i = 0; i < 3; i++) {
		world.wall_us += 1000000;
		land(200, answers[i]);
	}
	for (int i = 0; i < 8; i++) {
		char pointer[64], time[64];

		snprintf(pointer, sizeof(pointer), "/data/result/orchestration_log/%d/timestamp",
			 i);
		snprintf(time, sizeof(time), "\"2025-06-14T09:30:0%d.123Z\"", seconds[i]);
		HELP_IS(world.terminal, pointer, time);
	}
}

Test(podcast, previews_of_the_log_are_short_and_whole_characters)
{
	for (int offset = 0; offset < 3; offset++) {
		struct strbuf body;
		const char *preview;

		strbuf_init(&body, 1 << 16);
		strbuf_addf(&body, "{\"status\":\"success\",\"content\":\"%.*s", offset, "xxx");
		for (int i = 0; i < 200; i++)
			strbuf_adds(&body, "\xE2\x82\xAC");
		strbuf_adds(&body, "\"}");
		start(HELP_JOB);
		land(200, body.buf);
		land(400, NULL);
		preview = help_at(world.terminal, "/data/result/orchestration_log/2/data_preview");
		cr_assert(utf8_ok(preview, strlen(preview)));
		cr_assert(strlen(preview) > 245 && strlen(preview) <= 255, "%s", preview);
		cr_assert_str_eq(preview + strlen(preview) - 4, "...\"");
		strbuf_release(&body);
	}
}

/* ---- given up from outside ---- */

Test(podcast, given_up_is_failed_whatever_has_landed)
{
	start(HELP_JOB);
	land(200, HELP_WEB);
	run_give_up(run, "crash_loop", "5 workers died while they ran it", world.wall_us);
	help_commit(&world, run);
	cr_assert_eq(world.status, STATUS_FAILED);
	cr_assert_str_eq(world.reason, "crash_loop");
	cr_assert_str_eq(world.error, "5 workers died while they ran it");
	HELP_IS(world.terminal, "/data/result/status", "\"failed_unknown_stage_exception\"");
	HELP_IS(world.terminal, "/data/error/message", "\"5 workers died while they ran it\"");
	HELP_IS(world.terminal, "/data/ui/event_name", "\"task_error\"");
	for (int i = 0; i + 1 < world.n_events; i++) {
		cr_assert(!uuid_equal(&world.events[i].id, &last_event()->id),
			  "an id that is out already");
		cr_assert_lt(strcmp(help_at(world.events[i].body, "/sequence"),
				    help_at(last_event()->body, "/sequence")),
			     0);
	}
}

Test(podcast, cancelled_is_no_failure)
{
	start(HELP_JOB);
	land(200, HELP_WEB);
	run_give_up(run, NULL, "The workflow was cancelled by an operator.", world.wall_us);
	help_commit(&world, run);
	cr_assert_eq(world.status, STATUS_CANCELLED);
	cr_assert_null(world.reason, "it is no dead letter");
	cr_assert_str_eq(world.error, "The workflow was cancelled by an operator.");
	cr_assert_eq(last_event()->kind, EVENT_CANCELLED);
	HELP_IS(world.terminal, "/data/status", "\"cancelled\"");
	HELP_IS(world.terminal, "/data/result/status", "\"cancelled\"");
	HELP_IS(world.terminal, "/data/error/code", "\"cancelled\"");
	HELP_IS(world.terminal, "/data/ui/event_name", "\"task_error\"");
	HELP_IS(world.terminal, "/data/ui/data/final_status", "\"cancelled\"");
	HELP_IS(world.saves[world.n_saves - 1], "/cpoa_status", "\"cancelled\"");
	cr_assert_eq(world.n_rows, 2, "what was under way keeps its row");
}

/* What PostgreSQL would not store may be in the plan or in the reply: neither may be in what is
 * stored instead. */
Test(podcast, given_up_drops_what_was_not_committed)
{
	struct call *harvest;

	start(HELP_JOB);
	harvest = help_out(run);
	cr_assert(
		help_hear(&world, harvest, &(struct help_answer){.status = 200, .body = HELP_WEB}));
	run_pass(run, world.wall_us);
	cr_assert_not_null(help_call(run, "pswa"));
	run_give_up(run, "unstorable", "it said no", world.wall_us);
	cr_assert_null(help_call(run, "pswa"));
	cr_assert_eq(run->n_calls, 1);
	cr_assert(!harvest->summary && !harvest->reply.text);
	cr_assert_str_eq(harvest->reply.error, "the answer of WCHA was dropped");
	help_commit(&world, run);
	cr_assert_str_eq(world.reason, "unstorable");
	cr_assert(!strstr(world.terminal, "Bees dance"));
	cr_assert_eq(world.n_rows, 1);
	HELP_IS(help_row(&world, "wcha")->reply, "/kind", "\"malformed\"");
}
