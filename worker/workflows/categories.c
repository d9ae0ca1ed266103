/* popular_categories: a list that never changes (agents.md §1.6). A workflow like the others, so
 * that a gateway has one way. */
#include "cpoa/json.h"

#include "core/run.h"
#include "workflows/workflows.h"

static bool check(struct json_object *args, struct err *e)
{
	(void)args;
	(void)e;
	return true;
}

static enum progress step(struct run *run)
{
	static const char *const names[] = {
		"Business", "Technology", "Lifestyle", "Entertainment",
		"Health",   "Science",	  "Education", "Arts",
	};
	struct strbuf result;

	json_begin(&result);
	json_open(&result, "categories", '[');
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		json_add_str(&result, NULL, names[i]);
	json_close(&result, ']');
	return run_end(run, &(struct ending){.status = STATUS_COMPLETED, .result = &result});
}

static void give_up(struct run *run, const char *code, const char *text)
{
	struct strbuf details;
	struct ending ending = {
		.status = code ? STATUS_FAILED : STATUS_CANCELLED,
		.code = code,
		.error = text,
		.error_details = &details,
	};

	json_begin(&details);
	json_add_str(&details, "code", code ? code : run_status_name(ending.status));
	json_add_str(&details, "message", text);
	run_end(run, &ending);
}

const struct workflow popular_categories = {
	.type = "popular_categories",
	.index = WORKFLOW_CATEGORIES,
	.check = check,
	.step = step,
	.give_up = give_up,
	.started_message = "Categories asked for.",
	.completed_message = "Categories listed.",
};
