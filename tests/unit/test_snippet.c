/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
/* One topic's snippet, as a workflow of its own: agents.md §1.2, §2.4, §2.5, §4.4. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topics_help.h"

#define JOB                                                                                    \
	"{\"topic_info\":{\"topic_id\":\"t1\",\"title_suggestion\":\"On bees\",\"summary\":"   \
	"\"They dance\",\"keywords\":[\"bees\",\"dance\"],\"original_topic_details_from_tda\"" \
	":{\"rank\":1}},\"client_id\":\"room 7\",\"test_scenarios\":{\"iga\":\"no_bucket\","   \
	"\"sca\":\"no_cover\"}}"
#define SNIPPET                                                                                \
	"{\"snippet_id\":\"snippet_1\",\"title\":\"Bees\",\"summary\":\"S\",\"text_content\":" \
	"\"T\",\"cover_art_prompt\":\"Podcast cover: Bees\",\"generation_timestamp\":"         \
	"\"2025-06-01T01:02:03Z\",\"llm_model_used\":\"m\",\"source_url\":\"http://s\"}"
#define IMAGE  "{\"image_url\":\"gs://i/1.png\",\"prompt_used\":\"p\"}"
#define TAKEN  "{\"task_id\":\"t\",\"status_url\":\"/t\"}"
#define ROW_ID "\"4009aac4-582d-5466-ae40-7040e9cd4ded\""

static struct many m;

static void setup(void)
{
	many_open(&m);
}

static void teardown(void)
{
	many_close(&m);
}

TestSuite(snippet, .init = setup, .fini = teardown);

/* Another world, with a snippet whose SCA call is out. */
static void start(const char *body)
{
	teardown();
	setup();
	many_start(&m, "snippet_generation", body);
}

static const char *iga_key(void)
{
	return many_the_row(&m, "iga_snippet_1")->key;
}

/* ---- what each pass plans ---- */

Test(snippet, asks_sca_first)
{
	struct call *call;

	start(JOB);
	cr_assert_str_eq(many_out(&m), "sca_t1");
	call = help_call(m.run, "sca_t1");
	cr_assert_str_eq(call->request,
			 "{\"topic_id\":\"t1\",\"content_brief\":\"On bees\",\"topic_info\":"
			 "{\"topic_id\":\"t1\",\"title_suggestion\":\"On bees\",\"summary\":"
			 "\"They dance\",\"keywords\":[\"bees\",\"dance\"],"
			 "\"original_topic_details_from_tda\":{\"rank\":1}}}");
	cr_assert_str_eq(call->input, "{\"topic_id\":\"t1\",\"topic_title\":\"On bees\","
				      "\"idempotency_key_for_sca\":\"key-1_sca_t1\"}");
	cr_assert_str_eq(call->key, "key-1_sca_t1");
	cr_assert_str_eq(call->agent_name, "SCA");
	cr_assert_eq(call->order, 1);
	cr_assert_null(call->stage);
	cr_assert_str_eq(call->scenario, "X-Test-Scenario: no_cover");
	cr_assert_eq(m.w.n_events, 1);
	HELP_IS(m.w.events[0].body, "/data/ui/data",
		"{\"message\":\"Snippet generation started.\",\"stage\":\"initialization\"}");
	cr_assert_eq(m.w.n_saves, 0);
}

Test(snippet, then_its_cover)
{
	struct call *call;

	start(JOB);
	many_land(&m, "sca_t1", 200, SNIPPET);
	cr_assert_str_eq(many_out(&m), "iga_snippet_1");
	call = help_call(m.run, "iga_snippet_1");
	cr_assert_str_eq(call->request, "{\"prompt\":\"Podcast cover: Bees\"}");
	cr_assert_str_eq(call->input, "{\"prompt\":\"Podcast cover: Bees\","
				      "\"idempotency_key_for_iga\":\"key-1_iga_snippet_1\"}");
	cr_assert_str_eq(iga_key(), "key-1_iga_snippet_1");
	cr_assert_str_eq(call->agent_name, "IGA");
	cr_assert_eq(call->order, 1);
	cr_assert_str_eq(call->scenario, "X-Test-Scenario: no_bucket");
	cr_assert_str_eq(many_the_row(&m, "sca_t1")->summary,
			 "{\"snippet_id\":\"snippet_1\",\"title\":\"Bees\"}");
	cr_assert_eq(m.w.n_saves, 0, "saved once it is whole");
}

