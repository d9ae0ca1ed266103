/* links: cpoa_world cpoa_db cpoa_mq */
/* What TDA, SCA and IGA do wrong, and what becomes of the snippets: agents.md §1.2-§1.5, §11. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "orders.h"

#define INFO "\"topic_info\":{\"topic_id\":\"t1\",\"title_suggestion\":\"Bees\"}"

static struct json_object *result_of(struct world *w, const char *name)
{
	return json_obj(json_obj(world_end(w, world_id(w, name)), "data"), "result");
}

static const char *status_of(struct world *w, const char *name)
{
	return json_at(world_end(w, world_id(w, name)), "data.status");
}

static const char *order_snippet(struct world *w, const char *name, const char *scenarios)
{
	return order(w, "snippet_generation", name,
		     world_format(w, "{" INFO ",\"test_scenarios\":{%s}}", scenarios));
}

/* ---- SCA ---- */

static const struct {
	const char *scenario, *style; /* NULL: both */
	const char *code;
	int submits;
} sca_scenarios[] = {
	{"http_400", NULL, "SCA_CALL_FAILED_AFTER_RETRIES", 1},
	{"http_500", NULL, "SCA_CALL_FAILED_AFTER_RETRIES", 4},
	{"rejected", NULL, "SCA_TASK_REJECTED", 1},
	{"bad_202", NULL, "SCA_BAD_TASK_RESPONSE", 1},
	{"not_json", NULL, "SCA_RESPONSE_INVALID_JSON", 1},
	{"sca_error", "async", "SCA_TASK_FAILED", 1},
	{"error_code", "async", "SCA_TASK_LOGICAL_ERROR", 1},
};

static void expect_failed_snippet(struct world *w, const char *name, const char *code, int submits)
{
	const char *id = world_id(w, name);

	cr_assert_str_eq(status_of(w, name), "failed", "%s", name);
	cr_assert_str_eq(json_at(result_of(w, name), "error"), code, "%s: %s", name,
			 json_at(result_of(w, name), "error"));
	has(json_at(result_of(w, name), "details"), "SCA");
	same(json_at(world_end(w, id), "data.error.code"), code);
	cr_assert_eq(
		world_call_count(w, world_format(w, "agent=sca&kind=submit&workflow_id=%s", id)),
		submits, "%s", name);
	same(world_rows(w,
			"SELECT agent_name, status, error_details_json IS NULL FROM task_instances "
			"WHERE workflow_id = '%s'",
			id),
	     "SCA|failed|f");
	same(world_rows(w, "SELECT reason FROM dead_letters WHERE workflow_id = '%s'", id), code);
}

Test(orchestration_faults, of_sca_have_their_codes)
{
	static const char *const styles[] = {"sync", "async"};
	const size_t n = sizeof(sca_scenarios) / sizeof(*sca_scenarios);
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (int s = 0; s < 2; s++) {
		world_control(w, world_format(w, "{\"style\":\"%s\"}", styles[s]));
		for (size_t i = 0; i < n; i++) {
			const char *name = world_format(w, "%s-%zu", styles[s], i);

			if (sca_scenarios[i].style && strcmp(sca_scenarios[i].style, styles[s]))
				continue;
			order_snippet(w, name,
				      world_format(w, "\"sca\":\"%s\"", sca_scenarios[i].scenario));
			expect_failed_snippet(w, name, sca_scenarios[i].code,
					      sca_scenarios[i].submits);
		}
	}
	cr_assert_eq(world_call_count(w, "agent=iga"), 0);
	same(world_rows(w, "SELECT count(*) FROM topics_snippets"), "0");
	world_close(w);
}

Test(orchestration_faults, of_scas_status_page)
{
	struct world *w = world_open();

	world_agents(w, "--style", "async", "--fault", "sca:poll-garbage=1");
	world_worker(w, "CPOA_SCA_POLLING_TIMEOUT_SECONDS=1");
	order_snippet(w, "garbage", "");
	expect_failed_snippet(w, "garbage", "SCA_POLL_JSON_DECODE_ERROR", 1);
	world_control(w, "{\"faults\":[\"sca:poll-503=1\"]}");
	order_snippet(w, "unwell", "");
	expect_failed_snippet(w, "unwell", "SCA_POLLING_TIMEOUT", 1);
	world_control(w, "{\"faults\":[\"sca:poll-503=first:2\",\"sca:poll-reset=first:1\"]}");
	order_snippet(w, "recovered", "");
	same(status_of(w, "recovered"), "completed");
	world_control(w, "{\"faults\":[],\"latency_sca\":60000}");
	order_snippet(w, "endless", "");
	expect_failed_snippet(w, "endless", "SCA_POLLING_TIMEOUT", 1);
	world_close(w);
}

/* ---- IGA ---- */

static const char *const iga_scenarios[] = {"http_400",
					    "http_500",
					    "not_json",
					    "rejected",
					    "bad_202",
					    "no_bucket",
					    "success_placeholder",
					    "error_vertex_ai",
					    "failure"};

