/* links: cpoa_world cpoa_db cpoa_mq */
/*
 * What agents do wrong, and what becomes of the podcast: agents.md §0, §1.0, §9, §11.
 *
 * Faults that hold for every key of an agent have a world each (struct theme); scenarios are asked
 * for by the job and share one.
 */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

/* What is expected of a podcast; NULL: not looked at, -1 likewise. */
struct expected {
	const char *legacy, *status, *error,
		*audio;	     /* error: a part; audio: status in the details */
	int wcha, pswa, vfa; /* submissions */
};

static const struct expected completed = {"completed", "completed", NULL, "success", 1, 1, 1};

static bool fails(const struct expected *x)
{
	return strcmp(x->status, "failed") == 0;
}

static void expect_submits(struct world *w, const char *name, const char *agent, int n)
{
	const char *key = world_format(w, "%s_%s", name, agent);
	struct json_object *calls =
		world_calls(w, world_format(w, "agent=%s&kind=submit&key=%s", agent, key));

	if (n >= 0)
		cr_assert_eq((int)json_object_array_length(calls), n, "%s: %d submissions of %s",
			     name, (int)json_object_array_length(calls), agent);
}

static void expect_letter(struct world *w, const char *name, const char *id,
			  const struct expected *x)
{
	const char *letters = world_rows(w,
					 "SELECT reason, state, type, replay_count, error_text"
					 " FROM dead_letters WHERE workflow_id = '%s'",
					 id);

	if (!fails(x)) {
		same(letters, "");
		return;
	}
	cr_assert_eq(strncmp(letters, world_format(w, "%s|dead|podcast_generation|0|", x->legacy),
			     strlen(x->legacy) + 27),
		     0, "%s: %s", name, letters);
}

static void expect_end(struct world *w, const char *name, const struct expected *x)
{
	const char *id = world_id(w, name);
	struct json_object *end = world_end(w, id);
	const char *error = json_at(end, "data.result.error_message");

	cr_assert_str_eq(json_at(end, "data.result.status"), x->legacy, "%s: %s, %s", name,
			 json_at(end, "data.result.status"), error);
	cr_assert_str_eq(json_at(end, "data.status"), x->status, "%s", name);
	has(json_at(end, "type"), fails(x) ? ".failed" : ".completed");
	if (x->error)
		cr_assert(strstr(error, x->error), "%s: '%s' is not in: %s", name, x->error, error);
	else
		cr_assert_str_eq(error, "null", "%s", name);
	if (x->audio)
		cr_assert_str_eq(json_at(end, "data.result.final_audio_details.status"), x->audio,
				 "%s", name);
	cr_assert_str_eq(world_rows(w,
				    "SELECT overall_status, coalesce(error_message, 'null')"
				    " FROM workflow_instances WHERE workflow_id = '%s'",
				    id),
			 world_format(w, "%s|%s", x->status, error), "%s", name);
	cr_assert_eq(strcmp(json_at(end, "data.stream"), "absent") != 0,
		     strcmp(x->legacy, "completed") == 0, "%s", name);
	expect_letter(w, name, id, x);
	expect_submits(w, name, "wcha", x->wcha);
	expect_submits(w, name, "pswa", x->pswa);
	expect_submits(w, name, "vfa", x->vfa);
}

/* ---- scenarios that a job asks for ---- */

