/*
 * load: what the scenarios of bench_load share: a worker as our child, its own figures, and the
 * feed that gives it work. Each scenario prints one line of JSON (result.h).
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "feed.h"
#include "result.h"

enum {
	SAMPLE_MS = 200,
	SILENCE_MS = 240000, /* no workflow ends for so long: something is broken */
	WORKERS_MAX = 2
};

struct bench {
	struct settings settings;
	struct watches watches;
	struct feed feed;
	int64_t podcasts;
	int64_t seconds;    /* of measuring, where time and not number is given */
	double rate;	    /* podcasts a second to publish */
	const char *type;   /* of workflow */
	const char *name;   /* of the scenario in the result */
	const char *agents; /* URL of the stand-ins' counts, or NULL */
	char **worker_argv;
	pid_t worker[WORKERS_MAX]; /* the first is the one that is looked into */
	int workers;

	int64_t began_us; /* wall time */
	/* sampled while it runs, memory in KiB */
	long threads, threads_idle, inflight, rss, rss_idle;
	bool sample_inflight;
};

/* ---- worker.c ---- */

/* Starts b->workers of them; all but the first without metrics. */
MUST_CHECK bool worker_start(struct bench *b, struct err *e);
MUST_CHECK bool worker_await_ready(struct bench *b, struct err *e);
void worker_end(struct bench *b);

/* Notes what is only seen while it runs. Fails when it has ended. */
MUST_CHECK bool worker_sample(struct bench *b, struct err *e);

/* Into `values`: its metrics; its memory and threads; what the stand-ins have counted. */
MUST_CHECK bool set_metrics(struct bench *b, struct json_object *values, struct err *e);
void set_memory(struct bench *b, struct json_object *values);
MUST_CHECK bool set_agents(struct bench *b, struct json_object *values, struct err *e);

/* Rates by the workflows' rows; fails unless all have completed. */
MUST_CHECK bool set_rows(struct bench *b, struct json_object *values, struct err *e);

/* ---- the scenarios ---- */

/* many.c: b->podcasts published before the worker starts, or once it is ready. */
MUST_CHECK bool throughput(struct bench *b, struct err *e);
MUST_CHECK bool inflight(struct bench *b, struct err *e);

/* Hears, and samples, until n have ended, all well. */
MUST_CHECK bool follow(struct bench *b, int64_t n, struct err *e);

/* timing.c: each timed, one after another or at b->rate. */
MUST_CHECK bool lone(struct bench *b, struct err *e);
MUST_CHECK bool paced(struct bench *b, struct err *e);

/* idle.c: no work for b->seconds. */
MUST_CHECK bool idle(struct bench *b, struct err *e);

#endif
