/* links: cpoa_world cpoa_db cpoa_mq */
/* What others do to the servers that we share with them: sessions ended, rows locked or refused. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/db.h"
#include "cpoa/json.h"

#include "orders.h"
#include "world_parts.h"

static int log_lines(struct world *w, int worker)
{
	char *log = file_read(w->worker[worker].log);
	int n = 0;

	for (const char *p = log; (p = strchr(p, '\n')); p++)
		n++;
	free(log);
	return n;
}

/* ---- somebody else's session ---- */

static struct db *stranger(struct world *w)
{
	struct db_options o = {.host = getenv("POSTGRES_HOST"),
			       .user = getenv("POSTGRES_USER"),
			       .password = getenv("POSTGRES_PASSWORD"),
			       .dbname = w->name,
			       .port = strtol(getenv("POSTGRES_PORT"), NULL, 10),
			       .application_name = "stranger",
			       .connect_timeout_s = 10};
	struct err e;
	struct db *db = db_open(&o, &e);

	cr_assert(db, "%s", e.text);
	return db;
}

static void say(struct db *db, const char *sql)
{
	struct err e;

	cr_assert(db_script(db, sql, &e), "%s: %s", sql, e.text);
}

/* The row that the gateway makes; what its podcast needs at its end. */
static void make_podcast_row(struct world *w, const char *name)
{
	world_sql(w,
		  "INSERT INTO podcasts (podcast_id, topic, cpoa_status, task_created_timestamp)"
		  " VALUES ('%s', 'locked', 'pending_cpoa_dispatch', now())",
		  world_id(w, world_format(w, "task of %s", name)));
}

static struct db *lock_podcast_row(struct world *w, const char *name)
{
	struct db *db = stranger(w);

	make_podcast_row(w, name);
	say(db, "BEGIN");
	say(db, world_format(w, "SELECT 1 FROM podcasts WHERE podcast_id = '%s' FOR UPDATE",
			     world_id(w, world_format(w, "task of %s", name))));
	return db;
}

/* ---- sessions that end ---- */

#define SESSION_OF_WORKER                                        \
	" FROM pg_stat_activity WHERE application_name = 'cpoa'" \
	" AND datname = current_database()"

Test(trouble, sessions_ended_by_others_are_no_deaths)
{
	struct world *w = world_open();
	const char *id;

	world_agents(w, "--style", "async", "--latency-pswa", "8000");
	world_worker(w, "CPOA_MAX_CLAIMS=3");
	id = world_podcast(w, "harassed", NULL);
	world_await_accepted(w, "pswa");
	for (int i = 0; i < 6; i++) {
		const char *lease = world_rows(w, "SELECT claimed_by FROM workflow_instances");

		world_sql(w, "SELECT pg_terminate_backend(pid)" SESSION_OF_WORKER);
		cr_assert(
			await_rows(w, "t",
				   world_format(w, "SELECT claimed_by > %s FROM workflow_instances",
						lease),
				   SOON_MS),
			"not claimed again after end %d", i + 1);
	}
	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w, "SELECT overall_status, claims <= 2 FROM workflow_instances"),
	     "completed|t");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	cr_assert_eq(world_call_count(w, "agent=pswa&kind=submit"), 1);
	cr_assert_eq(world_contradictions(w), 0);
	world_close(w);
}

/* Somebody else is faster to claim what they held: still no deaths. */
Test(trouble, sessions_ended_by_others_are_no_deaths_to_others_either)
{
	struct world *w = world_open();
	const char *id;

	world_agents(w, "--style", "async", "--latency-pswa", "15000");
	world_worker(w, "CPOA_MAX_CLAIMS=3", "CPOA_RESCUE_INTERVAL_SECONDS=0.05");
	world_worker(w, "CPOA_MAX_CLAIMS=3", "CPOA_RESCUE_INTERVAL_SECONDS=0.05");
	id = world_podcast(w, "harassed", NULL);
	world_await_accepted(w, "pswa");
	for (int i = 0; i < 8; i++) {
		const char *lease = world_rows(w, "SELECT claimed_by FROM workflow_instances");

		world_sql(w,
			  "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = "
			  "'advisory' AND objid = %s AND database = (SELECT oid FROM pg_database"
			  " WHERE datname = current_database())",
			  lease);
		cr_assert(await_rows(w, "t",
				     world_format(w,
						  "SELECT claimed_by <> %s FROM workflow_instances",
						  lease),
				     SOON_MS),
			  "not claimed again after end %d", i + 1);
		/* The one that has lost its session is back, and takes its death back. */
		cr_assert(await_rows(w, "1", "SELECT claims FROM workflow_instances", SOON_MS));
	}
	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	cr_assert_eq(world_call_count(w, "agent=pswa&kind=submit"), 1);
	world_close(w);
}

