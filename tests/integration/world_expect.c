/* world: what many tests expect of it. */
#include <criterion/criterion.h>

#include "world.h"

struct wish {
	struct world *w;
	const char *query;
	int n;
};

static bool called(void *ctx)
{
	struct wish *wish = ctx;

	return world_call_count(wish->w, wish->query) >= wish->n;
}

void world_await_calls(struct world *w, const char *query, int n)
{
	cr_assert(await(called, &(struct wish){w, query, n}, SOON_MS), "%s: never %d", query, n);
}

void world_await_accepted(struct world *w, const char *call)
{
	cr_assert(
		await_rows(w, "1",
			   world_format(w,
					"SELECT count(*) FROM task_instances WHERE call_name = '%s'"
					" AND external_celery_task_id IS NOT NULL",
					call),
			   SOON_MS),
		"%s was not accepted", call);
}

void world_expect_refused(struct world *w, const char *name, const char *reason, const char *text)
{
	const char *sql = world_format(
		w, "SELECT reason, state FROM dead_letters WHERE message_id = '%s'", name);

	cr_assert(await_rows(w, world_format(w, "%s|dead", reason), sql, SOON_MS), "%s: %s, not %s",
		  name, world_rows(w, "%s", sql), reason);
	has(world_rows(w, "SELECT error_text FROM dead_letters WHERE message_id = '%s'", name),
	    text);
}

static bool idle(void *w)
{
	return metric(w, 0, "cpoa_inflight{type=\"podcast_generation\"}") < 1;
}

void world_expect_settled(struct world *w)
{
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	cr_assert(await(idle, w, SOON_MS), "the worker still holds something");
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 0);
	cr_assert_eq(world_queue(w, "cpoa.dead"), 0);
}

void world_expect_completed(struct world *w, int n)
{
	world_await_ends(w, n, 60000);
	cr_assert_eq(world_contradictions(w), 0);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     world_format(w, "completed|%d", n));
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 0);
}