Test(snippet, ends_with_the_whole_object)
{
	start(JOB);
	many_land(&m, "sca_t1", 200, SNIPPET);
	many_land(&m, "iga_snippet_1", 200, IMAGE);
	cr_assert_eq(m.w.ended, 1);
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	cr_assert(!m.w.error && !m.w.reason && !m.w.context);
	cr_assert_str_eq(many_the_row(&m, "iga_snippet_1")->summary,
			 "{\"image_url\":\"gs://i/1.png\"}");
	HELP_IS(m.w.terminal, "/type", "\"aethercast.cpoa.snippet_generation.completed\"");
	HELP_IS(m.w.terminal, "/data/status", "\"completed\"");
	HELP_IS(m.w.terminal, "/data/error", "null");
	HELP_IS(m.w.terminal, "/data/ui/data/message", "\"Snippet generation complete!\"");
	HELP_IS(m.w.terminal, "/data/result",
		"{\"snippet_id\":\"snippet_1\",\"title\":\"Bees\",\"summary\":\"S\","
		"\"text_content\":\"T\",\"cover_art_prompt\":\"Podcast cover: Bees\","
		"\"generation_timestamp\":\"2025-06-01T01:02:03Z\",\"llm_model_used\":\"m\","
		"\"source_url\":\"http://s\",\"image_url\":\"gs://i/1.png\"}");
	cr_assert_eq(m.w.n_events, 2);
	cr_assert_eq(m.w.sequence, 2);
}

/* ---- the row in topics_snippets ---- */

Test(snippet, is_saved_with_all_its_columns)
{
	start(JOB);
	many_land(&m, "sca_t1", 200, SNIPPET);
	many_land(&m, "iga_snippet_1", 200, IMAGE);
	cr_assert_eq(m.w.n_saves, 1);
	HELP_IS(many_save(&m, 0), "/id", ROW_ID);
	HELP_IS(many_save(&m, 0), "/title", "\"Bees\"");
	HELP_IS(many_save(&m, 0), "/summary", "\"S\"");
	HELP_IS(many_save(&m, 0), "/keywords", "[\"bees\",\"dance\"]");
	HELP_IS(many_save(&m, 0), "/source_url", "\"http://s\"");
	HELP_IS(many_save(&m, 0), "/source_name", "null");
	HELP_IS(many_save(&m, 0), "/original_topic_details",
		"{\"rank\":1,\"snippet_id\":\"snippet_1\"}");
	HELP_IS(many_save(&m, 0), "/llm_model", "\"m\"");
	HELP_IS(many_save(&m, 0), "/cover_art_prompt", "\"Podcast cover: Bees\"");
	HELP_IS(many_save(&m, 0), "/image_url", "\"gs://i/1.png\"");
	HELP_IS(many_save(&m, 0), "/generated", "\"2025-06-01T01:02:03.000Z\"");
	HELP_IS(many_save(&m, 0), "/accessed", "\"2025-06-14T09:30:00.123Z\"");
}

