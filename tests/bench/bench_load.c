/*
 * bench_load: runs one worker against the load of one scenario, and prints what it measured.
 *
 *	bench_load throughput|inflight|lone [options] -- build/cpoa worker
 *
 * Servers, the agents' addresses and CPOA_HTTP_PORT come from the environment, which the worker
 * gets as well.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/db.h"
#include "cpoa/http.h"
#include "cpoa/json.h"

#include "feed.h"
#include "result.h"

enum {
	SAMPLE_MS = 200,
	READY_MS = 20000,
	SILENCE_MS = 60000, /* no podcast ends for so long: something is broken */
	SETTLE_MS = 5000,
	LONE_WARM_UP = 20
};

struct bench {
	struct settings settings;
	struct watches watches;
	struct feed feed;
	int64_t podcasts;
	const char *name;   /* of the scenario in the result */
	const char *agents; /* URL of the stand-ins, or NULL */
	char **worker_argv;
	pid_t worker;

	int64_t began_us; /* wall time */
	/* sampled while it runs, memory in KiB */
	long threads, inflight, rss, rss_idle;
	bool sample_inflight;
};

/* ---- the worker's own figures ---- */

static bool scrape(struct bench *b, const char *path, struct strbuf *text, int *status,
		   struct err *e)
{
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%lld%s", (long long)b->settings.http_port,
		 path);
	strbuf_reset(text);
	return http_ask("GET", url, NULL, 2000, status, text, e);
}

/* The sum over all labels. */
static double metric(const char *text, const char *name)
{
	size_t len = strlen(name);
	double sum = 0;

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && (line[len] == ' ' || line[len] == '{'))
			sum += strtod(strchr(line, ' ') + 1, NULL);
	}
	return sum;
}

static bool start_worker(struct bench *b, struct err *e)
{
	b->began_us = clock_wall_us();
	if (!proc_start(b->worker_argv, &b->worker, e))
		return false;
	b->watches.of[0] = (struct watch){.name = "worker", .pid = b->worker};
	return true;
}

static bool await_ready(struct bench *b, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	int64_t until = clock_mono_ms() + READY_MS;
	int status = 0;

	strbuf_init(&text, 1 << 20);
	while (!scrape(b, "/readyz", &text, &status, e) || status != 200) {
		if (!proc_runs(b->worker))
			return err_set(e, ERR_USAGE, "the worker ended at once");
		if (clock_mono_ms() > until)
			return err_set(e, ERR_RETRY, "the worker does not get ready");
		if (!feed_hear(&b->feed, 20, e))
			return false;
	}
	return true;
}

static bool sample(struct bench *b, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	long threads = proc_status(b->worker, "Threads"), inflight, rss;
	int status;

	strbuf_init(&text, 1 << 20);
	if (!proc_runs(b->worker))
		return err_set(e, ERR_LOST, "the worker ended");
	if (threads > b->threads)
		b->threads = threads;
	if (!b->sample_inflight)
		return true;
	if (!scrape(b, "/metrics", &text, &status, e))
		return false;
	inflight = (long)metric(text.buf, "cpoa_inflight");
	rss = proc_status(b->worker, "VmRSS");
	/* Of those moments when most were in flight, the one with most memory. */
	if (inflight > b->inflight || (inflight == b->inflight && rss > b->rss)) {
		b->inflight = inflight;
		b->rss = rss;
	}
	return true;
}

/* ---- throughput ---- */

/* RabbitMQ and PostgreSQL still have to do when all is published: that is not the worker's time. */
static bool settle(struct bench *b, struct err *e)
{
	int64_t until = clock_mono_ms() + SETTLE_MS;
	double busy;

	do {
		busy = 0;
		watch_begin(&b->watches);
		if (!feed_hear(&b->feed, SAMPLE_MS, e))
			return false;
		watch_end(&b->watches);
		for (int i = 0; i < b->watches.n; i++)
			busy += b->watches.of[i].cpu_s;
	} while (busy > 0.1 * b->watches.wall_s && clock_mono_ms() < until);
	return true;
}