Test(orchestration_faults, of_iga_cost_no_more_than_the_cover)
{
	static const char *const styles[] = {"sync", "async"};
	const int n = sizeof(iga_scenarios) / sizeof(*iga_scenarios);
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (int i = 0; i < 2 * n; i++) {
		const char *style = styles[i / n], *name = world_format(w, "%s-%d", style, i);

		world_control(w, world_format(w, "{\"style\":\"%s\"}", style));
		order_snippet(w, name, world_format(w, "\"iga\":\"%s\"", iga_scenarios[i % n]));
		cr_assert_str_eq(status_of(w, name), "completed", "%s: %s", style,
				 iga_scenarios[i % n]);
		same(json_at(result_of(w, name), "image_url"), "null");
		same(world_rows(w,
				"SELECT image_url, title FROM topics_snippets"
				" WHERE original_topic_details->>'snippet_id' = '%s'",
				json_at(result_of(w, name), "snippet_id")),
		     "null|Bees");
	}
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	same(world_rows(w, "SELECT count(*) FROM topics_snippets"), world_format(w, "%d", 2 * n));
	world_close(w);
}

Test(orchestration_faults, without_an_iga_there_are_no_covers)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, "IGA_SERVICE_URL=");
	order_search(w, "bare");
	same(status_of(w, "bare"), "completed");
	same(json_at(result_of(w, "bare"), "search_results.6.image_url"), "null");
	cr_assert_eq(world_call_count(w, "agent=iga"), 0);
	same(world_rows(w, "SELECT count(*), count(image_url) FROM topics_snippets"), "7|0");
	world_close(w);
}

/* ---- TDA ---- */

static const struct flow {
	const char *type, *members, *list, *row;
} flows[] = {
	{"search_results_generation", "\"query\":\"q\"", "search_results", "TDA_Search"},
	{"topic_exploration", "\"keywords\":[\"q\"]", "explored_topics", "TDA_Exploration"},
	{"landing_page_snippets", "\"user_preferences\":{\"preferred_news_category\":\"q\"}",
	 "snippets", "TDA"},
};

static void expect_tda_failure(struct world *w, const struct flow *f, const char *name)
{
	const char *id = world_id(w, name);
	struct json_object *result = result_of(w, name);

	cr_assert_str_eq(status_of(w, name), "failed", "%s", name);
	same(json_at(result, "error"), "TDA_FAILURE");
	has(json_at(result, "details"), "TDA");
	same(json_at(result, "workflow_id"), id);
	same(json_at(result, f->list), "[]");
	same(world_rows(w, "SELECT agent_name, status FROM task_instances WHERE workflow_id = '%s'",
			id),
	     world_format(w, "%s|failed", f->row));
	same(world_rows(w,
			"SELECT overall_status, context_data_json->>'tda_query' FROM "
			"workflow_instances WHERE workflow_id = '%s'",
			id),
	     "failed|q");
	same(world_rows(w, "SELECT reason FROM dead_letters WHERE workflow_id = '%s'", id),
	     "TDA_FAILURE");
}

static void play_tda(struct world *w, const char *style, const char *scenario)
{
	world_control(w, world_format(w, "{\"style\":\"%s\"}", style));
	for (int i = 0; i < 3; i++) {
		const char *name = world_format(w, "%s-%s-%d", style, scenario, i);

		order(w, flows[i].type, name,
		      world_format(w, "{%s,\"test_scenarios\":{\"tda\":\"%s\"}}", flows[i].members,
				   scenario));
		expect_tda_failure(w, &flows[i], name);
	}
}

Test(orchestration_faults, of_tda_are_a_failure)
{
	static const char *const scenarios[] = {
		"http_400", "tda_endpoint_error", "not_json",  "rejected",
		"bad_202",  "no_topics",	  "tda_error", "error_status"};
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		play_tda(w, "sync", scenarios[i]);
		play_tda(w, "async", scenarios[i]);
	}
	cr_assert_eq(world_call_count(w, "agent=sca"), 0);
	world_close(w);
}

Test(orchestration_faults, without_a_tda_there_are_no_topics)
{
	struct world *w = world_open();
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, "TDA_SERVICE_URL=");
	for (int i = 0; i < 3; i++) {
		order(w, flows[i].type, world_format(w, "nowhere-%d", i),
		      world_format(w, "{%s}", flows[i].members));
		expect_tda_failure(w, &flows[i], world_format(w, "nowhere-%d", i));
	}
	cr_assert_eq(world_call_count(w, ""), 0);
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	world_worker(w, "TDA_SERVICE_URL=http://127.0.0.1:1/", "CPOA_SERVICE_RETRY_COUNT=1");
	order(w, flows[0].type, "gone", "{\"query\":\"q\"}");
	expect_tda_failure(w, &flows[0], "gone");
	world_close(w);
}

/* ---- some of many ---- */

