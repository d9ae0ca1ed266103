/* Many threads count while one prints; nothing is lost, and no total ever falls. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/metrics.h"

enum { THREADS = 4, TIMES = 50000 };

static const char *const names[] = {"a", "b", "other"};
static const double bounds[] = {0.001, 0.1};
static struct metric events = {
	.name = "r_events_total",
	.help = "Events.",
	.kind = METRIC_COUNTER,
	.labels = {{"name", names, 3}},
};
static struct metric inside = {.name = "r_inside", .help = "Inside.", .kind = METRIC_GAUGE};
static struct metric took = {
	.name = "r_took_seconds",
	.help = "Took.",
	.kind = METRIC_HISTOGRAM,
	.buckets = bounds,
	.n_buckets = 2,
};
static struct metric *const all[] = {&events, &inside, &took};
static atomic_bool done;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < TIMES; i++) {
		metric_add(&inside, 0, 0, 1);
		metric_add(&events, (size_t)i % 4, 0, 1);
		metric_observe(&took, 0, 0, i % 3 * 10000);
		metric_add(&inside, 0, 0, -1);
	}
	return NULL;
}

static long long number_behind(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static void *print(void *arg)
{
	long long last = 0;
	bool *failed = arg;
	struct strbuf out;

	strbuf_init(&out, 1 << 16);
	while (!atomic_load(&done)) {
		long long n;

		strbuf_reset(&out);
		metrics_print(all, 3, 1, &out);
		n = number_behind(out.buf, "\nr_took_seconds_count ");
		if (out.failed || n < last || n != number_behind(out.buf, "le=\"+Inf\"} "))
			*failed = true;
		last = n;
	}
	strbuf_release(&out);
	return NULL;
}

static bool expect(const char *what, int64_t is, int64_t should)
{
	if (is != should)
		fprintf(stderr, "%s is %lld, not %lld\n", what, (long long)is, (long long)should);
	return is == should;
}

int main(void)
{
	pthread_t counter[THREADS], printer;
	bool failed = false;
	int good = 0;

	metrics_setup(all, 3);
	if (pthread_create(&printer, NULL, print, &failed) != 0)
		return 1;
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&counter[i], NULL, count, NULL) != 0)
			return 1;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(counter[i], NULL);
	atomic_store(&done, true);
	pthread_join(printer, NULL);
	good += expect("a", metric_value(&events, 0, 0), THREADS * TIMES / 4);
	good += expect("other", metric_value(&events, 2, 0), THREADS * TIMES / 2);
	good += expect("inside", metric_value(&inside, 0, 0), 0);
	good += expect("took", metric_value(&took, 0, 0), THREADS * TIMES);
	good += expect("failed", failed, false);
	metrics_release(all, 3);
	return good != 5;
}
