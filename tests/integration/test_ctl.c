/* links: cpoa_world cpoa_db cpoa_mq */
/* The subcommands as a user runs them: what they print, how they end (interface.md §1). */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/uuid.h"

#define PODCAST "enqueue", "podcast_generation", "--wait", "--timeout", "60"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;
	struct err e = {0};

	cr_assert_eq(json_read(text, strlen(text), 64, JSON_STRICT, &o, &e), JSON_OK, "%s: %s",
		     e.text, text);
	return o;
}

static struct world *open_with_worker(void)
{
	struct world *w = world_open();

	world_agents(w, "--style", "mixed");
	world_worker(w, NULL);
	return w;
}

static int count_of(const char *text, char c)
{
	int n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* ---- migrate, topology, health ---- */

Test(ctl, migrate_applies_all_once_and_says_so)
{
	struct world *w = world_open_unmigrated();
	const char *out;
	struct json_object *list;

	cr_assert_eq(world_cpoa(w, NULL, "workflow", "list"), USAGE, "there is no schema yet");
	cr_assert_eq(world_cpoa(w, &out, "migrate", "--dry-run", "--json"), DONE);
	list = parse(out);
	same(json_at(list, "0.name"), "0001_aethercast");
	same(json_at(list, "0.state"), "pending");
	json_put(&list);
	same(world_rows(w, "SELECT to_regclass('schema_migrations')"), "null");
	cr_assert_eq(world_cpoa(w, &out, "migrate"), DONE);
	has(out, "applied 0001_aethercast (");
	cr_assert_eq(world_cpoa(w, &out, "migrate", "up", "--json"), DONE);
	same(out, "[]\n");
	cr_assert_eq(world_cpoa(w, &out, "migrate", "status", "--json"), DONE);
	list = parse(out);
	same(json_at(list, "1.state"), "applied");
	cr_assert_eq(strlen(json_at(list, "1.applied_at")), strlen("2025-06-14T09:30:00.123Z"));
	json_put(&list);
	world_close(w);
}

Test(ctl, migrate_refuses_what_was_edited_and_bears_what_is_newer)
{
	struct world *w = world_open();
	const char *out;

	world_sql(w, "INSERT INTO schema_migrations (version, name, checksum) VALUES (9000, "
		     "'later', 'x')");
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), DONE);
	world_sql(w, "UPDATE schema_migrations SET checksum = 'other' WHERE version = 1");
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), REFUSED);
	cr_assert_eq(world_cpoa(w, &out, "migrate", "status"), REFUSED);
	has(out, "changed");
	world_close(w);
}

static const char settings[] =
	"SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase "
	"WHERE datname = current_database() AND setrole = 0";

/* Autovacuum has no session that could be told. */
Test(ctl, migrate_has_written_pages_go_on_for_every_session)
{
	struct world *w = world_open_unmigrated();

	cr_assert_eq(world_cpoa(w, NULL, "migrate"), DONE);
	same(world_rows(w, settings), "{backend_flush_after=512kB}");
	world_close(w);
}

Test(ctl, migrate_leaves_what_somebody_has_set_for_the_database)
{
	struct world *w = world_open_unmigrated();

	world_sql(w, "ALTER DATABASE %s SET backend_flush_after = 0",
		  world_rows(w, "SELECT current_database()"));
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), DONE);
	same(world_rows(w, settings), "{backend_flush_after=0}");
	world_close(w);
}

Test(ctl, migrate_does_without_what_only_the_owner_of_the_database_may_say)
{
	struct world *w = world_open_unmigrated();
	const char *name = world_rows(w, "SELECT current_database()");

	world_sql_as_superuser(w,
			       "ALTER DATABASE %s OWNER TO postgres; GRANT CREATE ON SCHEMA "
			       "public TO %s",
			       name, getenv("POSTGRES_USER"));
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), DONE);
	same(world_rows(w, settings), "");
	world_sql_as_superuser(w, "ALTER DATABASE %s OWNER TO %s", name, getenv("POSTGRES_USER"));
	world_close(w);
}

static const char samples[] =
	"SELECT attrelid::regclass, attname, attstattarget FROM pg_attribute WHERE attrelid IN "
	"('workflow_instances'::regclass, 'task_instances'::regclass, 'outbox_events'::regclass) "
	"AND attnum > 0 AND NOT attisdropped AND attstattarget IS DISTINCT FROM 10";