static const struct scenario {
	const char *name, *agent;
	struct expected x;
} scenarios[] = {
	/* clang-format off */
	/* PSWA */
	{"http_400", "pswa", {"failed_pswa_request_exception", "failed", "400", "not_run", 1, 1, 0}},
	{"http_500", "pswa", {"failed_pswa_request_exception", "failed", "500", "not_run", 1, 4, 0}},
	{"not_json", "pswa", {"failed_pswa_json_decode", "failed", "JSON", "not_run", 1, 1, 0}},
	{"missing_segments", "pswa", {"failed_pswa_bad_script_structure", "failed", "segments", "not_run", 1, 1, 0}},
	{"missing_script_id", "pswa", {"failed_pswa_bad_script_structure", "failed", "script_id", "not_run", 1, 1, 0}},
	{"insufficient_content", "pswa", {"failed_pswa_request_exception", "failed", "Insufficient content", "not_run", 1, 1, 0}},
	{"llm_error", "pswa", {"failed_pswa_request_exception", "failed", "LLM_PROCESSING_ERROR", "not_run", 1, 1, 0}},
	{"malformed_json", "pswa", {"failed_pswa_request_exception", "failed", "AIMS_BAD_JSON_RESPONSE", "not_run", 1, 1, 0}},
	{"nul", "pswa", {"completed", "completed", NULL, "success", 1, 1, 1}},
	{"wrapped", "pswa", {"completed", "completed", NULL, "success", 1, 1, 1}},
	/* VFA */
	{"http_400", "vfa", {"failed_vfa_request_exception", "failed", "400", "error", 1, 1, 1}},
	{"http_500", "vfa", {"failed_vfa_request_exception", "failed", "500", "error", 1, 1, 4}},
	{"not_json", "vfa", {"failed_vfa_json_decode", "failed", "JSON", "error", 1, 1, 1}},
	{"error", "vfa", {"failed_vfa_reported_error", "failed", "", "error", 1, 1, 1}},
	{"unknown_status", "vfa", {"failed_vfa_unknown_status", "failed", "status", NULL, 1, 1, 1}},
	{"skipped", "vfa", {"completed_with_vfa_skipped", "completed_with_errors", "", "skipped", 1, 1, 1}},
	{"no_audio", "vfa", {"completed_with_vfa_data_missing", "completed_with_errors",
		"ASF notification skipped: audio_filepath or stream_id missing", "success", 1, 1, 1}},
	{"nul", "vfa", {"completed", "completed", NULL, "success", 1, 1, 1}},
	/* WCHA */
	{"failure", "wcha", {"failed_wcha_content_harvest", "failed", "", "not_run", 1, 0, 0}},
	{"empty", "wcha", {"failed_wcha_content_harvest", "failed", "WCHA critical failure: No content.", "not_run", 1, 0, 0}},
	{"http_404", "wcha", {"failed_wcha_content_harvest", "failed", "404", "not_run", 1, 0, 0}},
	{"not_json", "wcha", {"failed_wcha_content_harvest", "failed", "JSON", "not_run", 1, 0, 0}},
	{"http_500", "wcha", {"failed_wcha_content_harvest", "failed", "500", "not_run", 4, 0, 0}},
	{"nul", "wcha", {"completed", "completed", NULL, "success", 1, 1, 1}},
	/* clang-format on */
};

/* What the status page alone can tell: FAILURE, and a result that it answers 500 with. */
static const struct scenario failures[] = {
	/* clang-format off */
	{"failure", "pswa", {"failed_pswa_request_exception", "failed", "failed", "not_run", 1, 1, 0}},
	{"failure", "vfa", {"failed_vfa_reported_error", "failed", "failed", "error", 1, 1, 1}},
	{"vfa_error_aims_tts", "vfa", {"failed_vfa_reported_error", "failed", "VFA_TEST_MODE_AIMS_TTS_ERROR", "error", 1, 1, 1}},
	{"vfa_error_file_save", "vfa", {"failed_vfa_reported_error", "failed", "failed", "error", 1, 1, 1}},
	/* clang-format on */
};

static const char *scenario_name(struct world *w, const struct scenario *s)
{
	return world_format(w, "%s-%s", s->agent, s->name);
}

static void play(struct world *w, const struct scenario *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		world_podcast(w, scenario_name(w, &list[i]),
			      world_format(w, "\"test_scenarios\":{\"%s\":\"%s\"}", list[i].agent,
					   list[i].name));
	for (size_t i = 0; i < n; i++)
		expect_end(w, scenario_name(w, &list[i]), &list[i].x);
}

