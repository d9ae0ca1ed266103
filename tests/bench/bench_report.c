/*
 * bench_report: reads the lines of all runs (result.h) from stdin, prints a table of medians and
 * spreads, and writes both as JSON.
 *
 *	bench_report --out FILE [--fact NAME=TEXT]...
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

enum { RUNS_MAX = 100, LINE_MAX_BYTES = 1 << 20 };

struct row {
	const char *value, *label, *unit;
	int decimals;
};

struct section {
	const char *scenario, *title;
	const struct row *rows;
};

static const struct row throughput[] = {
	{"rate", "rate, by the rows' first start to last end", "podcasts/s", 0},
	{"rate_events", "rate, to the last completed event", "podcasts/s", 0},
	{"of_floor", "of the floor", "ratio", 2},
	{"cpu_worker", "CPU: worker", "ms a podcast", 3},
	{"cpu_postgres", "CPU: PostgreSQL", "ms a podcast", 3},
	{"cpu_rabbitmq", "CPU: RabbitMQ", "ms a podcast", 3},
	{"cpu_agents", "CPU: agents", "ms a podcast", 3},
	{"cpu_load", "CPU: load generator", "ms a podcast", 3},
	{"cpu_sum", "CPU: all of these", "ms a podcast", 3},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{"commits", "commits", "a podcast", 3},
	{"batch", "changes a commit", "", 1},
	{"retries", "retried calls", "", 0},
	{"polls", "polls", "a call", 2},
	{"rss_peak", "worker's peak memory", "MiB", 1},
	{"threads", "worker's threads", "", 0},
	{"start_ms", "worker's start to first claim", "ms", 0},
	{0},
};

static const struct row search[] = {
	{"rate", "rate, by the rows' first start to last end", "searches/s", 0},
	{"rate_events", "rate, to the last completed event", "searches/s", 0},
	{"cpu_worker", "CPU: worker", "ms a search", 3},
	{"cpu_postgres", "CPU: PostgreSQL", "ms a search", 3},
	{"cpu_rabbitmq", "CPU: RabbitMQ", "ms a search", 3},
	{"cpu_agents", "CPU: agents", "ms a search", 3},
	{"cpu_sum", "CPU: all of these", "ms a search", 3},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{"commits", "commits", "a search", 3},
	{"batch", "changes a commit", "", 1},
	{"retries", "retried calls", "", 0},
	{"rss_peak", "worker's peak memory", "MiB", 1},
	{0},
};

static const struct row compared[] = {
	{"rate", "rate, by the rows' first start to last end", "podcasts/s", 0},
	{"rate_events", "rate, to the last completed event", "podcasts/s", 0},
	{"of_throughput", "of throughput's", "ratio", 2},
	{"cpu_worker", "CPU: worker", "ms a podcast", 3},
	{"cpu_worker_2", "CPU: the second worker", "ms a podcast", 3},
	{"cpu_postgres", "CPU: PostgreSQL", "ms a podcast", 3},
	{"cpu_rabbitmq", "CPU: RabbitMQ", "ms a podcast", 3},
	{"cpu_sum", "CPU: all, with agents and load", "ms a podcast", 3},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{"batch", "changes a commit", "", 1},
	{0},
};

static const struct row idle[] = {
	{"rss", "worker's memory", "MiB", 2},
	{"rss_anon", "of it its own, not the program's pages", "MiB", 2},
	{"cpu_percent", "CPU: worker", "% of a core", 3},
	{"threads", "worker's threads", "", 0},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{0},
};

static const struct row extraction[] = {
	{"mb_s", "HTML to text, one core", "MB/s", 1},
	{"slowest_ms", "slowest page", "ms", 2},
	{0},
};

static const struct row timed[] = {
	{"rate", "published", "podcasts/s", 0},
	{"own_p50", "job confirmed to event confirmed, p50", "ms", 2},
	{"own_p90", "p90", "ms", 2},
	{"own_p99", "p99", "ms", 2},
	{"own_max", "longest", "ms", 2},
	{"p50", "job published to event confirmed, p50", "ms", 2},
	{"p90", "p90", "ms", 2},
	{"p99", "p99", "ms", 2},
	{"max", "longest", "ms", 2},
	{"cpu_worker", "CPU: worker", "ms a podcast", 3},
	{"cpu_postgres", "CPU: PostgreSQL", "ms a podcast", 3},
	{"cpu_rabbitmq", "CPU: RabbitMQ", "ms a podcast", 3},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{0},
};

static const struct row inflight[] = {
	{"inflight", "workflows in flight at once", "", 0},
	{"open", "requests open at one agent at once", "", 0},
	{"rss_idle", "worker's memory: idle", "MiB", 1},
	{"rss_full", "worker's memory: all in flight", "MiB", 1},
	{"rss_peak", "worker's memory: peak", "MiB", 1},
	{"rss_after", "worker's memory: afterwards", "MiB", 1},
	{"kib_each", "memory a workflow in flight", "KiB", 1},
	{"threads", "worker's threads", "", 0},
	{"threads_more", "more than when idle", "", 0},
	{"cpu_worker", "CPU: worker", "ms a podcast", 3},
	{"seconds", "until all have completed", "s", 1},
	{"retries", "retried calls", "", 0},
	{0},
};

static const struct row floor_rows[] = {
	{"rate", "rate", "podcasts/s", 0},
	{"cpu_postgres", "CPU: PostgreSQL", "ms a podcast", 3},
	{"cpu_load", "CPU: the client", "ms a podcast", 3},
	{"commits", "commits", "a podcast", 3},
	{"batch", "changes a commit", "", 0},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{0},
};

static const struct row limits[] = {
	{"rate", "rate, by the rows' first start to last end", "podcasts/s", 0},
	{"of_without", "of that without", "ratio", 2},
	{"cpu_worker", "CPU: worker", "ms a podcast", 3},
	{"cpu_sum", "CPU: all, with agents and load", "ms a podcast", 3},
	{"cpu_more", "the worker's more, of all without", "%", 1},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{"waits", "calls that had to wait", "", 0},
	{0},
};

static const struct row prune[] = {
	{"rate", "rate, by the rows' first start to last end", "podcasts/s", 0},
	{"rate_events", "rate, to the last completed event", "podcasts/s", 0},
	{"cpu_postgres", "CPU: PostgreSQL", "ms a podcast", 3},
	{"batch", "changes a commit", "", 1},
	{"others", "CPU: everybody else on the machine", "% of it", 1},
	{0},
};

static const struct section sections[] = {
	{"throughput", "Throughput: agents answer at once", throughput},
	{"two", "The same with two workers", compared},
	{"history", "The same with a history in the tables", compared},
	{"async", "Async style: 202 and 2 polls, 50 ms apart", throughput},
	{"search", "Searches: 7 topics, 15 calls each", search},
	{"lone", "A lone podcast", timed},
	{"half", "The same at half of the throughput's rate", timed},
	{"floor", "The floor: its SQL alone, on one session", floor_rows},
	{"inflight_sync", "In flight: agents take 30 s, an open request each", inflight},
	{"inflight_async", "In flight: agents take 30 s, polled", inflight},
	{"idle", "An idle worker", idle},
	{"extraction", "Pages", extraction},
	{"limits_without", "Throughput without limits and breaker", limits},
	{"limits_with", "The same with limits that never bind, and the breaker", limits},
	{"prune_without", "Throughput with a history, nobody pruning it", prune},
	{"prune_with", "The same beside `cpoa prune`", prune},
};

/* What is to be reached: at least `bound`, or at most where it is a ceiling; and better, `aim`. */
struct goal {
	const char *scenario, *value, *what;
	double bound, aim; /* no aim: 0 */
	bool ceiling;
	int decimals;
};

