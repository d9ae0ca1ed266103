/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
/* From a query to a list of snippets: agents.md §1.3-§1.6. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topics_help.h"

#define SEARCH	    "{\"query\":\"bees\",\"user_preferences\":{\"x\":1}}"
#define TOPIC(id)   "{\"topic_id\":\"" id "\",\"title_suggestion\":\"On " id "\"}"
#define FOUND(list) "{\"status\":\"success\",\"discovered_topics\":[" list "]}"
#define STORED	    "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
#define STORE_CALL  "topic_" STORED
#define FAILURE	    "{\"message\":\"no words\"}"

static struct many m;

static void setup(void)
{
	many_open(&m);
}

static void teardown(void)
{
	many_close(&m);
}

TestSuite(topics, .init = setup, .fini = teardown);

static void start(const char *type, const char *body)
{
	teardown();
	setup();
	many_start(&m, type, body);
}

static void start_search(const char *found)
{
	start("search_results_generation", SEARCH);
	many_land(&m, "tda", 200, found);
}

/* SCA's answer about a topic, and its cover's. */
static void write_up(const char *id)
{
	char name[64], body[256];

	snprintf(name, sizeof(name), "sca_%s", id);
	snprintf(body, sizeof(body),
		 "{\"snippet_id\":\"snippet_%s\",\"title\":\"%s\",\"cover_art_prompt\":\"c\"}", id,
		 id);
	many_land(&m, name, 200, body);
}

static void draw(const char *id)
{
	char name[64];

	snprintf(name, sizeof(name), "iga_snippet_%s", id);
	many_land(&m, name, 200, "{\"image_url\":\"gs://i\"}");
}

static void make(const char *id)
{
	write_up(id);
	draw(id);
}

static void fail(const char *id)
{
	char name[64];

	snprintf(name, sizeof(name), "sca_%s", id);
	many_land(&m, name, 400, FAILURE);
}

/* "agent_name order name" of each row, in the order of planning. */
static const char *rows(void)
{
	static char text[4096];
	size_t n = 0;

	for (int i = 0; i < m.n_rows; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s %d %s", i ? "\n" : "",
				      m.rows[i].row.agent_name, m.rows[i].row.order,
				      m.rows[i].row.name);
	return text;
}

/* ---- what each pass plans ---- */

Test(topics, of_a_search_are_looked_for_first)
{
	struct call *call;

	start("search_results_generation", SEARCH);
	cr_assert_str_eq(many_out(&m), "tda");
	call = help_call(m.run, "tda");
	cr_assert_str_eq(call->request, "{\"query\":\"bees\",\"limit\":7}");
	cr_assert_str_eq(call->input, "{\"query\":\"bees\",\"limit\":7,"
				      "\"idempotency_key_for_tda\":\"key-1_tda\"}");
	cr_assert_str_eq(call->key, "key-1_tda");
	cr_assert_str_eq(rows(), "TDA_Search 1 tda");
	HELP_IS(m.w.events[0].body, "/data/ui", "absent");
}

Test(topics, go_their_ways_at_the_same_time)
{
	start_search(FOUND(TOPIC("a") "," TOPIC("b") "," TOPIC("c")));
	cr_assert_str_eq(many_out(&m), "sca_a sca_b sca_c");
	cr_assert_str_eq(many_the_row(&m, "tda")->summary, "{\"topic_count\":3}");
	write_up("b");
	cr_assert_str_eq(many_out(&m), "sca_a sca_c iga_snippet_b");
	draw("b");
	cr_assert_str_eq(many_out(&m), "sca_a sca_c");
	cr_assert_eq(m.w.n_saves, 1, "one is saved while others are at work");
	HELP_IS(many_save(&m, 0), "/id", "\"90fd2031-caf0-5e63-88db-4657c8495cc0\"");
	cr_assert(many_row(&m, "item_1")->landed);
	cr_assert_str_eq(rows(), "TDA_Search 1 tda\nSnippetGenerationSearchItem 2 item_0\n"
				 "SCA 2 sca_a\nSnippetGenerationSearchItem 3 item_1\nSCA 3 sca_b\n"
				 "SnippetGenerationSearchItem 4 item_2\nSCA 4 sca_c\n"
				 "IGA 3 iga_snippet_b");
	cr_assert_str_eq(many_the_row(&m, "item_1")->input, "{\"topic_title\":\"On b\"}");
	cr_assert_str_eq(many_the_row(&m, "item_1")->summary,
			 "{\"snippet_id\":\"snippet_b\",\"image_url_present\":true}");
	cr_assert_str_eq(many_the_row(&m, "sca_b")->key, "key-1_sca_b");
	cr_assert_str_eq(many_the_row(&m, "iga_snippet_b")->key, "key-1_iga_snippet_b");
	make("c");
	make("a");
	cr_assert_eq(m.w.ended, 1);
}

