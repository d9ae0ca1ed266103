/* links: cpoa_world cpoa_db cpoa_mq */
/* Workflows that rest while an agent thinks: what they have given back meanwhile is missed by
 * nobody (worker/engine/pool.h, pool_look). */
#include "world.h"

#include <criterion/criterion.h>
#include <string.h>

#include "cpoa/json.h"

static const char rests[] = "a workflow rests", reads[] = "its replies are read back";

/* A world with a worker that tells of all that it does, and a podcast that PSWA thinks about. */
struct resting {
	struct world *w;
	int worker;
	const char *id;
};

static struct resting begin(const char *style, const char *latency_ms)
{
	struct resting r = {.w = world_open()};

	world_agents(r.w, "--style", style, "--latency-pswa", latency_ms);
	r.worker =
		world_worker(r.w, "CPOA_LOG_LEVEL=debug", "CPOA_PSWA_POLLING_INTERVAL_SECONDS=0.1");
	r.id = world_podcast(r.w, "rest", NULL);
	world_await_calls(r.w, "agent=pswa&kind=submit", 1);
	return r;
}

static void await_rest(struct resting *r)
{
	cr_assert(await_log(r->w, r->worker, rests, SOON_MS), "it gives nothing back");
	cr_assert(!log_contains(r->w, r->worker, reads));
}

/* The voice was asked for the script that is in its row, and the end tells of all replies. */
static void expect_nothing_missing(struct world *w)
{
	struct json_object *vfa = world_calls(w, "agent=vfa&kind=submit");

	same(world_rows(w,
			"SELECT (reply->'body')::jsonb = $script$%s$script$ FROM task_instances "
			"WHERE call_name = 'pswa'",
			json_at(vfa, "0.body.script")),
	     "t");
	same(world_rows(w,
			"SELECT w.context_data_json->'wcha_source_urls' = "
			"(a.reply->'body'->'source_urls')::jsonb, "
			"w.context_data_json->>'script_title' = b.reply->'body'->>'title', "
			"starts_with(a.reply->'body'->>'content', rtrim(l.log->2->>'data_preview', "
			"'.')), l.log->4->>'data_preview' = b.reply->'body'->>'title' FROM "
			"workflow_instances w JOIN task_instances a ON a.call_name = 'wcha' JOIN "
			"task_instances b ON b.call_name = 'pswa', LATERAL (SELECT "
			"w.terminal_event::json->'data'->'result'->'orchestration_log' AS log) l"),
	     "t|t|t|t");
}

Test(rest, changes_nothing_of_what_a_workflow_comes_to)
{
	static const char *const styles[] = {"async", "sync"};

	for (size_t i = 0; i < sizeof(styles) / sizeof(*styles); i++) {
		struct resting r = begin(styles[i], "4000");

		await_rest(&r);
		same(json_at(world_end(r.w, r.id), "data.status"), "completed");
		cr_assert(log_contains(r.w, r.worker, reads));
		expect_nothing_missing(r.w);
		cr_assert_eq(world_call_count(r.w, "kind=submit"), 3);
		world_close(r.w);
	}
}

Test(rest, is_nothing_that_a_quick_agent_pays_for)
{
	struct resting r = begin("async", "0");

	same(json_at(world_end(r.w, r.id), "data.status"), "completed");
	expect_nothing_missing(r.w);
	cr_assert(!log_contains(r.w, r.worker, rests) && !log_contains(r.w, r.worker, reads));
	world_close(r.w);
}

/* The request of a task that was accepted is gone by then: it is made again, from replies that are
 * read back. */
Test(rest, asks_the_same_again_of_an_agent_that_has_lost_its_task)
{
	struct resting r = begin("async", "8000");
	struct json_object *calls;
	size_t n;

	await_rest(&r);
	world_control(r.w, "{\"faults\":[\"pswa:poll-404=1\"]}");
	world_await_calls(r.w, "agent=pswa&kind=submit", 3);
	world_control(r.w, "{\"faults\":[]}");
	same(json_at(world_end(r.w, r.id), "data.status"), "completed");
	cr_assert(log_contains(r.w, r.worker, reads));

	calls = world_calls(r.w, "agent=pswa&kind=submit");
	n = json_object_array_length(calls);
	for (size_t i = 0; i < n; i++) {
		same(json_at(calls, world_format(r.w, "%zu.key", i)), "rest_pswa");
		same(json_at(calls, world_format(r.w, "%zu.body", i)), json_at(calls, "0.body"));
	}
	cr_assert_eq(world_stat(r.w, "pswa", "key_conflicts"), 0);
	cr_assert_eq(world_call_count(r.w, "agent=wcha&kind=submit"), 1);
	same(world_rows(r.w, "SELECT retry_count FROM task_instances WHERE call_name = 'pswa'"),
	     world_format(r.w, "%zu", n - 1));
	world_close(r.w);
}

Test(rest, of_a_worker_that_is_killed_is_taken_over)
{
	struct resting r = begin("async", "4000");

	await_rest(&r);
	world_worker(r.w, NULL);
	worker_signal(r.w, r.worker, SIGKILL);
	same(json_at(world_end(r.w, r.id), "data.status"), "completed");
	cr_assert_eq(world_call_count(r.w, "kind=submit"), 3);
	worker_wait_exit(r.w, r.worker, SOON_MS);
	world_close(r.w);
}

Test(rest, ends_with_what_was_known_when_it_is_cancelled)
{
	struct resting r = begin("async", "60000");

	await_rest(&r);
	cr_assert_eq(world_cpoa(r.w, NULL, "workflow", "cancel", r.id), DONE);
	same(json_at(world_end(r.w, r.id), "data.status"), "cancelled");
	cr_assert(log_contains(r.w, r.worker, reads));
	same(world_rows(r.w, "SELECT count(e->>'data_preview') FROM workflow_instances, "
			     "json_array_elements((terminal_event::json)->'data'->'result'->"
			     "'orchestration_log') e WHERE e->>'message' = 'WCHA succeeded.'"),
	     "1");
	world_close(r.w);
}

/* Whoever changes its rows by hand does not stop it: the call is made again. */
Test(rest, survives_that_its_rows_are_not_what_they_were)
{
	struct resting r = begin("sync", "4000");

	await_rest(&r);
	world_sql(r.w, "UPDATE task_instances SET reply = NULL WHERE call_name = 'wcha'");
	same(json_at(world_end(r.w, r.id), "data.status"), "completed");
	cr_assert(log_contains(r.w, r.worker, "cannot be read back"));
	cr_assert_eq(world_call_count(r.w, "agent=wcha&kind=submit"), 2);
	world_close(r.w);
}