/* Its session is there but does not answer, and SIGTERM must not wait for it. */
Test(trouble, a_session_that_hangs_does_not_hold_up_the_end)
{
	struct world *w = world_open();
	int worker;
	pid_t backend;
	bool ended;

	world_agents(w, "--style", "async", "--latency-pswa", "60000");
	worker = world_worker(w, "CPOA_LEASE_SECONDS=2", "CPOA_DRAIN_SECONDS=0.5");
	world_podcast(w, "stuck", NULL);
	cr_assert(await_rows(w, "in_progress|1",
			     "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1",
			     SOON_MS));
	backend = (pid_t)world_count(w, "SELECT pid" SESSION_OF_WORKER);
	cr_assert_gt(backend, 0);
	if (kill(backend, SIGSTOP) != 0) {
		world_abandon(w);
		cr_skip("PostgreSQL's processes are not ours");
	}
	worker_signal(w, worker, SIGTERM);
	ended = child_wait(&w->worker[worker], 8000);
	cr_assert_eq(kill(backend, SIGCONT), 0);
	cr_assert(ended, "it waits for a session that does not answer");
	cr_assert(await_rows(w, "0", "SELECT count(*)" SESSION_OF_WORKER, SOON_MS));
	world_close(w);
}

/* ---- the lease ---- */

Test(trouble, a_lease_is_kept_between_looks_for_orphans)
{
	struct world *w = world_open();
	const char *lease;

	world_agents(w, NULL);
	world_worker(w, "CPOA_LEASE_SECONDS=2", "CPOA_RESCUE_INTERVAL_SECONDS=8");
	lease = world_rows(w, "SELECT * FROM leases");
	let_pass(5000);
	same(world_rows(w, "SELECT * FROM leases"), lease);
	world_close(w);
}

/* Those of types that this worker does not run must not stand before those that it does. */
Test(trouble, orphans_of_other_types_do_not_hide_a_podcast)
{
	struct world *w = world_open();
	int first;
	const char *id;

	world_agents(w, "--style", "async", "--latency-pswa", "2000");
	first = world_worker(w, "CPOA_DRAIN_SECONDS=0.1");
	id = world_podcast(w, "released", NULL);
	world_await_calls(w, "agent=pswa&kind=submit", 1);
	worker_signal(w, first, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, first, SOON_MS), 0);
	same(world_rows(w, "SELECT overall_status, claimed_by FROM workflow_instances"),
	     "in_progress|0");
	world_sql(w, "WITH dead AS (INSERT INTO leases (worker, version)"
		     " SELECT 'dead' || n, '0' FROM generate_series(1, 70) n RETURNING lease_id)"
		     " INSERT INTO workflow_instances (trigger_event_type, overall_status,"
		     " claimed_by, claims, idempotency_key, trigger_event_details_json)"
		     " SELECT 'search_results_generation', 'in_progress', lease_id, 1,"
		     " 'dead' || lease_id, '{\"query\":\"q\"}' FROM dead");
	world_worker(w, "CPOA_WORKFLOWS=podcast_generation");
	same(json_at(world_event(w, NULL, id, 0, 3000)->body, "data.status"), "completed");
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"
			   " WHERE trigger_event_type = 'search_results_generation'"
			   " AND overall_status = 'in_progress'"),
	     "70");
	world_close(w);
}

/* ---- what PostgreSQL refuses ---- */