static void play_all(const char *style)
{
	struct world *w = world_open();
	struct json_object *end;

	world_agents(w, "--style", style);
	world_worker(w, NULL);
	play(w, scenarios, sizeof(scenarios) / sizeof(*scenarios));
	if (strcmp(style, "async") == 0)
		play(w, failures, sizeof(failures) / sizeof(*failures));
	cr_assert_eq(world_contradictions(w), 0);
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", 5000));

	/* What VFA said stays in the details, tts_settings_used among it. */
	end = world_end(w, world_id(w, "vfa-error"));
	has(json_at(end, "data.result.error_message"),
	    json_at(end, "data.result.final_audio_details.message"));
	cr_assert_str_neq(json_at(end, "data.result.final_audio_details.tts_settings_used"),
			  "absent");
	end = world_end(w, world_id(w, "vfa-skipped"));
	same(json_at(end, "data.result.error_message"),
	     json_at(end, "data.result.final_audio_details.message"));
	end = world_end(w, world_id(w, "pswa-http_400"));
	same(json_at(end, "data.error.code"), "failed_pswa_request_exception");
	same(json_at(end, "data.error.stage"), "pswa_script_generation");
	same(json_at(end, "data.result.final_audio_details.message"), "VFA not reached.");
	same(json_at(end, "data.ui"), "absent");
	same(json_at(end, "data.stream"), "absent");
	world_close(w);
}

Test(faults, scenarios_in_one_go)
{
	play_all("sync");
}

Test(faults, scenarios_by_polling)
{
	play_all("async");
}

/* ---- faults of an agent, for every podcast ---- */

static const struct theme {
	const char *style, *fault;
	const char *agent;
	struct expected x;
	const char *second_fault; /* or NULL */
	const char *setting;	  /* or NULL */
} themes[] = {
	/* clang-format off */
	{"sync", "pswa:503=first:2", "pswa", {"completed", "completed", NULL, "success", 1, 3, 1}, NULL, NULL},
	{"sync", "pswa:500=first:3", "pswa", {"completed", "completed", NULL, "success", 1, 4, 1}, NULL, NULL},
	{"sync", "pswa:502=1", "pswa", {"failed_pswa_request_exception", "failed", "502", "not_run", 1, 4, 0}, NULL, NULL},
	{"sync", "pswa:503=1", "pswa", {"failed_pswa_request_exception", "failed", "503", "not_run", 1, 1, 0}, NULL, "CPOA_SERVICE_RETRY_COUNT=0"},
	{"async", "vfa:500=1", "vfa", {"failed_vfa_request_exception", "failed", "500", "error", 1, 1, 4}, NULL, NULL},
	{"sync", "vfa:404=1", "vfa", {"failed_vfa_request_exception", "failed", "404", "error", 1, 1, 1}, NULL, NULL},
	{"sync", "pswa:reset=first:1", "pswa", {"completed", "completed", NULL, "success", 1, -1, 1}, NULL, NULL},
	{"sync", "pswa:garbage=1", "pswa", {"failed_pswa_json_decode", "failed", "JSON", "not_run", 1, 1, 0}, NULL, NULL},
	{"sync", "vfa:garbage=1", "vfa", {"failed_vfa_json_decode", "failed", "JSON", "error", 1, 1, 1}, NULL, NULL},
	{"sync", "wcha:garbage=1", "wcha", {"failed_wcha_content_harvest", "failed", "JSON", "not_run", 1, 0, 0}, NULL, NULL},
	{"sync", "pswa:409=first:2", "pswa", {"completed", "completed", NULL, "success", 1, 3, 1}, NULL, NULL},
	{"async", "pswa:poll-conflict=first:2", "pswa", {"completed", "completed", NULL, "success", 1, 3, 1}, NULL, NULL},
	{"async", "vfa:poll-conflict=first:1", "vfa", {"completed", "completed", NULL, "success", 1, 1, 2}, NULL, NULL},
	{"async", "pswa:poll-404=first:1", "pswa", {"completed", "completed", NULL, "success", 1, 2, 1}, NULL, NULL},
	{"async", "pswa:poll-500=first:3", "pswa", {"completed", "completed", NULL, "success", 1, 1, 1}, "vfa:poll-reset=first:2", NULL},
	{"async", "vfa:poll-garbage=1", "vfa", {"failed_vfa_json_decode", "failed", "JSON", "error", 1, 1, 1}, NULL, NULL},
	{"async", "pswa:poll-503=1", "pswa", {"failed_pswa_request_exception", "failed", "no result within", "not_run", 1, 1, 0}, NULL, "CPOA_PSWA_POLLING_TIMEOUT_SECONDS=1"},
	{"sync", "pswa:409=1", "pswa", {"failed_pswa_request_exception", "failed", "no result within", "not_run", 1, -1, 0}, NULL, "CPOA_PSWA_POLLING_TIMEOUT_SECONDS=1"},
	{"sync", "pswa:hang=1", "pswa", {"failed_pswa_request_exception", "failed", "time", "not_run", 1, 4, 0}, NULL, "CPOA_PSWA_SUBMIT_TIMEOUT_SECONDS=0.3"},
	{"sync", "pswa:hang=first:1", "pswa", {"completed", "completed", NULL, "success", 1, 2, 1}, NULL, "CPOA_PSWA_SUBMIT_TIMEOUT_SECONDS=0.5"},
	{"sync", "pswa:oversize=1", "pswa", {"failed_pswa_request_exception", "failed", "more than is allowed", "not_run", 1, 1, 0}, NULL, NULL},
	{"async", "vfa:poll-oversize=1", "vfa", {"failed_vfa_request_exception", "failed", "more than is allowed", "error", 1, 1, 1}, NULL, NULL},
	{"sync", "vfa:slow=1", "vfa", {"failed_vfa_request_exception", "failed", "time", "error", 1, 1, 1}, NULL, "CPOA_VFA_SUBMIT_TIMEOUT_SECONDS=0.5"},
	{"sync", "pswa:nul=1", "pswa", {"completed", "completed", NULL, "success", 1, 1, 1}, "vfa:utf8=1", NULL},
	{"async", "wcha:poll-utf8=1", "wcha", {"completed", "completed", NULL, "success", 1, 1, 1}, "vfa:poll-nul=1", NULL},
	/* clang-format on */
};

