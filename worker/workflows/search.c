/* search_results_generation: a query's topics, a snippet of each (agents.md §1.3). */
#include "cpoa/json.h"

#include "workflows/topics.h"
#include "workflows/workflows.h"

enum { QUERY_MAX = 1000 };

static const struct topics_flow flow = {
	.tda_row = "TDA_Search",
	.item_row = "SnippetGenerationSearchItem",
	.id_prefix = "tda_topic_search_",
	.list = "search_results",
	.tda_limit = 7,
};

static bool check(struct json_object *args, struct err *e)
{
	return arg_text(args, "query", true, QUERY_MAX, e);
}

static struct json_object *context(struct run *run, const char *name)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, name, run_str(run, "query"));
	return o;
}

static enum progress step(struct run *run)
{
	struct topics t;

	if (topics_generate(run, &flow, run_str(run, "query"), &t) == RUN_WAITING)
		return RUN_WAITING;
	if (t.tda_error)
		return topics_fail(run, &flow, "TDA_FAILURE", t.tda_error,
				   context(run, "tda_query"));
	return topics_end(run, &flow, &t, context(run, "search_query"));
}

static void give_up(struct run *run, const char *code, const char *text)
{
	topics_fail(run, &flow, code, text, NULL);
}

const struct workflow search_results_generation = {
	.type = "search_results_generation",
	.index = WORKFLOW_SEARCH,
	.check = check,
	.step = step,
	.give_up = give_up,
	.started_message = "Search started.",
	.completed_message = "Search complete!",
};