Test(trouble, a_dead_letter_that_is_refused_waits_and_harms_no_other)
{
	struct world *w = world_open();
	struct job_spec bad = world_podcast_spec(w, "malformed", NULL);
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, NULL);
	world_sql(w, "ALTER TABLE dead_letters ADD CONSTRAINT broken CHECK (false) NOT VALID");
	bad.body = "{";
	world_publish(w, &bad);
	for (int i = 0; i < 5; i++)
		world_podcast(w, world_format(w, "good%d", i), NULL);
	world_await_ends(w, 5, 5000);
	let_pass(2000);
	cr_assert_lt(log_lines(w, worker), 60, "%d lines", log_lines(w, worker));
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_sql(w, "ALTER TABLE dead_letters DROP CONSTRAINT broken");
	cr_assert(await_rows(w, "malformed|invalid_json",
			     "SELECT message_id, reason FROM dead_letters", SOON_MS));
	world_expect_completed(w, 5);
	world_close(w);
}

Test(trouble, an_end_that_is_refused_is_tried_again)
{
	struct world *w = world_open();
	struct json_object *end;
	const char *id;
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, NULL);
	world_sql(w, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
		     " $$ BEGIN RAISE EXCEPTION 'not now'; END $$");
	world_sql(w, "CREATE TRIGGER refuse BEFORE UPDATE ON workflow_instances FOR EACH ROW"
		     " WHEN (NEW.end_timestamp IS NOT NULL) EXECUTE FUNCTION refuse()");
	id = world_podcast(w, "refused", NULL);
	cr_assert(await_log(w, worker, "not now", SOON_MS));
	let_pass(2000);
	same(world_rows(w, "SELECT overall_status FROM workflow_instances"), "in_progress");
	cr_assert_lt(log_lines(w, worker), 60, "%d lines", log_lines(w, worker));
	world_sql(w, "DROP TRIGGER refuse ON workflow_instances");
	/* Which end it is depends on which of the two is tried as the trigger goes. */
	end = world_event(w, NULL, id, 0, 8000)->body;
	same(json_at(end, "data.status"),
	     world_rows(w, "SELECT overall_status FROM workflow_instances"));
	/* Its reply was in what was refused, so it is asked again: now and then, by the same key.
	 */
	cr_assert_eq(world_stat(w, "vfa", "distinct_keys"), 1);
	cr_assert_leq(world_stat(w, "vfa", "submits"), 10, "%d",
		      (int)world_stat(w, "vfa", "submits"));
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	cr_assert_eq(world_events(w, NULL, NULL), 1);
	world_close(w);
}

/* ---- locks ---- */

Test(trouble, a_locked_row_delays_its_own_podcast_alone)
{
	struct world *w = world_open();
	struct db *locker;
	int64_t start;

	world_agents(w, NULL);
	world_worker(w, NULL);
	locker = lock_podcast_row(w, "locked");
	start = clock_mono_ms();
	world_podcast(w, "locked", NULL);
	for (int i = 0; i < 5; i++)
		world_podcast(w, world_format(w, "free%d", i), NULL);
	for (int i = 0; i < 5; i++)
		world_end(w, world_id(w, world_format(w, "free%d", i)));
	cr_assert_lt(clock_mono_ms() - start, 5000);
	cr_assert_eq(world_events(w, NULL, world_id(w, "locked")), 0);
	say(locker, "COMMIT");
	same(json_at(world_end(w, world_id(w, "locked")), "data.status"), "completed");
	same(world_rows(w, "SELECT cpoa_status FROM podcasts"), "completed");
	same(world_rows(w, "SELECT max(claims) FROM workflow_instances"), "1");
	db_close(locker);
	world_expect_completed(w, 6);
	world_close(w);
}

Test(trouble, sigterm_amid_searches_and_a_locked_row_gives_all_back)
{
	enum { SEARCHES = 6 };
	struct world *w = world_open();
	struct db *locker;
	int worker;

	world_agents(w, "--style", "sync", "--latency-iga", "5000");
	worker = world_worker(w, "CPOA_DRAIN_SECONDS=0.5");
	locker = lock_podcast_row(w, "locked");
	for (int i = 0; i < SEARCHES; i++)
		order_search(w, world_format(w, "s%d", i));
	world_podcast(w, "locked", NULL);
	world_await_calls(w, "agent=iga", SEARCHES);
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	cr_assert_not(log_contains(w, worker, "Sanitizer"));
	same(world_rows(w, "SELECT count(*) FROM workflow_instances WHERE claimed_by > 0"), "0");
	same(world_rows(w, "SELECT count(*) >= %d FROM workflow_instances WHERE claimed_by = 0",
			SEARCHES),
	     "t");
	say(locker, "COMMIT");
	db_close(locker);
	world_control(w, "{\"latency_iga\":0}");
	world_worker(w, NULL);
	for (int i = 0; i < SEARCHES; i++)
		same(json_at(world_end(w, world_id(w, world_format(w, "s%d", i))), "data.status"),
		     "completed");
	cr_assert_eq(world_contradictions(w), 0);
	world_close(w);
}

