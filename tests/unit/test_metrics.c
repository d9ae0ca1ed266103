#include "cpoa/metrics.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const types[] = {"podcast", "snippet", "other"};
static const char *const states[] = {"ok", "a\"b\\c\nd"};
static const double seconds[] = {0.005, 0.5, 10};
static const double sizes[] = {1, 8, 1000000};

static int64_t answer(void)
{
	return -42;
}

static struct metric ended = {
	.name = "t_ended_total",
	.help = "What\nended \\ \"so\".",
	.kind = METRIC_COUNTER,
	.labels = {{"type", types, 3}, {"state", states, 2}},
};
static struct metric level = {.name = "t_level", .help = "Level.", .kind = METRIC_GAUGE};
static struct metric asked = {
	.name = "t_asked", .help = "Asked.", .kind = METRIC_GAUGE, .read = answer};
static struct metric took = {
	.name = "t_took_seconds",
	.help = "Took.",
	.kind = METRIC_HISTOGRAM,
	.buckets = seconds,
	.n_buckets = 3,
	.labels = {{"type", types, 3}},
};
static struct metric batch = {
	.name = "t_batch_size",
	.help = "Size.",
	.kind = METRIC_HISTOGRAM,
	.buckets = sizes,
	.n_buckets = 3,
};
static struct metric *const all[] = {&ended, &level, &asked, &took, &batch};
static struct strbuf out;

static void begin(void)
{
	metrics_setup(all, 5);
	strbuf_init(&out, 1 << 20);
}

static void finish(void)
{
	metrics_release(all, 5);
	strbuf_release(&out);
}

TestSuite(metrics, .init = begin, .fini = finish);

Test(metrics, every_series_exists_from_the_start)
{
	metrics_print(all, 2, 0, &out);
	cr_expect_str_eq(out.buf, "# HELP t_ended_total What\\nended \\\\ \"so\".\n"
				  "# TYPE t_ended_total counter\n"
				  "t_ended_total{type=\"podcast\",state=\"ok\"} 0\n"
				  "t_ended_total{type=\"podcast\",state=\"a\\\"b\\\\c\\nd\"} 0\n"
				  "t_ended_total{type=\"snippet\",state=\"ok\"} 0\n"
				  "t_ended_total{type=\"snippet\",state=\"a\\\"b\\\\c\\nd\"} 0\n"
				  "t_ended_total{type=\"other\",state=\"ok\"} 0\n"
				  "t_ended_total{type=\"other\",state=\"a\\\"b\\\\c\\nd\"} 0\n"
				  "# HELP t_level Level.\n"
				  "# TYPE t_level gauge\n"
				  "t_level 0\n");
}

Test(metrics, counting)
{
	metric_add(&ended, 1, 0, 2);
	metric_add(&ended, 1, 0, 3);
	metric_add(&ended, 1, 1, 7);
	metric_add(&ended, 99, 0, 1);
	metric_add(&ended, (size_t)-1, 0, 1);
	cr_expect_eq(metric_value(&ended, 1, 0), 5);
	cr_expect_eq(metric_value(&ended, 1, 1), 7);
	cr_expect_eq(metric_value(&ended, 0, 0), 0);
	cr_expect_eq(metric_value(&ended, 2, 0), 2, "an unknown value is \"other\"");
	metric_set(&level, 0, 0, 5);
	metric_add(&level, 0, 0, -7);
	cr_expect_eq(metric_value(&level, 0, 0), -2);
	cr_expect_eq(metric_value(&asked, 0, 0), -42);
	metrics_print(&all[1], 2, 0, &out);
	cr_expect(strstr(out.buf, "\nt_level -2\n"));
	cr_expect(strstr(out.buf, "\nt_asked -42\n"));
}

Test(metrics, a_histogram_of_seconds)
{
	static const int64_t us[] = {0, 5000, 5001, 500000, 9999999, 10000000, 10000001, -5};

	for (size_t i = 0; i < sizeof(us) / sizeof(us[0]); i++)
		metric_observe(&took, 1, 0, us[i]);
	cr_expect_eq(metric_value(&took, 1, 0), 8);
	metrics_print(&all[3], 1, 0, &out);
	cr_expect(strstr(out.buf, "t_took_seconds_bucket{type=\"snippet\",le=\"0.005\"} 3\n"
				  "t_took_seconds_bucket{type=\"snippet\",le=\"0.5\"} 5\n"
				  "t_took_seconds_bucket{type=\"snippet\",le=\"10\"} 7\n"
				  "t_took_seconds_bucket{type=\"snippet\",le=\"+Inf\"} 8\n"
				  "t_took_seconds_sum{type=\"snippet\"} 30.510001\n"
				  "t_took_seconds_count{type=\"snippet\"} 8\n"),
		  "%s", out.buf);
	cr_expect(strstr(out.buf, "t_took_seconds_sum{type=\"podcast\"} 0.000000\n"));
}

