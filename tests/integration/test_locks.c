/* links: cpoa_world cpoa_engine cpoa_db cpoa_mq */
/* What locked doors there are: the role that works, and RabbitMQ's permissions. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/db.h"

#include "engine/sql.h"

#include "orders.h"

static void need_role(void)
{
	if (!getenv("CPOA_TEST_WORK_USER"))
		cr_skip("CPOA_TEST_WORK_USER is unset");
}

TestSuite(locks, .init = need_role);

/* ---- the role that works ---- */

static struct db *open_as_worker(struct world *w)
{
	struct db_options o = {
		.host = getenv("POSTGRES_HOST"),
		.user = getenv("CPOA_TEST_WORK_USER"),
		.password = getenv("POSTGRES_PASSWORD"),
		.dbname = world_rows(w, "SELECT current_database()"),
		.port = strtol(getenv("POSTGRES_PORT"), NULL, 10),
		.application_name = "test",
	};
	struct err e;
	struct db *db = db_open(&o, &e);

	cr_assert(db, "%s", e.text);
	return db;
}

static void put_something(struct db_column *c)
{
	if (c->type == DB_TEXT)
		db_put_text(c, "x");
	else if (c->type == DB_TIME)
		db_put_time(c, 1);
	else if (c->type == DB_INT4 || c->type == DB_INT8)
		db_put_int(c, 1);
	else
		cr_assert_fail("a scalar of type %d: add it here", (int)c->type);
}

/* With arrays of nothing: PostgreSQL looks at the permissions all the same. */
static void expect_granted(struct db *db, const struct db_statement *s)
{
	struct db_column columns[DB_PARAMS_MAX];
	struct db_batch batch;
	struct err e = {0};

	for (unsigned i = 0; i < s->n_params; i++) {
		db_column_init(&columns[i], s->types[i]);
		db_column_reset(&columns[i]);
		if (s->scalars & 1U << i)
			put_something(&columns[i]);
	}
	db_batch_init(&batch);
	db_batch_add(&batch, s, columns);
	cr_expect(db_batch_run(db, &batch, &e), "%s: %s; does migrations/grants.sql lack a line?",
		  s->name, e.text);
	db_batch_clear(&batch);
	for (unsigned i = 0; i < s->n_params; i++)
		db_column_release(&columns[i]);
}

Test(locks, every_statement_has_its_grant)
{
	struct world *w = world_open();
	struct db *db = open_as_worker(w);
	struct err e;

	cr_assert(db_script(db, sql_session, &e), "%s", e.text);
	cr_assert(db_prepare(db, sql_table, SQL_COUNT, &e), "%s", e.text);
	for (int i = 0; i < SQL_COUNT; i++)
		expect_granted(db, &sql_table[i]);
	db_close(db);
	world_close(w);
}

Test(locks, the_role_can_do_nothing_else)
{
	static const char *const forbidden[] = {
		"CREATE TABLE mine (a int)",
		"CREATE SCHEMA mine",
		"CREATE ROLE other",
		"CREATE DATABASE other",
		"DROP TABLE leases",
		"ALTER TABLE leases ADD COLUMN mine int",
		"TRUNCATE leases",
		"SELECT hashed_password FROM users",
		"INSERT INTO users (user_id) VALUES (gen_random_uuid())",
		"UPDATE schema_migrations SET version = 99",
		"DELETE FROM podcasts",
		"DELETE FROM topics_snippets",
		"UPDATE replays SET who = 'nobody'",
		"CREATE TRIGGER mine BEFORE INSERT ON leases EXECUTE FUNCTION mine()",
		"COPY leases TO PROGRAM 'cat'",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cpoa'",
		"SELECT pg_read_file('/etc/passwd')",
		"ALTER SYSTEM SET fsync = off",
		"SET ROLE cpoa",
	};
	struct world *w = world_open();
	struct db *db = open_as_worker(w);

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		struct err e = {0};

		cr_expect_not(db_script(db, forbidden[i], &e), "%s", forbidden[i]);
		cr_expect_str_eq(e.code, "42501", "%s: %s", forbidden[i], e.text);
	}
	same(world_rows(w,
			"SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls "
			"FROM pg_roles WHERE rolname = '%s'",
			getenv("CPOA_TEST_WORK_USER")),
	     "f|f|f|f|f");
	same(world_rows(w, "SELECT count(*) FROM pg_tables WHERE tableowner = '%s'",
			getenv("CPOA_TEST_WORK_USER")),
	     "0");
	db_close(db);
	world_close(w);
}

Test(locks, workers_and_commands_work_as_it)
{
	struct world *w = world_open();
	const char *out, *id;

	world_agents(w, NULL);
	world_worker(w, NULL);
	id = world_podcast(w, "p", NULL);
	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w, "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = "
			   "current_database() AND application_name = 'cpoa'"),
	     getenv("CPOA_TEST_WORK_USER"));
	cr_assert_eq(world_cpoa(w, &out, "workflow", "show", id), 0);
	has(out, "completed");
	world_close(w);
}

