/* links: cpoa_world cpoa_db cpoa_mq */
/* An operator's day: a thousand dead letters, and what is done about them. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

enum { VOICES = 300, SCRIPTS = 200, TOPICLESS = 300, BROKEN = 150, TWICE = 50, ALL = 1000 };

#define VOICE_REASON  "failed_vfa_request_exception"
#define SCRIPT_REASON "failed_pswa_request_exception"

static void await_dead(struct world *w, int n)
{
	static const char sql[] = "SELECT count(*) FROM dead_letters WHERE state = 'dead'";

	cr_assert(await_rows(w, world_format(w, "%d", n), sql, 60000), "%s of %d",
		  world_rows(w, sql), n);
}

static void post(struct world *w, const char *name, const char *body)
{
	struct job_spec job = world_podcast_spec(w, name, NULL);

	if (body)
		job.body = body;
	world_post(w, &job);
}

static void podcasts(struct world *w, const char *prefix, int n)
{
	for (int i = 0; i < n; i++)
		post(w, world_format(w, "%s%d", prefix, i), NULL);
	world_flush(w);
}

/* What a bad night leaves behind. */
static void make_a_mess(struct world *w)
{
	world_control(w, "{\"faults\":[\"vfa:400=1\"]}");
	podcasts(w, "voice", VOICES);
	await_dead(w, VOICES);
	world_control(w, "{\"faults\":[\"pswa:400=1\"]}");
	podcasts(w, "script", SCRIPTS);
	await_dead(w, VOICES + SCRIPTS);
	for (int i = 0; i < TOPICLESS; i++)
		post(w, world_format(w, "topicless%d", i),
		     world_format(w, "{\"task_id\":\"%s\"}",
				  world_id(w, world_format(w, "t%d", i))));
	for (int i = 0; i < BROKEN; i++)
		post(w, world_format(w, "broken%d", i), "{\"topic\":");
	for (int i = 0; i < TWICE; i++)
		post(w, world_format(w, "voice%d", i),
		     world_format(w, "{\"topic\":\"other\",\"task_id\":\"%s\"}",
				  world_id(w, world_format(w, "u%d", i))));
	world_flush(w);
	await_dead(w, ALL);
}

static void expect_stats(struct world *w)
{
	static const struct {
		const char *reason;
		int n;
	} rows[] = {{VOICE_REASON, VOICES},
		    {SCRIPT_REASON, SCRIPTS},
		    {"invalid_job", TOPICLESS},
		    {"invalid_json", BROKEN},
		    {"idempotency_conflict", TWICE}};
	const char *out;

	cr_assert_eq(world_cpoa(w, &out, "dead", "stats", "--json"), DONE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		has(out,
		    world_format(w, "{\"count\":%d,\"reason\":\"%s\"", rows[i].n, rows[i].reason));
}

/* Ctrl-C once some are done. */
static void replay_and_interrupt(struct world *w)
{
	static const char *const replay[] = {"dead",	      "replay",	       "--reason",
					     VOICE_REASON,    "--type",	       "podcast_generation",
					     "--rate",	      "60/s",	       "--limit",
					     "400",	      "--yes",	       "--json",
					     "--reason-text", "voice is back", NULL};
	const char *said;
	int64_t done;

	cr_assert_eq(world_interrupt(w, &said, "SELECT count(*) FROM replays", 60, replay),
		     INTERRUPTED);
	done = world_count(w, "SELECT count(*) FROM replays");
	cr_assert(done >= 60 && done < VOICES, "%d", (int)done);
	cr_assert_eq(world_count(w, "SELECT count(*) FROM replays WHERE outcome = 'replayed' AND"
				    " reason = 'voice is back'"),
		     done);
	has(said, "cpoa dead replay --reason " VOICE_REASON);
	has(said, "this goes on");
}

static void replay_voices(struct world *w)
{
	const char *out;

	cr_assert_eq(world_cpoa(w, &out, "dead", "replay", "--reason", VOICE_REASON, "--dry-run"),
		     DONE);
	has(out, world_format(w, "would replay %d dead letters", VOICES));
	has(out, world_format(w, "%d workflows would go on from the last good call", VOICES));
	has(out, "VFA answered HTTP 400");
	cr_assert_eq(world_count(w, "SELECT count(*) FROM replays"), 0);

	world_control(w, "{\"faults\":[]}");
	replay_and_interrupt(w);
	cr_assert_eq(world_cpoa(w, &out, "dead", "replay", "--reason", VOICE_REASON, "--type",
				"podcast_generation", "--limit", "400", "--yes", "--reason-text",
				"voice is back"),
		     DONE);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", VOICE_REASON, "--yes"),
		     NO_MATCH);
	same(world_rows(w, "SELECT count(*), count(DISTINCT dead_letter_id),"
			   " count(DISTINCT replay_id), min(outcome), max(outcome) FROM replays"),
	     world_format(w, "%d|%d|2|replayed|replayed", VOICES, VOICES));
}

