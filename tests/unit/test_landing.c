/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
/* Landing pages and categories, and what the door asks of all that look for topics: agents.md
 * §1.3-§1.6. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topics_help.h"

static struct many m;

static void setup(void)
{
	many_open(&m);
}

static void teardown(void)
{
	many_close(&m);
}

TestSuite(landing, .init = setup, .fini = teardown);

static void start(const char *type, const char *body)
{
	teardown();
	setup();
	many_start(&m, type, body);
}

/* A page of that many, for which TDA has found topics t0 … */
static void start_page(int limit, int found)
{
	struct strbuf topics;
	char body[32];

	snprintf(body, sizeof(body), "{\"limit\":%d}", limit);
	strbuf_init(&topics, 1 << 16);
	strbuf_adds(&topics, "{\"status\":\"success\",\"topics\":[");
	for (int i = 0; i < found; i++)
		strbuf_addf(&topics, "%s{\"topic_id\":\"t%d\",\"title\":\"T\"}", i ? "," : "", i);
	strbuf_adds(&topics, "]}");
	start("landing_page_snippets", body);
	many_land(&m, "tda", 200, topics.buf);
	strbuf_release(&topics);
}

static void make(const char *id)
{
	char name[64], body[128];

	snprintf(name, sizeof(name), "sca_%s", id);
	snprintf(body, sizeof(body), "{\"snippet_id\":\"snippet_%s\",\"title\":\"%s\"}", id, id);
	many_land(&m, name, 200, body);
}

static void fail(const char *id)
{
	char name[64];

	snprintf(name, sizeof(name), "sca_%s", id);
	many_land(&m, name, 400, "{\"message\":\"no words\"}");
}

/* ---- how many at once ---- */

Test(landing, page_asks_for_twice_what_it_wants_and_does_not_use_more)
{
	start_page(2, 4);
	HELP_IS(help_call(m.run, "tda")->input, "/limit", "4");
	cr_assert_str_eq(help_call(m.run, "tda")->agent_name, "TDA");
	cr_assert_str_eq(many_out(&m), "sca_t0 sca_t1");
	cr_assert_str_eq(many_the_row(&m, "item_1")->agent_name, "SnippetGenerationLoopItem");
	cr_assert_eq(many_the_row(&m, "item_1")->order, 3);
	make("t1");
	cr_assert_str_eq(many_out(&m), "sca_t0", "no more than are wanted");
	make("t0");
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	cr_assert_eq(m.n_rows, 5);
	HELP_IS(m.w.terminal, "/data/result/source", "\"generation\"");
	HELP_IS(m.w.terminal, "/data/result/workflow_id", "\"" HELP_WORKFLOW "\"");
	HELP_IS(m.w.terminal, "/data/result/snippets/0/title", "\"t0\"");
	HELP_IS(m.w.terminal, "/data/result/snippets/1/title", "\"t1\"");
	HELP_IS(m.w.terminal, "/data/result/snippets/2", "absent");
	HELP_IS(m.w.terminal, "/data/result/message", "absent");
	cr_assert_str_eq(m.w.context, "{\"requested_limit\":2,\"tda_query\":\"global news science "
				      "innovation\",\"generated_snippet_count\":2}");
}

Test(landing, page_replaces_each_that_fails_by_another)
{
	start_page(2, 5);
	fail("t1");
	cr_assert_str_eq(many_out(&m), "sca_t0 sca_t2");
	make("t0");
	cr_assert_str_eq(many_out(&m), "sca_t2");
	fail("t2");
	cr_assert_str_eq(many_out(&m), "sca_t3");
	make("t3");
	cr_assert_eq(m.w.status, STATUS_COMPLETED_WITH_ERRORS);
	HELP_IS(m.w.terminal, "/data/result/snippets/0/title", "\"t0\"");
	HELP_IS(m.w.terminal, "/data/result/snippets/1/title", "\"t3\"");
	HELP_IS(m.w.terminal, "/data/result/error", "absent");
	HELP_IS(m.w.context, "/generated_snippet_count", "2");
	cr_assert_null(many_row(&m, "sca_t4"));
}

Test(landing, page_with_too_few_topics_brings_what_there_is)
{
	start_page(3, 3);
	fail("t0");
	make("t2");
	make("t1");
	cr_assert_eq(m.w.status, STATUS_COMPLETED_WITH_ERRORS);
	HELP_IS(m.w.context, "/generated_snippet_count", "2");
	start_page(3, 1);
	make("t0");
	cr_assert_eq(m.w.status, STATUS_COMPLETED, "fewer than wanted is no error");
}

Test(landing, page_without_a_snippet_says_so_and_is_no_error_in_itself)
{
	start_page(1, 2);
	fail("t0");
	fail("t1");
	cr_assert_eq(m.w.status, STATUS_FAILED);
	cr_assert_str_eq(m.w.reason, "NO_SNIPPETS_GENERATED");
	HELP_IS(m.w.terminal, "/data/result/message", "\"NO_SNIPPETS_GENERATED\"");
	HELP_IS(m.w.terminal, "/data/result/details",
		"\"SCA_CALL_FAILED_AFTER_RETRIES: SCA answered HTTP 400: no words\"");
	HELP_IS(m.w.terminal, "/data/result/snippets", "[]");
	HELP_IS(m.w.terminal, "/data/result/error", "absent");
}

