/*
 * result: what a run has measured, as one line of JSON on stdout for bench_report:
 *
 *	{"scenario":"throughput","values":{"rate":1115.2,…}}
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <json-c/json.h>

#include "proc.h"

/* A new object of values. */
struct json_object *result_new(void);
void result_set(struct json_object *values, const char *name, double value);

/* CPU of each watched process in ms a podcast ("cpu_NAME"), their sum ("cpu_sum"), and "others". */
void result_set_cpu(struct json_object *values, const struct watches *w, double podcasts);

/* Prints the line and releases the values. */
void result_print(const char *scenario, struct json_object *values);

#endif
