/*
 * workflows: the kinds of job. One file each holds the pure function; here stands their table. To
 * add one: a file and a line in workflows.c; queue, routing key, metrics and `cpoa enqueue` follow
 * from it.
 */
#ifndef WORKFLOWS_WORKFLOWS_H
#define WORKFLOWS_WORKFLOWS_H

#include <stddef.h>

#include "core/workflow.h"

/* Places in the tables, metric labels and settings. */
enum workflow_index {
	WORKFLOW_PODCAST,
	WORKFLOW_SNIPPET,
	WORKFLOW_SEARCH,
	WORKFLOW_EXPLORATION,
	WORKFLOW_LANDING,
	WORKFLOW_CATEGORIES,
	WORKFLOW_COUNT
};

/* Every type that interface.md §3 names has a queue. */
extern const char *const workflow_types[WORKFLOW_COUNT];

extern const struct workflow podcast_generation, snippet_generation, search_results_generation,
	topic_exploration, landing_page_snippets, popular_categories;

/* By index. */
extern const struct workflow *const workflows[WORKFLOW_COUNT];

/* By type; NULL when there is none. */
const struct workflow *workflow_by_type(const char *type);

#endif