/* The largest page, when half of what TDA found fails, and TDA finds more than it was asked for. */
Test(landing, page_of_twenty)
{
	char id[16];

	start_page(20, 60);
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		fail(id);
	}
	for (int i = 39; i >= 20; i--) {
		snprintf(id, sizeof(id), "t%d", i);
		make(id);
	}
	cr_assert_eq(m.w.status, STATUS_COMPLETED_WITH_ERRORS);
	HELP_IS(m.w.context, "/generated_snippet_count", "20");
	HELP_IS(m.w.terminal, "/data/result/snippets/19/title", "\"t39\"");
	cr_assert_eq(m.n_rows, 81);
}

/* ---- its query ---- */

Test(landing, query_is_what_the_user_prefers_or_three_by_chance)
{
	static const struct {
		const char *body, *query;
	} rows[] = {
		{"{}", "\"global news science innovation\""},
		{"{\"limit\":null,\"user_preferences\":null}",
		 "\"global news science innovation\""},
		{"{\"user_preferences\":{\"preferred_categories\":[]}}",
		 "\"global news science innovation\""},
		{"{\"user_preferences\":{\"preferred_categories\":[\"\",7]}}",
		 "\"global news science innovation\""},
		{"{\"user_preferences\":{\"preferred_categories\":[\"Arts\",\"Sea life\"],"
		 "\"preferred_news_category\":\"x\"}}",
		 "\"Arts Sea life\""},
		{"{\"user_preferences\":{\"preferred_categories\":\"Arts\","
		 "\"preferred_news_category\":\"sports\"}}",
		 "\"sports\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		start("landing_page_snippets", rows[i].body);
		HELP_IS(help_call(m.run, "tda")->request, "/query", rows[i].query);
		HELP_IS(help_call(m.run, "tda")->request, "/limit", "10");
	}
}

/* Three different ones of the eight, and nothing else. */
static void expect_three(const char *query)
{
	static const char *const all[] = {
		"technology", "science",     "lifestyle",  "business",
		"arts",	      "global news", "innovation", "culture",
	};
	size_t n = 0, length = strlen("\"\"  ");

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strstr(query, all[i])) {
			n++;
			length += strlen(all[i]);
		}
	cr_assert(n == 3 && strlen(query) == length, "%s", query);
}

/* The same again for whoever takes it over; three different ones; another workflow, others. */
Test(landing, chance_depends_on_the_workflow_alone)
{
	char seen[8][64];
	int n = 0;

	for (int i = 0; i < 40; i++) {
		struct err e;
		char *query;
		int k = 0;

		teardown();
		setup();
		cr_assert_eq(many_read(&m, "landing_page_snippets", "{}", &e), JOB_GOOD);
		memset(m.run->job.workflow_id.bytes, i * 37 + 5, 16);
		m.run->job.workflow_id.bytes[1] = (uint8_t)(i * 11);
		run_pass(m.run, m.w.wall_us);
		many_commit(&m);
		query = xstrdup(help_at(help_call(m.run, "tda")->request, "/query"));
		expect_three(query);
		many_take_over(&m);
		HELP_IS(help_call(m.run, "tda")->request, "/query", query);
		while (k < n && strcmp(seen[k], query) != 0)
			k++;
		if (k == n && n < 8)
			snprintf(seen[n++], sizeof(seen[0]), "%s", query);
		free(query);
	}
	cr_assert_eq(n, 8, "only %d different queries", n);
}

/* ---- categories ---- */

Test(landing, categories_are_known_at_once)
{
	start("popular_categories", "{\"client_id\":\"room 7\"}");
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	cr_assert_eq(m.n_rows, 0);
	cr_assert_eq(m.w.n_events, 2);
	HELP_IS(m.w.terminal, "/data/result",
		"{\"categories\":[\"Business\",\"Technology\",\"Lifestyle\",\"Entertainment\","
		"\"Health\",\"Science\",\"Education\",\"Arts\"]}");
	HELP_IS(m.w.terminal, "/data/ui",
		"{\"client_id\":\"room "
		"7\",\"event_name\":\"generation_status\",\"data\":{\"message\":"
		"\"Categories listed.\",\"stage\":\"finalization\",\"final_status\":\"completed\","
		"\"is_terminal\":true}}");
}

Test(landing, categories_given_up_say_why)
{
	struct err e = {0};

	teardown();
	setup();
	cr_assert_eq(many_read(&m, "popular_categories", "{\"client_id\":\"room 7\"}", &e),
		     JOB_GOOD);
	run_give_up(m.run, "crash_loop", "too many died", m.w.wall_us);
	many_commit(&m);
	cr_assert_eq(m.w.status, STATUS_FAILED);
	HELP_IS(m.w.terminal, "/data/error",
		"{\"code\":\"crash_loop\",\"message\":\"too many died\"}");
	HELP_IS(m.w.terminal, "/data/ui/event_name", "\"task_error\"");
	HELP_IS(m.w.terminal, "/data/ui/data/message", "\"too many died\"");
}

