/* links: cpoa_world cpoa_db cpoa_mq */
/* `cpoa doctor`: what is broken is made so here, and it must be named together with its mend. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/db.h"
#include "cpoa/json.h"

#include "world_parts.h"

enum { DONE = 0, FAILED = 1, USAGE = 2, NO_SERVER = 4, ARGUMENTS = 16 };

/* ---- asking the doctor ---- */

static void put_json(void *o)
{
	json_object_put(o);
}

/* `cpoa doctor --json` with further "NAME=value"s; its exit code and what it found. */
static int examine_with(struct world *w, struct json_object **found, const char *const *environment)
{
	const char *argv[ARGUMENTS] = {"/usr/bin/env"};
	struct err e = {0};
	const char *out;
	int n = 1, code;

	for (; *environment; environment++)
		argv[n++] = *environment;
	argv[n++] = getenv("CPOA_BIN");
	argv[n++] = "doctor";
	argv[n] = "--json";
	code = world_run(w, &out, argv);
	cr_assert_eq(json_read(out, strlen(out), JSON_DEPTH_MAX, JSON_STRICT, found, &e), JSON_OK,
		     "%s: %s", e.text, out);
	world_keep(w, *found, put_json);
	return code;
}
#define examine(w, found, ...) examine_with(w, found, (const char *const[]){__VA_ARGS__, NULL})

static int count(struct json_object *found, const char *verdict)
{
	int n = 0;

	for (size_t i = 0; i < json_object_array_length(found); i++)
		n += strcmp(json_str(json_object_array_get_idx(found, i), "verdict"), verdict) == 0;
	return n;
}

/* Whether there is a finding of that check and verdict with such a text and mend (NULL: none). */
static bool tells(struct json_object *found, const char *check, const char *verdict,
		  const char *text, const char *mend)
{
	for (size_t i = 0; i < json_object_array_length(found); i++) {
		struct json_object *o = json_object_array_get_idx(found, i);
		const char *its = json_str(o, "mend");

		if (strcmp(json_str(o, "check"), check) == 0 &&
		    strcmp(json_str(o, "verdict"), verdict) == 0 &&
		    strstr(json_str(o, "text"), text) && (mend ? its && strstr(its, mend) : !its))
			return true;
	}
	return false;
}
#define expect_told(found, ...)                    \
	cr_assert(tells(found, __VA_ARGS__), "%s", \
		  json_object_to_json_string_ext(found, JSON_C_TO_STRING_PRETTY))

/* A world in which nothing is wrong. */
static struct world *open_well(void)
{
	struct world *w = world_open();

	world_agents(w, "--style", "mixed");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), DONE);
	return w;
}

static int free_port(struct world *w)
{
	const char *out;

	cr_assert_eq(world_run(w, &out,
			       (const char *const[]){"/bin/bash", getenv("CPOA_SERVERS_SH"), "port",
						     NULL}),
		     0);
	return (int)strtol(out, NULL, 10);
}

static struct db *superuser(const char *dbname)
{
	struct db_options o = {.host = getenv("POSTGRES_HOST"),
			       .port = strtol(getenv("POSTGRES_PORT"), NULL, 10),
			       .user = "postgres",
			       .dbname = dbname,
			       .connect_timeout_s = 10};
	struct err e;
	struct db *db = db_open(&o, &e);

	cr_assert(db, "%s", e.text);
	return db;
}

static void run(struct db *db, const char *sql)
{
	struct err e;

	cr_assert(db_script(db, sql, &e), "%s: %s", sql, e.text);
}

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
	struct db *db = superuser("postgres");
	const char *servers = getenv("CPOA_TEST_SERVERS"), *at, *hba;
	char *path, *text;
	FILE *f;

	if (!servers)
		cr_skip("CPOA_TEST_SERVERS is unset");
	path = file_read(world_format(w, "%s/pg/at", servers));
	path[strcspn(path, "\n")] = '\0';
	at = world_format(w, "%s/pg_hba.conf", path);
	text = file_read(at);
	run(db, "DO $$ BEGIN CREATE ROLE doctor_scram LOGIN PASSWORD 'right';"
		"CREATE ROLE doctor_tls LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
	if (!strstr(text, "doctor_scram")) {
		hba = world_format(w,
				   "host all doctor_scram all scram-sha-256\n"
				   "hostssl all doctor_tls all trust\n"
				   "host all doctor_tls all reject\n%s",
				   text);
		f = fopen(at, "we");
		cr_assert(f && fputs(hba, f) >= 0 && fclose(f) == 0, "%s", at);
		run(db, "SELECT pg_reload_conf()");
	}
	free(path);
	free(text);
	db_close(db);
}