/* One column of a hundred values is enough to have the whole table's sample large. */
Test(ctl, migrate_has_every_column_analyzed_by_a_small_sample)
{
	struct world *w = world_open();

	same(world_rows(w, samples), "");
	world_close(w);
}

Test(ctl, migrate_leaves_what_somebody_has_set_for_a_column)
{
	struct world *w = world_open();

	world_sql(w, "ALTER TABLE task_instances ALTER COLUMN status SET STATISTICS 500");
	world_sql(w, "ALTER TABLE task_instances ALTER COLUMN stage SET STATISTICS -1");
	world_sql(w, "DELETE FROM schema_migrations WHERE version = 7");
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), DONE);
	same(world_rows(w, samples), "task_instances|status|500");
	world_close(w);
}

Test(ctl, topology_is_shown_and_declared)
{
	struct world *w = world_open();
	const char *out;
	struct json_object *list;

	cr_assert_eq(world_cpoa(w, NULL, "enqueue", "podcast_generation", "--arg", "topic=x"),
		     NO_SERVER, "there is no exchange");
	cr_assert_eq(world_cpoa(w, &out, "topology", "apply", "--dry-run"), DONE);
	has(out, "cpoa.jobs.popular_categories");
	cr_assert_eq(world_cpoa(w, NULL, "enqueue", "podcast_generation", "--arg", "topic=x"),
		     NO_SERVER, "there is none yet");
	cr_assert_eq(world_cpoa(w, &out, "topology", "apply", "--json"), DONE);
	list = parse(out);
	same(json_at(list, "0.name"), "cpoa.jobs");
	json_put(&list);
	cr_assert_eq(world_cpoa(w, &out, "topology"), DONE);
	has(out, "cpoa.jobs.popular_categories");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "nonsense"), USAGE);
	cr_assert_eq(
		world_api(w, "DELETE", "/api/queues/{vhost}/cpoa.jobs.popular_categories", NULL),
		204);
	cr_assert_eq(world_cpoa(w, NULL, "enqueue", "popular_categories"), NO_SERVER,
		     "no queue takes it");
	world_close(w);
}

/* ---- enqueue ---- */

Test(ctl, enqueue_publishes_a_job_with_the_id_that_it_prints)
{
	struct world *w = world_open();
	const char *out, *id = world_id(w, "mine");
	struct json_object *receipt;

	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), DONE);
	cr_assert_eq(world_cpoa(w, &out, "enqueue", "podcast_generation", "--arg", "topic=x",
				"--workflow-id", id),
		     DONE);
	same(out, world_format(w, "%s\n", id));
	cr_assert_eq(world_cpoa(w, &out, "enqueue", "popular_categories", "--format", "json",
				"--idempotency-key", "k"),
		     DONE);
	receipt = parse(out);
	same(json_at(receipt, "idempotency_key"), "k");
	same(json_at(receipt, "type"), "popular_categories");
	json_put(&receipt);
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 1);
	cr_assert_eq(world_queue(w, "cpoa.jobs.popular_categories"), 1);
	world_close(w);
}

Test(ctl, enqueue_does_not_publish_what_no_worker_would_take)
{
	static const char *const rows[][4] = {
		{"podcast_generation"},
		{"podcast_generation", "--arg", "topic:=7"},
		{"podcast_generation", "--arg", "topic"},
		{"nonsense"},
		{"podcast_generation", "--frob"},
		{"podcast_generation", "--json", "/nowhere"},
	};
	struct world *w = world_open();

	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), DONE);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		const char *const *a = rows[r];

		cr_expect_eq(world_cpoa(w, NULL, "enqueue", a[0], a[1], a[2]), USAGE, "row %zu", r);
	}
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 0);
	world_close(w);
}

Test(ctl, wait_shows_each_stage_and_the_result)
{
	struct world *w = open_with_worker();
	const char *out;

	cr_assert_eq(world_cpoa(w, &out, PODCAST, "--arg", "topic=Tea"), DONE);
	has(out, " s  initialization            Podcast generation started.\n");
	has(out, " s  wcha_content_retrieval    Fetching web content...\n");
	has(out, " s  pswa_script_generation    Crafting script...\n");
	has(out, " s  vfa_audio_generation      Synthesizing audio...\n");
	has(out, "\nstatus      completed\n");
	has(out, "\ntopic       Tea\n");
	has(out, "\nstream      strm_");
	has(out, "?stream_id=strm_");
	world_close(w);
}

