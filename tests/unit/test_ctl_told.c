/* links: cpoa_ctl */
/*
 * Events are anybody's: whatever stands in them is read without harm.
 */
#include "ctl/told.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

#include "cpoa/json.h"

#include "ctl/ctl.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;
	struct err e = {0};

	cr_assert_eq(json_read(text, strlen(text), 32, JSON_STRICT, &o, &e), JSON_OK, "%s", e.text);
	return o;
}

Test(ctl_told, an_event_is_read)
{
	struct json_object *o =
		parse("{\"type\":\"aethercast.cpoa.podcast_generation.progress\",\"subject\":\"w\","
		      "\"data\":{\"ui\":{\"data\":{\"stage\":\"s\",\"message\":\"m\"}}}}");
	enum event_kind kind;

	cr_expect_str_eq(told_type(o), "podcast_generation.progress");
	cr_assert(told_kind(o, &kind));
	cr_expect_eq(kind, EVENT_PROGRESS);
	cr_expect_str_eq(told_workflow(o), "w");
	cr_expect_str_eq(told_stage(o), "s");
	cr_expect_str_eq(told_message(o), "m");
	json_put(&o);
}

Test(ctl_told, what_is_missing_or_of_another_type_is_no_harm, .init = cr_redirect_stdout)
{
	static const char log[] = "{\"type\":\"aethercast.cpoa.x.y\",\"data\":{\"result\":"
				  "{\"orchestration_log\":[1,null,{}]}}}";
	static const char *const rows[] = {
		"{}",
		"{\"type\":7,\"subject\":[],\"data\":\"x\"}",
		"{\"type\":\"other.thing\",\"data\":{\"ui\":{\"data\":{\"stage\":{}}}}}",
		"{\"type\":\"aethercast.cpoa.\",\"data\":{\"ui\":null}}",
		log,
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct json_object *o = parse(rows[r]);
		enum event_kind kind;

		cr_expect_not(told_kind(o, &kind), "%s", rows[r]);
		cr_expect_str_eq(told_workflow(o), "");
		cr_expect_str_eq(told_stage(o), "?");
		cr_expect_str_eq(told_message(o), "");
		told_print_line(o, 0);
		json_put(&o);
	}
}

Test(ctl_told, a_stage_without_ui_is_the_kind)
{
	struct json_object *o = parse("{\"type\":\"aethercast.cpoa.t.started\",\"data\":{}}");

	cr_expect_str_eq(told_stage(o), "started");
	json_put(&o);
}

static void redirect(void)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
}

Test(ctl_told, the_end_is_printed_field_by_field, .init = redirect)
{
	struct json_object *o = parse("{\"type\":\"aethercast.cpoa.podcast_generation.completed\","
				      "\"data\":{\"workflow_type\":"
				      "\"podcast_generation\",\"status\":\"completed\",\"result\":{"
				      "\"topic\":\"Tea\\u001b[2J\","
				      "\"final_audio_filepath\":\"gs://"
				      "a\",\"final_audio_details\":{\"stream_id\":\"s1\"},"
				      "\"orchestration_log\":[{\"stage\":\"pswa_script_"
				      "generation\",\"data_preview\":\"On tea\"}]}}}");

	cr_expect_eq(told_print_end(o), EXIT_DONE);
	fflush(stdout);
	cr_expect_stdout_eq_str("\n"
				"status      completed\n"
				"topic       Tea [2J\n"
				"title       On tea\n"
				"audio       gs://a\n"
				"stream      s1\n");
	json_put(&o);
}

Test(ctl_told, a_failure_is_words, .init = redirect)
{
	struct json_object *o =
		parse("{\"type\":\"aethercast.cpoa.podcast_generation.failed\",\"data\":{"
		      "\"status\":\"failed\","
		      "\"error\":{\"message\":\"it broke\",\"code\":\"c\",\"stage\":\"s\"}}}");

	cr_expect_eq(told_print_end(o), EXIT_FAILED);
	fflush(stderr);
	cr_expect_stderr_eq_str("cpoa: failed in s: it broke (c)\n");
	json_put(&o);
}