/* The database's fault is not the job's: nothing is buried, and all goes on once it is mended. */
Test(locks, a_missing_grant_buries_no_job)
{
	struct world *w = world_open();
	const char *role = getenv("CPOA_TEST_WORK_USER"), *body;
	struct json_object *end;

	world_agents(w, NULL);
	/* After ten deliveries a job would be refused. */
	world_worker(w, "CPOA_MAX_CLAIMS=1");
	world_sql(w, "REVOKE INSERT ON task_instances FROM %s", role);
	for (int i = 0; i < 3; i++)
		world_podcast(w, world_format(w, "p%d", i), NULL);
	cr_assert(await_log(w, 0, "permission denied for table task_instances", SOON_MS));
	cr_assert(await_ready(w, 0, 503, SOON_MS), "it takes jobs that it cannot do");
	/* So long that it has tried again. */
	let_pass(5000);
	worker_get(w, 0, "/readyz", &body);
	has(body, "\"schema\":\"failed\"");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	cr_assert_eq(world_events(w, NULL, NULL), 0);
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 3);
	world_sql(w, "GRANT INSERT ON task_instances TO %s", role);
	for (int i = 0; i < 3; i++) {
		end = world_end(w, world_id(w, world_format(w, "p%d", i)));
		same(json_at(end, "data.status"), "completed");
	}
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_close(w);
}

/* That it may not read the schema's version does not mean that there is none. */
Test(locks, a_worker_that_may_not_read_the_schemas_version_says_so)
{
	struct world *w = world_open();
	const char *role = getenv("CPOA_TEST_WORK_USER");

	world_sql(w, "REVOKE SELECT ON schema_migrations FROM %s", role);
	world_worker_unready(w, NULL);
	cr_assert(await_log(w, 0, "permission denied for table schema_migrations", SOON_MS));
	cr_assert(log_contains(w, 0, "cpoa migrate --grant"));
	cr_assert_not(log_contains(w, 0, "the schema is missing"));
	world_sql(w, "GRANT SELECT ON schema_migrations TO %s", role);
	cr_assert(await_ready(w, 0, 200, SOON_MS));
	world_close(w);
}

/* Of the first worker's log. */
static int lines_with(struct world *w, const char *text)
{
	const char *out,
		*line = world_format(w, "grep -c '%s' %s/worker0.log || :", text, world_folder(w));

	world_run(w, &out, (const char *const[]){"/bin/sh", "-c", line, NULL});
	return (int)strtol(out, NULL, 10);
}

/* Its events are told, and cannot be struck out: that must not make a storm, nor keep it from its
 * end. */
Test(locks, a_strike_that_is_refused_holds_up_nothing)
{
	struct world *w = world_open();
	const char *role = getenv("CPOA_TEST_WORK_USER");

	world_agents(w, NULL);
	world_worker(w, NULL);
	world_sql(w, "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
		     "$$BEGIN RAISE EXCEPTION 'kept'; END$$");
	world_sql(w, "CREATE TRIGGER keep BEFORE DELETE ON outbox_events EXECUTE FUNCTION keep()");
	world_end(w, world_podcast(w, "one", NULL));
	world_end(w, world_podcast(w, "two", NULL));
	let_pass(2000);
	cr_assert_lt(lines_with(w, "kept"), 40);
	worker_signal(w, 0, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, 0, SOON_MS), 0);
	same(world_rows(w, "SELECT count(*) FROM outbox_events"), "4");
	worker_forget(w, 0);
	world_sql(w, "DROP TRIGGER keep ON outbox_events");
	/* The same of a grant. */
	world_worker(w, NULL);
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	world_sql(w, "REVOKE DELETE ON outbox_events FROM %s", role);
	world_podcast(w, "three", NULL);
	cr_assert(await_ready(w, 0, 503, SOON_MS));
	world_sql(w, "GRANT DELETE ON outbox_events TO %s", role);
	same(json_at(world_end(w, world_id(w, "three")), "data.status"), "completed");
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	cr_assert_eq(world_contradictions(w), 0);
	world_close(w);
}

