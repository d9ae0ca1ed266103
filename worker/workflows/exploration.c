/* topic_exploration: further topics about one that is known, or about keywords (agents.md §1.4). */
#include "cpoa/json.h"

#include "agents/agents.h"
#include "workflows/topics.h"
#include "workflows/workflows.h"

enum { ID_MAX = 255, MODE_MAX = 100, WORD_MAX = 200, WORDS_MAX = 50, QUERY_MAX = 1000 };

static const struct topics_flow flow = {
	.tda_row = "TDA_Exploration",
	.item_row = "SnippetGenerationExplorationItem",
	.id_prefix = "tda_topic_explore_",
	.list = "explored_topics",
	.tda_limit = 3,
};

static bool check_words(struct json_object *words, struct err *e)
{
	size_t n = words ? json_object_array_length(words) : 0;

	if (n > WORDS_MAX)
		return err_set(e, ERR_REJECT,
			       "field 'keywords' has %zu entries; at most %d are allowed", n,
			       WORDS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json_object *word = json_object_array_get_idx(words, i);

		if (!json_object_is_type(word, json_type_string) ||
		    json_object_get_string_len(word) > WORD_MAX)
			return err_set(e, ERR_REJECT,
				       "field 'keywords[%zu]' must be a string of at most %d bytes",
				       i, WORD_MAX);
	}
	return true;
}

static bool check(struct json_object *args, struct err *e)
{
	if (!arg_text(args, "current_topic_id", false, ID_MAX, e) ||
	    !arg_kind(args, "keywords", json_type_array, e) ||
	    !check_words(json_arr(args, "keywords"), e))
		return false;
	return !json_any(args, "depth_mode") || arg_text(args, "depth_mode", true, MODE_MAX, e);
}

/* The words of the job, else those of the stored topic, else its title. NULL: not known yet; "":
 * there are none. */
static const char *query_of(struct run *run)
{
	const char *words = topics_join(run, json_arr(run->args, "keywords"), QUERY_MAX), *title;
	struct reply *stored;
	struct uuid id;

	if (*words)
		return words;
	if (!uuid_from_text(&id, run_str(run, "current_topic_id")))
		return "";
	stored = store_topic(run, &id);
	if (!stored)
		return NULL;
	words = topics_join(run, json_arr(reply_body(stored), "keywords"), QUERY_MAX);
	title = reply_string(stored, "title");
	return *words ? words : (title ? title : "");
}

static enum progress step(struct run *run)
{
	const char *query = query_of(run);
	struct strbuf context;
	struct topics t;

	if (!query)
		return RUN_WAITING;
	if (!*query)
		return topics_fail(
			run, &flow, "TDA_QUERY_CONSTRUCTION_FAILED",
			"neither keywords nor a stored topic under current_topic_id give a query",
			NULL);
	if (topics_generate(run, &flow, query, &t) == RUN_WAITING)
		return RUN_WAITING;
	json_begin(&context);
	json_add_str(&context, "tda_query", query);
	if (t.tda_error)
		return topics_fail(run, &flow, "TDA_FAILURE", t.tda_error, &context);
	return topics_end(run, &flow, &t, &context);
}

static void give_up(struct run *run, const char *code, const char *text)
{
	topics_fail(run, &flow, code, text, NULL);
}

const struct workflow topic_exploration = {
	.type = "topic_exploration",
	.index = WORKFLOW_EXPLORATION,
	.check = check,
	.step = step,
	.give_up = give_up,
	.started_message = "Exploration started.",
	.completed_message = "Exploration complete!",
};