static const struct goal goals[] = {
	{"throughput", "rate", "podcasts/s, agents answer at once", 3000, 4000, false, 0},
	{"throughput", "of_floor", "the same against the floor", 0.5, 0.7, false, 2},
	{"throughput", "commits", "commits a podcast at that load", 0.2, 0.05, true, 3},
	{"throughput", "cpu_worker", "worker's own CPU a podcast, ms", 0.150, 0.100, true, 3},
	{"lone", "own_p50", "lone podcast, own share, p50 ms", 5, 3, true, 2},
	{"lone", "own_p99", "lone podcast, own share, p99 ms", 15, 0, true, 2},
	{"half", "own_p99", "the same at half of the rate, p99 ms", 50, 25, true, 2},
	{"inflight_sync", "inflight", "in flight, a request each", 10000, 0, false, 0},
	{"inflight_sync", "rss_full", "their memory, MiB", 288, 208, true, 1},
	{"inflight_sync", "threads_more", "threads more for them", 0, 0, true, 0},
	{"inflight_async", "inflight", "in flight, polled", 10000, 0, false, 0},
	{"inflight_async", "rss_full", "their memory, MiB", 96, 48, true, 1},
	{"idle", "rss", "idle worker, MiB", 12, 8, true, 2},
	{"idle", "cpu_percent", "idle worker, % CPU", 0.1, 0, true, 3},
	{"throughput", "start_ms", "start to first claim, ms", 100, 50, true, 0},
	{"async", "rate", "podcasts/s, 202 and polls", 1200, 2000, false, 0},
	{"search", "rate", "searches/s, 15 calls each", 400, 600, false, 0},
	{"two", "of_throughput", "two workers' rate, of one's", 1, 0, false, 2},
	{"history", "of_throughput", "rate with a history, of that without", 0.9, 0, false, 2},
	{"limits_with", "of_without", "rate with limits, of that without", 0.97, 0, false, 2},
	{"limits_with", "cpu_more", "their CPU, % of all of a podcast's", 3, 0, true, 1},
	{"extraction", "mb_s", "a page of HTML to text, MB/s", 20, 50, false, 1},
};