/* A UUID is its own row's id; what is missing in SCA's answer comes from the topic, or is made. */
Test(snippet, is_saved_whatever_sca_left_out)
{
	static const struct {
		const char *answer, *pointer, *expected;
	} rows[] = {
		{"{\"snippet_id\":\"0B2A9C5E-27a4-4f6b-9a55-0d8e1f6f2a11\"}", "/id",
		 "\"0b2a9c5e-27a4-4f6b-9a55-0d8e1f6f2a11\""},
		{"{\"id\":\"snippet_1\"}", "/id", ROW_ID},
		{"{\"id\":\"snippet_1\"}", "/original_topic_details/snippet_id", "\"snippet_1\""},
		{"{\"title\":\"x\"}", "/original_topic_details/snippet_id", "\"snippet_t1\""},
		{"{\"x\":1}", "/title", "\"On bees\""},
		{"{\"x\":1}", "/image_url", "null"},
		{"{\"keywords\":[\"own\"]}", "/keywords", "[\"own\"]"},
		{"{\"keywords\":\"none\"}", "/keywords", "[\"bees\",\"dance\"]"},
		{"{\"generation_timestamp\":\"today\"}", "/generated",
		 "\"2025-06-14T09:30:00.123Z\""},
		{"{\"x\":1}", "/generated", "\"2025-06-14T09:30:00.123Z\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		start(JOB);
		many_land(&m, "sca_t1", 200, rows[i].answer);
		cr_assert_eq(m.w.status, STATUS_COMPLETED, "without a prompt there is no cover");
		cr_assert_eq(m.w.n_saves, 1);
		HELP_IS(many_save(&m, 0), rows[i].pointer, rows[i].expected);
	}
}

/* ---- what goes wrong at SCA ---- */

static const struct {
	const char *what;
	struct help_answer first, second; /* second: to the poll */
	const char *code;
} failures[] = {
	/* clang-format off */
	{"unreachable", {ANSWER_UNREACHABLE, 0, NULL, 0}, {0}, "SCA_CALL_FAILED_AFTER_RETRIES"},
	{"timeout", {ANSWER_TIMEOUT, 0, NULL, 0}, {0}, "SCA_CALL_FAILED_AFTER_RETRIES"},
	{"too large", {ANSWER_TOO_LARGE, 0, NULL, 0}, {0}, "SCA_CALL_FAILED_AFTER_RETRIES"},
	{"400", {0, 400, "{\"message\":\"m\"}", 0}, {0}, "SCA_CALL_FAILED_AFTER_RETRIES"},
	{"429", {0, 429, NULL, 0}, {0}, "SCA_CALL_FAILED_AFTER_RETRIES"},
	{"503", {0, 503, NULL, 0}, {0}, "SCA_CALL_FAILED_AFTER_RETRIES"},
	{"204", {0, 204, NULL, 0}, {0}, "SCA_TASK_REJECTED"},
	{"302", {0, 302, NULL, 0}, {0}, "SCA_TASK_REJECTED"},
	{"202 without id", {0, 202, "{\"status_url\":\"/t\"}", 0}, {0}, "SCA_BAD_TASK_RESPONSE"},
	{"202 without url", {0, 202, "{\"task_id\":\"t\"}", 0}, {0}, "SCA_BAD_TASK_RESPONSE"},
	{"202 with empty ones", {0, 202, "{\"task_id\":\"\",\"status_url\":\"\"}", 0}, {0}, "SCA_BAD_TASK_RESPONSE"},
	{"202, no JSON", {0, 202, "<html>", 0}, {0}, "SCA_RESPONSE_INVALID_JSON"},
	{"202, nothing", {0, 202, NULL, 0}, {0}, "SCA_RESPONSE_INVALID_JSON"},
	{"200, no JSON", {0, 200, "<html>", 0}, {0}, "SCA_RESPONSE_INVALID_JSON"},
	{"200, an array", {0, 200, "[1]", 0}, {0}, "SCA_RESPONSE_INVALID_JSON"},
	{"200, empty", {0, 200, "{}", 0}, {0}, "SCA_TASK_LOGICAL_ERROR"},
	{"200, a code", {0, 200, "{\"error_code\":\"SCA_X\",\"message\":\"m\"}", 0}, {0}, "SCA_TASK_LOGICAL_ERROR"},
	{"poll: no JSON", {0, 202, TAKEN, 0}, {0, 200, "<html>", 0}, "SCA_POLL_JSON_DECODE_ERROR"},
	{"poll: empty", {0, 202, TAKEN, 0}, {0, 200, "{\"status\":\"SUCCESS\",\"result\":{}}", 0}, "SCA_TASK_LOGICAL_ERROR"},
	{"poll: null", {0, 202, TAKEN, 0}, {0, 200, "{\"status\":\"SUCCESS\",\"result\":null}", 0}, "SCA_TASK_LOGICAL_ERROR"},
	{"poll: a code", {0, 202, TAKEN, 0}, {0, 500, "{\"status\":\"SUCCESS\",\"result\":{\"error_code\":\"SCA_X\"}}", 0}, "SCA_TASK_LOGICAL_ERROR"},
	{"poll: failure", {0, 202, TAKEN, 0}, {0, 500, "{\"status\":\"FAILURE\",\"result\":{\"error\":{\"message\":\"m\"}}}", 0}, "SCA_TASK_FAILED"},
	{"poll: refused", {0, 202, TAKEN, 0}, {0, 403, NULL, 0}, "SCA_CALL_UNEXPECTED_ERROR"},
	{"poll: broken once, then a failure", {0, 202, TAKEN, 0}, {0, 200, "{\"status\":\"FAILURE\"}", 0}, "SCA_TASK_FAILED"},
	/* clang-format on */
};

static void check_failure(const char *what, const char *code)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\"", code);
	cr_assert_eq(m.w.ended, 1, "%s", what);
	cr_assert_eq(m.w.status, STATUS_FAILED, "%s", what);
	cr_assert_str_eq(m.w.reason, code, "%s: %s", what, m.w.reason);
	cr_assert(strstr(m.w.error, "SCA"), "%s: %s", what, m.w.error);
	HELP_IS(m.w.terminal, "/type", "\"aethercast.cpoa.snippet_generation.failed\"");
	HELP_IS(m.w.terminal, "/data/result/error", quoted);
	HELP_IS(m.w.terminal, "/data/error/code", quoted);
	HELP_IS(m.w.terminal, "/data/result/details", help_at(m.w.terminal, "/data/error/message"));
	cr_assert_eq(m.w.n_saves, 0, "%s", what);
	cr_assert_eq(m.n_rows, 1, "%s: no cover for what was not written", what);
}

