/*
 * workflows: the kinds of job. One file each holds the pure function; here stands their table. To
 * add one: a file and a line in workflows.c; queue, routing key, metrics and `cpoa enqueue` follow
 * from it.
 */
#ifndef WORKFLOWS_WORKFLOWS_H
#define WORKFLOWS_WORKFLOWS_H

#include <stddef.h>

#include "core/workflow.h"

/* Every type that interface.md §3 names has a queue. */
enum {
	WORKFLOW_COUNT = 6
};
extern const char *const workflow_types[WORKFLOW_COUNT];

extern const struct workflow podcast_generation;

/* By index, in the order of workflow_types; NULL: no worker of this version runs it, its jobs wait
 * in their queue. */
extern const struct workflow *const workflows[WORKFLOW_COUNT];

/* By type; NULL when there is none. */
const struct workflow *workflow_by_type(const char *type);

#endif
