/* links: cpoa_world cpoa_db cpoa_mq */
/* `cpoa doctor` and what is around a worker: what is broken is made so here, and it must be named
 * together with its mend. */
#include <stdio.h>
#include <unistd.h>

#include "cpoa/db.h"

#include "doctor_help.h"
#include "front.h"

/* ---- nothing is wrong ---- */

Test(doctor, finds_nothing_where_nothing_is_wrong)
{
	struct world *w = open_well();
	struct json_object *found;
	const char *out;

	cr_assert_eq(examine(w, &found, NULL), DONE);
	cr_expect_eq(count(found, "wrong"), 0);
	cr_expect_eq(count(found, "skipped"), 0);
	expect_told(found, "postgresql sessions", "ok", "no proxy", NULL);
	expect_told(found, "grants", "ok", "each of a worker's", NULL);
	expect_told(found, "topology", "ok", "all 11", NULL);
	expect_told(found, "agents", "ok", "tda: http://", NULL);
	cr_expect_eq(world_queue(w, "cpoa.events.asf"), 0, "what was tried has come nowhere");
	cr_assert_eq(world_cpoa(w, &out, "doctor"), DONE);
	has(out, "ok       schema                version ");
	world_close(w);
}

/* A worker is at work meanwhile: nothing that the doctor does may disturb it. */
Test(doctor, does_not_disturb_a_worker)
{
	struct world *w = open_well();
	struct json_object *found;

	world_worker(w, NULL);
	cr_assert_eq(examine(w, &found, NULL), DONE);
	world_end(w, world_podcast(w, "one", NULL));
	cr_expect_eq(world_events(w, "completed", NULL), 1);
	world_close(w);
}

/* ---- configuration ---- */

Test(doctor, configuration)
{
	struct world *w = open_well();
	struct json_object *found;

	cr_assert_eq(examine(w, &found, "CPOA_MAX_INFLIHGT=7"), DONE, "it is only a warning");
	expect_told(found, "configuration", "warning", "Is CPOA_MAX_INFLIGHT meant?", "Unset it");
	cr_assert_eq(examine(w, &found, "CPOA_MAX_INFLIGHT=none"), USAGE);
	expect_told(found, "configuration", "wrong", "CPOA_MAX_INFLIGHT", "cpoa worker --help");
	expect_told(found, "agents", "skipped", "configuration", NULL);
	cr_assert_eq(examine(w, &found, "POSTGRES_HOST=", "DATABASE_URL="), USAGE);
	expect_told(found, "postgresql login", "wrong", "not configured", "DATABASE_URL");
	expect_told(found, "topology", "ok", "all 11", NULL);
	world_close(w);
}

/* ---- PostgreSQL ---- */

/* The servers of the tests ask for no password: these two roles are told apart by lines of their
 * own. */
