/* links: cpoa_world cpoa_db cpoa_mq */
/* Workers that die, freeze and leave, and others that carry on: design.md §5. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

static const char claim_of[] = "SELECT overall_status, claims FROM workflow_instances";

static void expect_once_each(struct world *w)
{
	static const char *const agents[] = {"wcha", "pswa", "vfa"};

	for (size_t i = 0; i < sizeof(agents) / sizeof(*agents); i++) {
		cr_assert_eq(world_stat(w, agents[i], "repeats"), 0, "%s", agents[i]);
		cr_assert_eq(world_stat(w, agents[i], "key_conflicts"), 0, "%s", agents[i]);
	}
}

static void expect_all_completed(struct world *w, int n)
{
	world_expect_completed(w, n);
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
}

static void publish_many(struct world *w, int n)
{
	for (int i = 0; i < n; i++) {
		struct job_spec job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);

		world_post(w, &job);
	}
	world_flush(w);
}

/* ---- kill -9 ---- */

Test(takeover, of_a_task_that_was_accepted_polls_it_on)
{
	struct world *w = world_open();
	int first, second;
	int64_t killed;
	const char *id;

	world_agents(w, "--style", "async", "--latency-pswa", "1500");
	first = world_worker(w, NULL);
	id = world_podcast(w, "killed", NULL);
	world_await_accepted(w, "pswa");
	second = world_worker(w, NULL);
	worker_signal(w, first, SIGKILL);
	killed = clock_mono_ms();
	cr_assert(await_rows(w, "in_progress|2", claim_of, 2000), "nobody took it over in 2 s");
	cr_assert_lt(clock_mono_ms() - killed, 2000);

	same(json_at(world_end(w, id), "data.status"), "completed");
	cr_assert_eq(world_call_count(w, "agent=wcha&kind=submit"), 1);
	cr_assert_eq(world_call_count(w, "agent=pswa&kind=submit"), 1);
	cr_assert_eq(world_call_count(w, "agent=vfa&kind=submit"), 1);
	expect_once_each(w);
	same(world_rows(w, "%s", claim_of), "completed|2");
	cr_assert_eq((int)metric(w, second, "cpoa_rescued_total"), 1);
	cr_assert(log_contains(w, second, "workflow taken over"));
	cr_assert_eq(worker_wait_exit(w, first, SOON_MS), 128 + SIGKILL);
	world_close(w);
}

Test(takeover, of_a_request_asks_again_under_the_same_key)
{
	struct world *w = world_open();
	int first;
	const char *id;
	struct json_object *calls;

	world_agents(w, "--style", "sync", "--latency-pswa", "1500");
	first = world_worker(w, NULL);
	id = world_podcast(w, "killed", NULL);
	world_await_calls(w, "agent=pswa", 1);
	world_worker(w, NULL);
	worker_signal(w, first, SIGKILL);
	cr_assert(await_rows(w, "in_progress|2", claim_of, 2000), "nobody took it over in 2 s");

	same(json_at(world_end(w, id), "data.status"), "completed");
	cr_assert_eq(world_call_count(w, "agent=wcha"), 1);
	calls = world_calls(w, "agent=pswa");
	cr_assert_eq(json_object_array_length(calls), 2);
	same(json_at(calls, "0.key"), "killed_pswa");
	same(json_at(calls, "1.key"), "killed_pswa");
	cr_assert_eq(world_stat(w, "pswa", "distinct_keys"), 1);
	cr_assert_eq(world_stat(w, "pswa", "key_conflicts"), 0);
	cr_assert_eq(world_call_count(w, "agent=vfa"), 1);
	same(world_rows(w, "%s", claim_of), "completed|2");
	worker_wait_exit(w, first, SOON_MS);
	world_close(w);
}

/* Every podcast of a dead worker, whatever it was at, and its events too. */
Test(takeover, of_many_completes_each)
{
	struct world *w = world_open();
	int first;

	world_agents(w, "--style", "mixed", "--latency", "300");
	first = world_worker(w, NULL);
	world_worker(w, NULL);
	publish_many(w, 100);
	world_await_calls(w, "agent=vfa", 20);
	worker_signal(w, first, SIGKILL);
	expect_all_completed(w, 100);
	cr_assert_eq(world_stat(w, "vfa", "distinct_keys"), 100);
	worker_wait_exit(w, first, SOON_MS);
	world_close(w);
}

/* ---- SIGSTOP ---- */

Test(takeover, of_a_frozen_worker_leaves_it_without_a_say)
{
	struct world *w = world_open();
	int first, second;
	const char *id;

	world_agents(w, "--style", "async", "--latency-pswa", "3000");
	first = world_worker(w, "CPOA_LEASE_SECONDS=1");
	id = world_podcast(w, "frozen", NULL);
	world_await_accepted(w, "pswa");
	second = world_worker(w, "CPOA_LEASE_SECONDS=1");
	worker_signal(w, first, SIGSTOP);
	cr_assert(await_rows(w, "in_progress|2", claim_of, 5000), "nobody took it over");
	worker_signal(w, first, SIGCONT);
	cr_assert(await_rows(w, "in_progress|1", claim_of, 5000), "it was no death");

	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w, "%s", claim_of), "completed|1");
	cr_assert_eq(world_call_count(w, "agent=pswa&kind=submit"), 1);
	cr_assert_eq(world_call_count(w, "agent=vfa&kind=submit"), 1);
	cr_assert(await_ready(w, first, 200, SOON_MS), "it goes on under a new lease");
	cr_assert_eq((int)metric(w, first, "cpoa_fenced_total"), 1);
	cr_assert_eq((int)metric(w, first, "cpoa_inflight{type=\"podcast_generation\"}"), 0);

	/* It works again: alone in the house, it runs the next one. */
	worker_signal(w, second, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, second, SOON_MS), 0);
	world_control(w, "{\"latency_pswa\":0}");
	id = world_podcast(w, "thawed", NULL);
	same(json_at(world_end(w, id), "data.status"), "completed");
	cr_assert_eq(world_contradictions(w), 0);
	cr_assert_eq(world_events(w, NULL, NULL), 2);
	world_close(w);
}

