/* links: cpoa_world cpoa_db cpoa_mq */
/* The worker as its operators see it: interface.md §2 and §7. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "orders.h"

/* ---- health ---- */

Test(worker, says_how_it_is)
{
	static const char *const names[] = {"cpoa_jobs_total",
					    "cpoa_workflows_total",
					    "cpoa_workflow_duration_seconds",
					    "cpoa_job_wait_seconds",
					    "cpoa_calls_total",
					    "cpoa_call_duration_seconds",
					    "cpoa_call_retries_total",
					    "cpoa_inflight",
					    "cpoa_inflight_limit",
					    "cpoa_dead_letters_total",
					    "cpoa_rescued_total",
					    "cpoa_fenced_total",
					    "cpoa_ledger_commits_total",
					    "cpoa_ledger_batch_size",
					    "cpoa_outbox_pending",
					    "cpoa_amqp_connected",
					    "cpoa_db_connected",
					    "cpoa_draining",
					    "cpoa_build_info",
					    "process_resident_memory_bytes",
					    "process_cpu_seconds_total"};
	struct world *w = world_open();
	const char *body;
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, NULL);
	world_end(w, world_podcast(w, "one", NULL));
	cr_assert_eq(worker_get(w, worker, "/livez", &body), 200);
	has(body, "\"ledger\"");
	cr_assert_eq(worker_get(w, worker, "/readyz", &body), 200);
	has(body, "\"lease\"");
	cr_assert_eq(worker_get(w, worker, "/version", &body), 200);
	has(body, "\"version\"");
	cr_assert_eq(worker_get(w, worker, "/nothing", &body), 404);
	cr_assert_eq(worker_get(w, worker, "/metrics", &body), 200);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		has(body, world_format(w, "# TYPE %s ", names[i]));
	cr_assert_eq((int)metric(w, worker, "cpoa_db_connected"), 1);
	cr_assert_eq((int)metric(w, worker, "cpoa_amqp_connected"), 1);
	cr_assert_eq((int)metric(w, worker, "cpoa_inflight_limit"), 256);
	cr_assert_eq((int)metric(w, worker, "cpoa_inflight{type=\"podcast_generation\"}"), 0);
	cr_assert_eq((int)metric(w, worker, "cpoa_calls_total{agent=\"pswa\",outcome=\"result\"}"),
		     1);
	cr_assert_gt(metric(w, worker, "cpoa_ledger_commits_total"), 3);
	world_close(w);
}

Test(worker, has_no_port_when_told_so)
{
	struct world *w = world_open();
	int worker;

	world_agents(w, NULL);
	worker = world_worker_unready(w, "CPOA_HTTP_PORT=0");
	cr_assert(await_log(w, worker, "consuming connection open", SOON_MS));
	world_end(w, world_podcast(w, "quiet", NULL));
	cr_assert_eq(worker_get(w, worker, "/livez", NULL), 0);
	world_close(w);
}

/* ---- memory ---- */

struct pages {
	struct world *w;
	int worker;
	long most; /* KiB */
};

static bool a_third_is_given_back(void *ctx)
{
	struct pages *p = ctx;
	long now = worker_status(p->w, p->worker, "RssFile");

	p->most = now > p->most ? now : p->most;
	return now * 3 < p->most * 2;
}

Test(worker, gives_back_what_only_its_start_needed)
{
	struct world *w = world_open();
	struct pages pages = {.w = w};

	world_agents(w, NULL);
	pages.worker = world_worker(w, NULL);
	cr_assert(await(a_third_is_given_back, &pages, SOON_MS), "%ld KiB of its files at most",
		  pages.most);
	same(json_at(world_end(w, world_podcast(w, "afterwards", NULL)), "data.status"),
	     "completed");
	world_close(w);
}

/* ---- configuration ---- */