Test(snippet, fails_with_the_code_of_what_sca_did)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		start(JOB);
		many_answer(&m, "sca_t1", &failures[i].first);
		if (failures[i].second.status)
			many_answer(&m, "sca_t1", &failures[i].second);
		check_failure(failures[i].what, failures[i].code);
		/* What was no JSON is shown as it began. */
		if (strstr(failures[i].what, "no JSON"))
			HELP_IS(m.w.terminal, "/data/result/raw_response", "\"<html>\"");
	}
}

Test(snippet, fails_when_sca_takes_too_long)
{
	start(JOB);
	many_land(&m, "sca_t1", 202, TAKEN);
	many_land(&m, "sca_t1", 503, NULL);
	many_answer(&m, "sca_t1", &(struct help_answer){ANSWER_BROKEN, 0, NULL, 0});
	many_land(&m, "sca_t1", 202, "{\"status\":\"PENDING\"}");
	cr_assert_eq(m.w.ended, 0, "errors of the status page are no end");
	m.w.mono_us += 60000000;
	many_land(&m, "sca_t1", 202, "{\"status\":\"STARTED\"}");
	check_failure("too long", "SCA_POLLING_TIMEOUT");
	cr_assert_eq(many_row(&m, "sca_t1")->submitted, 1);
}

/* ---- what goes wrong at IGA ---- */

