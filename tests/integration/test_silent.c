/* links: cpoa_world cpoa_engine cpoa_db cpoa_mq PkgConfig::PQ */
/* Sessions that outlive their worker: PostgreSQL waits for the rest of what it has begun to say. */
#include "world.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "engine/sql.h"

enum { LEASE_MS = 1000 };

static const char work_of[] = "SELECT overall_status, claimed_by <> 0 FROM workflow_instances";

/* ---- a worker that fell silent ---- */

static PGconn *connect_as(struct world *w, const char *user)
{
	const char *const names[] = {"host", "port", "user", "password", "dbname", NULL};
	const char *const values[] = {getenv("POSTGRES_HOST"),
				      getenv("POSTGRES_PORT"),
				      user,
				      getenv("POSTGRES_PASSWORD"),
				      world_rows(w, "SELECT current_database()"),
				      NULL};
	PGconn *conn = PQconnectdbParams(names, values, 0);

	cr_assert_eq(PQstatus(conn), CONNECTION_OK, "%s", PQerrorMessage(conn));
	return conn;
}

static const char *worker_role(void)
{
	const char *role = getenv("CPOA_TEST_WORK_USER");

	return role ? role : getenv("POSTGRES_USER");
}

static void run(PGconn *conn, const char *sql)
{
	PGresult *r = PQexec(conn, sql);

	cr_assert_neq(PQresultStatus(r), PGRES_FATAL_ERROR, "%s", PQerrorMessage(conn));
	PQclear(r);
}

/*
 * Takes a lease and claims what there is, as a worker does, and then says half of a transaction
 * that writes to it: the statement and no Sync, so that no timeout of the server's runs.
 */
static PGconn *fall_silent(struct world *w, const char *user)
{
	PGconn *conn = connect_as(w, user);

	run(conn, world_format(w,
			       "SELECT pg_advisory_lock(%d, nextval('leases_lease_id_seq')::int4);"
			       "INSERT INTO leases (lease_id, worker, version) VALUES"
			       " (currval('leases_lease_id_seq'), 'fallen', '0');"
			       "UPDATE workflow_instances SET claimed_by ="
			       " currval('leases_lease_id_seq') WHERE claimed_by = 0",
			       LEASE_CLASS));
	cr_assert(PQenterPipelineMode(conn));
	cr_assert(PQsendQueryParams(conn, "UPDATE workflow_instances SET claims = 77", 0, NULL,
				    NULL, NULL, NULL, 0));
	cr_assert_eq(PQflush(conn), 0);
	cr_assert(await_rows(w, "1",
			     world_format(w,
					  "SELECT count(*) FROM pg_locks WHERE pid = %d"
					  " AND locktype = 'transactionid'",
					  PQbackendPID(conn)),
			     SOON_MS));
	return conn;
}

static bool is_gone(void *ctx)
{
	return !PQconsumeInput(ctx) || PQstatus(ctx) == CONNECTION_BAD;
}

/* A podcast that waits for an agent and that nobody runs. */
static const char *leave_a_podcast(struct world *w)
{
	const char *id;
	int worker;

	world_agents(w, "--style", "async", "--latency-pswa", "4000");
	worker = world_worker(w, "CPOA_DRAIN_SECONDS=0.1");
	id = world_podcast(w, "left", NULL);
	cr_assert(await_rows(w, "1",
			     "SELECT count(*) FROM task_instances WHERE call_name = 'pswa'"
			     " AND external_celery_task_id IS NOT NULL",
			     SOON_MS));
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	same(world_rows(w, "%s", work_of), "in_progress|f");
	return id;
}

/* ---- tests ---- */

Test(silent, a_session_in_the_midst_of_a_pipeline_is_ended)
{
	struct world *w = world_open();
	const char *id = leave_a_podcast(w);
	PGconn *fallen = fall_silent(w, worker_role());
	int64_t since = clock_mono_ms(), ended;
	int worker = world_worker(w, "CPOA_LEASE_SECONDS=1");

	cr_assert(await_log(w, worker, "a worker was silent for longer than the lease", SOON_MS));
	ended = clock_mono_ms() - since;
	cr_assert_geq(ended, LEASE_MS, "after %lld ms", (long long)ended);
	cr_assert(await_log(w, worker, "workflow taken over", 2000));
	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w, "SELECT claims FROM workflow_instances"), "2");
	cr_assert_eq(world_call_count(w, "agent=pswa&kind=submit"), 1);
	cr_assert(await(is_gone, fallen, SOON_MS));
	PQfinish(fallen);
	world_close(w);
}

/* Before PostgreSQL 14 there is no idle_session_timeout, and operators set others. */
Test(silent, an_idle_session_is_ended)
{
	struct world *w = world_open();
	const char *id = leave_a_podcast(w);
	PGconn *fallen = fall_silent(w, worker_role());
	int worker;

	cr_assert(PQpipelineSync(fallen) && PQflush(fallen) == 0);
	worker = world_worker(w, "CPOA_LEASE_SECONDS=1");
	cr_assert(await_log(w, worker, "workflow taken over", SOON_MS));
	same(json_at(world_end(w, id), "data.status"), "completed");
	PQfinish(fallen);
	world_close(w);
}

/* What we may not end we do not try to: the look for orphans goes on. */
Test(silent, a_session_of_another_role_is_left_alone)
{
	struct world *w;
	const char *id;
	PGconn *fallen;
	int worker;

	if (!getenv("CPOA_TEST_WORK_USER"))
		cr_skip("CPOA_TEST_WORK_USER is unset");
	w = world_open();
	id = leave_a_podcast(w);
	fallen = fall_silent(w, getenv("POSTGRES_USER"));
	worker = world_worker(w, "CPOA_LEASE_SECONDS=1");
	let_pass(2 * LEASE_MS);
	cr_assert_not(log_contains(w, worker, "silent for longer"));
	cr_assert_not(log_contains(w, worker, "refused a statement"));
	PQfinish(fallen);
	same(json_at(world_end(w, id), "data.status"), "completed");
	world_close(w);
}

Test(silent, workers_that_are_well_leave_each_other_alone)
{
	struct world *w = world_open();
	const char *leases;

	world_agents(w, NULL);
	world_worker(w, "CPOA_LEASE_SECONDS=2", "CPOA_RESCUE_INTERVAL_SECONDS=8");
	world_worker(w, "CPOA_LEASE_SECONDS=2", "CPOA_RESCUE_INTERVAL_SECONDS=8");
	leases = world_rows(w, "SELECT lease_id FROM leases ORDER BY 1");
	let_pass(5000);
	same(world_rows(w, "SELECT lease_id FROM leases ORDER BY 1"), leases);
	world_close(w);
}
