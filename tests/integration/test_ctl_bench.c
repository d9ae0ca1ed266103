/* links: cpoa_world cpoa_db cpoa_mq */
/* `cpoa bench` from outside. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;
	struct err e = {0};

	cr_assert_eq(json_read(text, strcspn(text, "\n"), JSON_DEPTH_MAX, JSON_STRICT, &o, &e),
		     JSON_OK, "%s: %s", e.text, text);
	return o;
}

Test(ctl_bench, a_burst_of_all_types_is_told_by_type)
{
	struct world *w = world_open();
	struct json_object *o, *types;
	const char *out;

	world_agents(w, "--latency-pswa", "150");
	world_worker(w, NULL);
	cr_assert_eq(world_cpoa(w, &out, "bench", "--json", "--jobs", "60", "--mix",
				"podcast_generation=5,snippet_generation,search_results_generation,"
				"topic_exploration,landing_page_snippets,popular_categories"),
		     DONE);
	o = parse(out);
	types = json_obj(o, "types");
	cr_assert_eq(json_object_object_length(types), 6);
	same(json_at(types, "podcast_generation.sent"), "30");
	same(json_at(types, "podcast_generation.completed"), "30");
	same(json_at(types, "popular_categories.completed"), "6");
	same(json_at(o, "all.completed"), "60");
	same(json_at(o, "all.unheard"), "0");
	cr_assert_geq(strtod(json_at(types, "podcast_generation.latency_ms.p50"), NULL), 150);
	cr_assert_geq(strtod(json_at(o, "all.latency_ms.max"), NULL),
		      strtod(json_at(o, "all.latency_ms.p99"), NULL));
	cr_assert_eq(world_count(w, "SELECT count(*) FROM workflow_instances"), 60);
	json_put(&o);
	world_close(w);
}

Test(ctl_bench, a_rate_is_kept_though_nothing_ends)
{
	struct world *w = world_open();
	struct json_object *o;
	const char *out;

	world_agents(w, "--latency-pswa", "1500");
	world_worker(w, "CPOA_MAX_INFLIGHT=4");
	/* Four at a time, each 1.5 s: what comes later waits, and its time tells so. */
	cr_assert_eq(world_cpoa(w, &out, "bench", "--json", "--rate", "20", "--duration", "1"),
		     DONE);
	o = parse(out);
	same(json_at(o, "all.sent"), "20");
	cr_assert_gt(strtod(json_at(o, "all.latency_ms.max"), NULL), 6000);
	cr_assert_lt(strtod(json_at(o, "all.latency_ms.p50"), NULL),
		     strtod(json_at(o, "all.latency_ms.max"), NULL) - 1000);
	json_put(&o);
	world_close(w);
}

Test(ctl_bench, failures_and_what_was_not_heard_of_are_counted)
{
	struct world *w = world_open();
	struct json_object *o;
	const char *out;

	cr_assert_eq(world_cpoa(w, NULL, "bench", "--jobs", "1"), NO_SERVER, "no exchange");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), DONE);
	cr_assert_eq(world_cpoa(w, &out, "bench", "--jobs", "3", "--timeout", "1"), FAILED);
	has(out, "UNHEARD");
	has(out, "podcast_generation     3          0       0       0          0        3");
	world_agents(w, "--fault", "pswa:500=1");
	world_worker(w, "CPOA_SERVICE_RETRY_COUNT=0");
	cr_assert_eq(world_cpoa(w, &out, "bench", "--jobs", "5", "--json"), FAILED);
	o = parse(out);
	same(json_at(o, "all.failed"), "5");
	json_put(&o);
	world_close(w);
}

Test(ctl_bench, an_interrupt_reports_what_there_is)
{
	struct world *w = world_open();
	const char *out, *command;

	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), DONE);
	command = world_format(w, "timeout -s INT 1 '%s' bench --rate 50 --duration 60 --json",
			       getenv("CPOA_BIN"));
	cr_assert_eq(
		world_run(w, &out,
			  (const char *const[]){
				  "/bin/sh", "-c",
				  world_format(w, "%s; test $? = 124 -o $? = 130", command), NULL}),
		0);
	has(out, "\"unheard\":");
	world_close(w);
}

Test(ctl_bench, absurd_wishes_are_refused)
{
	static const char *const rows[][5] = {
		{"--rate", "0"},
		{"--rate", "-1"},
		{"--rate", "1e9"},
		{"--rate", "nan"},
		{"--rate", "fast"},
		{"--jobs", "0"},
		{"--jobs", "1000001"},
		{"--duration", "5"},
		{"--rate", "100000", "--duration", "1d"},
		{"--jobs", "5", "--duration", "5"},
		{"--mix", "bogus=1"},
		{"--mix", "podcast_generation=0"},
		{"now"},
	};
	struct world *w = world_open_unmigrated();

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++)
		cr_expect_eq(world_cpoa(w, NULL, "bench", rows[r][0], rows[r][1], rows[r][2],
					rows[r][3]),
			     USAGE, "row %zu", r);
	world_close(w);
}