/* What waits for somebody else's lock does not hold up the end, and has not died. */
Test(trouble, a_locked_row_does_not_hold_up_a_drain)
{
	struct world *w = world_open();
	struct db *locker;
	int64_t start;
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, "CPOA_DRAIN_SECONDS=0.5");
	locker = lock_podcast_row(w, "locked");
	world_podcast(w, "locked", NULL);
	let_pass(1000);
	start = clock_mono_ms();
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	cr_assert_lt(clock_mono_ms() - start, 3000, "%d ms", (int)(clock_mono_ms() - start));
	say(locker, "COMMIT");
	db_close(locker);
	world_worker(w, NULL);
	same(json_at(world_end(w, world_id(w, "locked")), "data.status"), "completed");
	same(world_rows(w, "SELECT max(claims) FROM workflow_instances"), "1");
	world_close(w);
}

/* ---- turns ---- */

/* ---- full ---- */

/* A number of the podcasts' queue; the management API lags by seconds. */
static int queue_number(struct world *w, const char *path)
{
	const char *url = world_format(w, "%s/api/queues/%s/cpoa.jobs.podcast_generation",
				       getenv("CPOA_TEST_MQ_API"), w->name);
	struct json_object *o = NULL;
	struct err e;
	char *answer;
	int n;

	cr_assert_eq(http_exchange("GET", url, NULL, &answer), 200);
	cr_assert_eq(json_read(answer, strlen(answer), JSON_DEPTH_MAX, JSON_MEND, &o, &e), JSON_OK,
		     "%s", e.text);
	free(answer);
	n = (int)strtol(json_at(o, path), NULL, 10);
	json_object_put(o);
	return n;
}

static bool all_counted(void *w)
{
	return queue_number(w, "message_stats.ack") >= 7;
}

/* The broker sends again what the dead one had, to one that has no room: once, not all the time. */
Test(trouble, a_full_worker_does_not_ask_for_the_same_again_and_again)
{
	struct world *w = world_open();
	int first, second;

	world_agents(w, "--style", "async", "--latency-pswa", "5000");
	first = world_worker(w, "CPOA_MAX_INFLIGHT=4");
	for (int i = 0; i < 4; i++)
		world_podcast(w, world_format(w, "slow%d", i), NULL);
	world_await_calls(w, "agent=pswa&kind=submit", 4);
	second = world_worker(w, "CPOA_MAX_INFLIGHT=4");
	worker_signal(w, first, SIGKILL);
	cr_assert_eq(worker_wait_exit(w, first, SOON_MS), 128 + SIGKILL);
	cr_assert(await_rows(w, "4", "SELECT count(*) FROM workflow_instances WHERE claims = 2",
			     SOON_MS));
	for (int i = 0; i < 3; i++)
		world_podcast(w, world_format(w, "more%d", i), NULL);
	let_pass(2000);
	cr_assert_lt(log_lines(w, second), 60, "%d lines", log_lines(w, second));
	world_control(w, "{\"latency_pswa\":0}");
	world_expect_completed(w, 7);
	cr_assert(await(all_counted, w, SOON_MS));
	cr_assert_lt(queue_number(w, "message_stats.redeliver"), 20, "%d",
		     queue_number(w, "message_stats.redeliver"));
	world_close(w);
}

/* The time that a call may take begins when its turn comes. */
Test(trouble, waiting_for_a_turn_is_no_timeout)
{
	struct world *w = world_open();

	world_agents(w, "--style", "sync", "--latency-pswa", "400");
	world_worker(w, "CPOA_PSWA_MAX_CONCURRENT=1", "CPOA_PSWA_POLLING_TIMEOUT_SECONDS=3");
	for (int i = 0; i < 16; i++)
		world_podcast(w, world_format(w, "p%d", i), NULL);
	world_expect_completed(w, 16);
	cr_assert_eq(world_stat(w, "pswa", "max_in_flight"), 1);
	cr_assert_eq(world_stat(w, "pswa", "submits"), 16);
	world_close(w);
}
