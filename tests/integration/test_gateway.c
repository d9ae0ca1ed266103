/* links: cpoa_world cpoa_db cpoa_mq */
/*
 * A gateway in Python (tests/clients/python): nothing of ours stands between its pika and the
 * broker. What it sees is asserted there; what came of it in the database, here.
 */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

static const char *python(void)
{
	return getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3";
}

/* Runs a scenario of test_cpoa.py; what it printed. */
static const char *gateway(struct world *w, const char *scenario, const char *argument)
{
	const char *script = getenv("CPOA_CLIENT_TEST"), *out;

	if (!script ||
	    world_run(w, NULL, (const char *const[]){python(), "-c", "import pika", NULL}) != 0)
		cr_skip("no python3-pika");
	cr_assert_eq(
		world_run(w, &out,
			  (const char *const[]){python(), "-B", script, scenario, argument, NULL}),
		0);
	return out;
}

static void podcast(const char *style)
{
	struct world *w = world_open();
	struct json_object *event;
	const char *out;
	struct err e;

	world_agents(w, "--style", style);
	world_worker(w, NULL);
	out = gateway(w, "podcast", style);
	cr_assert_eq(json_read(out, strlen(out), JSON_DEPTH_MAX, JSON_STRICT, &event, &e), JSON_OK,
		     "%s", e.text);
	same(json_at(event, "data.status"), "completed");
	same(world_rows(w,
			"SELECT overall_status, idempotency_key, claims FROM workflow_instances"
			" WHERE workflow_id = '%s'",
			json_at(event, "subject")),
	     world_format(w, "completed|key-%s|1", style));
	same(world_rows(w,
			"SELECT string_agg(agent_name || task_order, ' ' ORDER BY task_order)"
			" FROM task_instances WHERE status = 'completed' AND workflow_id = '%s'",
			json_at(event, "subject")),
	     "WCHA1 PSWA2 VFA3 ASF_NOTIFY4");
	json_object_put(event);
	world_close(w);
}

Test(gateway, follows_a_podcast_with_answers_in_one_go)
{
	podcast("sync");
}

Test(gateway, follows_a_podcast_with_answers_by_polling)
{
	podcast("async");
}

Test(gateway, is_answered_by_direct_reply_to_before_its_deadline)
{
	struct world *w = world_open();

	world_agents(w, "--latency-wcha", "700");
	world_worker(w, NULL);
	gateway(w, "answers", NULL);
	/* Asked twice for the slow one: one workflow. */
	cr_assert_eq(world_count(w, "SELECT count(*) FROM workflow_instances"), 3);
	world_close(w);
}

Test(gateway, whose_confirm_is_lost_sends_again_and_gets_one_workflow)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	gateway(w, "lost_confirm", NULL);
	cr_assert(await_rows(w, "completed|2",
			     "SELECT overall_status, count(*) FROM workflow_instances"
			     " WHERE trigger_event_type = 'podcast_generation' GROUP BY 1",
			     SOON_MS));
	cr_assert_eq(world_stat(w, "wcha", "submits"), 2);
	cr_assert_eq(world_count(w, "SELECT count(*) FROM dead_letters"), 0);
	world_close(w);
}

Test(gateway, is_told_of_a_job_that_no_queue_takes)
{
	struct world *w = world_open();

	has(gateway(w, "unroutable", "podcast_generation"), "cpoa.jobs"); /* no exchange yet */
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	has(gateway(w, "unroutable", "podcast_generatoin"), "unroutable");
	world_close(w);
}

Test(gateway, has_endpoints_as_its_readme_shows_them)
{
	struct world *w = world_open();

	world_agents(w, "--style", "mixed");
	world_worker(w, NULL);
	gateway(w, "readme", NULL);
	same(world_rows(w, "SELECT trigger_event_type, count(*) FROM workflow_instances"
			   " GROUP BY 1 ORDER BY 1"),
	     "landing_page_snippets|1\npodcast_generation|1\npopular_categories|1\n"
	     "search_results_generation|1\ntopic_exploration|2");
	world_close(w);
}
