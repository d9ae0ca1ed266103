/* links: cpoa_world cpoa_db cpoa_mq */
/* Servers that go and come back in the middle of it: design.md §5.1 and §5.6. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

enum { PODCASTS = 50, BACK_MS = 60000 };

struct wish {
	struct world *w;
	int n;
};

static bool half_way(void *ctx)
{
	struct wish *wish = ctx;

	return world_call_count(wish->w, "agent=pswa&kind=submit") >= wish->n;
}

static void publish(struct world *w, const char *prefix, int n)
{
	for (int i = 0; i < n; i++) {
		struct job_spec job =
			world_podcast_spec(w, world_format(w, "%s%d", prefix, i), NULL);

		world_post(w, &job);
	}
	world_flush(w);
}

static int64_t ends_after(struct world *w, int n)
{
	int64_t began = clock_mono_ms();

	world_await_ends(w, n, BACK_MS);
	return clock_mono_ms() - began;
}

/* The worker is the same process, works as fast as before, and nothing was lost or told in two
 * ways. */
static void expect_recovered(struct world *w, pid_t pid)
{
	int64_t took;

	ends_after(w, PODCASTS);
	cr_assert(await_ready(w, 0, 200, BACK_MS));
	cr_assert_eq(worker_pid(w, 0), pid);
	world_control(w, "{\"latency\":0}");
	publish(w, "after", PODCASTS);
	took = ends_after(w, 2 * PODCASTS);
	cr_assert_lt(took, 5000, "%lld ms for %d podcasts", (long long)took, PODCASTS);
	cr_assert_eq(world_contradictions(w), 0);
	same(world_rows(w, "SELECT overall_status, count(*), count(DISTINCT terminal_event_id)"
			   " FROM workflow_instances GROUP BY 1"),
	     world_format(w, "completed|%d|%d", 2 * PODCASTS, 2 * PODCASTS));
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	cr_assert_eq(world_stat(w, "vfa", "distinct_keys"), 2 * PODCASTS);
	cr_assert_eq(world_stat(w, "vfa", "key_conflicts"), 0);
	/* A reply that was committed is never asked for again. */
	same(world_rows(w, "SELECT count(*) FROM task_instances WHERE status <> 'completed'"), "0");
}

static void restart_in_the_middle(const char *server, const char *mode, const char *style)
{
	struct world *w = world_open();
	pid_t pid;

	world_agents(w, "--style", style, "--latency", "400");
	pid = worker_pid(w, world_worker(w, NULL));
	world_expect_loss(w);
	publish(w, "p", PODCASTS);
	cr_assert(await(half_way, &(struct wish){w, PODCASTS / 2}, SOON_MS));
	world_forget_db(w);
	world_servers(w, "restart", server, mode);
	expect_recovered(w, pid);
	world_close(w);
}

Test(restart, of_postgresql_in_order)
{
	restart_in_the_middle("pg", "fast", "async");
}

Test(restart, of_postgresql_at_once)
{
	restart_in_the_middle("pg", "immediate", "sync");
}

Test(restart, of_rabbitmq_in_order, .timeout = 110)
{
	restart_in_the_middle("mq", "fast", "async");
}

Test(restart, of_rabbitmq_at_once, .timeout = 110)
{
	restart_in_the_middle("mq", "kill", "sync");
}

/* While PostgreSQL is away nothing is taken, nothing is lost, and /readyz says so. */
Test(restart, jobs_wait_while_postgresql_is_away)
{
	struct world *w = world_open();
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, NULL);
	world_forget_db(w);
	world_servers(w, "down", "pg", "fast");
	cr_assert(await_ready(w, worker, 503, SOON_MS));
	cr_assert_eq(worker_get(w, worker, "/livez", NULL), 200);
	cr_assert_eq((int)metric(w, worker, "cpoa_db_connected"), 0);
	publish(w, "early", 20);
	let_pass(500);
	cr_assert_eq(world_events(w, NULL, NULL), 0);
	cr_assert_eq(world_call_count(w, ""), 0);
	world_servers(w, "up", "pg", NULL);
	ends_after(w, 20);
	cr_assert(await_ready(w, worker, 200, SOON_MS));
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     "completed|20");
	world_close(w);
}