/* How many topics' SCA has failed. */
static int failing(struct world *w, const char *id)
{
	struct json_object *calls =
		world_calls(w, world_format(w, "agent=sca&kind=submit&workflow_id=%s", id));
	int n = 0;

	for (size_t i = 0; i < json_object_array_length(calls); i++)
		n += strcmp(json_at(json_object_array_get_idx(calls, i), "status"), "400") == 0;
	return n;
}

static void play_some(struct world *w, const char *style)
{
	const char *name = world_format(w, "some-%s", style), *id;
	struct json_object *end;
	int failed;

	world_control(w, world_format(w, "{\"style\":\"%s\"}", style));
	id = order_search(w, name);
	end = world_end(w, id);
	failed = failing(w, id);
	cr_assert(failed > 0 && failed < 7, "the dice of %s: %d", style, failed);
	same(json_at(end, "data.status"), "completed_with_errors");
	has(json_at(end, "type"), ".completed");
	same(json_at(end, "data.result.error"), "absent");
	cr_assert_eq((int)json_object_array_length(json_arr(result_of(w, name), "search_results")),
		     7 - failed);
	same(world_rows(w,
			"SELECT status, count(*), bool_and((error_details_json->>'message') ~ "
			"'400') FROM task_instances WHERE workflow_id = '%s'"
			" AND agent_name = 'SnippetGenerationSearchItem' GROUP BY 1 ORDER BY 1",
			id),
	     world_format(w, "completed|%d|null\nfailed|%d|t", 7 - failed, failed));
	same(world_rows(w,
			"SELECT overall_status, error_message FROM workflow_instances"
			" WHERE workflow_id = '%s'",
			id),
	     "completed_with_errors|Some search snippets could not be generated.");
}

Test(orchestration_faults, of_some_leave_the_rest)
{
	struct world *w = world_open();

	world_agents(w, "--fault", "sca:400=0.4");
	world_worker(w, NULL);
	play_some(w, "sync");
	play_some(w, "async");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_control(w, "{\"faults\":[\"sca:400=1\"]}");
	order_search(w, "none");
	same(status_of(w, "none"), "failed");
	same(json_at(result_of(w, "none"), "error"), "failed");
	same(json_at(result_of(w, "none"), "search_results"), "[]");
	has(json_at(result_of(w, "none"), "details"), "SCA_CALL_FAILED_AFTER_RETRIES");
	world_close(w);
}

static void play_full_page(struct world *w, const char *style)
{
	const char *name = world_format(w, "page-%s", style), *id;
	struct json_object *end, *list;
	int failed;

	world_control(w, world_format(w, "{\"style\":\"%s\"}", style));
	id = order(w, "landing_page_snippets", name, "{\"limit\":20}");
	end = world_end(w, id);
	failed = failing(w, id);
	list = json_arr(result_of(w, name), "snippets");
	cr_assert(failed >= 4 && failed <= 20, "the dice of %s: %d", style, failed);
	cr_assert_eq((int)json_object_array_length(list), 20);
	same(json_at(end, "data.status"), "completed_with_errors");
	same(json_at(end, "data.result.error"), "absent");
	/* No more topics than were needed. */
	cr_assert_eq(
		world_call_count(w, world_format(w, "agent=sca&kind=submit&workflow_id=%s", id)),
		20 + failed);
	same(world_rows(w,
			"SELECT status, count(*) FROM task_instances WHERE workflow_id = '%s' AND "
			"agent_name = 'SnippetGenerationLoopItem' GROUP BY 1 ORDER BY 1",
			id),
	     world_format(w, "completed|20\nfailed|%d", failed));
}

/* A third of the topics fail; TDA has found enough others. */
Test(orchestration_faults, of_a_third_leave_a_full_page)
{
	struct world *w = world_open();

	world_agents(w, "--fault", "sca:400=0.333");
	world_worker(w, NULL);
	play_full_page(w, "sync");
	play_full_page(w, "async");
	world_close(w);
}

/* ---- texts that PostgreSQL would not take ---- */

Test(orchestration_faults, of_text_are_mended)
{
	static const struct {
		const char *style, *faults;
	} rows[] = {
		{"sync", "\"sca:utf8=1\",\"tda:nul=1\",\"iga:nul=1\""},
		{"sync", "\"sca:nul=1\",\"tda:utf8=1\",\"iga:utf8=1\""},
		{"async", "\"sca:poll-nul=1\",\"tda:poll-utf8=1\""},
	};
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (int i = 0; i < 3; i++) {
		const char *name = world_format(w, "mended-%d", i);

		world_control(w, world_format(w, "{\"style\":\"%s\",\"faults\":[%s]}",
					      rows[i].style, rows[i].faults));
		order_search(w, name);
		cr_assert_str_eq(status_of(w, name), "completed", "%s: %s", rows[i].faults,
				 json_at(world_end(w, world_id(w, name)), "data.error"));
	}
	same(world_rows(w, "SELECT count(*), count(image_url) FROM topics_snippets"), "21|21");
	world_close(w);
}