static void make_strict_roles(struct world *w)
{
	const char *servers = getenv("CPOA_TEST_SERVERS"), *at, *hba;
	char *path, *text;
	FILE *f;

	if (!servers)
		cr_skip("CPOA_TEST_SERVERS is unset");
	path = file_read(world_format(w, "%s/pg/at", servers));
	path[strcspn(path, "\n")] = '\0';
	at = world_format(w, "%s/pg_hba.conf", path);
	text = file_read(at);
	world_sql_as_superuser(
		w,
		"DO $$ BEGIN CREATE ROLE doctor_scram LOGIN PASSWORD 'right';"
		"CREATE ROLE doctor_tls LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
	if (!strstr(text, "doctor_scram")) {
		hba = world_format(w,
				   "host all doctor_scram all scram-sha-256\n"
				   "hostssl all doctor_tls all trust\n"
				   "host all doctor_tls all reject\n%s",
				   text);
		f = fopen(at, "we");
		cr_assert(f && fputs(hba, f) >= 0 && fclose(f) == 0, "%s", at);
		world_sql_as_superuser(w, "SELECT pg_reload_conf()");
	}
	free(path);
	free(text);
}

Test(doctor, postgresql_refuses_us)
{
	static struct front plain = {.postgres = true};
	struct world *w = open_well();
	struct json_object *found;

	make_strict_roles(w);
	cr_assert_eq(examine(w, &found, "POSTGRES_USER=doctor_scram", "POSTGRES_PASSWORD=wrong"),
		     USAGE);
	expect_told(found, "postgresql login", "wrong", "password authentication failed",
		    "Set POSTGRES_USER and POSTGRES_PASSWORD");
	expect_told(found, "schema", "skipped", "no session", NULL);
	expect_told(found, "grants", "skipped", "no schema", NULL);
	expect_told(found, "agents", "ok", "pswa", NULL);

	cr_assert_eq(examine(w, &found, "POSTGRES_USER=doctor_tls", "POSTGRES_SSLMODE=disable"),
		     USAGE);
	expect_told(found, "postgresql login", "wrong", "no encryption", "The server demands TLS");

	plain.to = (int)strtol(getenv("POSTGRES_PORT"), NULL, 10);
	front_start(&plain);
	cr_assert_eq(examine(w, &found, "POSTGRES_SSLMODE=require",
			     world_format(w, "POSTGRES_PORT=%d", plain.port)),
		     USAGE);
	expect_told(found, "postgresql login", "wrong", "PostgreSQL", "The server has no TLS");

	cr_assert_eq(examine(w, &found, "POSTGRES_DB=nowhere"), USAGE);
	expect_told(found, "postgresql login", "wrong", "nowhere", "Set POSTGRES_DB");

	cr_assert_eq(examine(w, &found, "POSTGRES_HOST=",
			     "DATABASE_URL=postgresql://me:with/slash@127.0.0.1:1/x"),
		     USAGE);
	expect_told(found, "postgresql login", "wrong", "%2F for a /", "Write DATABASE_URL");

	cr_assert_eq(examine(w, &found, "POSTGRES_PORT=1"), NO_SERVER);
	expect_told(found, "postgresql login", "wrong", "refused", "Start PostgreSQL");
	world_close(w);
}

static void start_pgbouncer(struct world *w, struct child *c, int port, const char *pool_mode)
{
	const char *file = world_format(w, "%s/pgbouncer.ini", world_folder(w));
	const char *as_root[] = {"/usr/bin/setpriv",
				 "--reuid=postgres",
				 "--regid=postgres",
				 "--init-groups",
				 "--pdeathsig",
				 "KILL",
				 "/usr/sbin/pgbouncer",
				 file,
				 NULL};
	struct environment env = {0};
	FILE *f = fopen(file, "we");

	cr_assert(f);
	fprintf(f,
		"[databases]\n%s = host=%s port=%s user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
		"listen_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = %s\n",
		world_rows(w, "SELECT current_database()"), getenv("POSTGRES_HOST"),
		getenv("POSTGRES_PORT"), getenv("POSTGRES_USER"), port, pool_mode);
	cr_assert_eq(fclose(f), 0);
	snprintf(c->log, sizeof(c->log), "%.400s/pgbouncer.log", world_folder(w));
	/* It refuses to run as root. */
	child_start(c, world_folder(w), geteuid() == 0 ? as_root : as_root + 6, &env, -1);
	environment_release(&env);
}

struct answering {
	const char *port;
	struct world *w;
};

static bool answers(void *ctx)
{
	struct answering *a = ctx;
	struct db_options o = {.host = "127.0.0.1",
			       .port = strtol(a->port, NULL, 10),
			       .user = "cpoa",
			       .dbname = world_rows(a->w, "SELECT current_database()")};
	struct err e;
	struct db *db = db_open(&o, &e);

	db_close(db);
	return db;
}

static void behind_pgbouncer(const char *pool_mode, const char *verdict, const char *text)
{
	struct world *w = open_well();
	const char *port = world_format(w, "%d", free_port());
	struct json_object *found;
	struct child bouncer = {0};

	if (access("/usr/sbin/pgbouncer", X_OK) != 0)
		cr_skip("pgbouncer is not installed");
	start_pgbouncer(w, &bouncer, (int)strtol(port, NULL, 10), pool_mode);
	cr_assert(await(answers, &(struct answering){port, w}, SOON_MS), "%s",
		  file_read(bouncer.log));
	cr_assert_eq(examine(w, &found, world_format(w, "POSTGRES_PORT=%s", port)),
		     strcmp(verdict, "wrong") == 0 ? FAILED : DONE);
	expect_told(found, "postgresql sessions", verdict, text, "pool_mode = session");
	child_kill(&bouncer);
	world_close(w);
}

Test(doctor, a_pooler_by_the_transaction_in_between)
{
	behind_pgbouncer("transaction", "wrong", "by the transaction");
}

Test(doctor, a_pooler_by_the_session_in_between)
{
	behind_pgbouncer("session", "warning", "a proxy stands between");
}

Test(doctor, a_database_that_takes_no_writes_or_forgets)
{
	struct world *w = open_well();
	const char *name = world_rows(w, "SELECT current_database()");
	struct json_object *found;

	world_sql(w, "ALTER DATABASE %s SET default_transaction_read_only = on", name);
	world_sql(w, "ALTER DATABASE %s SET synchronous_commit = off", name);
	world_sql(w, "ALTER DATABASE %s SET statement_timeout = '7s'", name);
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "postgresql writable", "wrong", "read-only",
		    "default_transaction_read_only = off");
	expect_told(found, "postgresql settings", "warning", "synchronous_commit is off", "on");
	expect_told(found, "postgresql settings", "warning", "statement_timeout is 7s",
		    "statement_timeout = 0");
	world_close(w);
}