struct sample {
	double of[RUNS_MAX];
	int n;
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct sample *s)
{
	return (s->of[(s->n - 1) / 2] + s->of[s->n / 2]) / 2;
}

/* All runs' values of one name, in the order of the runs. */
static struct sample in_turn(struct json_object *runs, const char *scenario, const char *value)
{
	struct sample s = {0};

	for (size_t i = 0; i < json_object_array_length(runs); i++) {
		struct json_object *line = json_object_array_get_idx(runs, i);
		struct json_object *v = json_any(json_obj(line, "values"), value);
		const char *name = json_str(line, "scenario");

		if (name && strcmp(name, scenario) == 0 && v && s.n < RUNS_MAX)
			s.of[s.n++] = json_object_get_double(v);
	}
	return s;
}

/* The same, sorted. */
static struct sample collect(struct json_object *runs, const char *scenario, const char *value)
{
	struct sample s = in_turn(runs, scenario, value);

	qsort(s.of, (size_t)s.n, sizeof(s.of[0]), by_size);
	return s;
}

/* Gives each run of a scenario `name`: its rate as a share of that of the run of `other` in the
 * same turn, which was beside it in time. A minute that is slow for both says nothing of either. */
static void add_ratio(struct json_object *runs, const char *scenario, const char *name,
		      const char *other)
{
	struct sample rate = in_turn(runs, other, "rate");
	int turn = 0;

	for (size_t i = 0; i < json_object_array_length(runs) && turn < rate.n; i++) {
		struct json_object *line = json_object_array_get_idx(runs, i);
		struct json_object *values = json_obj(line, "values");
		const char *its = json_str(line, "scenario");

		if (its && strcmp(its, scenario) == 0)
			json_set(values, name,
				 json_object_new_double(
					 json_object_get_double(json_any(values, "rate")) /
					 rate.of[turn++]));
	}
}

/* What the limits cost: by how much the worker's CPU is more than without, as a share of all CPU
 * there. Rates are too noisy to show it. */
static void add_limits_cost(struct json_object *runs)
{
	struct sample worker = collect(runs, "limits_without", "cpu_worker");
	struct sample all = collect(runs, "limits_without", "cpu_sum");

	if (!worker.n || !all.n)
		return;
	for (size_t i = 0; i < json_object_array_length(runs); i++) {
		struct json_object *line = json_object_array_get_idx(runs, i);
		struct json_object *values = json_obj(line, "values");
		const char *its = json_str(line, "scenario");
		double more =
			json_object_get_double(json_any(values, "cpu_worker")) - median(&worker);

		if (its && strcmp(its, "limits_with") == 0)
			json_set(values, "cpu_more",
				 json_object_new_double(100 * more / median(&all)));
	}
}

static struct json_object *read_runs(void)
{
	struct json_object *runs = json_object_new_array(), *line;
	char *text = NULL;
	size_t cap = 0;
	struct err e;
	ssize_t len;

	while ((len = getline(&text, &cap, stdin)) > 0 && len < LINE_MAX_BYTES)
		if (json_read(text, (size_t)len, JSON_DEPTH_MAX, JSON_STRICT, &line, &e) == JSON_OK)
			json_object_array_add(runs, line);
	free(text);
	return runs;
}

static struct json_object *print_section(const struct section *section, struct json_object *runs)
{
	struct json_object *out = json_object_new_object(), *v;
	bool titled = false;