Test(doctor, postgresql_refuses_us)
{
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

	cr_assert_eq(examine(w, &found, "POSTGRES_USER=doctor_tls"), USAGE);
	expect_told(found, "postgresql login", "wrong", "no encryption", "The server demands TLS");

	cr_assert_eq(examine(w, &found, "POSTGRES_SSLMODE=require"), USAGE);
	expect_told(found, "postgresql login", "wrong", "PostgreSQL", "The server has no TLS");

	cr_assert_eq(examine(w, &found, "POSTGRES_DB=nowhere"), USAGE);
	expect_told(found, "postgresql login", "wrong", "nowhere", "Set POSTGRES_DB");

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
	const char *port = world_format(w, "%d", free_port(w));
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
	struct db *db = superuser(world_rows(w, "SELECT current_database()"));
	const char *role = world_format(w, "doctor_%ld", (long)getpid());
	const char *user = world_format(w, "POSTGRES_USER=%s", role);

	run(db, world_format(w,
			     "CREATE ROLE %s LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
			     "TABLES IN SCHEMA public TO %s; GRANT USAGE ON ALL SEQUENCES IN "
			     "SCHEMA public TO %s",
			     role, role, role));
	cr_assert_eq(examine(w, &found, user), DONE);
	run(db, world_format(w,
			     "REVOKE UPDATE ON task_instances FROM %s; "
			     "REVOKE USAGE ON SEQUENCE dead_letters_id_seq FROM %s",
			     role, role));
	cr_assert_eq(examine(w, &found, user), FAILED);
	expect_told(found, "grants", "wrong", "permission denied for table task_instances",
		    "GRANT");
	expect_told(found, "grants", "wrong", "dead_letters_id_seq", "GRANT");
	run(db, world_format(w, "DROP OWNED BY %s; DROP ROLE %s", role, role));
	db_close(db);
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

/* ---- RabbitMQ ---- */

/* The world's AMQP_URL with other credentials, scheme or address. */
static const char *amqp(struct world *w, const char *scheme, const char *user, const char *vhost)
{
	const char *own = getenv("AMQP_URL"), *at = strchr(own, '@');
	size_t n;

	cr_assert(at);
	n = strcspn(at, "/");
	return world_format(w, "AMQP_URL=%s://%s%.*s/%s", scheme, user, (int)n, at, vhost);
}

static const char *vhost_of(struct world *w)
{
	return world_rows(w, "SELECT current_database()"); /* they bear the same name */
}

Test(doctor, rabbitmq_refuses_us)
{
	struct world *w = open_well();
	struct json_object *found;

	cr_assert_eq(examine(w, &found, amqp(w, "amqp", "guest:wrong", vhost_of(w))), USAGE);
	expect_told(found, "rabbitmq login", "wrong", "ACCESS_REFUSED",
		    "Set the user and password");
	expect_told(found, "topology", "skipped", "no connection", NULL);
	cr_assert_eq(examine(w, &found, amqp(w, "amqp", "guest:guest", "nowhere")), USAGE);
	expect_told(found, "rabbitmq login", "wrong", "nowhere", "Set the virtual host");
	cr_assert_eq(examine(w, &found, amqp(w, "amqps", "guest:guest", vhost_of(w))), USAGE);
	expect_told(found, "rabbitmq login", "wrong", "the broker speaks without it", "TLS port");
	cr_assert_eq(examine(w, &found, "AMQP_URL=amqp://127.0.0.1:1/"), NO_SERVER);
	expect_told(found, "rabbitmq login", "wrong", "RabbitMQ at 127.0.0.1:1", "Start RabbitMQ");
	world_close(w);
}

struct listener {
	const char *url;
};

static bool speaks_tls(void *ctx)
{
	return mq_tongue(((struct listener *)ctx)->url, 1000) == MQ_TONGUE_TLS;
}

Test(doctor, a_broker_that_demands_tls)
{
	struct world *w = open_well();
	const char *key = world_format(w, "%s/key.pem", world_folder(w));
	const char *cert = world_format(w, "%s/cert.pem", world_folder(w));
	const char *port = world_format(w, "%d", free_port(w));
	const char *url = world_format(w, "amqp://guest:guest@127.0.0.1:%s/", port);
	struct environment env = {0};
	struct json_object *found;
	struct child tls = {0};

	cr_assert_eq(world_run(w, NULL,
			       (const char *const[]){"/usr/bin/openssl", "req", "-x509", "-newkey",
						     "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
						     "-nodes", "-subj", "/CN=localhost", "-days",
						     "1", "-keyout", key, "-out", cert, NULL}),
		     0);
	snprintf(tls.log, sizeof(tls.log), "%.400s/tls.log", world_folder(w));
	child_start(&tls, world_folder(w),
		    (const char *const[]){"/usr/bin/openssl", "s_server", "-quiet", "-accept", port,
					  "-key", key, "-cert", cert, NULL},
		    &env, -1);
	cr_assert(await(speaks_tls, &(struct listener){url}, SOON_MS), "%s", file_read(tls.log));
	cr_assert_eq(examine(w, &found, world_format(w, "AMQP_URL=%s", url)), USAGE);
	expect_told(found, "rabbitmq login", "wrong", "the broker demands TLS", "amqps://");
	child_kill(&tls);
	world_close(w);
}

Test(doctor, queues_that_are_missing_or_of_another_kind)
{
	struct world *w = open_well();
	struct json_object *found;
	struct err e;

	cr_assert_eq(world_api(w, "DELETE", "/api/queues/{vhost}/cpoa.dead", NULL), 204);
	cr_assert_eq(
		world_api(w, "DELETE", "/api/queues/{vhost}/cpoa.jobs.topic_exploration", NULL),
		204);
	cr_assert(mq_declare_queue(world_mq(w), "cpoa.jobs.topic_exploration", false, NULL, 0, NULL,
				   &e),
		  "%s", e.text);
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "topology", "wrong", "missing: queue cpoa.dead", "cpoa topology apply");
	expect_told(
		found, "topology", "wrong",
		"queue cpoa.jobs.topic_exploration: declare queue: RabbitMQ: PRECONDITION_FAILED",
		"delete it");
	cr_expect_eq(count(found, "wrong"), 2);
	cr_assert_eq(examine(w, &found, NULL), FAILED, "it has mended nothing by itself");
	expect_told(found, "topology", "wrong", "missing: queue cpoa.dead", "cpoa topology apply");
	world_close(w);
}