/* Two podcasts a theme, for what befalls one must not spread to others. */
static void play_theme(struct world *w, const struct theme *t)
{
	const char *setting = t->setting ? t->setting : "CPOA_LOG_LEVEL=info";
	const char *retries =
		strcmp(t->fault, "vfa:slow=1") == 0 ? "CPOA_SERVICE_RETRY_COUNT=0" : setting;
	struct expected x = t->x;
	int worker;

	fprintf(stderr, "%s: %s\n", t->style, t->fault);
	world_control(w, world_format(w, "{\"style\":\"%s\",\"faults\":[\"%s\"%s%s%s]}", t->style,
				      t->fault, t->second_fault ? ",\"" : "",
				      t->second_fault ? t->second_fault : "",
				      t->second_fault ? "\"" : ""));
	worker = world_worker(w, setting, retries);
	for (int i = 0; i < 2; i++)
		world_podcast(w, world_format(w, "%s/%s/%d", t->style, t->fault, i), NULL);
	for (int i = 0; i < 2; i++)
		expect_end(w, world_format(w, "%s/%s/%d", t->style, t->fault, i), &x);
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
}

static void play_themes(size_t from, size_t to)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	for (size_t i = from; i < to && i < sizeof(themes) / sizeof(*themes); i++)
		play_theme(w, &themes[i]);
	world_close(w);
}

Test(faults, of_agents_first_part)
{
	play_themes(0, 7);
}

Test(faults, of_agents_second_part)
{
	play_themes(7, 14);
}

Test(faults, of_agents_third_part)
{
	play_themes(14, 20);
}

Test(faults, of_agents_last_part)
{
	play_themes(20, sizeof(themes) / sizeof(*themes));
}

/* ---- faults that need a closer look ---- */