/* ---- the end ---- */

Test(topics, result_of_a_search_is_in_tdas_order)
{
	start_search(FOUND(TOPIC("a") "," TOPIC("b")));
	make("b");
	make("a");
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	cr_assert(!m.w.error && !m.w.reason);
	cr_assert_str_eq(m.w.context, "{\"search_query\":\"bees\",\"generated_snippet_count\":2}");
	HELP_IS(m.w.terminal, "/data/result/workflow_id", "\"" HELP_WORKFLOW "\"");
	HELP_IS(m.w.terminal, "/data/result/search_results/0/snippet_id", "\"snippet_a\"");
	HELP_IS(m.w.terminal, "/data/result/search_results/0/image_url", "\"gs://i\"");
	HELP_IS(m.w.terminal, "/data/result/search_results/1/snippet_id", "\"snippet_b\"");
	HELP_IS(m.w.terminal, "/data/result/search_results/2", "absent");
	HELP_IS(m.w.terminal, "/data/result/error", "absent");
	HELP_IS(m.w.terminal, "/data/error", "null");
	cr_assert_eq(m.w.n_events, 2);
}

Test(topics, that_fail_do_not_stop_the_rest)
{
	start_search(FOUND(TOPIC("a") "," TOPIC("b") "," TOPIC("c")));
	fail("a");
	make("c");
	many_land(&m, "sca_b", 200, "{\"error_code\":\"SCA_X\"}");
	cr_assert_eq(m.w.status, STATUS_COMPLETED_WITH_ERRORS);
	cr_assert_null(m.w.reason, "no dead letter");
	cr_assert_str_eq(m.w.error, "Some search snippets could not be generated.");
	HELP_IS(m.w.context, "/generated_snippet_count", "1");
	HELP_IS(m.w.terminal, "/type", "\"aethercast.cpoa.search_results_generation.completed\"");
	HELP_IS(m.w.terminal, "/data/status", "\"completed_with_errors\"");
	HELP_IS(m.w.terminal, "/data/result/error", "absent");
	HELP_IS(m.w.terminal, "/data/result/search_results/0/snippet_id", "\"snippet_c\"");
	HELP_IS(m.w.terminal, "/data/result/search_results/1", "absent");
	HELP_IS(m.w.terminal, "/data/error",
		"{\"code\":\"SNIPPETS_INCOMPLETE\",\"message\":\"SCA_CALL_FAILED_AFTER_RETRIES: "
		"SCA answered HTTP 400: no words\"}");
	HELP_IS(many_the_row(&m, "item_1")->reply, "/body",
		"{\"message\":\"SCA reported SCA_X: it gave no message\","
		"\"sca_response\":\"SCA_TASK_LOGICAL_ERROR\"}");
	HELP_IS(many_the_row(&m, "item_1")->reply, "/kind", "\"reported\"");
	cr_assert_null(many_the_row(&m, "item_1")->summary);
}

