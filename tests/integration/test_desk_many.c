/* links: cpoa_world cpoa_db cpoa_mq */
/* Ten thousand dead letters at once, and the live jobs that must not wait for them. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

enum { HALF = 5000, REPLAY_MAX_MS = 60000 };

/* Workflows whose voice failed, and jobs that were refused and have been mended since. */
static void make_dead(struct world *w)
{
	world_sql(
		w,
		"INSERT INTO workflow_instances (workflow_id, trigger_event_type,"
		" trigger_event_details_json, overall_status, start_timestamp, end_timestamp,"
		" idempotency_key, job_digest, claims, event_sequence, error_message)"
		" SELECT md5('w' || i)::uuid, 'podcast_generation', json_build_object('topic', 't',"
		" 'task_id', md5('t' || i)::uuid), 'failed', now(), now(), 'k' || i, '\\x00', 1, 5,"
		" 'VFA answered HTTP 400' FROM generate_series(1, %d) i",
		HALF);
	world_sql(
		w,
		"INSERT INTO task_instances (workflow_id, agent_name, task_order, status,"
		" call_name, stage, start_timestamp, end_timestamp, reply)"
		" SELECT md5('w' || i)::uuid, upper(c.name), c.n, c.status, c.name, c.stage, now(),"
		" now(), c.reply::json FROM generate_series(1, %d) i, (VALUES"
		" ('wcha', 1, 'completed', 'wcha_content_retrieval', '{\"kind\":\"result\","
		"\"http_status\":200,\"polled\":false,\"error\":null,\"body\":{\"status\":"
		"\"success\",\"content\":\"c\"}}'), ('pswa', 2, 'completed',"
		" 'pswa_script_generation', '{\"kind\":\"result\",\"http_status\":200,\"polled\":"
		"false,\"error\":null,\"body\":{\"script_id\":\"s\",\"title\":\"t\",\"segments\":"
		"[{\"segment_title\":\"a\",\"content\":\"b\"}]}}'), ('vfa', 3, 'failed',"
		" 'vfa_audio_generation', '{\"kind\":\"http\",\"http_status\":400,\"polled\":false,"
		"\"error\":\"VFA answered HTTP 400\",\"body\":null}'))"
		" AS c(name, n, status, stage, reply)",
		HALF);
	world_sql(w,
		  "INSERT INTO dead_letters (fingerprint, reason, error_text, type, workflow_id,"
		  " first_failed_at, last_failed_at) SELECT 'workflow:' || workflow_id,"
		  " 'failed_vfa_request_exception', error_message, trigger_event_type, workflow_id,"
		  " now(), now() FROM workflow_instances");
	world_sql(w,
		  "INSERT INTO dead_letters (fingerprint, reason, error_text, type, message_id,"
		  " exchange, routing_key, original_body, edited_at, body, properties, headers,"
		  " first_failed_at, last_failed_at) SELECT 'message:' || i, 'invalid_job', 'no"
		  " object', 'popular_categories', 'm' || i, 'cpoa.jobs', 'popular_categories',"
		  " '[]', now(), '{}',"
		  " json_build_object('message_id', 'm' || i, 'content_type', 'application/json'),"
		  " '{}', now(), now() FROM generate_series(1, %d) i",
		  HALF);
	world_sql(w, "ANALYZE");
}

/* A live job's way while the replay is at work, in ms. */
static int64_t live_job(struct world *w, int i)
{
	int64_t begun = clock_mono_ms();

	world_end(w, world_podcast(w, world_format(w, "live%d", i), NULL));
	return clock_mono_ms() - begun;
}

static bool replay_is_over(struct world *w)
{
	const char *const cat[] = {"/bin/sh", "-c", "test -e over", NULL};

	return world_run(w, NULL, cat) == 0;
}

Test(desk_many, ten_thousand_do_not_hold_up_live_jobs, .timeout = 118)
{
	struct world *w = world_open();
	int64_t begun, took, worst = 0;
	const char *out;
	int n = 0;

	/* So slow that the replay is long over when its workflows are. */
	world_agents(w, "--record", "0", "--latency-vfa", "3000");
	world_worker(w, NULL);
	make_dead(w);
	live_job(w, n++);
	begun = clock_mono_ms();
	cr_assert_eq(
		world_run(w, NULL,
			  (const char *const[]){"/bin/sh", "-c",
						world_format(w,
							     "(%s dead replay --state dead"
							     " --limit 10000 --yes >words 2>&1;"
							     " echo $? >code; mv code over) &",
							     getenv("CPOA_BIN")),
						NULL}),
		0);
	do {
		int64_t ms = live_job(w, n++);

		worst = ms > worst ? ms : worst;
		cr_assert_lt(clock_mono_ms() - begun, REPLAY_MAX_MS, "the replay takes too long");
	} while (!replay_is_over(w));
	took = clock_mono_ms() - begun;
	world_run(w, &out, (const char *const[]){"/bin/cat", "words", "over", NULL});
	has(out, "replayed 10000 of 10000 dead letters");
	has(out, "\n0\n");
	/* New jobs end while thousands that were replayed still wait for their turn. */
	for (int i = 0; i < 3; i++) {
		int64_t ms = live_job(w, n++);

		worst = ms > worst ? ms : worst;
		cr_assert_gt(world_count(w, "SELECT count(*) FROM workflow_instances WHERE"
					    " claimed_by = 0"),
			     0);
	}
	fprintf(stderr, "10,000 replayed in %d ms; of %d live jobs the slowest took %d ms\n",
		(int)took, n, (int)worst);
	same(world_rows(w, "SELECT count(*), count(DISTINCT dead_letter_id) FROM replays WHERE"
			   " outcome = 'replayed'"),
	     "10000|10000");
	same(world_rows(w, "SELECT state, count(*) FROM dead_letters GROUP BY 1"),
	     "replayed|10000");
	world_close(w);
}