static const struct {
	const char *setting, *parts[3];
} mistakes[] = {
	/* clang-format off */
	{"CPOA_MAX_INFLIGHT=0", {"CPOA_MAX_INFLIGHT", "from 1", "1"}},
	{"CPOA_MAX_INFLIGHT=many", {"CPOA_MAX_INFLIGHT", "many", ""}},
	{"CPOA_HTTP_PORT=70000", {"CPOA_HTTP_PORT", "70000", "65535"}},
	{"CPOA_LEASE_SECONDS=0.1", {"CPOA_LEASE_SECONDS", "0.1", "1"}},
	{"CPOA_SERVICE_RETRY_COUNT=-1", {"CPOA_SERVICE_RETRY_COUNT", "-1", "0"}},
	{"CPOA_PSWA_POLLING_INTERVAL_SECONDS=x", {"CPOA_PSWA_POLLING_INTERVAL_SECONDS", "x", ""}},
	{"CPOA_LOG_LEVEL=loud", {"CPOA_LOG_LEVEL", "loud", "debug"}},
	{"DATABASE_TYPE=sqlite", {"DATABASE_TYPE", "sqlite", "postgres"}},
	{"PSWA_SERVICE_URL=pswa", {"PSWA_SERVICE_URL", "pswa", ""}},
	{"CPOA_WORKFLOWS=podcasts", {"CPOA_WORKFLOWS", "podcasts", ""}},
	/* clang-format on */
};

Test(worker, refuses_a_bad_configuration)
{
	struct world *w = world_open();

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		int worker = world_worker_unready(w, mistakes[i].setting);

		cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 2, "%s", mistakes[i].setting);
		for (int j = 0; j < 3; j++)
			cr_assert(log_contains(w, worker, mistakes[i].parts[j]), "%s: no '%s'",
				  mistakes[i].setting, mistakes[i].parts[j]);
		worker_forget(w, worker);
	}
	world_close(w);
}

Test(worker, warns_of_a_variable_that_it_does_not_know)
{
	struct world *w = world_open();
	int worker = world_worker(w, "CPOA_MAX_INFLIHGT=7");

	cr_assert(log_contains(w, worker, "CPOA_MAX_INFLIHGT"));
	world_close(w);
}

Test(worker, keeps_secrets_out_of_its_log)
{
	struct world *w = world_open();
	int worker = world_worker_unready(w, "POSTGRES_PASSWORD=hunter2",
					  "AMQP_URL=amqp://guest:hunter3@127.0.0.1:1/",
					  "CPOA_LOG_LEVEL=debug");

	cr_assert(await_log(w, worker, "\"warn\"", SOON_MS));
	let_pass(300);
	cr_assert_not(log_contains(w, worker, "hunter"));
	world_close(w);
}

/* ---- schema ---- */

Test(worker, waits_for_its_schema)
{
	struct world *w = world_open_unmigrated();
	const char *body, *id;
	int worker;

	world_agents(w, NULL);
	worker = world_worker_unready(w, NULL);
	cr_assert(await_log(w, worker, "cpoa migrate", SOON_MS));
	cr_assert(await_ready(w, worker, 503, SOON_MS));
	worker_get(w, worker, "/readyz", &body);
	has(body, "\"schema\":\"failed\"");
	cr_assert_eq(worker_get(w, worker, "/livez", NULL), 200);
	/* The worker declares its queues in its own time, which the job need not wait for. */
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	id = world_podcast(w, "patient", NULL);
	let_pass(300);
	cr_assert_eq(world_call_count(w, ""), 0);
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), 0);
	same(json_at(world_end(w, id), "data.status"), "completed");
	cr_assert(await_ready(w, worker, 200, SOON_MS));
	world_close(w);
}

/* ---- the door ---- */

static void publish(struct world *w, int n)
{
	for (int i = 0; i < n; i++) {
		struct job_spec job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);

		world_post(w, &job);
	}
	world_flush(w);
}

