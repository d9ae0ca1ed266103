/*
 * order: a job that the user gives: its arguments, ids and headers, and whether a worker would take
 * it.
 */
#ifndef CTL_ORDER_H
#define CTL_ORDER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "cpoa/client.h"
#include "cpoa/err.h"
#include "cpoa/trace.h"
#include "cpoa/uuid.h"

#include "ctl/args.h"

/* The first block is the user's; order_fill() makes the rest of it. */
struct order {
	const char *type;
	const char *file; /* --json, or NULL */
	struct arg_list args;
	const char *key, *workflow, *client; /* NULL: not given */
	bool wait;			     /* its stages are to be shown */

	struct json_object *body;
	char *text;
	size_t len;
	char task_id[UUID_TEXT_SIZE]; /* that was filled in; "" when none was */
	char message_id[UUID_TEXT_SIZE], workflow_id[UUID_TEXT_SIZE],
		traceparent[TRACE_PARENT_SIZE];
	const char *tracestate; /* NULL: none */
};

/* False (ERR_USAGE): it is no type of job; the text lists those that are. */
MUST_CHECK bool order_type(const char *type, struct err *e);

/* Makes body and ids. False (ERR_USAGE): a sentence. */
MUST_CHECK bool order_fill(struct order *o, struct err *e);

/* Reads it with a worker's own eyes: what would become a dead letter is told now. */
MUST_CHECK bool order_check(const struct order *o, struct err *e);

/* The job to be enqueued; it points into the order. */
struct cpoa_client_job order_job(const struct order *o);

void order_release(struct order *o);

#endif
