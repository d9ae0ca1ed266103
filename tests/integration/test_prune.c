/* links: cpoa_world cpoa_db cpoa_mq */
/* `cpoa prune`: what goes, what stays, and that nobody waits for it. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/db.h"
#include "cpoa/json.h"

#include "world_parts.h"

enum { FEW = 40, MANY = 3000 };

#define PRUNE "prune", "--older-than", "30d", "--yes"

/* n workflows that ended 60 days ago, with two calls each; every tenth has failed. */
static void fill(struct world *w, int n)
{
	world_sql(
		w,
		"WITH w AS (INSERT INTO workflow_instances (trigger_event_type, overall_status, "
		"start_timestamp, end_timestamp, idempotency_key) SELECT 'podcast_generation', "
		"CASE WHEN i %% 10 = 0 THEN 'failed' ELSE 'completed' END, now() - interval '60 "
		"days', now() - interval '59 days', 'old ' || i FROM generate_series(1, %d) i "
		"RETURNING workflow_id) INSERT INTO task_instances (workflow_id, agent_name, "
		"task_order, status, call_name) SELECT workflow_id, 'PSWA', c, 'completed', 'call' "
		"|| c FROM w, generate_series(1, 2) c",
		n);
}

static int64_t workflows(struct world *w)
{
	return world_count(w, "SELECT count(*) FROM workflow_instances");
}

static void expect_no_orphans(struct world *w)
{
	same(world_rows(w, "SELECT count(*) FROM task_instances t WHERE NOT EXISTS (SELECT FROM "
			   "workflow_instances w WHERE w.workflow_id = t.workflow_id)"),
	     "0");
	same(world_rows(w, "SELECT count(*) FROM dead_letters d WHERE state = 'dead' AND "
			   "workflow_id IS NOT NULL AND NOT EXISTS (SELECT FROM workflow_instances "
			   "w WHERE w.workflow_id = d.workflow_id)"),
	     "0");
}

/* ---- what goes ---- */

Test(prune, takes_what_ended_long_ago_and_nothing_else)
{
	struct world *w = world_open();

	fill(w, FEW);
	/* One each of what must stay; the keys say why. */
	world_sql(w,
		  "INSERT INTO workflow_instances (trigger_event_type, overall_status, "
		  "start_timestamp, end_timestamp, claimed_by, idempotency_key) VALUES "
		  "('t', 'in_progress', now() - interval '60 days', NULL, 7, 'claimed'), "
		  "('t', 'in_progress', now() - interval '60 days', NULL, 0, 'released'), "
		  "('t', 'in_progress', now() - interval '60 days', NULL, NULL, 'original'), "
		  "('t', 'completed', now() - interval '60 days', now() - interval '59 days', 7, "
		  "'claimed again'), "
		  "('t', 'completed', now() - interval '60 days', now() - interval '1 day', "
		  "NULL, 'took long'), "
		  "('t', 'completed', now() - interval '60 days', now() - interval '59 days', "
		  "NULL, 'untold'), "
		  "('t', 'failed', now() - interval '60 days', now() - interval '59 days', NULL, "
		  "'to be replayed')");
	world_sql(w, "INSERT INTO outbox_events (event_id, workflow_id, event_type, claimed_by, "
		     "created_at) SELECT gen_random_uuid(), workflow_id, 't.completed', 0, now() "
		     "FROM workflow_instances WHERE idempotency_key = 'untold'");
	world_sql(w, "INSERT INTO dead_letters (fingerprint, reason, workflow_id, "
		     "first_failed_at, last_failed_at) SELECT 'f', 'workflow_failed', workflow_id, "
		     "now() - interval '59 days', now() - interval '59 days' FROM "
		     "workflow_instances WHERE idempotency_key = 'to be replayed'");
	world_sql(w, "INSERT INTO podcasts (podcast_id, topic, task_created_timestamp) VALUES "
		     "(gen_random_uuid(), 'x', now() - interval '900 days')");

	cr_assert_eq(world_cpoa(w, NULL, PRUNE, "--batch", "7"), DONE);
	same(world_rows(w, "SELECT idempotency_key FROM workflow_instances ORDER BY 1"),
	     "claimed\nclaimed again\noriginal\nreleased\nto be replayed\ntook long\nuntold");
	same(world_rows(w, "SELECT count(*) FROM task_instances"), "0");
	same(world_rows(w, "SELECT count(*) FROM podcasts"), "1");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "1");
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), NO_MATCH);
	/* A nightly job has not failed because there was nothing to do. */
	cr_assert_eq(world_cpoa(w, NULL, "prune", "--older-than", "30d", "--nightly"), DONE);
	world_sql(w, "UPDATE dead_letters SET state = 'discarded'");
	cr_assert_eq(world_cpoa(w, NULL, "prune", "--older-than", "30d", "--nightly"), DONE);
	same(world_rows(w, "SELECT count(*) FROM workflow_instances WHERE idempotency_key ="
			   " 'to be replayed'"),
	     "0");
	world_close(w);
}