	for (const struct row *row = section->rows; row->value; row++) {
		struct sample s = collect(runs, section->scenario, row->value);

		if (!s.n)
			continue;
		if (!titled)
			printf("\n%s\n", section->title);
		titled = true;
		printf("  %-44s %10.*f   %10.*f – %-10.*f %s\n", row->label, row->decimals,
		       median(&s), row->decimals, s.of[0], row->decimals, s.of[s.n - 1], row->unit);
		v = json_object_new_object();
		json_set(v, "median", json_object_new_double(median(&s)));
		json_set(v, "min", json_object_new_double(s.of[0]));
		json_set(v, "max", json_object_new_double(s.of[s.n - 1]));
		json_set(v, "runs", json_object_new_int(s.n));
		json_set_str(v, "unit", row->unit);
		json_set(out, row->value, v);
	}
	return out;
}

static bool holds(const struct goal *goal, double bound, double value)
{
	return goal->ceiling ? value <= bound : value >= bound;
}

static struct json_object *print_goal(const struct goal *goal, double value)
{
	struct json_object *v = json_object_new_object();
	const char *sign = goal->ceiling ? "≤" : "≥";

	printf("  %-44s %10.*f   %s %-8.*f %-5s", goal->what, goal->decimals, value, sign,
	       goal->decimals, goal->bound, holds(goal, goal->bound, value) ? "yes" : "NO");
	if (goal->aim > 0)
		printf(" %s %-8.*f %s", sign, goal->decimals, goal->aim,
		       holds(goal, goal->aim, value) ? "yes" : "no");
	putchar('\n');
	json_set_str(v, "what", goal->what);
	json_set_str(v, "scenario", goal->scenario);
	json_set_str(v, "value", goal->value);
	json_set(v, "median", json_object_new_double(value));
	json_set(v, goal->ceiling ? "at_most" : "at_least", json_object_new_double(goal->bound));
	json_set(v, "holds", json_object_new_boolean(holds(goal, goal->bound, value)));
	if (goal->aim > 0) {
		json_set(v, "aim", json_object_new_double(goal->aim));
		json_set(v, "aim_holds", json_object_new_boolean(holds(goal, goal->aim, value)));
	}
	return v;
}

/* Medians of what was measured against what is to be reached. */
static struct json_object *print_goals(struct json_object *runs)
{
	struct json_object *out = json_object_new_array();

	for (size_t i = 0; i < sizeof(goals) / sizeof(*goals); i++) {
		struct sample s = collect(runs, goals[i].scenario, goals[i].value);

		if (!s.n)
			continue;
		if (!json_object_array_length(out))
			printf("\n%-46s %10s   %-16s %s\n", "To reach", "median", "at least",
			       "the aim");
		json_object_array_add(out, print_goal(&goals[i], median(&s)));
	}
	return out;
}

static void add_fact(struct json_object *facts, const char *text)
{
	size_t n = strcspn(text, "=");
	char *name = xstrndup(text, n);

	json_set_str(facts, name, text[n] ? text + n + 1 : "");
	free(name);
}

static int write_result(const char *path, struct json_object *result)
{
	if (json_object_to_file_ext(path, result,
				    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE) == 0)
		return 0;
	fprintf(stderr, "bench_report: cannot write %s\n", path);
	return 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"out", required_argument, NULL, 'o'}, {"fact", required_argument, NULL, 'f'}, {0}};
	struct json_object *result = json_object_new_object(), *facts = json_object_new_object(),
			   *scenarios = json_object_new_object(), *runs;
	const char *path = NULL;
	int c, code;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'o')
			path = optarg;
		else if (c == 'f')
			add_fact(facts, optarg);
		else
			return 2;
	}
	if (!path)
		return 2;
	runs = read_runs();
	add_ratio(runs, "throughput", "of_floor", "floor");
	add_ratio(runs, "two", "of_throughput", "throughput");
	add_ratio(runs, "history", "of_throughput", "throughput");
	add_ratio(runs, "limits_with", "of_without", "limits_without");
	add_limits_cost(runs);
	json_object_object_foreach(facts, name, fact)
		printf("%-10s %s\n", name, json_object_get_string(fact));
	printf("\n  %-44s %10s   %10s – %-10s\n", "", "median", "min", "max");
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
		json_set(scenarios, sections[i].scenario, print_section(&sections[i], runs));
	json_set(result, "goals", print_goals(runs));
	json_set(result, "facts", facts);
	json_set(result, "scenarios", scenarios);
	json_set(result, "runs", runs);
	code = write_result(path, result);
	json_put(&result);
	return code;
}
