/* worker: started, watched, ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/db.h"
#include "cpoa/http.h"
#include "cpoa/json.h"

#include "load.h"

enum { READY_MS = 20000, ARGV_MAX = 30 };

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

bool worker_start(struct bench *b, struct err *e)
{
	static char env[] = "/usr/bin/env", port[] = "CPOA_HTTP_PORT=0";
	char *second[ARGV_MAX + 3] = {env, port};

	for (size_t n = 0; b->worker_argv[n] && n < ARGV_MAX; n++)
		second[n + 2] = b->worker_argv[n];
	b->began_us = clock_wall_us();
	for (int i = 0; i < b->workers; i++) {
		if (!proc_start(i ? second : b->worker_argv, &b->worker[i], e))
			return false;
		b->watches.of[i].pid = b->worker[i];
	}
	return true;
}

void worker_end(struct bench *b)
{
	for (int i = 0; i < b->workers; i++)
		if (b->worker[i] > 0)
			proc_end(b->worker[i]);
}

bool worker_await_ready(struct bench *b, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	int64_t until = clock_mono_ms() + READY_MS;
	int status = 0;

	strbuf_init(&text, 1 << 20);
	while (!scrape(b, "/readyz", &text, &status, e) || status != 200) {
		if (!proc_runs(b->worker[0]))
			return err_set(e, ERR_USAGE, "the worker ended at once");
		if (clock_mono_ms() > until)
			return err_set(e, ERR_RETRY, "the worker does not get ready");
		if (!feed_hear(&b->feed, 20, e))
			return false;
	}
	b->rss_idle = proc_status(b->worker[0], "VmRSS");
	b->threads_idle = proc_status(b->worker[0], "Threads");
	return true;
}

bool worker_sample(struct bench *b, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	long threads = proc_status(b->worker[0], "Threads"), inflight, rss;
	int status;

	strbuf_init(&text, 1 << 20);
	for (int i = 0; i < b->workers; i++)
		if (!proc_runs(b->worker[i]))
			return err_set(e, ERR_LOST, "a worker ended");
	if (threads > b->threads)
		b->threads = threads;
	if (!b->sample_inflight)
		return true;
	if (!scrape(b, "/metrics", &text, &status, e))
		return false;
	inflight = (long)metric(text.buf, "cpoa_inflight");
	rss = proc_status(b->worker[0], "VmRSS");
	/* Of those moments when most were in flight, the one with most memory. */
	if (inflight > b->inflight || (inflight == b->inflight && rss > b->rss)) {
		b->inflight = inflight;
		b->rss = rss;
	}
	return true;
}

/* ---- what is told of it ---- */

bool set_metrics(struct bench *b, struct json_object *values, struct err *e)
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
	result_set(values, "waits", metric(text.buf, "cpoa_call_waits_total"));
	return true;
}

void set_memory(struct bench *b, struct json_object *values)
{
	result_set(values, "rss_peak", (double)proc_status(b->worker[0], "VmHWM") / 1024);
	result_set(values, "threads", (double)b->threads);
}

bool set_agents(struct bench *b, struct json_object *values, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	AUTO(json_put) struct json_object *stats = NULL;
	int64_t most = 0, submits = 0, polls = 0;
	char url[256];
	int status;

	strbuf_init(&text, 1 << 20);
	if (!b->agents)
		return true;
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
		submits += json_num(counts, "submits", 0);
		polls += json_num(counts, "polls", 0);
	}
	result_set(values, "open", (double)most);
	result_set(values, "polls", (double)polls / (double)(submits ? submits : 1));
	return true;
}

bool set_rows(struct bench *b, struct json_object *values, struct err *e)
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