Test(worker, holds_no_more_than_it_may)
{
	struct world *w = world_open();
	int worker, most = 0;

	world_agents(w, "--latency", "60");
	worker = world_worker(w, "CPOA_MAX_INFLIGHT=4");
	publish(w, 40);
	while (world_events(w, "completed", NULL) < 40) {
		int held = (int)metric(w, worker, "cpoa_inflight{type=\"podcast_generation\"}");

		cr_assert_leq(held, 4);
		most = held > most ? held : most;
	}
	cr_assert_geq(most, 3);
	cr_assert_leq(world_stat(w, "pswa", "max_in_flight"), 4);
	cr_assert(await_ready(w, worker, 200, SOON_MS));
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 0);
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"), "40");
	world_close(w);
}

Test(worker, asks_an_agent_no_more_at_once_than_it_may)
{
	struct world *w = world_open();

	world_agents(w, "--latency", "50");
	world_worker(w, "CPOA_PSWA_MAX_CONCURRENT=3");
	publish(w, 30);
	world_await_ends(w, 30, SOON_MS);
	cr_assert_leq(world_stat(w, "pswa", "max_in_flight"), 3);
	cr_assert_gt(world_stat(w, "wcha", "max_in_flight"), 3);
	world_close(w);
}

/* ---- full ---- */

/* What a full worker hands back is counted by the broker as if somebody had died over it. */
Test(worker, that_is_full_refuses_nobody)
{
	enum { MANY = 40 };
	struct world *w = world_open();

	world_agents(w, "--latency", "20");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	publish(w, MANY);
	order_search(w, "behind");
	world_worker(w, "CPOA_MAX_INFLIGHT=1", "CPOA_MAX_CLAIMS=1");
	world_await_ends(w, MANY + 1, 60000);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     world_format(w, "completed|%d", MANY + 1));
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_close(w);
}

/* ---- come back several times ---- */

/* Each is read alone, after a short wait for others of its kind: not after a turn of intake's. */
Test(worker, reads_at_once_what_came_back_several_times)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	publish(w, 1);
	for (int i = 0; i < 3; i++)
		world_reject(w, "podcast_generation", "true");
	world_worker(w, NULL);
	world_await_ends(w, 1, SOON_MS);
	same(world_rows(w, "SELECT start_timestamp - started_at < interval '800 ms'"
			   " FROM workflow_instances, leases"),
	     "t");
	world_close(w);
}

/* ---- many at once ---- */

struct wish {
	struct world *w;
	int n;
};

static bool all_asked(void *ctx)
{
	struct wish *wish = ctx;

	return world_stat(wish->w, "pswa", "in_flight") >= wish->n;
}

Test(worker, holds_two_thousand_with_no_thread_more, .timeout = 110)
{
	enum { MANY = 2000 };
	struct world *w = world_open();
	long threads, memory;
	int worker;

	world_agents(w, "--latency-pswa", "14000", "--record", "0");
	/* AddressSanitizer keeps what was freed: 256 MiB of it unless told otherwise. */
	worker = world_worker(w, "CPOA_MAX_INFLIGHT=4000", "ASAN_OPTIONS=quarantine_size_mb=1");
	world_end(w, world_podcast(w, "first", NULL));
	threads = worker_status(w, worker, "Threads");
	memory = worker_status(w, worker, "VmRSS");
	publish(w, MANY);
	cr_assert(await(all_asked, &(struct wish){w, MANY}, 30000), "%d in flight",
		  (int)world_stat(w, "pswa", "in_flight"));
	cr_assert_eq((int)metric(w, worker, "cpoa_inflight{type=\"podcast_generation\"}"), MANY);
	cr_assert_leq(worker_status(w, worker, "Threads"), threads);
	/* With AddressSanitizer's share: 100 KiB each. */
	cr_assert_lt(worker_status(w, worker, "VmRSS") - memory, MANY * 100L, "%ld kB",
		     worker_status(w, worker, "VmRSS") - memory);
	world_await_ends(w, MANY + 1, 60000);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     world_format(w, "completed|%d", MANY + 1));
	cr_assert_eq(world_contradictions(w), 0);
	world_close(w);
}
