/* timing: how long a workflow takes until its completed event has come. */
#include <stdlib.h>

#include "cpoa/clock.h"

#include "load.h"

enum { LONE_WARM_UP = 20, PACED_WARM_UP_S = 4 };

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

/*
 * Percentiles of the time since each was published, and of CPOA's own share of it ("own_…"): since
 * the broker had it for good. (That moment is the worker's start_timestamp, but for some 0.1 ms.)
 */
static void set_times(struct json_object *values, const struct feed_times *t, int64_t n)
{
	static const char *const names[2][4] = {{"p50", "p90", "p99", "max"},
						{"own_p50", "own_p90", "own_p99", "own_max"}};
	int64_t *us = xcalloc((size_t)n, sizeof(*us));

	for (int own = 0; own < 2; own++) {
		for (int64_t i = 0; i < n; i++)
			us[i] = t[i].end_us - (own ? t[i].in_us : t[i].sent_us);
		qsort(us, (size_t)n, sizeof(*us), by_size);
		result_set(values, names[own][0], percentile(us, n, 50));
		result_set(values, names[own][1], percentile(us, n, 90));
		result_set(values, names[own][2], percentile(us, n, 99));
		result_set(values, names[own][3], (double)us[n - 1] / 1000);
	}
	free(us);
}

bool lone(struct bench *b, struct err *e)
{
	struct json_object *values = result_new();

	feed_time(&b->feed, LONE_WARM_UP + b->podcasts);
	if (!worker_start(b, e) || !worker_await_ready(b, e))
		return false;
	for (int i = 0; i < LONE_WARM_UP; i++)
		if (!feed_one(&b->feed, SILENCE_MS, e))
			return false;
	watch_begin(&b->watches);
	for (int64_t i = 0; i < b->podcasts; i++)
		if (!feed_one(&b->feed, SILENCE_MS, e))
			return false;
	watch_end(&b->watches);
	set_times(values, b->feed.times + LONE_WARM_UP, b->podcasts);
	result_set_cpu(values, &b->watches, (double)b->podcasts);
	result_print(b->name, values);
	return true;
}

/* Publishes what is due by now, and hears what comes, until `total` have been sent. */
static bool send_paced(struct bench *b, int64_t total, int64_t began_us, struct err *e)
{
	struct feed *f = &b->feed;

	while (f->sent < total) {
		double due = b->rate * (double)(clock_mono_us() - began_us) / 1e6;

		while (f->sent < total && (double)f->sent <= due)
			if (!feed_send(f, e))
				return false;
		if (!feed_hear(f, 1, e))
			return false;
	}
	return true;
}

/* Published evenly, whether or not what went before has ended: a worker that falls behind shows. */
bool paced(struct bench *b, struct err *e)
{
	struct json_object *values = result_new();
	int64_t warm = (int64_t)(b->rate * PACED_WARM_UP_S), began_us;
	struct feed *f = &b->feed;

	b->podcasts = (int64_t)(b->rate * (double)b->seconds);
	if (warm < 1 || b->podcasts < 1)
		return err_set(e, ERR_USAGE, "--rate is missing, or too low");
	feed_time(f, warm + b->podcasts);
	if (!worker_start(b, e) || !worker_await_ready(b, e))
		return false;
	began_us = clock_mono_us();
	if (!send_paced(b, warm, began_us, e))
		return false;
	watch_begin(&b->watches);
	if (!send_paced(b, warm + b->podcasts, began_us, e))
		return false;
	watch_end(&b->watches);
	/* None more: until all are confirmed, for that is where a time begins. */
	if (!follow(b, warm + b->podcasts, e) || !feed_publish(f, 0, e))
		return false;
	set_times(values, f->times + warm, b->podcasts);
	result_set(values, "rate", (double)b->podcasts / b->watches.wall_s);
	result_set_cpu(values, &b->watches, (double)b->podcasts);
	result_print(b->name, values);
	return true;
}
