/* links: cpoa_world cpoa_db cpoa_mq */
/* Cancelling and retrying workflows: interface.md §1, §5. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

static const char status_of_all[] =
	"SELECT overall_status, claimed_by, cancel_requested_at IS NOT NULL FROM "
	"workflow_instances";

static void make_podcast_row(struct world *w, const char *name)
{
	world_sql(w,
		  "INSERT INTO podcasts (podcast_id, topic, task_created_timestamp) VALUES "
		  "('%s', 't', now())",
		  world_id(w, world_format(w, "task of %s", name)));
}

/* ---- cancel ---- */

/* Whom the world's commands are to PostgreSQL. */
static const char *role(void)
{
	const char *work = getenv("CPOA_TEST_WORK_USER");

	return work ? work : getenv("POSTGRES_USER");
}

Test(desk_workflow, cancel_takes_effect_at_once_in_the_middle_of_a_call)
{
	struct world *w = world_open();
	struct json_object *end;
	const char *id, *out;
	int64_t asked;
	int worker;

	world_agents(w, "--latency-pswa", "60000");
	worker = world_worker(w, "CPOA_RESCUE_INTERVAL_SECONDS=30", "CPOA_LEASE_SECONDS=90");
	make_podcast_row(w, "stopped");
	id = world_podcast(w, "stopped", "\"client_id\":\"room\"");
	world_await_calls(w, "agent=pswa", 1);

	asked = clock_mono_ms();
	cr_assert_eq(world_cpoa(w, &out, "workflow", "cancel", id, "--reason-text", "too dear",
				"--as", "Zo\xc3\xab"),
		     DONE);
	has(out, "asked to cancel 1 of 1 workflow (");
	cr_assert(await_rows(w, "cancelled|null|t", status_of_all, 5000), "%s",
		  world_rows(w, "%s", status_of_all));
	/* What the command itself takes, under a sanitizer and on a busy machine, is not the
	 * worker's. */
	cr_assert_lt(clock_mono_ms() - asked, 3000);
	cr_assert_leq(world_count(w, "SELECT extract(epoch FROM end_timestamp - "
				     "cancel_requested_at) * 1000 FROM workflow_instances"),
		      1000);
	end = world_end(w, id);
	same(json_at(end, "type"), "aethercast.cpoa.podcast_generation.cancelled");
	same(json_at(end, "data.status"), "cancelled");
	same(json_at(end, "data.error.code"), "cancelled");
	same(json_at(end, "data.ui.data.final_status"), "cancelled");
	same(world_rows(w, "SELECT cpoa_status FROM podcasts"), "cancelled");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	same(world_rows(w, "SELECT action, outcome, reason, workflow_id, db_role,"
			   " filter LIKE 'cpoa workflow cancel%%too dear%%' FROM replays"),
	     world_format(w, "cancel|requested|too dear|%s|%s|t", id, role()));
	cr_assert_eq((int)metric(w, worker, "cpoa_inflight{type=\"podcast_generation\"}"), 0);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "show", id), DONE);
	has(out, "what was done");
	has(out, "too dear");
	has(out, "Zo\xc3\xab as ");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "cancel", id), REFUSED);
	world_close(w);
}

Test(desk_workflow, cancelled_one_is_retried_from_its_last_good_call)
{
	struct world *w = world_open();
	const char *id, *out;

	world_agents(w, "--style", "async", "--latency-pswa", "2000");
	world_worker(w, NULL);
	make_podcast_row(w, "again");
	id = world_podcast(w, "again", NULL);
	world_await_accepted(w, "pswa");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "cancel", id), DONE);
	world_event(w, "cancelled", id, 0, SOON_MS);
	cr_assert(await_rows(w, "cancelled|null|t", status_of_all, SOON_MS));

	cr_assert_eq(world_cpoa(w, &out, "workflow", "retry", id), DONE);
	has(out, "retried 1 of 1 workflow (");
	world_event(w, "completed", id, 0, 60000);
	cr_assert(await_rows(w, "completed|null|f", status_of_all, SOON_MS));
	cr_assert_eq(world_call_count(w, "agent=wcha&kind=submit"), 1);
	/* It was accepted before, and is polled on. */
	cr_assert_eq(world_call_count(w, "agent=pswa&kind=submit"), 1);
	cr_assert_eq(world_call_count(w, "agent=vfa&kind=submit"), 1);
	same(world_rows(w, "SELECT cpoa_status FROM podcasts"), "completed");
	same(world_rows(w, "SELECT action, outcome FROM replays ORDER BY id"),
	     "cancel|requested\nretry|replayed");
	same(world_rows(w, "SELECT detail FROM replays WHERE action = 'retry'"),
	     "The workflow was cancelled by an operator.");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id), REFUSED);
	world_close(w);
}