Test(topics, that_all_fail_are_a_failure)
{
	start_search(FOUND(TOPIC("a") "," TOPIC("b")));
	fail("b");
	fail("a");
	cr_assert_eq(m.w.status, STATUS_FAILED);
	cr_assert_str_eq(m.w.reason, "NO_SNIPPETS_GENERATED");
	HELP_IS(m.w.terminal, "/data/result/error", "\"failed\"");
	HELP_IS(m.w.terminal, "/data/result/search_results", "[]");
	HELP_IS(m.w.terminal, "/data/result/details",
		"\"SCA_CALL_FAILED_AFTER_RETRIES: SCA answered HTTP 400: no words\"");
	cr_assert_str_eq(m.w.context, "{\"search_query\":\"bees\",\"generated_snippet_count\":0}");
	cr_assert_eq(m.w.n_saves, 0);
}

/* What is said of the first failure is cut, and never within a character: PostgreSQL would refuse
 * it. */
Test(topics, failures_are_cut_between_characters)
{
	for (int offset = 0; offset < 3; offset++) {
		struct strbuf body;

		strbuf_init(&body, 1 << 16);
		strbuf_addf(&body, "{\"error_code\":\"%.*s\",\"message\":\"", offset, "xx");
		for (int i = 0; i < 400; i++)
			strbuf_adds(&body, "\xE2\x82\xAC");
		strbuf_adds(&body, "\"}");
		start_search(FOUND(TOPIC("a")));
		many_land(&m, "sca_a", 200, body.buf);
		cr_assert_eq(m.w.status, STATUS_FAILED);
		cr_assert(utf8_ok(m.w.error, strlen(m.w.error)), "%s", m.w.error);
		cr_assert(utf8_ok(m.w.terminal, strlen(m.w.terminal)));
		strbuf_release(&body);
	}
}

/* ---- TDA ---- */

static const struct {
	const char *what;
	struct help_answer answer;
} tda_failures[] = {
	{"unreachable", {ANSWER_UNREACHABLE, 0, NULL, 0}},
	{"400", {0, 400, NULL, 0}},
	{"500", {0, 500, NULL, 0}},
	{"no JSON", {0, 200, "<html>", 0}},
	{"bad 202", {0, 202, "{}", 0}},
	{"no topics", {0, 200, "{\"status\":\"success_no_topics\",\"topics\":[]}", 0}},
	{"an empty list", {0, 200, FOUND(""), 0}},
	{"no list", {0, 200, "{\"status\":\"success\"}", 0}},
	{"no array", {0, 200, "{\"status\":\"success\",\"topics\":{\"a\":1}}", 0}},
	{"error", {0, 200, "{\"status\":\"error\",\"topics\":[" TOPIC("a") "]}", 0}},
};

Test(topics, that_tda_does_not_give_are_a_failure)
{
	static const struct {
		const char *type, *body, *list, *context;
	} types[] = {
		{"search_results_generation", SEARCH, "/data/result/search_results",
		 "{\"tda_query\":\"bees\"}"},
		{"topic_exploration", "{\"keywords\":[\"k\"]}", "/data/result/explored_topics",
		 "{\"tda_query\":\"k\"}"},
		{"landing_page_snippets", "{}", "/data/result/snippets",
		 "{\"requested_limit\":5,\"tda_query\":\"global news science innovation\"}"},
	};
	const size_t n = sizeof(tda_failures) / sizeof(*tda_failures);

	for (size_t i = 0; i < 3 * n; i++) {
		const char *what = tda_failures[i / 3].what;

		start(types[i % 3].type, types[i % 3].body);
		many_answer(&m, "tda", &tda_failures[i / 3].answer);
		cr_assert_eq(m.w.status, STATUS_FAILED, "%s", what);
		cr_assert_str_eq(m.w.reason, "TDA_FAILURE", "%s", what);
		cr_assert(strstr(m.w.error, "TDA"), "%s: %s", what, m.w.error);
		HELP_IS(m.w.terminal, "/data/result/error", "\"TDA_FAILURE\"");
		HELP_IS(m.w.terminal, "/data/result/details",
			help_at(m.w.terminal, "/data/error/message"));
		HELP_IS(m.w.terminal, "/data/result/workflow_id", "\"" HELP_WORKFLOW "\"");
		HELP_IS(m.w.terminal, types[i % 3].list, "[]");
		cr_assert_str_eq(m.w.context, types[i % 3].context);
		cr_assert_eq(m.n_rows, 1);
	}
}