static bool follow(struct bench *b, struct err *e)
{
	int64_t ends = 0, heard_ms = clock_mono_ms(), next_ms = 0;
	struct feed *f = &b->feed;

	while (f->completed + f->failed < b->podcasts) {
		int64_t now;

		if (!feed_hear(f, SAMPLE_MS, e))
			return false;
		now = clock_mono_ms();
		if (f->completed + f->failed > ends) {
			ends = f->completed + f->failed;
			heard_ms = now;
		}
		if (now - heard_ms > SILENCE_MS)
			return err_set(e, ERR_RETRY, "%lld of %lld podcasts, and no more",
				       (long long)ends, (long long)b->podcasts);
		if (now >= next_ms) {
			next_ms = now + SAMPLE_MS;
			if (!sample(b, e))
				return false;
		}
	}
	if (f->failed)
		return err_set(e, ERR_REJECT, "%lld podcasts failed", (long long)f->failed);
	return true;
}

static bool set_rows(struct bench *b, struct json_object *values, struct err *e)
{
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct db_options o = settings_db(&b->settings);
	char since[32];
	const char *params[] = {since};
	double first, last;

	snprintf(since, sizeof(since), "%lld", (long long)b->began_us);
	db = db_open(&o, e);
	r = db ? db_query(db,
			  "SELECT count(*), extract(epoch FROM min(start_timestamp)),"
			  " extract(epoch FROM max(end_timestamp)) FROM workflow_instances "
			  "WHERE start_timestamp >= to_timestamp($1::float8 / 1e6)"
			  " AND overall_status = 'completed'",
			  1, params, e)
	       : NULL;
	if (!r)
		return false;
	if (strtoll(db_text(r, 0, 0), NULL, 10) != b->podcasts)
		return err_set(e, ERR_REJECT, "%lld podcasts were sent, and %s have completed",
			       (long long)b->podcasts, db_text(r, 0, 0));
	first = strtod(db_text(r, 0, 1), NULL);
	last = strtod(db_text(r, 0, 2), NULL);
	result_set(values, "rate", (double)b->podcasts / (last - first));
	result_set(values, "rate_events",
		   (double)b->podcasts / ((double)b->feed.last_end_us / 1e6 - first));
	result_set(values, "seconds", (double)(b->feed.last_end_us - b->began_us) / 1e6);
	result_set(values, "start_ms", (first * 1e6 - (double)b->began_us) / 1e3);
	return true;
}

static bool set_metrics(struct bench *b, struct json_object *values, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	double batches;
	int status;

	strbuf_init(&text, 1 << 20);
	if (!scrape(b, "/metrics", &text, &status, e))
		return false;
	batches = metric(text.buf, "cpoa_ledger_batch_size_count");
	result_set(values, "commits",
		   metric(text.buf, "cpoa_ledger_commits_total") / (double)b->podcasts);
	result_set(values, "batch",
		   batches > 0 ? metric(text.buf, "cpoa_ledger_batch_size_sum") / batches : 0);
	result_set(values, "retries", metric(text.buf, "cpoa_call_retries_total"));
	return true;
}

static void set_memory(struct bench *b, struct json_object *values)
{
	result_set(values, "rss_peak", (double)proc_status(b->worker, "VmHWM") / 1024);
	result_set(values, "threads", (double)b->threads);
}

static bool throughput(struct bench *b, struct err *e)
{
	struct json_object *values = result_new();

	if (!feed_publish(&b->feed, b->podcasts, e) || !settle(b, e))
		return false;
	watch_begin(&b->watches);
	if (!start_worker(b, e) || !follow(b, e))
		return false;
	watch_end(&b->watches);
	set_memory(b, values);
	if (!set_metrics(b, values, e) || !set_rows(b, values, e))
		return false;
	result_set_cpu(values, &b->watches, (double)b->podcasts);
	result_print(b->name, values);
	return true;
}

/* ---- many in flight ---- */

/* How many requests were open at one agent at once, as the stand-ins have counted. */
static bool set_open(struct bench *b, struct json_object *values, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	AUTO(json_put) struct json_object *stats = NULL;
	int64_t most = 0;
	char url[256];
	int status;

	if (!b->agents)
		return true;
	strbuf_init(&text, 1 << 20);
	snprintf(url, sizeof(url), "%s/stats", b->agents);
	if (!http_ask("GET", url, NULL, 5000, &status, &text, e))
		return false;
	if (json_read(text.buf, text.len, JSON_DEPTH_MAX, JSON_STRICT, &stats, e) != JSON_OK)
		return false;
	json_object_object_foreach(stats, agent, counts)
	{
		int64_t n = json_num(counts, "max_in_flight", 0);

		(void)agent;
		most = n > most ? n : most;
	}
	result_set(values, "open", (double)most);
	return true;
}

