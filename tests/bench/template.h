/*
 * template: a podcast as the worker has left it in the tables, from which the floor makes its rows:
 * so they are as large as real ones, whatever the workflow becomes.
 */
#ifndef BENCH_TEMPLATE_H
#define BENCH_TEMPLATE_H

#include <stdbool.h>

#include "cpoa/db.h"

enum { TEMPLATE_CALLS_MAX = 16 };

struct template_call {
	const char *name, *agent_name, *stage;
	const char *input, *summary, *reply; /* no reply: a note, written when the podcast ends */
	int order;
};

/* Everything points into the two results. */
struct template
{
	struct db_result *workflow, *tasks;
	const char *details, *context, *event, *event_type;
	int sequence;
	struct template_call call[TEMPLATE_CALLS_MAX];
	int n_calls; /* real ones come first */
	int n_real;
	char *save_final; /* the row for podcasts */
};

/* The podcast that completed last; an error when there is none. */
MUST_CHECK bool template_load(struct template *t, struct db *db, struct err *e);
void template_release(struct template *t);

#endif