/* ---- what TDA gives ---- */

static const char odd_topics[] =
	"{\"topics\":["
	"\"text\","
	"null,"
	"{\"topic_id\":\"untitled\"},"
	"{\"topic_id\":\"blank\",\"title_suggestion\":\"\"},"
	"{\"title\":\"Only a title\",\"keywords\":\"none\"},"
	"{\"id\":\"i5\",\"title_suggestion\":7,\"title\":\"Other title\"},"
	"{\"topic_id\":\"\",\"id\":\"i6\",\"title\":\"T6\",\"title_suggestion\":"
	"\"T\",\"summary\":\"s\",\"keywords\":[\"k\"],\"more\":{\"x\":1}}]}";

Test(topics, fields_fall_back_and_untitled_ones_leave_gaps)
{
	start_search(odd_topics);
	cr_assert_str_eq(rows(),
			 "TDA_Search 1 tda\nSnippetGenerationSearchItem 6 item_4\n"
			 "SCA 6 sca_tda_topic_search_4\nSnippetGenerationSearchItem 7 item_5\n"
			 "SCA 7 sca_i5\nSnippetGenerationSearchItem 8 item_6\nSCA 8 sca_i6");
	HELP_IS(help_call(m.run, "sca_tda_topic_search_4")->request, "",
		"{\"topic_id\":\"tda_topic_search_4\",\"content_brief\":\"Only a title\","
		"\"topic_info\":{\"topic_id\":\"tda_topic_search_4\",\"title_suggestion\":"
		"\"Only a title\",\"summary\":null,\"keywords\":[],"
		"\"original_topic_details_from_tda\":{\"title\":\"Only a title\",\"keywords\":"
		"\"none\"}}}");
	HELP_IS(help_call(m.run, "sca_i5")->request, "/content_brief", "\"Other title\"");
	HELP_IS(help_call(m.run, "sca_i6")->request, "/topic_info",
		"{\"topic_id\":\"i6\",\"title_suggestion\":\"T\",\"summary\":\"s\",\"keywords\":"
		"[\"k\"],\"original_topic_details_from_tda\":{\"topic_id\":\"\",\"id\":\"i6\","
		"\"title\":\"T6\",\"title_suggestion\":\"T\",\"summary\":\"s\",\"keywords\":"
		"[\"k\"],\"more\":{\"x\":1}}}");
	cr_assert_str_eq(many_the_row(&m, "tda")->summary, "{\"topic_count\":7}");
}

Test(topics, without_a_title_among_them_give_an_empty_list)
{
	start_search("{\"topics\":[{},[],1]}");
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	HELP_IS(m.w.terminal, "/data/result/search_results", "[]");
	HELP_IS(m.w.terminal, "/data/result/error", "absent");
	start("landing_page_snippets", "{}");
	many_land(&m, "tda", 200, "{\"topics\":[{},[],1]}");
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	HELP_IS(m.w.terminal, "/data/result/message", "\"NO_SNIPPETS_GENERATED\"");
	HELP_IS(m.w.terminal, "/data/result/snippets", "[]");
	HELP_IS(m.w.terminal, "/data/result/error", "absent");
}

Test(topics, beyond_fifty_are_left_out)
{
	struct strbuf found;

	strbuf_init(&found, 1 << 16);
	strbuf_adds(&found, "{\"topics\":[{\"title\":\"first\"}");
	for (int i = 0; i < 59; i++)
		strbuf_adds(&found, ",{\"title\":\"further\"}");
	strbuf_adds(&found, "]}");
	start_search(found.buf);
	cr_assert_eq(m.n_rows, 101);
	cr_assert_null(many_row(&m, "item_50"));
	strbuf_release(&found);
}

/* Their event would have all of it: with 20 of them more than RabbitMQ takes, so it could never be
 * sent. */