static const struct {
	const char *what;
	struct help_answer first, second;
} tolerated[] = {
	/* clang-format off */
	{"unreachable", {ANSWER_UNREACHABLE, 0, NULL, 0}, {0}},
	{"400", {0, 400, NULL, 0}, {0}},
	{"503", {0, 503, "{\"error_code\":\"IGA_CONFIG_ERROR_GCS_BUCKET\"}", 0}, {0}},
	{"no JSON", {0, 200, "<html>", 0}, {0}},
	{"bad 202", {0, 202, "{}", 0}, {0}},
	{"a code", {0, 200, "{\"error_code\":\"IGA_X\"}", 0}, {0}},
	{"400 and an image", {0, 400, "{\"image_url\":\"gs://x\"}", 0}, {0}},
	{"a code and an image", {0, 200, "{\"error_code\":\"IGA_X\",\"image_url\":\"gs://x\"}", 0}, {0}},
	{"no image_url", {0, 200, "{\"status\":\"success\",\"gcs_uri\":null}", 0}, {0}},
	{"null", {0, 200, "{\"image_url\":null}", 0}, {0}},
	{"a number", {0, 200, "{\"image_url\":7}", 0}, {0}},
	{"poll: failure", {0, 202, TAKEN, 0}, {0, 500, "{\"status\":\"FAILURE\"}", 0}},
	{"poll: no result", {0, 202, TAKEN, 0}, {0, 200, "{\"status\":\"SUCCESS\"}", 0}},
	{"poll: no JSON", {0, 202, TAKEN, 0}, {0, 200, "x", 0}},
	/* clang-format on */
};

Test(snippet, does_without_a_cover)
{
	for (size_t i = 0; i < sizeof(tolerated) / sizeof(*tolerated); i++) {
		start(JOB);
		many_land(&m, "sca_t1", 200, SNIPPET);
		many_answer(&m, "iga_snippet_1", &tolerated[i].first);
		if (tolerated[i].second.status)
			many_answer(&m, "iga_snippet_1", &tolerated[i].second);
		cr_assert_eq(m.w.ended, 1, "%s", tolerated[i].what);
		cr_assert_eq(m.w.status, STATUS_COMPLETED, "%s", tolerated[i].what);
		cr_assert_null(m.w.error);
		HELP_IS(m.w.terminal, "/data/result/snippet_id", "\"snippet_1\"");
		HELP_IS(m.w.terminal, "/data/result/image_url", "null");
		HELP_IS(m.w.terminal, "/data/error", "null");
		cr_assert_eq(m.w.n_saves, 1, "%s", tolerated[i].what);
		HELP_IS(many_save(&m, 0), "/image_url", "null");
	}
}

/* IGA's last version brings the picture itself along, which nobody here reads. */
Test(snippet, keeps_a_covers_address_and_not_the_cover)
{
	start(JOB);
	many_land(&m, "sca_t1", 200, SNIPPET);
	many_land(&m, "iga_snippet_1", 200,
		  "{\"image_base64\":\"iVBORw0KGgo=\",\"image_format\":\"png\",\"image_url\":\"gs:/"
		  "/i\"}");
	HELP_IS(m.w.terminal, "/data/result/image_url", "\"gs://i\"");
	HELP_IS(many_the_row(&m, "iga_snippet_1")->reply, "/body",
		"{\"image_format\":\"png\",\"image_url\":\"gs://i\"}");
}

Test(snippet, asks_for_no_cover_without_an_iga_or_a_prompt)
{
	m.w.policy.agent[AGENT_IGA].url = "";
	many_start(&m, "snippet_generation", JOB);
	many_land(&m, "sca_t1", 200, SNIPPET);
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	cr_assert_eq(m.n_rows, 1);
	for (int i = 0; i < 3; i++) {
		static const char *const answers[] = {"{\"cover_art_prompt\":null}",
						      "{\"cover_art_prompt\":\"\"}",
						      "{\"cover_art_prompt\":3}"};

		start(JOB);
		many_land(&m, "sca_t1", 200, answers[i]);
		cr_assert_eq(m.w.status, STATUS_COMPLETED);
		cr_assert_eq(m.n_rows, 1);
		cr_assert_eq(m.w.n_saves, 1);
	}
}

/* ---- ids and texts that somebody else has chosen ---- */

#define INFO(id) "{\"topic_info\":{\"title_suggestion\":\"B\",\"topic_id\":" id "}}"