static bool inflight(struct bench *b, struct err *e)
{
	struct json_object *values = result_new();

	b->sample_inflight = true;
	watch_begin(&b->watches);
	if (!start_worker(b, e) || !await_ready(b, e))
		return false;
	b->rss_idle = proc_status(b->worker, "VmRSS");
	if (!feed_publish(&b->feed, b->podcasts, e) || !follow(b, e))
		return false;
	watch_end(&b->watches);
	set_memory(b, values);
	result_set(values, "inflight", (double)b->inflight);
	result_set(values, "rss_idle", (double)b->rss_idle / 1024);
	result_set(values, "rss_full", (double)b->rss / 1024);
	result_set(values, "rss_after", (double)proc_status(b->worker, "VmRSS") / 1024);
	result_set(values, "kib_each",
		   (double)(b->rss - b->rss_idle) / (double)(b->inflight ? b->inflight : 1));
	if (!set_open(b, values, e) || !set_metrics(b, values, e) || !set_rows(b, values, e))
		return false;
	result_set_cpu(values, &b->watches, (double)b->podcasts);
	result_print(b->name, values);
	return true;
}

/* ---- a lone podcast ---- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double percentile(const int64_t *sorted_us, int64_t n, int percent)
{
	int64_t i = (n * percent + 99) / 100 - 1;

	return (double)sorted_us[i < 0 ? 0 : i] / 1000;
}

static bool lone(struct bench *b, struct err *e)
{
	AUTO(free_ptr) int64_t *us = xcalloc((size_t)b->podcasts, sizeof(*us));
	struct json_object *values = result_new();

	if (!start_worker(b, e) || !await_ready(b, e))
		return false;
	for (int i = 0; i < LONE_WARM_UP; i++)
		if (!feed_one(&b->feed, SILENCE_MS, us, e))
			return false;
	watch_begin(&b->watches);
	for (int64_t i = 0; i < b->podcasts; i++)
		if (!feed_one(&b->feed, SILENCE_MS, &us[i], e))
			return false;
	watch_end(&b->watches);
	qsort(us, (size_t)b->podcasts, sizeof(*us), by_size);
	result_set(values, "p50", percentile(us, b->podcasts, 50));
	result_set(values, "p90", percentile(us, b->podcasts, 90));
	result_set(values, "p99", percentile(us, b->podcasts, 99));
	result_set(values, "max", (double)us[b->podcasts - 1] / 1000);
	result_set_cpu(values, &b->watches, (double)b->podcasts);
	result_print(b->name, values);
	return true;
}

/* ---- command line ---- */

static int usage(void)
{
	fputs("usage: bench_load throughput|inflight|lone [--podcasts N] [--name SCENARIO]\n"
	      "                  [--watch NAME=PID]... [--agents URL] -- WORKER ARGUMENT...\n",
	      stderr);
	return 2;
}

static bool read_options(struct bench *b, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{"podcasts", required_argument, NULL, 'n'},
		{"name", required_argument, NULL, 's'},
		{"watch", required_argument, NULL, 'w'},
		{"agents", required_argument, NULL, 'a'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'n')
			b->podcasts = strtoll(optarg, NULL, 10);
		else if (c == 's')
			b->name = optarg;
		else if (c == 'a')
			b->agents = optarg;
		else if (c != 'w' || !watch_add(&b->watches, optarg, e))
			return false;
	}
	b->worker_argv = argv + optind;
	return optind < argc && b->podcasts > 0;
}

static int run(struct bench *b, bool (*scenario)(struct bench *b, struct err *e))
{
	struct err e = {0};
	bool good;

	proc_keep_environment();
	good = settings_load(&b->settings, &e) && http_global_init(&e) &&
	       feed_open(&b->feed, &b->settings, &e) && scenario(b, &e);

	if (b->worker > 0)
		proc_end(b->worker);
	feed_close(&b->feed);
	if (!good)
		fprintf(stderr, "bench_load: %s: %s\n", b->name, e.text);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(struct bench *b, struct err *e);
	} scenarios[] = {{"throughput", throughput}, {"inflight", inflight}, {"lone", lone}};
	struct bench b = {.podcasts = 1000};
	struct err e = {0};

	b.watches.of[b.watches.n++] = (struct watch){.name = "worker"};
	b.watches.of[b.watches.n++] =
		(struct watch){.name = "load", .pid = getpid(), .alone = true};
	for (size_t i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(argv[1], scenarios[i].name) != 0)
			continue;
		b.name = argv[1];
		if (!read_options(&b, argc - 1, argv + 1, &e)) {
			fprintf(stderr, "%s\n", e.text);
			return usage();
		}
		return run(&b, scenarios[i].run);
	}
	return usage();
}