Test(faults, retry_after_is_honoured_and_the_key_stays)
{
	struct world *w = world_open();
	struct json_object *calls;
	int64_t first, second;

	world_agents(w, "--fault", "pswa:429:2=first:1");
	world_worker(w, NULL);
	world_podcast(w, "later", NULL);
	expect_end(w, "later",
		   &(struct expected){"completed", "completed", NULL, "success", 1, 2, 1});
	calls = world_calls(w, "agent=pswa");
	first = json_num(json_object_array_get_idx(calls, 0), "time_ms", 0);
	second = json_num(json_object_array_get_idx(calls, 1), "time_ms", 0);
	cr_assert(second - first >= 1950 && second - first < 4000, "%lld ms",
		  (long long)(second - first));
	same(json_at(calls, "0.headers.x-idempotency-key"), "later_pswa");
	same(json_at(calls, "1.headers.x-idempotency-key"), "later_pswa");
	same(json_at(calls, "0.headers.traceparent"), json_at(calls, "1.headers.traceparent"));
	same(world_rows(w, "SELECT retry_count FROM task_instances WHERE call_name = 'pswa'"), "1");
	cr_assert_eq((int)metric(w, 0, "cpoa_call_retries_total{agent=\"pswa\"}"), 1);
	world_close(w);
}

Test(faults, a_status_url_of_another_host_is_never_asked)
{
	struct world *w = world_open(), *other = world_open();

	world_agents(other, NULL);
	world_agents(w, "--style", "async", "--evil-status-url",
		     world_format(w, "%s/v1/tasks/stolen", world_agents_url(other)));
	world_worker(w, NULL);
	world_podcast(w, "led-astray", NULL);
	expect_end(w, "led-astray",
		   &(struct expected){"failed_wcha_content_harvest", "failed", "", "not_run", 1, 0,
				      0});
	cr_assert_eq(world_call_count(other, ""), 0);

	/* Neither other schemes. */
	world_control(w, "{\"evil_status_url\":\"file:///etc/passwd\"}");
	world_podcast(w, "led-home", NULL);
	expect_end(w, "led-home",
		   &(struct expected){"failed_wcha_content_harvest", "failed", "", "not_run", 1, 0,
				      0});
	world_control(w, "{\"evil_status_url\":\"\"}");
	world_podcast(w, "led-well", NULL);
	expect_end(w, "led-well", &completed);
	world_close(other);
	world_close(w);
}

Test(faults, an_agent_that_is_not_there)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, "PSWA_SERVICE_URL=http://127.0.0.1:1/v1/weave_script");
	world_podcast(w, "alone", "\"client_id\":\"client-1\"");
	expect_end(w, "alone",
		   &(struct expected){"failed_pswa_request_exception", "failed",
				      "could not be reached", "not_run", 1, 0, 0});
	same(json_at(world_end(w, world_id(w, "alone")), "data.ui.event_name"), "task_error");
	same(json_at(world_end(w, world_id(w, "alone")), "data.ui.data.stage"),
	     "pswa_script_generation");
	same(json_at(world_end(w, world_id(w, "alone")), "data.ui.data.legacy_status"),
	     "failed_pswa_request_exception");
	same(json_at(world_end(w, world_id(w, "alone")), "data.ui.data.is_terminal"), "true");
	same(world_rows(w,
			"SELECT status, error_details_json IS NULL, retry_count FROM task_instances"
			" WHERE call_name = 'pswa'"),
	     "failed|f|3");
	cr_assert_eq(world_events(w, NULL, world_id(w, "alone")), 1);
	world_close(w);
}

/* PSWA refuses more than 50,000 characters. */
Test(faults, long_content_is_cut_between_words)
{
	struct world *w = world_open();
	struct json_object *calls;
	const char *content;
	size_t n;

	world_agents(w, NULL);
	world_worker(w, "WCHA_MAX_CONTENT_LENGTH=1000");
	world_podcast(w, "long", NULL);
	expect_end(w, "long", &completed);
	calls = world_calls(w, "agent=pswa");
	content = json_at(calls, "0.body.content");
	n = strlen(content);
	cr_assert(n <= 1000 && n > 800, "%zu", n);
	same(world_rows(w, "SELECT (output_result_summary_json->>'content_length')::int <= 1000"
			   " FROM task_instances WHERE call_name = 'wcha'"),
	     "t");
	world_close(w);
}