Test(desk_workflow, cancel_outlives_the_worker)
{
	struct world *w = world_open();
	const char *id;
	int first;

	world_agents(w, "--latency-pswa", "60000");
	first = world_worker(w, NULL);
	id = world_podcast(w, "orphan", NULL);
	world_await_calls(w, "agent=pswa", 1);
	worker_signal(w, first, SIGKILL);
	worker_wait_exit(w, first, SOON_MS);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "cancel", id), DONE);
	same(world_rows(w, "SELECT overall_status FROM workflow_instances"), "in_progress");
	world_worker(w, NULL);
	same(json_at(world_end(w, id), "data.status"), "cancelled");
	cr_assert_eq(world_call_count(w, "agent=pswa"), 1);
	world_close(w);
}

/* A frozen worker does not hear of it; it is heard when it goes on, or by whoever takes over. */
Test(desk_workflow, cancel_waits_for_a_worker_that_is_frozen)
{
	struct world *w = world_open();
	const char *id;
	int worker;

	world_agents(w, "--latency-pswa", "60000");
	worker = world_worker(w, NULL);
	id = world_podcast(w, "frozen", NULL);
	world_await_calls(w, "agent=pswa", 1);
	worker_signal(w, worker, SIGSTOP);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "cancel", id), DONE);
	worker_signal(w, worker, SIGCONT);
	same(json_at(world_end(w, id), "data.status"), "cancelled");
	world_close(w);
}

/* Those that end in the very moment end once: as the one or as the other. */
Test(desk_workflow, cancel_and_completion_make_one_end)
{
	enum { N = 120 };
	struct world *w = world_open();
	int64_t cancelled, told;

	world_agents(w, "--style", "mixed", "--latency", "400");
	world_worker(w, "CPOA_MAX_INFLIGHT=60");
	for (int i = 0; i < N; i++) {
		struct job_spec job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);

		world_post(w, &job);
	}
	world_flush(w);
	world_await_calls(w, "agent=vfa", N / 10);
	world_cpoa(w, NULL, "workflow", "cancel", "--type", "podcast_generation", "--yes");
	world_await_ends(w, N, 60000);
	cr_assert_eq(world_contradictions(w), 0);
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	cancelled = world_count(
		w, "SELECT count(*) FROM workflow_instances WHERE overall_status = 'cancelled'");
	told = world_events(w, "cancelled", NULL);
	cr_assert_eq(told, cancelled);
	cr_assert_eq(world_events(w, "completed", NULL) + told, N);
	cr_assert_gt(cancelled, 0);
	same(world_rows(w, "SELECT count(*) FROM workflow_instances WHERE claimed_by IS NOT NULL"),
	     "0");
	world_close(w);
}

/* ---- retry ---- */

Test(desk_workflow, retry_asks_again_for_what_failed_and_nothing_else)
{
	struct world *w = world_open();
	const char *id, *out;

	world_agents(w, "--fault", "vfa:400=1");
	world_worker(w, NULL);
	make_podcast_row(w, "voice");
	id = world_podcast(w, "voice", NULL);
	same(json_at(world_end(w, id), "data.status"), "failed");
	cr_assert(await_rows(w, "failed|null|f", status_of_all, SOON_MS));
	same(world_rows(w, "SELECT state, replay_count FROM dead_letters"), "dead|0");

	/* It fails again: the same dead letter. */
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id), DONE);
	world_event(w, "failed", id, 1, SOON_MS);
	cr_assert(await_rows(w, "dead|1", "SELECT state, replay_count FROM dead_letters", SOON_MS));

	world_control(w, "{\"faults\":[]}");
	cr_assert_eq(world_cpoa(w, &out, "workflow", "retry", "--status", "failed", "--dry-run"),
		     DONE);
	has(out, "would retry 1 workflow\n");
	same(world_rows(w, "%s", status_of_all), "failed|null|f");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", "--status", "failed"), REFUSED,
		     "nobody can be asked");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", "--status", "failed", "--yes"), DONE);
	world_event(w, "completed", id, 0, SOON_MS);
	cr_assert(await_rows(w, "completed|null|f", status_of_all, SOON_MS));
	cr_assert_eq(world_call_count(w, "agent=wcha"), 1);
	cr_assert_eq(world_call_count(w, "agent=pswa"), 1);
	cr_assert_eq(world_call_count(w, "agent=vfa"), 3);
	same(world_rows(w, "SELECT state, replay_count FROM dead_letters"), "replayed|2");
	same(world_rows(w, "SELECT count(*), count(DISTINCT replay_id), count(detail),"
			   " count(dead_letter_id) FROM replays"),
	     "2|2|2|2");
	same(world_rows(w, "SELECT cpoa_status, cpoa_error_message FROM podcasts"),
	     "completed|null");
	world_close(w);
}

