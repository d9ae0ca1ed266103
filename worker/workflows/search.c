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

static enum progress step(struct run *run)
{
	const char *query = run_str(run, "query");
	struct strbuf context;
	struct topics t;

	if (topics_generate(run, &flow, query, &t) == RUN_WAITING)
		return RUN_WAITING;
	json_begin(&context);
	json_add_str(&context, t.tda_error ? "tda_query" : "search_query", query);
	if (t.tda_error)
		return topics_fail(run, &flow, "TDA_FAILURE", t.tda_error, &context);
	return topics_end(run, &flow, &t, &context);
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