Test(ctl, wait_prints_events_as_json_lines)
{
	struct world *w = open_with_worker();
	const char *out;

	cr_assert_eq(world_cpoa(w, &out, PODCAST, "--arg", "topic=Tea", "--format", "json"), DONE);
	cr_assert_eq(count_of(out, '\n'), 6);
	for (const char *line = out; *line; line = strchr(line, '\n') + 1) {
		char *one = xstrndup(line, strcspn(line, "\n"));
		struct json_object *event = parse(one);

		same(json_at(event, "specversion"), "1.0");
		json_put(&event);
		free(one);
	}
	world_close(w);
}

Test(ctl, a_terminal_shows_what_it_waits_for)
{
	struct world *w = open_with_worker();
	const char *out, *command;

	world_control(w, "{\"latency\":250}");
	command = world_format(w, "'%s' enqueue podcast_generation --arg topic=Tea --wait",
			       getenv("CPOA_BIN"));
	cr_assert_eq(world_run(w, &out,
			       (const char *const[]){"/usr/bin/env", "TERM=xterm", "COLUMNS=100",
						     "script", "-qec", command, "/dev/null", NULL}),
		     0);
	has(out, " s  | waiting for a worker\r\033[K");
	has(out, " s  pswa_script_generation    Crafting script...\r\n");
	has(out, " vfa_audio_generation\r\033[K");
	/* Nothing of it where there is no terminal, or a dumb one. */
	cr_assert_eq(world_run(w, &out,
			       (const char *const[]){"/usr/bin/env", "TERM=dumb", "COLUMNS=100",
						     "script", "-qec", command, "/dev/null", NULL}),
		     0);
	has(out, " s  pswa_script_generation    Crafting script...\r\n");
	cr_assert_null(strstr(out, "waiting for"));
	cr_assert_eq(world_cpoa(w, &out, PODCAST, "--arg", "topic=Tea"), DONE);
	cr_assert_null(strchr(out, '\r'));
	world_close(w);
}

Test(ctl, wait_ends_with_the_workflow)
{
	struct world *w = open_with_worker();

	cr_assert_eq(world_cpoa(w, NULL, PODCAST, "--arg", "topic=x", "--arg",
				"test_scenarios.pswa=llm_error"),
		     FAILED);
	world_control(w, "{\"latency\":5000}");
	cr_assert_eq(world_cpoa(w, NULL, "enqueue", "podcast_generation", "--arg", "topic=x",
				"--wait", "--timeout", "1"),
		     FAILED, "not in time");
	world_close(w);
}

Test(ctl, wait_finds_a_job_that_was_there_and_one_that_is_refused)
{
	struct world *w = open_with_worker();
	const char *out;

	cr_assert_eq(world_cpoa(w, NULL, PODCAST, "--arg", "topic=Tea", "--idempotency-key", "k"),
		     DONE);
	cr_assert_eq(world_cpoa(w, &out, PODCAST, "--arg", "topic=Tea", "--idempotency-key", "k"),
		     DONE);
	has(out, "\nstatus      completed\n");
	cr_assert_eq(world_count(w, "SELECT count(*) FROM workflow_instances"), 1);
	cr_assert_eq(
		world_cpoa(w, NULL, PODCAST, "--arg", "topic=Coffee", "--idempotency-key", "k"),
		REFUSED);
	/* Nobody is there to refuse it: still another's end is not its own. */
	worker_signal(w, 0, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, 0, SOON_MS), 0);
	cr_assert_eq(world_cpoa(w, &out, PODCAST, "--arg", "topic=Milk", "--idempotency-key", "k",
				"--timeout", "4"),
		     FAILED);
	cr_assert_null(strstr(out, "Tea"), "%s", out);
	world_close(w);
}

/* ---- workflow ---- */

