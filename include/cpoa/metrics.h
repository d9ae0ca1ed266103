/*
 * metrics: counters, gauges and histograms in Prometheus' text format (version 0.0.4).
 *
 * A family is a static struct; its label values are fixed sets, so that the number of series is
 * bounded by the source text, every series exists from the start with 0, and no peer can make one.
 * An unknown value is counted as "other" when the set has it.
 *
 * Updating: any thread, without a lock (relaxed atomics). metrics_setup() before threads are
 * started; before it nothing is counted. A place that is in no set (and no "other" to take it) is a
 * bug.
 */
#ifndef CPOA_METRICS_H
#define CPOA_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/strbuf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum { METRIC_LABELS_MAX = 2, METRIC_BUCKETS_MAX = 24 };

struct metric_label {
	const char *name;
	const char *const *values;
	size_t n; /* 0: this label is not there */
};

struct metric {
	const char *name, *help;
	enum metric_kind kind;
	struct metric_label labels[METRIC_LABELS_MAX];
	const double *buckets; /* upper bounds, ascending, without +Inf */
	size_t n_buckets;
	_Atomic int64_t *cells; /* made by metrics_setup */
	int64_t (*read)(
		void); /* a gauge that is asked for when it is printed (no labels), or NULL */
};

void metrics_setup(struct metric *const *families, size_t n);
void metrics_release(struct metric *const *families, size_t n);

/* i and j are places in the label sets (0 where there is no such label). */
void metric_add(struct metric *m, size_t i, size_t j, int64_t n);
void metric_set(struct metric *m, size_t i, size_t j, int64_t value);
void metric_observe(struct metric *m, size_t i, size_t j, int64_t us); /* a histogram of seconds */
void metric_observe_count(struct metric *m, size_t i, size_t j,
			  int64_t n); /* a histogram of plain numbers */
int64_t metric_value(const struct metric *m, size_t i, size_t j);

/* All of them, and process_* (CPU, memory, descriptors, start time) when `process` is set. */
void metrics_print(struct metric *const *families, size_t n, int process, struct strbuf *out);

#endif
