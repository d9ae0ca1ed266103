/* cpoa bench: jobs at a rate or in a burst, and how long they took. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/load.h"
#include "ctl/output.h"
#include "ctl/spinner.h"
#include "ctl/table.h"

enum { JOBS_DEFAULT = 100, JOBS_MAX = 1000000, RATE_MAX = 100000, COLUMNS = 11 };

#define SECOND_US	    INT64_C(1000000)
#define DURATION_DEFAULT_US (10 * SECOND_US)
#define TIMEOUT_DEFAULT_US  (60 * SECOND_US)

static const char *const end_names[TALLY_ENDS] = {
	[TALLY_OPEN] = "unheard",
	[TALLY_COMPLETED] = "completed",
	[TALLY_WITH_ERRORS] = "with_errors",
	[TALLY_FAILED] = "failed",
	[TALLY_CANCELLED] = "cancelled",
};

struct wish {
	const char *mix, *rate;
	int64_t jobs, duration_us, timeout_us;
	bool json;
};

/* ---- what came of it ---- */

static double ms(int64_t us)
{
	return (double)us / 1000;
}

static struct json_object *sum_json(const struct tally_sum *sum)
{
	struct json_object *o = json_object_new_object(), *took = json_object_new_object();

	json_set_num(o, "sent", sum->sent);
	for (int i = 0; i < TALLY_ENDS; i++)
		json_set_num(o, end_names[i], sum->end[i]);
	json_set(took, "p50", json_object_new_double(ms(sum->p50_us)));
	json_set(took, "p90", json_object_new_double(ms(sum->p90_us)));
	json_set(took, "p99", json_object_new_double(ms(sum->p99_us)));
	json_set(took, "max", json_object_new_double(ms(sum->max_us)));
	json_set(o, "latency_ms", took);
	return o;
}

static void report_json(const struct load *l, double seconds)
{
	struct json_object *o = json_object_new_object(), *types = json_object_new_object();
	struct tally_sum sum;

	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		tally_sum(&l->tally, i, &sum);
		if (sum.sent)
			json_set(types, workflow_types[i], sum_json(&sum));
	}
	tally_sum(&l->tally, -1, &sum);
	json_set(o, "all", sum_json(&sum));
	json_set(o, "types", types);
	json_set(o, "seconds", json_object_new_double(seconds));
	json_set(o, "ended_per_second",
		 json_object_new_double(seconds > 0 ? (double)l->tally.ended / seconds : 0));
	json_set(o, "late_ms", json_object_new_double(ms(l->late_us)));
	print_json(o);
	json_put(&o);
}

static void add_row(struct table *t, const char *type, const struct tally_sum *sum)
{
	const int64_t numbers[] = {sum->sent,
				   sum->end[TALLY_COMPLETED],
				   sum->end[TALLY_WITH_ERRORS],
				   sum->end[TALLY_FAILED],
				   sum->end[TALLY_CANCELLED],
				   sum->end[TALLY_OPEN]};
	const int64_t times[] = {sum->p50_us, sum->p90_us, sum->p99_us, sum->max_us};
	enum { NUMBERS = sizeof(numbers) / sizeof(*numbers) };
	char text[COLUMNS][CLOCK_TEXT_SIZE];
	const char *cells[COLUMNS] = {type};

	for (int i = 1; i < COLUMNS; i++) {
		cells[i] = text[i];
		if (i <= NUMBERS)
			snprintf(text[i], sizeof(text[i]), "%lld", (long long)numbers[i - 1]);
		else if (sum->sent > sum->end[TALLY_OPEN])
			clock_duration_text(text[i], times[i - 1 - NUMBERS]);
		else
			text[i][0] = '\0';
	}
	table_add(t, cells);
}