Test(doctor, permissions_that_are_missing)
{
	struct world *w = open_well();
	const char *user = world_format(w, "doctor%ld", (long)getpid());
	const char *path = world_format(w, "/api/users/%s", user);
	const char *permissions = world_format(w, "/api/permissions/{vhost}/%s", user);
	const char *url = amqp(w, "amqp", world_format(w, "%s:secret", user), vhost_of(w));
	struct json_object *found;

	world_api(w, "PUT", path, "{\"password\":\"secret\",\"tags\":\"\"}");
	world_api(w, "PUT", permissions,
		  "{\"configure\":\"^cpoa\",\"write\":\"^(cpoa.*|amq.default)$\",\"read\":\"^"
		  "cpoa\"}");
	cr_assert_eq(examine(w, &found, url), DONE);
	world_api(w, "PUT", permissions,
		  "{\"configure\":\"^$\",\"write\":\"^amq.default$\",\"read\":\"^cpoa.jobs.p\"}");
	cr_assert_eq(examine(w, &found, url), FAILED);
	expect_told(found, "topology", "wrong", "ACCESS_REFUSED", "CPOA_DECLARE_TOPOLOGY=false");
	expect_told(found, "rabbitmq permissions", "wrong", "exchange 'cpoa.events'",
		    "set_permissions");
	expect_told(found, "rabbitmq permissions", "wrong", "cpoa.jobs.snippet_generation",
		    "set_permissions");
	cr_expect_eq(world_api(w, "DELETE", path, NULL), 204);
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
	world_close(w);
}
