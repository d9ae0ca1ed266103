/* many: all at once. */
#include "cpoa/clock.h"

#include "load.h"

enum { SETTLE_MS = 5000 };

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

bool follow(struct bench *b, int64_t n, struct err *e)
{
	int64_t ends = 0, heard_ms = clock_mono_ms(), next_ms = 0;
	struct feed *f = &b->feed;

	while (f->completed + f->failed < n) {
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
				       (long long)ends, (long long)n);
		if (now >= next_ms) {
			next_ms = now + SAMPLE_MS;
			if (!worker_sample(b, e))
				return false;
		}
	}
	if (f->failed)
		return err_set(e, ERR_REJECT, "%lld podcasts failed", (long long)f->failed);
	return true;
}

bool throughput(struct bench *b, struct err *e)
{
	struct json_object *values = result_new();

	if (!feed_publish(&b->feed, b->podcasts, e) || !settle(b, e))
		return false;
	watch_begin(&b->watches);
	if (!worker_start(b, e) || !follow(b, b->podcasts, e))
		return false;
	watch_end(&b->watches);
	set_memory(b, values);
	if (b->workers == 1 && !set_metrics(b, values, e))
		return false;
	if (!set_agents(b, values, e) || !set_rows(b, values, e))
		return false;
	result_set_cpu(values, &b->watches, (double)b->podcasts);
	result_print(b->name, values);
	return true;
}

bool inflight(struct bench *b, struct err *e)
{
	struct json_object *values = result_new();

	b->sample_inflight = true;
	watch_begin(&b->watches);
	if (!worker_start(b, e) || !worker_await_ready(b, e))
		return false;
	if (!feed_publish(&b->feed, b->podcasts, e) || !follow(b, b->podcasts, e))
		return false;
	watch_end(&b->watches);
	set_memory(b, values);
	result_set(values, "threads_more", (double)(b->threads - b->threads_idle));
	result_set(values, "inflight", (double)b->inflight);
	result_set(values, "rss_idle", (double)b->rss_idle / 1024);
	result_set(values, "rss_full", (double)b->rss / 1024);
	result_set(values, "rss_after", (double)proc_status(b->worker[0], "VmRSS") / 1024);
	result_set(values, "kib_each",
		   (double)(b->rss - b->rss_idle) / (double)(b->inflight ? b->inflight : 1));
	if (!set_agents(b, values, e) || !set_metrics(b, values, e) || !set_rows(b, values, e))
		return false;
	result_set_cpu(values, &b->watches, (double)b->podcasts);
	result_print(b->name, values);
	return true;
}
