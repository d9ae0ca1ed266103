/* links: cpoa_world cpoa_db cpoa_mq */
/* Podcasts whose worker harvests the web itself: agents.md §0 (WCHA), §6. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a worker that is its own WCHA ---- */

static int harvesting_worker(struct world *w, const char *search, const char *more)
{
	const char *url = world_agents_url(w);

	return world_worker(
		w, "WCHA_SERVICE_BASE_URL=", world_format(w, "WCHA_SEARCH_URL=%s%s", url, search),
		world_format(w, "WCHA_ALLOW_HOSTS=%s", url + strlen("http://")), more);
}

static const char html[] = "/search?q={query}", json[] = "/search?format=json&q={query}";

static void expect_harvested(struct world *w, const char *id)
{
	const char *content;

	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w,
			"SELECT status, retry_count, output_result_summary_json->>'message',"
			" jsonb_array_length(output_result_summary_json->'source_urls')"
			" FROM task_instances WHERE workflow_id = '%s' AND call_name = 'wcha'",
			id),
	     "completed|0|Successfully consolidated content from 3 out of 3 URLs for topic "
	     "'The story of tides'.|3");
	same(world_rows(w,
			"SELECT s->>'outcome', (s->>'length')::int > 1000, s->>'url' ~ '/articles/'"
			" FROM task_instances, jsonb_array_elements("
			"output_result_summary_json->'sources') s"
			" WHERE workflow_id = '%s' AND call_name = 'wcha'",
			id),
	     "ok|t|t\nok|t|t\nok|t|t");
	content = json_at(
		world_calls(w, world_format(w, "agent=pswa&kind=submit&workflow_id=%s", id)),
		"0.body.content");
	cr_assert_eq(strncmp(content, "Source: http://127.0.0.1:", 25), 0, "%.100s", content);
	has(content, "\n\n---\n\nSource: http://127.0.0.1:");
	has(content, "The story of tides");
	cr_assert_null(strstr(content, "cookies"));
	cr_assert_null(strstr(content, "Sign in"));
	cr_assert_null(strstr(content, "Read also"));
}

Test(harvest, a_podcast_from_the_web)
{
	static const char *const searches[] = {html, json};

	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_open();
		const char *id, *body;
		int worker;

		world_agents(w, NULL);
		worker = harvesting_worker(w, searches[i], "WCHA_USER_AGENT=our-own/1");
		id = world_podcast(w, "tides", NULL);
		expect_harvested(w, id);
		cr_assert_eq(world_stat(w, "wcha", "submits"), 0);
		cr_assert_eq(world_call_count(w, "kind=page"), 4);
		same(json_at(world_calls(w, "kind=page"), "0.headers.user-agent"), "our-own/1");
		/* It is nobody's business what a page's host is told of us. */
		same(json_at(world_calls(w, "kind=page"), "0.headers.x-workflow-id"), "absent");
		cr_assert_eq(worker_get(w, worker, "/livez", &body), 200);
		has(body, "\"harvester\":\"ok\"");
		world_close(w);
	}
}

static void expect_failed(struct world *w, const char *id, const char *message)
{
	struct json_object *end = world_end(w, id);

	same(json_at(end, "data.status"), "failed");
	same(json_at(end, "data.result.status"), "failed_wcha_content_harvest");
	has(json_at(end, "data.error.message"), message);
	same(world_rows(
		     w,
		     "SELECT status, retry_count, error_details_json IS NULL FROM task_instances "
		     "WHERE workflow_id = '%s'",
		     id),
	     "failed|0|f");
}

Test(harvest, what_it_says_when_there_is_nothing)
{
	struct world *w = world_open();
	int worker;

	world_agents(w, NULL);
	worker = harvesting_worker(w, html, "WCHA_ALLOW_HOSTS=");
	expect_failed(w, world_podcast(w, "guarded", NULL),
		      "WCHA reported failure: Error during web search for topic 'The story of "
		      "guarded': address refused");
	cr_assert_eq(world_call_count(w, "kind=page"), 0);
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);

	worker = harvesting_worker(w, html, "WCHA_MIN_CONTENT_LENGTH=100000");
	expect_failed(w, world_podcast(w, "short", NULL),
		      "WCHA: Failed to harvest usable content from any of the 3 URLs");
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);

	worker = harvesting_worker(w, "/nothing?q={query}", NULL);
	expect_failed(w, world_podcast(w, "lost", NULL), "HTTP 404");
	world_close(w);
}

Test(harvest, many_wait_for_a_place)
{
	enum { N = 150 };
	struct world *w = world_open();

	world_agents(w, "--latency-wcha", "20");
	harvesting_worker(w, html, "CPOA_WCHA_MAX_CONCURRENT=8");
	for (int i = 0; i < N; i++) {
		struct job_spec job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);

		world_post(w, &job);
	}
	world_flush(w);
	world_await_ends(w, N, 60000);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     world_format(w, "completed|%d", N));
	cr_assert_eq(world_call_count(w, "kind=page"), 4 * N);
	world_close(w);
}

