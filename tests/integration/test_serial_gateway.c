/* links: cpoa_world cpoa_db cpoa_mq */
/* A gateway in Python whose broker is restarted between the publishing and its confirm. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* The broker had taken the first before it died: the one that was sent again comes too. */
static bool both_jobs_are_taken(void *w)
{
	return metric(w, 0, "cpoa_jobs_total{type=\"podcast_generation\",outcome=\"duplicate\"}") >=
		       1 &&
	       world_queue(w, "cpoa.jobs.podcast_generation") == 0;
}

Test(gateway, whose_broker_is_restarted_before_it_confirms_gets_one_workflow, .timeout = 110)
{
	struct world *w = world_open();
	const char *script = getenv("CPOA_CLIENT_TEST"), *sh = getenv("CPOA_SERVERS_SH"), *out;
	const char *python = getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3";

	if (!script || !sh || !getenv("CPOA_TEST_SERVERS"))
		cr_skip("CPOA_TEST_SERVERS is unset");
	world_agents(w, NULL);
	world_worker(w, NULL);
	world_expect_loss(w);
	cr_assert_eq(world_run(w, &out,
			       (const char *const[]){python, "-B", script, "restarted", sh,
						     getenv("CPOA_TEST_SERVERS"), NULL}),
		     0);
	out = world_format(w, "%.36s", out);
	same(json_at(world_event(w, NULL, out, 0, 3LL * SOON_MS)->body, "data.status"),
	     "completed");
	/* The job that was sent again finds the first. */
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	/* Killed so soon after it was declared, cpoa.dead may never answer again: that holds jobs
	 * up once, for as long as an answer is waited for. */
	cr_assert(await(both_jobs_are_taken, w, 2LL * SOON_MS));
	same(world_rows(w, "SELECT workflow_id, claims FROM workflow_instances"
			   " WHERE trigger_event_type = 'podcast_generation'"),
	     world_format(w, "%s|1", out));
	cr_assert_eq(world_count(w, "SELECT count(*) FROM dead_letters"), 0);
	cr_assert_eq(world_stat(w, "vfa", "submits"), 1);
	world_close(w);
}