Test(ctl, workflows_are_listed_and_shown)
{
	struct world *w = open_with_worker();
	const char *out, *good = world_podcast(w, "good", NULL);
	const char *bad = world_podcast(w, "bad", "\"test_scenarios\":{\"pswa\":\"llm_error\"}");
	struct json_object *o;

	world_end(w, good);
	world_end(w, bad);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "list", "--status", "failed", "--since", "1h",
				"--json"),
		     DONE);
	o = parse(out);
	cr_assert_eq(json_object_array_length(o), 1);
	same(json_at(o, "0.workflow_id"), bad);
	json_put(&o);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "list"), DONE);
	cr_assert_eq(count_of(out, '\n'), 3);
	cr_assert_eq(
		world_cpoa(w, &out, "workflow", "list", "--type", "snippet_generation", "--json"),
		NO_MATCH);
	same(out, "[]\n");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "list", "--type", "nonsense"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "list", "--status", "faild"), USAGE);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "list", "--status", "failed", "--ids"), DONE);
	same(out, world_format(w, "%s\n", bad));
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "list", "--ids", "--json"), USAGE);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "list", "--count"), DONE);
	has(out, "    1  failed     podcast_generation\n");
	cr_assert_eq(world_cpoa(w, &out, "workflow", "list", "--count", "--json"), DONE);
	has(out, "{\"type\":\"podcast_generation\",\"status\":\"failed\",\"count\":1}");

	cr_assert_eq(world_cpoa(w, &out, "workflow", "show", good, "--json"), DONE);
	o = parse(out);
	same(json_at(o, "status"), "completed");
	same(json_at(o, "calls.2.agent"), "VFA");
	same(json_at(o, "result.status"), "completed");
	json_put(&o);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "show", bad), DONE);
	has(out, "status      failed\n");
	has(out, "\n2  PSWA   pswa  failed");
	has(out, "\n    PSWA reported LLM_PROCESSING_ERROR");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "show", world_id(w, "nobody")), NO_MATCH);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "show", "7"), USAGE);
	world_close(w);
}

/* ---- events, and what is not there ---- */

Test(ctl, events_end_by_count_or_time)
{
	struct world *w = open_with_worker();
	const char *out;

	cr_assert_eq(world_cpoa(w, NULL, "events", "--count", "1", "--timeout", "1"), NO_MATCH);
	cr_assert_eq(world_cpoa(w, &out, "events", "--timeout", "1", "--json"), DONE);
	same(out, "");
	cr_assert_eq(world_cpoa(w, NULL, "events", "--workflow", "7"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "events", "--type", "bogus"), USAGE);
	world_close(w);
}

Test(ctl, a_missing_server_is_exit_code_4)
{
	struct world *w = world_open();
	const char *cpoa = getenv("CPOA_BIN");

	cr_assert_eq(world_run(w, NULL,
			       (const char *const[]){"/usr/bin/env", "AMQP_URL=amqp://127.0.0.1:1/",
						     cpoa, "topology", "apply", NULL}),
		     NO_SERVER);
	cr_assert_eq(world_run(w, NULL,
			       (const char *const[]){
				       "/usr/bin/env", "DATABASE_URL=", "POSTGRES_HOST=127.0.0.1",
				       "POSTGRES_PORT=1", cpoa, "workflow", "list", NULL}),
		     NO_SERVER);
	cr_assert_eq(world_cpoa(w, NULL, "health", "--port", "1"), FAILED);
	world_close(w);
}

/* ---- what is mistyped, and what is narrow ---- */

/* Runs it with what it says on stderr in *said. */
static int say_of(struct world *w, const char **said, const char *arguments)
{
	const char *line = world_format(w, "'%s' %s 2>&1", getenv("CPOA_BIN"), arguments);

	return world_run(w, said, (const char *const[]){"/bin/sh", "-c", line, NULL});
}

