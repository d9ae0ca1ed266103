/* workflows: the table. */
#include "workflows/workflows.h"

#include <string.h>

const char *const workflow_types[WORKFLOW_COUNT] = {
	"podcast_generation", "snippet_generation",    "search_results_generation",
	"topic_exploration",  "landing_page_snippets", "popular_categories",
};

const struct workflow *const workflows[WORKFLOW_COUNT] = {
	[WORKFLOW_PODCAST] = &podcast_generation,	[WORKFLOW_SNIPPET] = &snippet_generation,
	[WORKFLOW_SEARCH] = &search_results_generation, [WORKFLOW_EXPLORATION] = &topic_exploration,
	[WORKFLOW_LANDING] = &landing_page_snippets,	[WORKFLOW_CATEGORIES] = &popular_categories,
};

const struct workflow *workflow_by_type(const char *type)
{
	for (int i = 0; i < WORKFLOW_COUNT; i++)
		if (workflows[i] && strcmp(workflows[i]->type, type) == 0)
			return workflows[i];
	return NULL;
}