/* ---- given up ---- */

Test(landing, given_up_is_failed_with_an_empty_list)
{
	static const struct {
		const char *type, *body, *list;
	} rows[] = {
		{"search_results_generation", "{\"query\":\"q\"}", "/data/result/search_results"},
		{"topic_exploration", "{\"keywords\":[\"k\"]}", "/data/result/explored_topics"},
		{"landing_page_snippets", "{}", "/data/result/snippets"},
	};

	for (size_t i = 0; i < 3; i++) {
		start(rows[i].type, rows[i].body);
		many_land(&m, "tda", 200, "{\"topics\":[{\"title\":\"t\",\"id\":\"a\"}]}");
		run_give_up(m.run, "crash_loop", "5 workers died", m.w.wall_us);
		many_commit(&m);
		cr_assert_eq(m.w.status, STATUS_FAILED);
		cr_assert_str_eq(m.w.reason, "crash_loop");
		HELP_IS(m.w.terminal, rows[i].list, "[]");
		HELP_IS(m.w.terminal, "/data/result/error", "\"crash_loop\"");
		HELP_IS(m.w.terminal, "/data/result/details", "\"5 workers died\"");
		HELP_IS(m.w.terminal, "/data/result/workflow_id", "\"" HELP_WORKFLOW "\"");
		HELP_IS(m.w.terminal, "/data/error/code", "\"crash_loop\"");
	}
}

Test(landing, cancelled_is_no_failure)
{
	static const char *const rows[][2] = {
		{"search_results_generation", "{\"query\":\"q\"}"},
		{"topic_exploration", "{\"keywords\":[\"k\"]}"},
		{"landing_page_snippets", "{}"},
	};

	for (size_t i = 0; i < 3; i++) {
		start(rows[i][0], rows[i][1]);
		run_give_up(m.run, NULL, "it was cancelled", m.w.wall_us);
		many_commit(&m);
		cr_assert_eq(m.w.status, STATUS_CANCELLED);
		cr_assert_null(m.w.reason);
		HELP_IS(m.w.terminal, "/data/result/error", "\"cancelled\"");
		HELP_IS(m.w.terminal, "/data/error/code", "\"cancelled\"");
	}
}

/* ---- the door ---- */

#define SEARCH	"search_results_generation"
#define EXPLORE "topic_exploration"
#define PAGE	"landing_page_snippets"

static const struct {
	const char *type, *body, *field; /* NULL: it is good */
} arguments[] = {
	{SEARCH, "{}", "'query' is missing"},
	{SEARCH, "{\"query\":null}", "'query' is missing"},
	{SEARCH, "{\"query\":\" \\t\"}", "'query' is blank"},
	{SEARCH, "{\"query\":[\"q\"]}", "'query' is of type array"},
	{SEARCH, "{\"query\":\"q\",\"user_preferences\":[]}", "'user_preferences'"},
	{SEARCH, "{\"query\":\"q\",\"user_id\":\"ann\"}", "'user_id'"},
	{SEARCH, "{\"query\":\"q\",\"user_preferences\":null}", NULL},
	{EXPLORE, "{\"current_topic_id\":7}", "'current_topic_id' is of type int"},
	{EXPLORE, "{\"keywords\":\"k\"}", "'keywords' is of type string"},
	{EXPLORE, "{\"keywords\":[\"a\",1]}", "'keywords[1]'"},
	{EXPLORE, "{\"keywords\":[null]}", "'keywords[0]'"},
	{EXPLORE, "{\"keywords\":[\"k\"],\"depth_mode\":\" \"}", "'depth_mode' is blank"},
	{EXPLORE, "{\"keywords\":[\"k\"],\"depth_mode\":1}", "'depth_mode' is of type int"},
	{EXPLORE, "{\"keywords\":[\"k\"],\"depth_mode\":null}", NULL},
	{PAGE, "{\"limit\":0}", "'limit'"},
	{PAGE, "{\"limit\":21}", "'limit'"},
	{PAGE, "{\"limit\":-1}", "'limit'"},
	{PAGE, "{\"limit\":\"5\"}", "'limit'"},
	{PAGE, "{\"limit\":2.5}", "'limit'"},
	{PAGE, "{\"limit\":true}", "'limit'"},
	{PAGE, "{\"user_preferences\":\"x\"}", "'user_preferences'"},
	{PAGE, "{\"limit\":1}", NULL},
	{PAGE, "{\"limit\":20}", NULL},
	{"popular_categories", "{}", NULL},
	{"popular_categories", "{\"user_id\":1}", "'user_id'"},
};

Test(landing, arguments_are_checked)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(*arguments); i++) {
		enum job_verdict verdict;
		struct err e = {0};

		teardown();
		setup();
		verdict = many_read(&m, arguments[i].type, arguments[i].body, &e);
		cr_assert_eq(verdict, arguments[i].field ? JOB_INVALID_JOB : JOB_GOOD, "%s: %s",
			     arguments[i].body, e.text);
		cr_assert(!arguments[i].field || strstr(e.text, arguments[i].field), "%s", e.text);
	}
}