Test(ctl, what_was_meant_is_said)
{
	static const struct {
		const char *arguments, *says;
	} rows[] = {
		{"wrokflow list", "is 'workflow' meant?"},
		{"help docter", "is 'doctor' meant?"},
		{"xyzzy", "there are worker, migrate"},
		{"workflow lsit", "is 'list' meant?"},
		{"workflow list --stauts failed", "is --status meant?"},
		{"workflow list --type podcast_generatoin", "is 'podcast_generation' meant?"},
		{"workflow list --status faild", "is 'failed' meant?"},
		{"workflow cancel --type podcast_generatoin --yes",
		 "is 'podcast_generation' meant?"},
		{"workflow retry --status faild --yes", "is 'failed' meant?"},
		{"events --type snippet_genration", "is 'snippet_generation' meant?"},
		{"enqueue popular_categorys", "is 'popular_categories' meant?"},
		{"topology aply", "is 'apply' meant?"},
		{"migrate stats", "is 'status' meant?"},
		{"health redy", "is 'ready' meant?"},
	};
	static const char *const dead[] = {"dead list", "dead stats", "dead export",
					   "dead discard --yes", "dead replay --dry-run"};
	struct world *w = world_open();
	const char *said;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		cr_expect_eq(say_of(w, &said, rows[r].arguments), USAGE, "%s", rows[r].arguments);
		cr_expect(strstr(said, rows[r].says), "%s: %s", rows[r].arguments, said);
	}
	cr_assert_eq(say_of(w, &said, "workflow"), USAGE);
	has(said, "list, show");
	/* Jobs of whatever type may have died. */
	for (size_t i = 0; i < sizeof(dead) / sizeof(dead[0]); i++) {
		cr_expect_eq(
			say_of(w, &said, world_format(w, "%s --type podcast_generatoin", dead[i])),
			NO_MATCH, "%s", dead[i]);
		cr_expect(strstr(said, "no dead letter matches"), "%s: %s", dead[i], said);
		cr_expect(strstr(said, "is 'podcast_generation' meant?"), "%s: %s", dead[i], said);
	}
	world_close(w);
}

static void shell(struct world *w, const char **out, const char *line)
{
	world_run(w, out, (const char *const[]){"/bin/sh", "-c", line, NULL});
}

/* Whoever saves dead letters before discarding them must not believe that they are saved. */
Test(ctl, what_could_not_be_written_is_no_success)
{
	static const char *const commands[] = {"version",	  "help",
					       "topology --json", "migrate status",
					       "dead export",	  "workflow list --json"};
	struct world *w = world_open();
	const char *said;

	world_sql(w,
		  "INSERT INTO dead_letters (fingerprint, reason, first_failed_at, last_failed_at) "
		  "VALUES ('f', 'expired', now(), now())");
	world_sql(w, "INSERT INTO workflow_instances (trigger_event_type, overall_status) VALUES "
		     "('search_results_generation', 'failed')");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const char *c =
			world_format(w, "'%s' %s; echo rc=$? >&2", getenv("CPOA_BIN"), commands[i]);

		shell(w, &said, world_format(w, "{ %s; } 2>&1 >/dev/full", c));
		cr_expect(strstr(said, "could not be written"), "%s: %s", commands[i], said);
		cr_expect(strstr(said, "rc=1"), "%s: %s", commands[i], said);
		/* For one that has read enough. */
		shell(w, &said, world_format(w, "{ { %s; } | true; } 2>&1", c));
		cr_expect_str_eq(said, "rc=0\n", "%s", commands[i]);
	}
	world_close(w);
}

static size_t widest(const char *text)
{
	size_t most = 0;

	while (*text) {
		size_t n = strcspn(text, "\n");

		most = n > most ? n : most;
		text += n + (text[n] == '\n');
	}
	return most;
}

Test(ctl, tables_fit_the_terminal)
{
	static const char *const commands[] = {
		"workflow list", "workflow list --count",	    "migrate status",
		"topology",	 "prune --older-than 0s --dry-run", "doctor"};
	struct world *w = world_open();
	const char *out;

	world_agents(w, "--style", "mixed");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), DONE);
	world_sql(w, "INSERT INTO workflow_instances (trigger_event_type, overall_status, "
		     "end_timestamp, error_message) VALUES ('search_results_generation', "
		     "'completed_with_errors', now() - interval '1 s', repeat('It broke. ', 50))");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const char *line =
			world_format(w, "COLUMNS=80 '%s' %s", getenv("CPOA_BIN"), commands[i]);

		cr_assert_eq(world_run(w, &out, (const char *const[]){"/bin/sh", "-c", line, NULL}),
			     DONE, "%s", commands[i]);
		cr_expect_leq(widest(out), 80 + strlen("\xe2\x80\xa6") - 1, "%s: %s", commands[i],
			      out);
	}
	world_close(w);
}