static void expect_completed(struct world *w, int n)
{
	static const char sql[] =
		"SELECT count(*) FROM workflow_instances WHERE overall_status = 'completed'";

	cr_assert(await_rows(w, world_format(w, "%d", n), sql, 90000), "%s of %d",
		  world_rows(w, sql), n);
}

/* Nothing that had been brought was asked for again. */
static void expect_calls(struct world *w)
{
	static const char *const agents[] = {"wcha", "pswa", "vfa"};
	const int podcasts_ran = VOICES + SCRIPTS + TOPICLESS;

	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(world_stat(w, agents[i], "repeats"), 0, "%s", agents[i]);
		cr_assert_eq(world_stat(w, agents[i], "distinct_keys"), podcasts_ran, "%s",
			     agents[i]);
	}
	cr_assert_eq(world_stat(w, "wcha", "submits"), podcasts_ran);
	cr_assert_eq(world_stat(w, "pswa", "submits"), podcasts_ran + SCRIPTS);
	cr_assert_eq(world_stat(w, "vfa", "submits"), podcasts_ran + VOICES);
}

static bool all_told(void *w)
{
	return world_events(w, "failed", NULL) == VOICES + SCRIPTS &&
	       world_events(w, "completed", NULL) == VOICES + SCRIPTS + TOPICLESS;
}

/* Whom the world's commands are to PostgreSQL. */
static const char *role(void)
{
	const char *work = getenv("CPOA_TEST_WORK_USER");

	return work ? work : getenv("POSTGRES_USER");
}

Test(desk_day, a_thousand_dead_letters, .timeout = 115)
{
	struct world *w = world_open();
	const char *out;

	world_agents(w, NULL);
	world_worker(w, NULL);
	make_a_mess(w);
	expect_stats(w);
	replay_voices(w);
	expect_completed(w, VOICES);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--error", "^PSWA answered", "--rate",
				"100", "--yes", "--reason-text", "scripts too"),
		     DONE);
	expect_completed(w, VOICES + SCRIPTS);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--set",
				"topic=Given later", "--yes", "--reason-text", "gateway's bug"),
		     DONE);
	expect_completed(w, VOICES + SCRIPTS + TOPICLESS);
	cr_assert_eq(world_cpoa(w, &out, "dead", "discard", "--reason", "invalid_json", "--yes",
				"--reason-text", "noise"),
		     DONE);
	has(out, "discarded 150 of 150");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "idempotency_conflict",
				"--yes", "--reason-text", "to see"),
		     DONE);
	await_dead(w, TWICE);
	expect_calls(w);
	/* Each end was told: the failure, and what came of it in the end. */
	cr_assert(await(all_told, w, 60000));

	/* Who, when, why, which. */
	same(world_rows(w,
			"SELECT reason, action, outcome, count(*), count(DISTINCT dead_letter_id)"
			" FROM replays GROUP BY 1, 2, 3 ORDER BY 1"),
	     "gateway's bug|replay|replayed|300|300\nnoise|discard|discarded|150|150\n"
	     "scripts too|replay|replayed|200|200\nto see|replay|replayed|50|50\n"
	     "voice is back|replay|replayed|300|300");
	same(world_rows(w,
			"SELECT count(*) FROM replays WHERE who = '' OR host = '' OR db_role <>"
			" '%s' OR version IS NULL OR at < now() - interval '1 hour' OR"
			" filter NOT LIKE 'cpoa dead %%'",
			role()),
	     "0");
	same(world_rows(w, "SELECT state, count(*) FROM dead_letters GROUP BY 1 ORDER BY 1"),
	     "dead|50\ndiscarded|150\nreplayed|800");
	world_close(w);
}
