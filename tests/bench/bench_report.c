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
	{"rss_peak", "worker's peak memory", "MiB", 1},
	{"threads", "worker's threads", "", 0},
	{"start_ms", "worker's start to first claim", "ms", 0},
	{0},
};

static const struct row lone[] = {
	{"p50", "p50", "ms", 2},
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
	{"async", "Async style: 202 and polls every 50 ms, agents take 100 ms", throughput},
	{"lone", "A lone podcast: published to completed", lone},
	{"floor", "The floor: its SQL alone, on one session", floor_rows},
	{"inflight_sync", "In flight: agents take 10 s, an open request each", inflight},
	{"inflight_async", "In flight: agents take 10 s, polled", inflight},
	{"prune_without", "Throughput with a history, nobody pruning it", prune},
	{"prune_with", "The same beside `cpoa prune`", prune},
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

/* All runs' values of one name, sorted. */
static struct sample collect(struct json_object *runs, const char *scenario, const char *value)
{
	struct sample s = {0};

	for (size_t i = 0; i < json_object_array_length(runs); i++) {
		struct json_object *line = json_object_array_get_idx(runs, i);
		struct json_object *v = json_any(json_obj(line, "values"), value);
		const char *name = json_str(line, "scenario");

		if (name && strcmp(name, scenario) == 0 && v && s.n < RUNS_MAX)
			s.of[s.n++] = json_object_get_double(v);
	}
	qsort(s.of, (size_t)s.n, sizeof(s.of[0]), by_size);
	return s;
}

/* The throughput as a share of what its SQL alone would reach. */
static void add_ratio(struct json_object *runs)
{
	struct sample floor_rate = collect(runs, "floor", "rate");

	if (!floor_rate.n)
		return;
	for (size_t i = 0; i < json_object_array_length(runs); i++) {
		struct json_object *line = json_object_array_get_idx(runs, i);
		struct json_object *values = json_obj(line, "values");
		const char *name = json_str(line, "scenario");

		if (name && strcmp(name, "throughput") == 0)
			json_set(values, "of_floor",
				 json_object_new_double(
					 json_object_get_double(json_any(values, "rate")) /
					 median(&floor_rate)));
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
	add_ratio(runs);
	json_object_object_foreach(facts, name, fact)
		printf("%-10s %s\n", name, json_object_get_string(fact));
	printf("\n  %-44s %10s   %10s – %-10s\n", "", "median", "min", "max");
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
		json_set(scenarios, sections[i].scenario, print_section(&sections[i], runs));
	json_set(result, "facts", facts);
	json_set(result, "scenarios", scenarios);
	json_set(result, "runs", runs);
	code = write_result(path, result);
	json_put(&result);
	return code;
}