Test(locks, a_look_up_that_is_refused_is_asked_again_in_peace)
{
	struct world *w = world_open();
	const char *id;

	world_agents(w, NULL);
	world_worker(w, NULL);
	world_sql(w,
		  "INSERT INTO topics_snippets (id, type, title, generation_timestamp) VALUES "
		  "('%s', 'topic', 'Tides', now())",
		  world_id(w, "stored"));
	world_sql(w, "CREATE FUNCTION shut() RETURNS boolean LANGUAGE plpgsql AS "
		     "$$BEGIN RAISE EXCEPTION 'shut'; END$$");
	world_sql(w, "CREATE POLICY shut ON topics_snippets USING (shut())");
	world_sql(w, "ALTER TABLE topics_snippets ENABLE ROW LEVEL SECURITY");
	id = order(w, "topic_exploration", "explore",
		   world_format(w, "{\"current_topic_id\":\"%s\"}", world_id(w, "stored")));
	cr_assert(await_log(w, 0, "find_topics: PostgreSQL: shut", SOON_MS));
	let_pass(2000);
	cr_assert_lt(lines_with(w, "find_topics: PostgreSQL: shut"), 40);
	world_sql(w, "ALTER TABLE topics_snippets DISABLE ROW LEVEL SECURITY");
	same(json_at(world_end(w, id), "data.status"), "completed");
	world_close(w);
}

static const char *migrate(struct world *w, int code, const char *user, const char *arguments)
{
	const char *out, *line = world_format(w, "exec env POSTGRES_USER=%s %s migrate %s 2>&1",
					      user, getenv("CPOA_BIN"), arguments);

	cr_expect_eq(world_run(w, &out, (const char *const[]){"/bin/sh", "-c", line, NULL}), code,
		     "%s: %s", arguments, out);
	return out;
}

Test(locks, grants_are_the_owners_to_give)
{
	struct world *w = world_open();
	const char *owner = getenv("POSTGRES_USER");

	has(migrate(w, 0, owner, "--grant 'a \"b' --dry-run"),
	    "GRANT SELECT ON schema_migrations TO \"a \"\"b\";");
	has(migrate(w, 5, owner, "--grant 'a \"b'"), "role \"a \"b\" does not exist");
	has(migrate(w, 2, owner, "--grant ''"), "name of a role");
	has(migrate(w, 0, owner, world_format(w, "--grant %s", getenv("CPOA_TEST_WORK_USER"))),
	    "may do what a worker");
	has(migrate(w, 5, getenv("CPOA_TEST_WORK_USER"), "--grant cpoa"),
	    "this takes the role that owns the tables");
	has(migrate(w, 0, getenv("CPOA_TEST_WORK_USER"), "status"), "applied");
	world_close(w);
}

/* ---- RabbitMQ ---- */

/* As README.md gives them. */
static const struct {
	const char *name, *configure, *write, *read;
} users[] = {
	{"worker", "^$", "^(cpoa\\\\.events|amq\\\\.default)$", "^cpoa\\\\.(jobs\\\\..*|dead)$"},
	{"declarer", "^cpoa\\\\..*$", "^(cpoa\\\\..*|amq\\\\.default)$", "^cpoa\\\\..*$"},
	{"gateway", "^$", "^cpoa\\\\.jobs$", "^$"},
	{"bridge", "^$", "^$", "^cpoa\\\\.events\\\\.asf$"},
	{"operator", "^amq\\\\.gen.*$", "^(cpoa\\\\.jobs|amq\\\\.gen.*)$",
	 "^(cpoa\\\\.events|amq\\\\.gen.*)$"},
};
enum { USERS = sizeof(users) / sizeof(*users) };

static const char *user_name(struct world *w, const char *name)
{
	return world_format(w, "%s_%s", world_rows(w, "SELECT current_database()"), name);
}

static const char *url_of(struct world *w, const char *name)
{
	const char *at = strchr(getenv("AMQP_URL"), '@');

	return world_format(w, "amqp://%s:%s%.*s/%s", user_name(w, name),
			    getenv("CPOA_TEST_SECRET"), (int)strcspn(at, "/"), at,
			    world_rows(w, "SELECT current_database()"));
}

static void make_users(struct world *w)
{
	for (int i = 0; i < USERS; i++) {
		const char *name = user_name(w, users[i].name);
		const char *login = world_format(w, "{\"password\":\"%s\",\"tags\":\"\"}",
						 getenv("CPOA_TEST_SECRET"));
		const char *may =
			world_format(w, "{\"configure\":\"%s\",\"write\":\"%s\",\"read\":\"%s\"}",
				     users[i].configure, users[i].write, users[i].read);

		cr_assert_eq(world_api(w, "PUT", world_format(w, "/api/users/%s", name), login),
			     201);
		cr_assert_eq(world_api(w, "PUT",
				       world_format(w, "/api/permissions/{vhost}/%s", name), may),
			     201);
	}
}

static void drop_users(struct world *w)
{
	for (int i = 0; i < USERS; i++)
		world_api(w, "DELETE",
			  world_format(w, "/api/users/%s", user_name(w, users[i].name)), NULL);
}

enum deed { PUBLISH, CONSUME, DECLARE, DELETE };