Test(prune, keeps_the_failed_when_told_so)
{
	struct world *w = world_open();

	fill(w, FEW);
	cr_assert_eq(world_cpoa(w, NULL, PRUNE, "--keep-failed"), DONE);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     "failed|4");
	expect_no_orphans(w);
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), DONE);
	cr_assert_eq(workflows(w), 0);
	world_close(w);
}

Test(prune, dead_letters_and_audit_go_by_their_own_age)
{
	struct world *w = world_open();

	fill(w, FEW);
	world_sql(w, "INSERT INTO dead_letters (fingerprint, reason, workflow_id, state, "
		     "first_failed_at, last_failed_at) SELECT idempotency_key, 'workflow_failed', "
		     "workflow_id, 'dead', now() - interval '59 days', now() - interval '59 days' "
		     "FROM workflow_instances WHERE overall_status = 'failed'");
	world_sql(w, "INSERT INTO dead_letters (fingerprint, reason, first_failed_at, "
		     "last_failed_at) VALUES ('young', 'invalid_json', now() - interval '59 days', "
		     "now())");
	world_sql(w,
		  "INSERT INTO replays (replay_id, dead_letter_id, action, outcome, at, who, "
		  "host) SELECT gen_random_uuid(), 1, 'replay', 'replayed', now() - i * interval "
		  "'1 day', 'me', 'here' FROM generate_series(1, 100) i");
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), DONE);
	cr_assert_eq(workflows(w), 4, "those of the dead letters stay");
	cr_assert_eq(
		world_cpoa(w, NULL, PRUNE, "--dead-older-than", "30d", "--audit-older-than", "90d"),
		DONE);
	cr_assert_eq(workflows(w), 0);
	same(world_rows(w, "SELECT fingerprint FROM dead_letters"), "young");
	same(world_rows(w, "SELECT count(*) FROM replays"), "89");
	world_close(w);
}

/* ---- before anything is done ---- */

Test(prune, counts_and_asks_first)
{
	struct world *w = world_open();
	struct json_object *o = NULL;
	struct err e = {0};
	const char *out;

	fill(w, FEW);
	cr_assert_eq(world_cpoa(w, NULL, "prune"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "prune", "--older-than", "30d"), REFUSED,
		     "nobody can be asked");
	cr_assert_eq(world_cpoa(w, &out, "prune", "--older-than", "30d", "--dry-run", "--json"),
		     DONE);
	cr_assert_eq(json_read(out, strlen(out), JSON_DEPTH_MAX, JSON_STRICT, &o, &e), JSON_OK);
	same(json_at(o, "workflows.found"), "40");
	same(json_at(o, "workflows.pruned"), "0");
	same(json_at(o, "workflows.by_status.failed"), "4");
	same(json_at(o, "dead_letters"), "null");
	json_put(&o);
	cr_assert_eq(workflows(w), FEW);
	world_close(w);
}

/* Types `text` at the question; how the program ended. */
static int answer(struct world *w, const char *text)
{
	const char *line = world_format(w,
					"printf '%s\\n' | script -qec '%s prune --older-than 30d' "
					"%s/typescript",
					text, getenv("CPOA_BIN"), world_folder(w));

	return world_run(w, NULL, (const char *const[]){"/bin/sh", "-c", line, NULL});
}

Test(prune, wants_the_number_typed_on_a_terminal)
{
	struct world *w = world_open();

	fill(w, FEW);
	cr_assert_eq(answer(w, "y"), REFUSED);
	cr_assert_eq(workflows(w), FEW);
	cr_assert_eq(answer(w, "40"), DONE);
	cr_assert_eq(workflows(w), 0);
	world_close(w);
}

/* ---- beside others ---- */