/* A function of that name before PostgreSQL's own, so that the server's clock is another one. */
static void shift_server_clock(struct world *w, const char *by)
{
	world_sql(
		w,
		"CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE "
		"sql AS 'SELECT pg_catalog.clock_timestamp() + interval ''%s'''",
		by);
	world_sql(w, "ALTER DATABASE %s SET search_path = public, pg_catalog",
		  world_rows(w, "SELECT current_database()"));
}

Test(doctor, a_clock_that_is_off)
{
	struct world *w = open_well();
	struct json_object *found;

	shift_server_clock(w, "1 minute");
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "postgresql clock", "wrong", "s behind PostgreSQL's", "NTP");
	shift_server_clock(w, "-1 minute");
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "postgresql clock", "wrong", "s ahead of PostgreSQL's", "NTP");
	shift_server_clock(w, "5 seconds");
	cr_assert_eq(examine(w, &found, NULL), DONE);
	expect_told(found, "postgresql clock", "warning", "s behind PostgreSQL's", "NTP");
	world_close(w);
}

Test(doctor, a_schema_that_does_not_fit)
{
	struct world *w = world_open_unmigrated();
	struct json_object *found;

	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "schema", "wrong", "missing", "cpoa migrate");
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), DONE);
	world_sql(w, "DELETE FROM schema_migrations WHERE version > 1");
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "schema", "wrong", "at version 1", "cpoa migrate");
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), DONE);
	world_sql(w, "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1");
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "schema", "wrong", "not the one of this program", "migrate status");
	world_close(w);
}

Test(doctor, a_grant_that_is_missing)
{
	struct world *w = open_well();
	struct json_object *found;
	const char *role = world_format(w, "doctor_%ld", (long)getpid());
	const char *user = world_format(w, "POSTGRES_USER=%s", role);

	world_sql_as_superuser(w,
			       "CREATE ROLE %s LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
			       "TABLES IN SCHEMA public TO %s; GRANT USAGE ON ALL SEQUENCES IN "
			       "SCHEMA public TO %s",
			       role, role, role);
	cr_assert_eq(examine(w, &found, user), DONE);
	world_sql_as_superuser(w,
			       "REVOKE UPDATE ON task_instances FROM %s; "
			       "REVOKE USAGE ON SEQUENCE dead_letters_id_seq FROM %s",
			       role, role);
	cr_assert_eq(examine(w, &found, user), FAILED);
	expect_told(found, "grants", "wrong", "permission denied for table task_instances",
		    "GRANT");
	expect_told(found, "grants", "wrong", "dead_letters_id_seq", "GRANT");
	world_sql_as_superuser(w, "DROP OWNED BY %s; DROP ROLE %s", role, role);
	world_close(w);
}

Test(doctor, a_lock_table_that_is_too_small)
{
	struct world *w = open_well();
	struct json_object *found;

	world_sql(w, "INSERT INTO leases (worker, version) SELECT 'w', '1' FROM "
		     "generate_series(1, 3000)");
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "lock table", "wrong", "3001 workers", "max_locks_per_transaction = ");
	world_close(w);
}

/* ---- agents ---- */

Test(doctor, an_agent_whose_port_is_closed)
{
	struct world *w = open_well();
	struct json_object *found;

	cr_assert_eq(
		examine(w, &found, "VFA_SERVICE_URL=http://127.0.0.1:1/forge_voice",
			"WCHA_SERVICE_BASE_URL=", "WCHA_SEARCH_URL=http://127.0.0.1:1/?q={query}"),
		FAILED);
	expect_told(found, "agents", "wrong", "vfa: http://127.0.0.1:1/", "VFA_SERVICE_URL");
	expect_told(found, "agents", "wrong", "the search engine: http://127.0.0.1:1/",
		    "WCHA_SEARCH_URL");
	cr_expect_eq(count(found, "wrong"), 2);
	cr_assert_eq(examine(w, &found, "IGA_SERVICE_URL=http://[bad/"), FAILED);
	expect_told(found, "agents", "wrong", "IGA_SERVICE_URL", "address");
	world_close(w);
}
