/* links: cpoa_world cpoa_db cpoa_mq */
/* Searches whose worker dies in the middle: nothing that had landed is asked again (design.md §5).
 */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "orders.h"

enum { CALLS = 15 }; /* TDA, and SCA and IGA for each of seven topics */

/* When the first worker dies: this query says that it is time. */
struct moment {
	const char *name, *style, *query;
	const char *options[5]; /* of the agents */
};

/* Retry-After spreads the landings over a second, so that a part of them is in the rows. */
static const struct moment moments[] = {
	{"sca-out",
	 "sync",
	 "SELECT count(*) >= 7 FROM task_instances WHERE call_name ~ '^sca_'",
	 {"--latency-sca", "800"}},
	{"sca-taken",
	 "async",
	 "SELECT count(external_celery_task_id) >= 4 FROM task_instances WHERE call_name ~ '^sca_'",
	 {"--latency-sca", "1000"}},
	{"sca-landed",
	 "sync",
	 "SELECT count(reply) BETWEEN 1 AND 6 FROM task_instances WHERE call_name ~ '^sca_'",
	 {"--fault", "sca:503:1=0.5"}},
	{"iga-landed",
	 "async",
	 "SELECT count(reply) BETWEEN 1 AND 6 FROM task_instances WHERE call_name ~ '^iga_'",
	 {"--fault", "iga:503:1=0.5"}},
	{"items-ended",
	 "mixed",
	 "SELECT count(reply) BETWEEN 2 AND 5 FROM task_instances WHERE call_name ~ '^item_'",
	 {"--fault", "iga:503:1=0.5", "--latency-iga", "200"}},
};

/* The keys of calls that must not be submitted again: landed or accepted, and committed. */
struct kept {
	char key[128];
	int submits;
};

static int submits_of(struct world *w, const char *key)
{
	return world_call_count(w, world_format(w, "kind=submit&key=%s", key));
}

static int what_is_kept(struct world *w, struct kept kept[CALLS])
{
	char *rows = xstrdup(world_rows(w, "SELECT w.idempotency_key || '_' || t.call_name"
					   " FROM task_instances t JOIN workflow_instances w"
					   " USING (workflow_id) WHERE call_name !~ '^item_' AND"
					   " (reply IS NOT NULL OR external_celery_task_id IS NOT "
					   "NULL)")),
	     *rest = rows, *key;
	int n = 0;

	while ((key = strsep(&rest, "\n")) && *key) {
		cr_assert_lt(n, CALLS);
		snprintf(kept[n].key, sizeof(kept[n].key), "%s", key);
		kept[n].submits = submits_of(w, key);
		cr_assert_gt(kept[n].submits, 0, "%s", key);
		n++;
	}
	free(rows);
	return n;
}

static void expect_whole(struct world *w, const char *id)
{
	struct json_object *end = world_end(w, id);

	same(json_at(end, "data.status"), "completed");
	cr_assert_eq((int)json_object_array_length(
			     json_arr(json_obj(json_obj(end, "data"), "result"), "search_results")),
		     7);
	same(world_rows(w, "SELECT overall_status, claims FROM workflow_instances"), "completed|2");
	same(world_rows(w, "SELECT status, count(*) FROM task_instances GROUP BY 1"),
	     "completed|22");
	same(world_rows(w, "SELECT count(*), count(image_url) FROM topics_snippets"), "7|7");
	cr_assert_eq(world_events(w, NULL, NULL), 1);
	cr_assert_eq(world_stat(w, "sca", "distinct_keys"), 7);
	cr_assert_eq(world_stat(w, "iga", "distinct_keys"), 7);
	cr_assert_eq(world_stat(w, "sca", "key_conflicts"), 0);
	cr_assert_eq(world_stat(w, "iga", "key_conflicts"), 0);
}

static void play(const struct moment *t)
{
	struct world *w = world_open();
	const char *options[8] = {"--style", t->style};
	struct kept kept[CALLS];
	const char *id;
	int first, n;

	for (int i = 0; t->options[i]; i++)
		options[i + 2] = t->options[i];
	world_agents_with(w, options);
	first = world_worker(w, NULL);
	id = order_search(w, t->name);
	cr_assert(await_rows(w, "t", t->query, SOON_MS), "%s: its moment never came", t->name);
	worker_signal(w, first, SIGKILL);
	cr_assert_eq(worker_wait_exit(w, first, SOON_MS), 128 + SIGKILL);
	n = what_is_kept(w, kept);
	cr_assert_gt(n, 0);
	same(world_rows(w, "SELECT overall_status FROM workflow_instances"), "in_progress");

	world_worker(w, NULL);
	expect_whole(w, id);
	for (int i = 0; i < n; i++)
		cr_assert_eq(submits_of(w, kept[i].key), kept[i].submits, "%s: %s is asked again",
			     t->name, kept[i].key);
	world_close(w);
}

Test(search_takeover, while_sca_is_asked)
{
	play(&moments[0]);
}

Test(search_takeover, while_sca_is_at_work)
{
	play(&moments[1]);
}

Test(search_takeover, while_some_of_sca_have_landed)
{
	play(&moments[2]);
}

Test(search_takeover, while_some_of_iga_have_landed)
{
	play(&moments[3]);
}

Test(search_takeover, while_some_topics_are_done)
{
	play(&moments[4]);
}

/* Every search of a dead worker, whatever it was at. */
Test(search_takeover, of_many_ends_each_once)
{
	enum { SEARCHES = 12 };
	struct world *w = world_open();
	int first;

	world_agents(w, "--style", "mixed", "--latency", "200");
	first = world_worker(w, NULL);
	world_worker(w, NULL);
	for (int i = 0; i < SEARCHES; i++) {
		const char *name = world_format(w, "s%d", i);
		struct job_spec job = order_spec(w, "search_results_generation", name,
						 world_format(w, "{\"query\":\"%s\"}", name));

		world_post(w, &job);
	}
	world_flush(w);
	cr_assert(await_rows(w, "t", "SELECT count(reply) > 20 FROM task_instances", SOON_MS));
	worker_signal(w, first, SIGKILL);
	world_await_ends(w, SEARCHES, SOON_MS);
	cr_assert_eq(world_contradictions(w), 0);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     world_format(w, "completed|%d", SEARCHES));
	same(world_rows(w, "SELECT count(*) FROM topics_snippets"),
	     world_format(w, "%d", 7 * SEARCHES));
	cr_assert_eq(world_stat(w, "sca", "distinct_keys"), 7 * SEARCHES);
	cr_assert_eq(world_stat(w, "iga", "distinct_keys"), 7 * SEARCHES);
	cr_assert_eq(world_queue(w, "cpoa.jobs.search_results_generation"), 0);
	worker_wait_exit(w, first, SOON_MS);
	world_close(w);
}
