/* landing_page_snippets: a page full of snippets for somebody who has not asked for anything
 * (agents.md §1.5). */
#include <string.h>

#include "cpoa/json.h"

#include "workflows/topics.h"
#include "workflows/workflows.h"

enum { LIMIT_STANDARD = 5, LIMIT_MAX = 20, QUERY_MAX = 1000 };

static const char *const categories[] = {
	"technology", "science",     "lifestyle",  "business",
	"arts",	      "global news", "innovation", "culture",
};

enum { CATEGORIES = sizeof(categories) / sizeof(*categories), CHOSEN = 3 };

static const struct topics_flow standard = {
	.tda_row = "TDA",
	.item_row = "SnippetGenerationLoopItem",
	.id_prefix = "tda_topic_lp_",
	.list = "snippets",
	.tda_limit = 2 * LIMIT_STANDARD,
	.wanted = LIMIT_STANDARD,
};

static bool check(struct json_object *args, struct err *e)
{
	/* Some write every number with a point: json_num takes 5.0 for 5. */
	int64_t n = json_num(args, "limit", json_any(args, "limit") ? 0 : LIMIT_STANDARD);

	if (n < 1 || n > LIMIT_MAX)
		return err_set(e, ERR_REJECT, "field 'limit' must be a whole number from 1 to %d",
			       LIMIT_MAX);
	return true;
}

/* Three of the eight by chance: drawn from the workflow's id, so that it is the same whenever the
 * workflow runs. */
static const char *by_chance(struct run *run)
{
	/* The last bytes: the first ones may be the time. */
	const uint8_t *dice = run->job.workflow_id.bytes + sizeof(run->job.workflow_id) - CHOSEN;
	const char *left[CATEGORIES], *chosen[CHOSEN];

	memcpy(left, categories, sizeof(left));
	for (size_t i = 0; i < CHOSEN; i++) {
		size_t k = dice[i] % (CATEGORIES - i);

		chosen[i] = left[k];
		left[k] = left[CATEGORIES - 1 - i];
	}
	return arena_printf(&run->arena, "%s %s %s", chosen[0], chosen[1], chosen[2]);
}

static const char *query_of(struct run *run)
{
	struct json_object *preferences = run_obj(run, "user_preferences");
	const char *words =
		topics_join(run, json_arr(preferences, "preferred_categories"), QUERY_MAX);
	const char *one = json_str(preferences, "preferred_news_category");

	if (*words)
		return words;
	return one && *one && strlen(one) <= QUERY_MAX ? one : by_chance(run);
}

static enum progress step(struct run *run)
{
	struct topics_flow flow = standard;
	const char *query = query_of(run);
	struct strbuf context;
	struct topics t;

	flow.wanted = (int)json_num(run->args, "limit", LIMIT_STANDARD);
	flow.tda_limit = 2 * flow.wanted;
	if (topics_generate(run, &flow, query, &t) == RUN_WAITING)
		return RUN_WAITING;
	json_begin(&context);
	json_add_num(&context, "requested_limit", flow.wanted);
	json_add_str(&context, "tda_query", query);
	if (t.tda_error)
		return topics_fail(run, &flow, "TDA_FAILURE", t.tda_error, &context);
	return topics_end(run, &flow, &t, &context);
}

static void give_up(struct run *run, const char *code, const char *text)
{
	topics_fail(run, &standard, code, text, NULL);
}

const struct workflow landing_page_snippets = {
	.type = "landing_page_snippets",
	.index = WORKFLOW_LANDING,
	.check = check,
	.step = step,
	.give_up = give_up,
	.started_message = "Landing page started.",
	.completed_message = "Landing page complete!",
};