Test(metrics, a_histogram_of_numbers)
{
	metric_observe_count(&batch, 0, 0, 1);
	metric_observe_count(&batch, 0, 0, 9);
	metric_observe_count(&batch, 0, 0, 2000000);
	metrics_print(&all[4], 1, 0, &out);
	cr_expect_str_eq(
		out.buf,
		"# HELP t_batch_size Size.\n# TYPE t_batch_size histogram\n"
		"t_batch_size_bucket{le=\"1\"} 1\nt_batch_size_bucket{le=\"8\"} 1\n"
		"t_batch_size_bucket{le=\"1000000\"} 2\nt_batch_size_bucket{le=\"+Inf\"} 3\n"
		"t_batch_size_sum 2000010\nt_batch_size_count 3\n");
}

static double value_of(const char *name)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(out.buf, line);
	cr_assert(at, "%s is missing", name);
	return strtod(at + strlen(line), NULL);
}

Test(metrics, the_process)
{
	double start;

	while (clock() < CLOCKS_PER_SEC / 200)
		continue;
	metrics_print(all, 0, 1, &out);
	start = value_of("process_start_time_seconds");
	cr_expect(start <= (double)time(NULL) + 1 && start > (double)time(NULL) - 600, "%f", start);
	cr_expect_gt(value_of("process_cpu_seconds_total"), 0);
	cr_expect_gt(value_of("process_resident_memory_bytes"), 100000);
	cr_expect_gt(value_of("process_virtual_memory_bytes"),
		     value_of("process_resident_memory_bytes"));
	cr_expect(value_of("process_open_fds") >= 3 && value_of("process_open_fds") < 100);
	cr_expect_geq(value_of("process_max_fds"), value_of("process_open_fds"));
}

/* The rules of the format: HELP, TYPE, then samples of that family alone; no family twice; each
 * line ends. */
Test(metrics, the_text_keeps_to_the_format)
{
	char *text, *rest, *line, *family = strdup("");
	int families = 0;

	metrics_print(all, 5, 1, &out);
	cr_expect_not(out.failed);
	cr_expect_eq(out.buf[out.len - 1], '\n');
	rest = text = strdup(out.buf);
	text[out.len - 1] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			char again[80];

			free(family);
			family = strndup(line + 7, strcspn(line + 7, " "));
			snprintf(again, sizeof(again), "# HELP %s ", family);
			cr_expect_null(strstr(strstr(out.buf, again) + 1, again), "%s comes twice",
				       family);
			families++;
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			cr_expect_eq(strncmp(line + 7, family, strlen(family)), 0);
		} else {
			const char *value = strrchr(line, ' ');
			char *end;

			cr_expect_eq(strncmp(line, family, strlen(family)), 0, "%s is not of %s",
				     line, family);
			cr_assert_not_null(value);
			(void)strtod(value + 1, &end);
			cr_expect_eq(*end, '\0', "%s", line);
		}
	}
	cr_expect_eq(families, 11);
	free(family);
	free(text);
}

Test(metrics, before_setup_nothing_is_counted)
{
	metrics_release(all, 5);
	metric_add(&ended, 0, 0, 1);
	metric_observe(&took, 0, 0, 1);
	cr_expect_eq(metric_value(&ended, 0, 0), 0);
	cr_expect_eq(metric_value(&took, 0, 0), 0);
	metrics_setup(all, 5);
	cr_expect_eq(metric_value(&ended, 0, 0), 0);
}

Test(metrics, a_place_that_is_not_there_is_a_bug, .signal = SIGABRT)
{
	metric_add(&ended, 0, 2, 1);
}

Test(metrics, a_counter_never_falls, .signal = SIGABRT)
{
	metric_add(&ended, 0, 0, -1);
}