Test(topics, that_bring_more_than_one_may_hold_end_it)
{
	enum { MANY = 20, EACH = 4 << 20 };
	struct strbuf text;
	int i = 0;

	strbuf_init(&text, EACH + 64);
	strbuf_adds(&text, "{\"topics\":[{\"title\":\"t\",\"topic_id\":\"0\"}");
	for (int k = 1; k < MANY; k++)
		strbuf_addf(&text, ",{\"title\":\"t\",\"topic_id\":\"%d\"}", k);
	strbuf_adds(&text, "]}");
	start("landing_page_snippets", "{\"limit\":20}");
	many_land(&m, "tda", 200, text.buf);
	strbuf_cut(&text, 0);
	strbuf_adds(&text, "{\"text_content\":\"");
	while (text.len < EACH - 8)
		strbuf_adds(&text, "word ");
	strbuf_adds(&text, "\"}");
	for (; i < MANY && !m.w.ended; i++) {
		char name[16];

		snprintf(name, sizeof(name), "sca_%d", i);
		many_land(&m, name, 200, text.buf);
	}
	strbuf_release(&text);
	cr_assert_eq(i, 8, "%d answers", i);
	cr_assert_eq(m.w.status, STATUS_FAILED);
	cr_assert_str_eq(m.w.reason, "too_large");
	cr_assert_lt(strlen(m.w.terminal), 4096);
}

Test(topics, of_one_id_have_a_call_each)
{
	start_search(FOUND(TOPIC("a") "," TOPIC("b") "," TOPIC("a")));
	cr_assert_str_eq(many_out(&m), "sca_a sca_b sca_a_2");
	HELP_IS(help_call(m.run, "sca_a_2")->request, "/topic_id", "\"a_2\"");
	make("a");
	make("b");
	make("a_2");
	HELP_IS(m.w.terminal, "/data/result/search_results/2/snippet_id", "\"snippet_a_2\"");
}

/* Not even where the id that tells them apart is another topic's own. */
Test(topics, of_one_id_do_not_take_a_third_ones)
{
	start_search(FOUND(TOPIC("a") "," TOPIC("a") "," TOPIC("a_1")));
	cr_assert_eq(m.n_rows, 7, "%s", rows());
	start_search(FOUND("{\"title\":\"t\"}," TOPIC("tda_topic_search_0")));
	cr_assert_eq(m.n_rows, 5, "%s", rows());
}

Test(topics, ids_that_no_header_may_carry_are_named)
{
	start_search(FOUND("{\"topic_id\":\"a\\r\\nX-Evil: 1\",\"title\":\"t\"},"
			   "{\"topic_id\":\"caf\xC3\xA9\",\"title\":\"t\"}"));
	cr_assert_str_eq(many_out(&m), "sca_7a93093b-3c6d-5e9b-9c1b-4309622c1e7c "
				       "sca_ba6b4c3c-5277-5089-9c75-88667604c8e8");
}

Test(topics, titles_are_cut_for_sca)
{
	struct strbuf found;
	const char *brief;
	size_t n;

	strbuf_init(&found, 1 << 16);
	strbuf_adds(&found, "{\"topics\":[{\"topic_id\":\"a\",\"title\":\"");
	for (int i = 0; i < 1100; i++)
		strbuf_adds(&found, "\xE2\x82\xAC");
	strbuf_adds(&found, "\"},{\"topic_id\":\"b\",\"title\":\"");
	for (int i = 0; i < 300; i++)
		strbuf_adds(&found, "word ");
	strbuf_adds(&found, "\"}]}");
	start_search(found.buf);
	brief = help_at(help_call(m.run, "sca_a")->request, "/content_brief");
	cr_assert(utf8_ok(brief, strlen(brief)));
	cr_assert_eq(utf8_count(brief, strlen(brief)), 1002, "with its quotes");
	brief = help_at(help_call(m.run, "sca_b")->request, "/content_brief");
	n = utf8_count(brief, strlen(brief));
	cr_assert(n > 990 && n <= 1002, "%zu", n);
	cr_assert(strncmp(brief + strlen(brief) - 6, "word", 4) == 0 ||
		  strncmp(brief + strlen(brief) - 5, "word", 4) == 0);
	strbuf_release(&found);
}