Test(harvest, no_more_begin_in_a_second_than_may)
{
	enum { N = 12 };
	struct world *w = world_open();
	struct json_object *calls;
	int64_t last = 0;
	int searches = 0;

	world_agents(w, NULL);
	harvesting_worker(w, html, "CPOA_WCHA_MAX_PER_SECOND=8");
	for (int i = 0; i < N; i++)
		world_podcast(w, world_format(w, "p%d", i), NULL);
	world_await_ends(w, N, SOON_MS);
	calls = world_calls(w, "kind=page");
	for (size_t i = 0; i < json_object_array_length(calls); i++) {
		struct json_object *call = json_object_array_get_idx(calls, i);
		int64_t time = json_object_get_int64(json_object_object_get(call, "time_ms"));

		if (strncmp(json_at(call, "path"), "/search", 7) != 0)
			continue;
		cr_assert_geq(time - last, 1000 / 8 - 25, "search %d", searches);
		last = time;
		searches++;
	}
	cr_assert_eq(searches, N);
	world_close(w);
}

/* In the middle of a harvest: nothing of it is in a row, so it is made again, and only it. */
Test(harvest, is_taken_over)
{
	struct world *w = world_open();
	const char *id;
	int first;

	world_agents(w, "--latency-wcha", "700");
	first = harvesting_worker(w, html, NULL);
	id = world_podcast(w, "tides", NULL);
	world_await_calls(w, "kind=page", 2);
	worker_signal(w, first, SIGKILL);
	harvesting_worker(w, html, NULL);
	expect_harvested(w, id);
	same(world_rows(w, "SELECT claims FROM workflow_instances"), "2");
	cr_assert_eq(world_contradictions(w), 0);
	cr_assert_eq(world_stat(w, "pswa", "submits"), 1);
	world_abandon(w);
}

/* Its session dies: what is under way is void, and is claimed again. */
Test(harvest, survives_the_loss_of_its_lease)
{
	struct world *w = world_open();
	const char *id;

	world_agents(w, "--latency-wcha", "700");
	harvesting_worker(w, html, "CPOA_WCHA_MAX_CONCURRENT=1");
	id = world_podcast(w, "tides", NULL);
	world_podcast(w, "waits", NULL);
	world_await_calls(w, "kind=page", 1);
	world_sql(w, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
		     "current_database() AND pid <> pg_backend_pid()");
	world_await_ends(w, 2, 60000);
	expect_harvested(w, id);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     "completed|2");
	world_close(w);
}

/* A harvest that nobody waits for any more: SIGTERM is not held up by it. */
Test(harvest, does_not_hold_up_the_end)
{
	struct world *w = world_open();
	int worker;

	world_agents(w, "--latency-wcha", "60000");
	worker = harvesting_worker(w, html, "CPOA_DRAIN_SECONDS=0.5");
	world_podcast(w, "tides", NULL);
	world_await_calls(w, "kind=page", 1);
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	same(world_rows(w, "SELECT overall_status, claimed_by FROM workflow_instances"),
	     "in_progress|0");
	world_close(w);
}

Test(harvest, by_hand)
{
	struct world *w = world_open();
	const char *out, *url, *file;
	FILE *page;

	world_agents(w, NULL);
	url = world_format(w, "%s/articles/1?topic=tea", world_agents_url(w));
	cr_assert_eq(world_cpoa(w, &out, "harvest", url), 1, "the guard holds here, too");
	same(out, "");
	cr_assert_eq(world_cpoa(w, &out, "harvest"), 2);

	file = world_format(w, "%s/page.html", world_folder(w));
	page = fopen(file, "w");
	cr_assert(page);
	fputs("<html><body><nav><a href='/'>Home</a></nav><article><p>Tea is a drink that is made "
	      "of leaves and of boiling water, and of little else.</p><p>\033[31mWhoever drinks "
	      "it is seldom in a hurry, and never on his own for very long.</p></article>"
	      "</body></html>",
	      page);
	fclose(page);
	cr_assert_eq(world_cpoa(w, &out, "harvest", "--html", file, "http://tea.example/"), 0);
	has(out, "Tea is a drink");
	cr_assert_null(strstr(out, "Home"));
	cr_assert_null(strchr(out, '\033'));
	cr_assert_eq(world_cpoa(w, &out, "harvest", "--html", "/nowhere"), 2);
	world_close(w);
}

Test(harvest, a_search_is_printed_for_people)
{
	struct world *w = world_open();
	const char *out;

	world_agents(w, NULL);
	world_worker(w, NULL);
	cr_assert_eq(world_cpoa(w, &out, "enqueue", "search_results_generation", "--arg",
				"query=tides", "--wait", "--timeout", "20"),
		     0);
	has(out, "status      completed");
	has(out, "\n 1  ");
	has(out, "\n 7  ");
	cr_assert_null(strstr(out, "{"), "no JSON: %s", out);
	world_close(w);
}