Test(snippet, key_holds_the_topic_or_what_is_named_after_it)
{
	static const struct {
		const char *body, *key, *topic_id;
	} rows[] = {
		{INFO("\"a b\""), "key-1_sca_a b", "\"a b\""},
		{INFO("null"), "key-1_sca_topic_adhoc_111111", "\"topic_adhoc_111111\""},
		{INFO("\"\""), "key-1_sca_topic_adhoc_111111", "\"topic_adhoc_111111\""},
		{INFO("\"caf\xC3\xA9\""), "key-1_sca_ba6b4c3c-5277-5089-9c75-88667604c8e8",
		 "\"caf\xC3\xA9\""},
		{INFO("\"a\\r\\nX-Evil: 1\""), "key-1_sca_7a93093b-3c6d-5e9b-9c1b-4309622c1e7c",
		 "\"a\\r\\nX-Evil: 1\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		start(rows[i].body);
		cr_assert_str_eq(m.run->calls->key, rows[i].key, "%s", m.run->calls->key);
		HELP_IS(m.run->calls->request, "/topic_id", rows[i].topic_id);
		HELP_IS(m.run->calls->request, "/topic_info/topic_id", rows[i].topic_id);
	}
}

Test(snippet, key_holds_the_snippet_or_what_is_named_after_it)
{
	static const struct {
		const char *answer, *name;
	} rows[] = {
		{"{\"cover_art_prompt\":\"p\",\"snippet_id\":\"a b\"}", "iga_a b"},
		{"{\"cover_art_prompt\":\"p\"}", "iga_t1"},
		{"{\"cover_art_prompt\":\"p\",\"snippet_id\":7}", "iga_t1"},
		{"{\"cover_art_prompt\":\"p\",\"snippet_id\":\"caf\xC3\xA9\"}",
		 "iga_ba6b4c3c-5277-5089-9c75-88667604c8e8"},
		{"{\"cover_art_prompt\":\"p\",\"snippet_id\":\"a\\r\\nX-Evil: 1\"}",
		 "iga_7a93093b-3c6d-5e9b-9c1b-4309622c1e7c"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		start(JOB);
		many_land(&m, "sca_t1", 200, rows[i].answer);
		cr_assert_str_eq(many_out(&m), rows[i].name);
		many_land(&m, rows[i].name, 200, IMAGE);
		cr_assert_eq(m.w.status, STATUS_COMPLETED);
		cr_assert_eq(m.w.n_saves, 1);
	}
}

/* A key is no longer than what a header may carry, and two long ids are two keys. */
Test(snippet, long_ids_stay_apart)
{
	char body[400], id[256], keys[2][128];

	for (int i = 0; i < 2; i++) {
		memset(id, 'k', 255);
		id[254] = i ? 'a' : 'b';
		id[255] = '\0';
		snprintf(body, sizeof(body), INFO("\"%s\""), id);
		start(body);
		cr_assert_leq(strlen(m.run->calls->name), NAME_MAX_BYTES);
		snprintf(keys[i], sizeof(keys[i]), "%s", m.run->calls->key);
	}
	cr_assert_str_neq(keys[0], keys[1]);
}

/* SCA refuses a brief of more than 1000 characters; a title may have as many, of any bytes. */
Test(snippet, brief_is_at_most_a_thousand_characters)
{
	struct strbuf body;
	const char *brief;

	strbuf_init(&body, 1 << 16);
	strbuf_adds(&body, "{\"topic_info\":{\"title_suggestion\":\"");
	for (int i = 0; i < 1000; i++)
		strbuf_adds(&body, "\xE2\x82\xAC");
	strbuf_adds(&body, "\"}}");
	start(body.buf);
	brief = help_at(m.run->calls->request, "/content_brief");
	cr_assert_eq(utf8_count(brief, strlen(brief)), 1002, "with its quotes");
	strbuf_release(&body);
}

/* ---- the door ---- */

Test(snippet, arguments_are_checked)
{
	static const struct {
		const char *body, *field; /* NULL: it is good */
	} rows[] = {
		{"{}", "'topic_info' is missing"},
		{"{\"topic_info\":null}", "'topic_info' is missing"},
		{"{\"topic_info\":\"bees\"}", "'topic_info' is of type string"},
		{"{\"topic_info\":[]}", "'topic_info' is of type array"},
		{"{\"topic_info\":{}}", "'title_suggestion' is missing"},
		{"{\"topic_info\":{\"title_suggestion\":\" \\n\"}}", "'title_suggestion' is blank"},
		{"{\"topic_info\":{\"title_suggestion\":7}}", "'title_suggestion' is of type int"},
		{INFO("7"), "'topic_id' is of type int"},
		{"{\"topic_info\":{\"title_suggestion\":\"B\",\"summary\":1,\"keywords\":\"k\","
		 "\"original_topic_details_from_tda\":[]}}",
		 NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum job_verdict verdict;
		struct err e = {0};

		teardown();
		setup();
		verdict = many_read(&m, "snippet_generation", rows[i].body, &e);
		cr_assert_eq(verdict, rows[i].field ? JOB_INVALID_JOB : JOB_GOOD, "%s: %s",
			     rows[i].body, e.text);
		cr_assert(!rows[i].field || strstr(e.text, rows[i].field), "%s", e.text);
	}
}

/* ---- taken over, given up ---- */

Test(snippet, taken_over_ends_the_same_and_asks_nothing_again)
{
	static const struct {
		const char *name;
		int status;
		const char *body;
	} steps[] = {
		{"sca_t1", 202, TAKEN},
		{"sca_t1", 200, "{\"status\":\"SUCCESS\",\"result\":" SNIPPET "}"},
		{"iga_snippet_1", 202, TAKEN},
		{"iga_snippet_1", 200, "{\"status\":\"SUCCESS\",\"result\":" IMAGE "}"},
	};
	char *whole = NULL;

	for (unsigned bits = 0; bits < 16; bits++) {
		start(JOB);
		for (int i = 0; i < 4; i++) {
			if (bits >> i & 1)
				many_take_over(&m);
			many_land(&m, steps[i].name, steps[i].status, steps[i].body);
		}
		cr_assert_eq(m.w.ended, 1);
		cr_assert_eq(m.w.n_saves, 1);
		cr_assert_eq(m.n_rows, 2);
		cr_assert_eq(many_row(&m, "sca_t1")->submitted, 1 + (int)(bits & 1));
		cr_assert_eq(many_row(&m, "iga_snippet_1")->submitted, 1 + (int)(bits >> 2 & 1));
		if (!whole)
			whole = xstrdup(m.w.terminal);
		cr_assert_str_eq(m.w.terminal, whole, "interrupted at %x", bits);
	}
	free(whole);
}

Test(snippet, cancelled_is_no_failure)
{
	start(JOB);
	many_land(&m, "sca_t1", 200, SNIPPET);
	run_give_up(m.run, NULL, "it was cancelled", m.w.wall_us);
	many_commit(&m);
	cr_assert_eq(m.w.status, STATUS_CANCELLED);
	cr_assert_null(m.w.reason);
	HELP_IS(m.w.terminal, "/data/result",
		"{\"error\":\"cancelled\",\"details\":\"it was cancelled\"}");
}

Test(snippet, given_up_is_failed)
{
	start(JOB);
	many_land(&m, "sca_t1", 200, SNIPPET);
	run_give_up(m.run, "crash_loop", "5 workers died", m.w.wall_us);
	many_commit(&m);
	cr_assert_eq(m.w.status, STATUS_FAILED);
	cr_assert_str_eq(m.w.reason, "crash_loop");
	HELP_IS(m.w.terminal, "/data/result",
		"{\"error\":\"crash_loop\",\"details\":\"5 workers died\"}");
	HELP_IS(m.w.terminal, "/data/error",
		"{\"code\":\"crash_loop\",\"message\":\"5 workers died\"}");
	cr_assert_eq(m.w.n_saves, 0);
}