/* ---- exploration ---- */

/* The query that TDA is asked, once the store has said `stored` (NULL: it is not asked). */
static void expect_query(const char *job, const char *stored, const char *query)
{
	char quoted[256];

	start("topic_exploration", job);
	if (stored) {
		cr_assert_str_eq(many_out(&m), STORE_CALL);
		HELP_IS(help_call(m.run, STORE_CALL)->request, "/topic_id", "\"" STORED "\"");
		cr_assert_eq(help_call(m.run, STORE_CALL)->order, 0);
		many_land(&m, STORE_CALL, 200, stored);
	}
	if (!query) {
		cr_assert_eq(m.w.status, STATUS_FAILED);
		cr_assert_str_eq(m.w.reason, "TDA_QUERY_CONSTRUCTION_FAILED");
		HELP_IS(m.w.terminal, "/data/result/error", "\"TDA_QUERY_CONSTRUCTION_FAILED\"");
		HELP_IS(m.w.terminal, "/data/result/explored_topics", "[]");
		return;
	}
	cr_assert_str_eq(many_out(&m), "tda");
	snprintf(quoted, sizeof(quoted), "{\"query\":\"%s\",\"limit\":3}", query);
	cr_assert_str_eq(help_call(m.run, "tda")->request, quoted);
}

Test(topics, of_an_exploration_are_about_keywords_or_a_stored_topic)
{
	static const char by_id[] = "{\"current_topic_id\":\"" STORED "\"}";

	expect_query("{\"keywords\":[\"tidal\",\"energy\"]}", NULL, "tidal energy");
	expect_query("{\"keywords\":[\"own\"],\"current_topic_id\":\"" STORED "\"}", NULL, "own");
	expect_query(by_id, "{\"found\":true,\"title\":\"T\",\"keywords\":[\"k\",\"l\"]}", "k l");
	expect_query(by_id, "{\"found\":true,\"title\":\"T\",\"keywords\":[]}", "T");
	expect_query(by_id, "{\"found\":true,\"title\":\"T\",\"keywords\":null}", "T");
	expect_query("{\"keywords\":[\"\"],\"current_topic_id\":\"" STORED "\"}",
		     "{\"found\":true,\"title\":\"T\",\"keywords\":[\"k\"]}", "k");
	expect_query(by_id, "{\"found\":false,\"title\":null,\"keywords\":null}", NULL);
	expect_query("{}", NULL, NULL);
	expect_query("{\"keywords\":[],\"current_topic_id\":null}", NULL, NULL);
	expect_query("{\"current_topic_id\":\"no-uuid\"}", NULL, NULL);
}

Test(topics, of_an_exploration_end_like_those_of_a_search)
{
	start("topic_exploration", "{\"keywords\":[\"k\"],\"depth_mode\":\"deeper\"}");
	many_land(&m, "tda", 200, FOUND("{\"title\":\"x\"}," TOPIC("b")));
	cr_assert_str_eq(rows(), "TDA_Exploration 1 tda\nSnippetGenerationExplorationItem 2 "
				 "item_0\nSCA 2 sca_tda_topic_explore_0\n"
				 "SnippetGenerationExplorationItem 3 item_1\nSCA 3 sca_b");
	make("b");
	make("tda_topic_explore_0");
	cr_assert_eq(m.w.status, STATUS_COMPLETED);
	cr_assert_str_eq(m.w.context, "{\"tda_query\":\"k\",\"generated_snippet_count\":2}");
	HELP_IS(m.w.terminal, "/data/result/explored_topics/0/title", "\"tda_topic_explore_0\"");
	HELP_IS(m.w.terminal, "/data/result/explored_topics/1/title", "\"b\"");
	HELP_IS(m.w.terminal, "/data/result/source", "absent");
}