Test(desk_workflow, retry_from_the_start_asks_for_all)
{
	struct world *w = world_open();
	const char *id;

	world_agents(w, "--fault", "vfa:400=first:1");
	world_worker(w, NULL);
	id = world_podcast(w, "whole", NULL);
	world_event(w, "failed", id, 0, SOON_MS);
	cr_assert(await_rows(w, "failed|null|f", status_of_all, SOON_MS));
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id, "--from-start"), DONE);
	world_event(w, "completed", id, 0, SOON_MS);
	cr_assert_eq(world_call_count(w, "agent=wcha"), 2);
	cr_assert_eq(world_call_count(w, "agent=pswa"), 2);
	cr_assert_eq(world_call_count(w, "agent=vfa"), 2);
	world_close(w);
}

/* The broker has not taken the earlier end yet: its text must outlive the row that held it. */
Test(desk_workflow, retry_loses_no_event_that_still_waits)
{
	struct world *w = world_open();
	const char *id, *event;

	world_agents(w, "--fault", "vfa:400=first:1");
	world_worker(w, NULL);
	id = world_podcast(w, "told", NULL);
	world_event(w, "failed", id, 0, SOON_MS);
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	/* As a crash between the commit and the publishing leaves it, at a worker that is gone. */
	world_sql(w, "INSERT INTO outbox_events (event_id, workflow_id, event_type, claimed_by,"
		     " created_at) SELECT terminal_event_id, workflow_id, terminal_event_type,"
		     " 999999, now() FROM workflow_instances");
	event = world_rows(w, "SELECT terminal_event FROM workflow_instances");
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id), DONE);
	same(world_rows(w, "SELECT body FROM outbox_events WHERE claimed_by = 999999"), event);
	world_event(w, "completed", id, 0, SOON_MS);
	world_sql(w, "UPDATE outbox_events SET claimed_by = 0 WHERE claimed_by = 999999");
	world_event(w, "failed", id, 1, SOON_MS);
	world_close(w);
}

/* The topics that failed, of a search all of whose topics failed. */
Test(desk_workflow, retry_of_a_fan_out)
{
	struct world *w = world_open();
	struct job_spec job;
	const char *id;

	world_agents(w, "--fault", "sca:400=first:1");
	world_worker(w, NULL);
	id = world_id(w, "search");
	job = (struct job_spec){.routing_key = "search_results_generation",
				.content_type = "application/json",
				.message_id = "search",
				.headers = {{"X-Workflow-ID", id}},
				.body = "{\"query\":\"tidal energy\"}"};
	world_publish(w, &job);
	world_event(w, "failed", id, 0, SOON_MS);
	cr_assert(await_rows(w, "failed|null|f", status_of_all, SOON_MS));
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id), DONE);
	same(json_at(world_event(w, "completed", id, 0, SOON_MS)->body, "data.status"),
	     "completed");
	cr_assert_eq(world_call_count(w, "agent=tda"), 1);
	cr_assert_eq(world_stat(w, "sca", "distinct_keys") * 2, world_call_count(w, "agent=sca"));
	same(world_rows(w, "SELECT count(*) FROM task_instances WHERE status <> 'completed'"), "0");
	world_close(w);
}

/* ---- what it will not do ---- */

Test(desk_workflow, refuses_what_makes_no_sense)
{
	static const char *const nobody = "11111111-2222-3333-4444-555555555555";
	struct world *w = world_open();
	const char *id, *out;

	world_agents(w, NULL);
	world_worker(w, NULL);
	id = world_podcast(w, "fine", NULL);
	world_end(w, id);
	cr_assert(await_rows(w, "completed|null|f", status_of_all, SOON_MS));
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id), REFUSED);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "cancel", id), REFUSED);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", nobody), NO_MATCH);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", "--type", "snippet_generation"),
		     NO_MATCH);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", "--type", "none"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "cancel", "--from-start", id), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", "7"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id, "--status", "failed"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "workflow", "retry", id, "--rate", "many"), USAGE);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "retry", "--status", "completed", "--limit",
				"1", "--dry-run", "--json"),
		     DONE);
	has(out, "\"count\":1");
	same(world_rows(w, "%s", status_of_all), "completed|null|f");
	world_close(w);
}