static void report_table(const struct load *l, double seconds)
{
	static const struct table_column columns[COLUMNS] = {
		{"TYPE", .gives = true},    {"SENT", .right = true},   {"COMPLETED", .right = true},
		{"PARTLY", .right = true},  {"FAILED", .right = true}, {"CANCELLED", .right = true},
		{"UNHEARD", .right = true}, {"P50", .right = true},    {"P90", .right = true},
		{"P99", .right = true},	    {"MAX", .right = true},
	};
	struct tally_sum sum;
	struct table t;
	int types = 0;

	table_init(&t, columns, COLUMNS);
	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		tally_sum(&l->tally, i, &sum);
		types += sum.sent > 0;
		if (sum.sent)
			add_row(&t, workflow_types[i], &sum);
	}
	tally_sum(&l->tally, -1, &sum);
	if (types != 1)
		add_row(&t, "all", &sum);
	table_print(&t, stdout, output_width());
	table_release(&t);
	printf("\n%.1f s, %.1f ended a second", seconds,
	       seconds > 0 ? (double)l->tally.ended / seconds : 0);
	if (l->rate > 0)
		printf("; %.1f a second were wanted, and published at most %.0f ms late", l->rate,
		       ms(l->late_us));
	putchar('\n');
}

/* ---- the run ---- */

static void show(struct spinner *spinner, const struct load *l)
{
	char text[96];

	snprintf(text, sizeof(text), "%lld of %lld published, %lld ended", (long long)l->tally.n,
		 (long long)l->total, (long long)l->tally.ended);
	spinner_show(spinner, text, clock_mono_us() - l->began_us);
}

static int judge(const struct load *l, int code)
{
	struct tally_sum sum;

	tally_sum(&l->tally, -1, &sum);
	if (code != EXIT_DONE)
		return code;
	if (interrupted())
		return EXIT_INTERRUPTED;
	return sum.end[TALLY_COMPLETED] == l->total ? EXIT_DONE : EXIT_FAILED;
}

static int run(struct load *l, const struct wish *wish)
{
	int64_t timeout_us = wish->timeout_us ? wish->timeout_us : TIMEOUT_DEFAULT_US;
	int64_t drawn_us = 0;
	struct spinner spinner;
	struct err e = {0};
	int code = EXIT_DONE;
	double seconds;

	spinner_init(&spinner, !wish->json);
	while (code == EXIT_DONE && !interrupted() && !load_over(l) &&
	       !load_stands(l, timeout_us)) {
		if (clock_mono_us() - drawn_us > SPINNER_MS * 1000) {
			spinner_clear(&spinner);
			show(&spinner, l);
			drawn_us = clock_mono_us();
		}
		if (!load_turn(l, SPINNER_MS, &e))
			code = e.class == ERR_USAGE ? EXIT_USAGE : EXIT_NO_SERVER;
	}
	spinner_clear(&spinner);
	seconds = (double)(clock_mono_us() - l->began_us) / 1e6;
	if (code != EXIT_DONE)
		say("%s", e.text);
	if (wish->json)
		report_json(l, seconds);
	else
		report_table(l, seconds);
	return judge(l, code);
}

/* ---- what is wanted ---- */

static bool read_rate(struct load *l, const char *text, struct err *e)
{
	char *end;

	if (!text)
		return true;
	errno = 0;
	l->rate = strtod(text, &end);
	if (end == text || *end || errno || !(l->rate >= 0.01 && l->rate <= RATE_MAX))
		return err_set(e, ERR_USAGE,
			       "--rate is '%.32s'; it must be a number of jobs a second from 0.01 "
			       "to %d",
			       text, RATE_MAX);
	return true;
}