/* ---- two workers ---- */

Test(takeover, two_workers_share_and_nothing_is_done_twice)
{
	struct world *w = world_open();
	double a, b;
	const char *const done = "cpoa_workflows_total{type=\"podcast_generation\","
				 "status=\"completed\"}";

	world_agents(w, "--style", "mixed", "--latency", "20");
	world_worker(w, "CPOA_MAX_INFLIGHT=32");
	world_worker(w, "CPOA_MAX_INFLIGHT=32");
	publish_many(w, 200);
	expect_all_completed(w, 200);
	expect_once_each(w);
	cr_assert_eq(world_stat(w, "pswa", "submits"), 200);
	cr_assert_eq(world_events(w, "completed", NULL), 200);
	same(world_rows(w, "SELECT max(claims) FROM workflow_instances"), "1");
	a = metric(w, 0, done);
	b = metric(w, 1, done);
	cr_assert_eq((int)(a + b), 200);
	cr_assert(a > 10 && b > 10, "%g and %g", a, b);
	world_close(w);
}

/* ---- SIGTERM ---- */

Test(takeover, sigterm_lets_others_carry_on)
{
	struct world *w = world_open();
	int first;

	world_agents(w, "--style", "async", "--latency", "800");
	first = world_worker(w, "CPOA_DRAIN_SECONDS=0.5");
	publish_many(w, 40);
	world_await_calls(w, "agent=pswa&kind=submit", 20);
	world_worker(w, NULL);
	worker_signal(w, first, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, first, 10000), 0);
	expect_all_completed(w, 40);
	cr_assert_eq(world_call_count(w, "agent=wcha&kind=submit"), 40);
	expect_once_each(w);
	/* Leaving in order is no death: it must not count towards CPOA_MAX_CLAIMS. */
	same(world_rows(w, "SELECT max(claims) FROM workflow_instances"), "1");
	world_close(w);
}

Test(takeover, a_second_sigterm_leaves_the_rest_to_others_at_once)
{
	struct world *w = world_open();
	const char *id;
	int first;

	world_agents(w, "--latency-pswa", "2000");
	first = world_worker(w, "CPOA_DRAIN_SECONDS=600");
	id = world_podcast(w, "hurried", NULL);
	world_await_calls(w, "agent=pswa", 1);
	worker_signal(w, first, SIGTERM);
	cr_assert(await_log(w, first, "draining", SOON_MS));
	cr_assert(worker_runs(w, first));
	worker_signal(w, first, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, first, SOON_MS), 0);
	cr_assert(log_contains(w, first, "a second signal"));
	same(world_rows(w, "SELECT overall_status FROM workflow_instances"), "in_progress");
	world_worker(w, NULL);
	same(json_at(world_end(w, id), "data.status"), "completed");
	cr_assert_eq(world_call_count(w, "agent=wcha"), 1);
	same(world_rows(w, "SELECT max(claims) FROM workflow_instances"), "1");
	world_close(w);
}

Test(takeover, a_drain_finishes_what_is_in_hand)
{
	struct world *w = world_open();
	int first;
	const char *id;

	world_agents(w, "--style", "sync", "--latency", "300");
	first = world_worker(w, "CPOA_DRAIN_SECONDS=20");
	id = world_podcast(w, "drained", NULL);
	world_await_calls(w, "agent=wcha", 1);
	worker_signal(w, first, SIGTERM);
	cr_assert(await_ready(w, first, 503, SOON_MS));
	cr_assert_eq((int)metric(w, first, "cpoa_draining"), 1);
	cr_assert_eq(worker_wait_exit(w, first, SOON_MS), 0);
	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w, "%s", claim_of), "completed|1");
	same(world_rows(w, "SELECT count(*) FROM outbox_events"), "0");
	world_close(w);
}

/* ---- a job that kills ---- */

Test(takeover, too_many_deaths_park_a_workflow)
{
	struct world *w = world_open();
	struct json_object *end;
	const char *id;
	int worker;

	world_agents(w, "--style", "async", "--latency-pswa", "60000");
	worker = world_worker(w, "CPOA_MAX_CLAIMS=2");
	id = world_podcast(w, "killer", NULL);
	world_await_accepted(w, "pswa");
	worker_signal(w, worker, SIGKILL);
	worker_wait_exit(w, worker, SOON_MS);
	worker = world_worker(w, "CPOA_MAX_CLAIMS=2");
	cr_assert(await_rows(w, "in_progress|2", claim_of, SOON_MS));
	worker_signal(w, worker, SIGKILL);
	worker_wait_exit(w, worker, SOON_MS);
	world_worker(w, "CPOA_MAX_CLAIMS=2");

	end = world_end(w, id);
	same(json_at(end, "data.status"), "failed");
	same(json_at(end, "data.result.status"), "failed_unknown_stage_exception");
	same(world_rows(w, "SELECT reason, state, type, workflow_id FROM dead_letters"),
	     world_format(w, "crash_loop|dead|podcast_generation|%s", id));
	same(world_rows(w, "SELECT overall_status, claimed_by FROM workflow_instances"),
	     "failed|null");
	world_close(w);
}