static bool try(struct mq *mq, enum deed deed, const char *name, struct err *e)
{
	struct mq_publish p = {.exchange = name, .routing_key = "nowhere", .body = "x", .len = 1};
	struct mq_event ev;

	switch (deed) {
	case PUBLISH: /* what is refused is heard of before what is confirmed */
		return mq_confirm_select(mq, e) && mq_publish(mq, &p, NULL, e) &&
		       mq_next(mq, &ev, SOON_MS, e);
	case CONSUME:
		return mq_consume(mq, name, "tag", false, e);
	case DECLARE:
		return mq_declare_exchange(mq, name, "direct", e);
	case DELETE:
		return mq_delete_queue(mq, name, e);
	}
	return false;
}

static void expect_deed(struct world *w, const char *user, enum deed deed, const char *name,
			bool allowed)
{
	struct mq_options o = {.url = url_of(w, user), .body_max = 1000};
	struct err e = {0};
	struct mq *mq = mq_open(&o, &e);
	bool done;

	cr_assert(mq, "%s", e.text);
	done = try(mq, deed, name, &e);
	cr_expect_eq(done, allowed, "%s, %d, %s: %s", user, (int)deed, name, e.text);
	if (!done)
		cr_expect_str_eq(e.code, "403", "%s", e.text);
	mq_close(mq);
}

static const char *as_user(struct world *w, const char *user, int code, const char *command)
{
	const char *out, *line = world_format(w, "exec env AMQP_URL=%s %s %s 2>&1", url_of(w, user),
					      getenv("CPOA_BIN"), command);

	cr_expect_eq(world_run(w, &out, (const char *const[]){"/bin/sh", "-c", line, NULL}), code,
		     "%s: %s: %s", user, command, out);
	return out;
}

Test(locks, each_user_of_rabbitmq_may_do_its_part)
{
	struct world *w = world_open();
	char replies[MQ_SHORT_MAX + 1];
	struct job_spec job;
	struct err e;

	make_users(w);
	as_user(w, "declarer", 0, "topology apply");
	world_agents(w, NULL);
	world_worker(w, world_format(w, "AMQP_URL=%s", url_of(w, "worker")),
		     "CPOA_DECLARE_TOPOLOGY=false");
	world_worker(w, world_format(w, "AMQP_URL=%s", url_of(w, "declarer")));
	cr_assert(mq_declare_queue(world_mq(w), "", true, NULL, 0, replies, &e), "%s", e.text);
	cr_assert(mq_consume(world_mq(w), replies, "replies", false, &e), "%s", e.text);
	for (int i = 0; i < 8; i++) {
		job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);
		job.reply_to = replies;
		world_post(w, &job);
	}
	world_flush(w);
	world_await_ends(w, 8, SOON_MS);
	for (int i = 0; i < 8; i++)
		cr_assert(world_delivery(w, "replies", SOON_MS));
	as_user(w, "gateway", 0, "enqueue podcast_generation --arg topic=t");
	world_await_ends(w, 9, SOON_MS);
	has(as_user(w, "operator", 0,
		    "enqueue podcast_generation --arg topic=t --wait --timeout 20"),
	    "completed");
	drop_users(w);
	world_close(w);
}

Test(locks, no_user_of_rabbitmq_may_do_anothers)
{
	struct world *w = world_open();

	make_users(w);
	as_user(w, "declarer", 0, "topology apply");
	expect_deed(w, "gateway", PUBLISH, "cpoa.jobs", true);
	expect_deed(w, "gateway", PUBLISH, "cpoa.events", false);
	expect_deed(w, "gateway", PUBLISH, "", false);
	expect_deed(w, "gateway", CONSUME, "cpoa.jobs.podcast_generation", false);
	expect_deed(w, "gateway", CONSUME, "cpoa.events.asf", false);
	expect_deed(w, "gateway", DECLARE, "mine", false);
	expect_deed(w, "worker", PUBLISH, "cpoa.jobs", false);
	expect_deed(w, "worker", PUBLISH, "cpoa.events", true);
	expect_deed(w, "worker", CONSUME, "cpoa.jobs.podcast_generation", true);
	expect_deed(w, "worker", CONSUME, "cpoa.dead", true);
	expect_deed(w, "worker", CONSUME, "cpoa.events.asf", false);
	expect_deed(w, "worker", DELETE, "cpoa.jobs.podcast_generation", false);
	expect_deed(w, "declarer", DECLARE, "mine", false);
	expect_deed(w, "bridge", CONSUME, "cpoa.events.asf", true);
	expect_deed(w, "bridge", CONSUME, "cpoa.jobs.podcast_generation", false);
	expect_deed(w, "bridge", PUBLISH, "cpoa.events", false);
	has(as_user(w, "gateway", 5, "topology apply"), "ACCESS_REFUSED");
	drop_users(w);
	world_close(w);
}