/* As many as are given, or as the rate makes in the time. */
static bool read_total(struct load *l, const struct wish *wish, struct err *e)
{
	int64_t duration_us = wish->duration_us ? wish->duration_us : DURATION_DEFAULT_US;
	double jobs = l->rate * (double)duration_us / 1e6;

	if (wish->jobs && wish->duration_us)
		return err_set(e, ERR_USAGE,
			       "--jobs and --duration: one of them says when it ends");
	if (wish->duration_us && l->rate == 0)
		return err_set(e, ERR_USAGE, "--duration is for --rate; a burst has --jobs");
	if (wish->jobs || l->rate == 0) {
		l->total = wish->jobs ? wish->jobs : JOBS_DEFAULT;
		return true;
	}
	if (jobs > JOBS_MAX)
		return err_set(e, ERR_USAGE,
			       "--rate and --duration make %.0f jobs; at most %d are made", jobs,
			       JOBS_MAX);
	l->total = jobs < 1 ? 1 : (int64_t)jobs;
	return true;
}

static bool read_wish(struct load *l, struct wish *wish, int argc, char **argv, struct err *e)
{
	const struct arg_option options[] = {
		{"rate", .text = &wish->rate},
		{"jobs", .number = &wish->jobs, .min = 1, .max = JOBS_MAX},
		{"duration", .duration_us = &wish->duration_us},
		{"mix", .text = &wish->mix},
		{"timeout", .duration_us = &wish->timeout_us},
		{"json", .flag = &wish->json},
		{0},
	};
	struct args operands;

	return args_parse(&operands, "bench", argc, argv, options, e) &&
	       args_count(&operands, "bench", 0, 0, "", e) &&
	       mix_read(&l->mix, wish->mix ? wish->mix : "podcast_generation", e) &&
	       read_rate(l, wish->rate, e) && read_total(l, wish, e);
}

static int bench_main(int argc, char **argv)
{
	AUTO(settings_release) struct settings s = {0};
	const struct uuid mark = uuid_new();
	struct wish wish = {0};
	struct load load = {0};
	struct err e = {0};
	int code;

	if (!read_wish(&load, &wish, argc, argv, &e))
		return complain(&e);
	code = load_settings(&s);
	if (code != EXIT_DONE)
		return code;
	tally_init(&load.tally, load.total, &mark);
	if (load_open(&load, &s, &e)) {
		interrupt_catch();
		code = run(&load, &wish);
	} else {
		say("%s", e.text);
		code = e.class == ERR_USAGE ? EXIT_USAGE : EXIT_NO_SERVER;
	}
	load_close(&load);
	tally_release(&load.tally);
	return code;
}

const struct command cmd_bench = {
	.name = "bench",
	.main = bench_main,
	.summary = "publishes a load of jobs, and tells how long they took",
	.usage =
		"usage: cpoa bench [--rate N [--duration T]] [--jobs N] [--mix TYPE=WEIGHT,...] "
		"[--timeout T] [--json]\n"
		"\n"
		"  cpoa bench --jobs 500\n"
		"  cpoa bench --rate 20 --duration 5m --mix "
		"podcast_generation=8,search_results_generation=2\n"
		"\n"
		"Publishes real jobs, so your agents do the work; follows their events, and prints "
		"for each type how they\n"
		"ended and the percentiles of the time from when a job was to be published until "
		"its end was heard of.\n"
		"A rate is kept whatever becomes of the jobs before; if publishing itself falls "
		"behind, that counts.\n"
		"\n"
		"  --rate N      jobs a second, 0.01 to 100000; without it all at once\n"
		"  --duration T  how long to publish: 30, 90s, 15m; 10s without --jobs\n"
		"  --jobs N      how many, up to 1000000; a burst without it is 100\n"
		"  --mix M       types and weights; podcast_generation alone\n"
		"  --timeout T   how long to wait for ends behind the last job; 60s\n"
		"  --json        one object, times in milliseconds\n"
		"\n"
		"Ctrl-C ends it, and it prints what it has. PARTLY are those that completed with "
		"errors, UNHEARD those of whose\n"
		"end nothing was heard: in flight still, or refused (`cpoa dead list`).\n"
		"Exit code 0: all completed; 1: not all; 2: usage; 4: no broker, or no queue; 130: "
		"Ctrl-C.\n",
};