/* Of the audit it may not even lock a row. */
Test(prune, needs_no_more_than_a_role_that_only_works)
{
	struct world *w = world_open();
	const char *role = world_format(w, "prune_%ld", (long)getpid());
	const char *user = world_format(w, "POSTGRES_USER=%s", role);

	fill(w, FEW);
	world_sql(w,
		  "INSERT INTO replays (replay_id, dead_letter_id, action, outcome, at, who, "
		  "host) VALUES (gen_random_uuid(), 1, 'replay', 'replayed', now() - interval '60 "
		  "days', 'me', 'here')");
	world_sql_as_superuser(w,
			       "CREATE ROLE %s LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON "
			       "workflow_instances, task_instances, outbox_events, dead_letters TO "
			       "%s; GRANT SELECT, INSERT, DELETE ON replays TO %s",
			       role, role, role);
	cr_assert_eq(world_run(w, NULL,
			       (const char *const[]){"/usr/bin/env", user, getenv("CPOA_BIN"),
						     PRUNE, "--dead-older-than", "30d",
						     "--audit-older-than", "30d", NULL}),
		     DONE);
	same(world_rows(w, "SELECT count(*) FROM replays"), "0");
	cr_assert_eq(workflows(w), 0);
	world_sql_as_superuser(w, "DROP OWNED BY %s; DROP ROLE %s", role, role);
	world_close(w);
}

Test(prune, passes_over_what_somebody_has_locked)
{
	struct world *w = world_open();

	fill(w, FEW);
	world_sql(w, "BEGIN");
	world_sql(w, "SELECT FROM workflow_instances WHERE idempotency_key = 'old 5' FOR UPDATE");
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), DONE);
	world_sql(w, "COMMIT");
	same(world_rows(w, "SELECT idempotency_key FROM workflow_instances"), "old 5");
	world_close(w);
}

Test(prune, one_at_a_time)
{
	struct world *w = world_open();

	fill(w, FEW);
	world_sql(w, "SELECT pg_advisory_lock(1129336641, -1)");
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), REFUSED);
	cr_assert_eq(workflows(w), FEW);
	world_sql(w, "SELECT pg_advisory_unlock_all()");
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), DONE);
	world_close(w);
}

static void start_prune(struct world *w, struct child *c)
{
	const char *argv[] = {getenv("CPOA_BIN"), PRUNE, "--batch", "1", NULL};
	struct environment env;

	snprintf(c->log, sizeof(c->log), "%.400s/prune.log", world_folder(w));
	world_environment(w, &env);
	child_start(c, world_folder(w), argv, &env, -1);
	environment_release(&env);
}

static bool has_begun(void *ctx)
{
	return workflows(ctx) < MANY;
}

Test(prune, ends_at_ctrl_c_and_goes_on)
{
	struct world *w = world_open();
	struct child prune = {0};

	fill(w, MANY);
	start_prune(w, &prune);
	cr_assert(await(has_begun, w, SOON_MS));
	kill(prune.pid, SIGINT);
	cr_assert(child_wait(&prune, SOON_MS));
	cr_assert_eq(prune.code, INTERRUPTED);
	cr_assert_gt(workflows(w), 0);
	expect_no_orphans(w);
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), DONE);
	cr_assert_eq(workflows(w), 0);
	expect_no_orphans(w);
	world_close(w);
}

Test(prune, live_work_goes_on_meanwhile)
{
	struct world *w = world_open();
	struct child prune = {0};

	world_agents(w, "--style", "mixed");
	world_worker(w, NULL);
	fill(w, MANY);
	start_prune(w, &prune);
	cr_assert(await(has_begun, w, SOON_MS));
	for (int i = 0; i < FEW; i++)
		world_podcast(w, world_format(w, "p%d", i), NULL);
	world_await_ends(w, FEW, 2 * SOON_MS);
	cr_assert_eq(world_events(w, "completed", NULL), FEW);
	kill(prune.pid, SIGTERM);
	cr_assert(child_wait(&prune, SOON_MS));
	expect_no_orphans(w);
	world_close(w);
}

/* A key that was pruned is forgotten: the same job again is a new one. */
Test(prune, forgets_the_key)
{
	struct world *w = world_open();
	const char *id;

	world_agents(w, "--style", "mixed");
	world_worker(w, NULL);
	id = world_podcast(w, "one", NULL);
	world_end(w, id);
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	world_sql(w, "UPDATE workflow_instances SET start_timestamp = now() - interval '60 days', "
		     "end_timestamp = now() - interval '60 days'");
	cr_assert_eq(world_cpoa(w, NULL, PRUNE), DONE);
	cr_assert_eq(workflows(w), 0);
	world_podcast(w, "one", NULL);
	cr_assert(await_rows(w, "completed", "SELECT overall_status FROM workflow_instances",
			     SOON_MS));
	world_close(w);
}
