/* topics: the fan-out. */
#include "workflows/topics.h"

#include <stdio.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "agents/agents.h"
#include "workflows/snippet.h"

/* TDA gives no more than 50 (agents.md §2.6); each may need three rows. */
enum { TOPICS_MAX = 50, ID_KEPT = 200, ERROR_KEPT = 600 };

_Static_assert(1 + 3 * TOPICS_MAX <= CALLS_MAX, "a workflow has room for every topic's rows");

/* ---- one topic ---- */

static const char *first_of(struct json_object *o, const char *a, const char *b)
{
	const char *s = json_str(o, a);

	if (!s || !*s)
		s = json_str(o, b);
	return s && *s ? s : NULL;
}

/* Whether one of the first `n` topics has this id. */
static bool id_taken(struct json_object *topics, size_t n, const char *id)
{
	for (size_t k = 0; k < n; k++) {
		const char *other =
			first_of(json_object_array_get_idx(topics, k), "topic_id", "id");

		if (other && strcmp(other, id) == 0)
			return true;
	}
	return false;
}

/* Two topics under one id would be one call: the later one's calls are told apart by its place, and
 * no id that we make is one that TDA gave. */
static const char *topic_id(struct run *run, const struct topics_flow *flow,
			    struct json_object *topics, size_t i)
{
	const char *id = first_of(json_object_array_get_idx(topics, i), "topic_id", "id");

	if (id && !id_taken(topics, i, id))
		return id;
	if (id)
		id = arena_printf(&run->arena, "%.*s_%zu", (int)utf8_cut(id, strlen(id), ID_KEPT),
				  id, i);
	else
		id = arena_printf(&run->arena, "%s%zu", flow->id_prefix, i);
	while (id_taken(topics, json_object_array_length(topics), id))
		id = arena_printf(&run->arena, "%s_%zu", id, i);
	return id;
}

/* What a snippet is made of (agents.md §1.3 step 4). A new reference. */
static struct json_object *topic_info(struct json_object *topic, const char *id, const char *title)
{
	struct json_object *info = json_object_new_object(),
			   *keywords = json_arr(topic, "keywords");

	json_set_str(info, "topic_id", id);
	json_set_str(info, "title_suggestion", title);
	json_set_str(info, "summary", json_str(topic, "summary"));
	json_set(info, "keywords", keywords ? json_object_get(keywords) : json_object_new_array());
	json_set_ref(info, "original_topic_details_from_tda", topic);
	return info;
}

static struct call *item_of(struct run *run, const struct topics_flow *flow, size_t i,
			    const char *title)
{
	struct strbuf input;
	char name[32];

	snprintf(name, sizeof(name), "item_%zu", i);
	json_begin(&input);
	json_add_str(&input, "topic_title", title);
	return run_item(run, flow->item_row, name, (int)i + 2, &input);
}

static void item_done(struct call *item, const struct snippet *s)
{
	struct strbuf output;

	json_begin(&output);
	if (s->data) {
		json_add_str(&output, "snippet_id", json_str(s->data, "snippet_id"));
		json_add_bool(&output, "image_url_present", json_str(s->data, "image_url") != NULL);
	} else {
		json_add_str(&output, "message", s->details);
		json_add_str(&output, "sca_response", s->code);
	}
	item_end(item, &output, s->data ? NULL : s->details);
}

static void count(struct run *run, struct topics *out, struct snippet *s)
{
	if (s->data) {
		json_object_array_add(out->snippets, s->data);
		out->made++;
		return;
	}
	if (!out->failed++)
		out->first_error = arena_printf(
			&run->arena, "%s: %.*s", s->code,
			(int)utf8_cut(s->details, strlen(s->details), ERROR_KEPT), s->details);
}

/* ---- all of them ---- */

enum progress topics_generate(struct run *run, const struct topics_flow *flow, const char *query,
			      struct topics *out)
{
	struct reply *found = tda_discover(run, flow->tda_row, query, flow->tda_limit);
	struct json_object *topics;
	size_t n;
	int waiting = 0;

	*out = (struct topics){0};
	if (!found)
		return RUN_WAITING;
	if (found->error) {
		out->tda_error = found->error;
		return RUN_ENDED;
	}
	topics = tda_topics(found);
	n = json_object_array_length(topics);
	out->snippets = json_object_new_array();
	for (size_t i = 0; i < n && i < TOPICS_MAX; i++) {
		struct json_object *topic = json_object_array_get_idx(topics, i), *info;
		const char *title = first_of(topic, "title_suggestion", "title"), *id;
		struct snippet s;
		struct call *item;

		/* As many at once as are wanted; a further topic's turn comes when one of them has
		 * failed. */
		if (flow->wanted && out->made + waiting >= flow->wanted)
			break;
		if (!title)
			continue;
		id = topic_id(run, flow, topics, i);
		info = topic_info(topic, id, title);
		item = item_of(run, flow, i, title);
		if (snippet_generate(run, info, id, (int)i + 2, &s) == RUN_WAITING) {
			waiting++;
		} else {
			item_done(item, &s);
			count(run, out, &s);
		}
		json_put(&info);
	}
	if (!waiting)
		return RUN_ENDED;
	json_put(&out->snippets);
	return RUN_WAITING;
}

/* ---- the end ---- */

static void begin_result(struct strbuf *result, struct run *run)
{
	char id[UUID_TEXT_SIZE];

	uuid_to_text(&run->job.workflow_id, id);
	json_begin(result);
	json_add_str(result, "workflow_id", id);
}

static void make_error(struct strbuf *error, const char *code, const char *details)
{
	json_begin(error);
	json_add_str(error, "code", code);
	json_add_str(error, "message", details);
}

enum progress topics_end(struct run *run, const struct topics_flow *flow, struct topics *t,
			 struct strbuf *context)
{
	struct strbuf result, error;
	struct ending ending = {.status = STATUS_COMPLETED, .context = context, .result = &result};

	json_add_num(context, "generated_snippet_count", t->made);
	begin_result(&result, run);
	json_add_obj(&result, flow->list, t->snippets);
	json_put(&t->snippets);
	if (t->failed && t->made) {
		ending.status = STATUS_COMPLETED_WITH_ERRORS;
		ending.error = "Some search snippets could not be generated.";
		make_error(&error, "SNIPPETS_INCOMPLETE", t->first_error);
		ending.error_details = &error;
	} else if (t->failed) {
		ending.status = STATUS_FAILED;
		ending.code = "NO_SNIPPETS_GENERATED";
		ending.error = t->first_error;
		make_error(&error, ending.code, t->first_error);
		ending.error_details = &error;
	}
	if (!t->made && flow->wanted) {
		json_add_str(&result, "message", "NO_SNIPPETS_GENERATED");
		json_add_str(&result, "details",
			     t->first_error ? t->first_error : "No topic had a title.");
	} else if (!t->made && t->failed) {
		json_add_str(&result, "error", run_status_name(ending.status));
		json_add_str(&result, "details", t->first_error);
	}
	if (flow->wanted)
		json_add_str(&result, "source", "generation");
	return run_end(run, &ending);
}

enum progress topics_fail(struct run *run, const struct topics_flow *flow, const char *code,
			  const char *details, struct strbuf *context)
{
	const char *word = code ? code : run_status_name(STATUS_CANCELLED);
	struct strbuf result, error;
	struct ending ending = {
		.status = code ? STATUS_FAILED : STATUS_CANCELLED,
		.code = code,
		.error = details,
		.context = context,
		.result = &result,
		.error_details = &error,
	};

	begin_result(&result, run);
	json_add_str(&result, "error", word);
	json_add_str(&result, "details", details);
	json_open(&result, flow->list, '[');
	json_close(&result, ']');
	make_error(&error, word, details);
	return run_end(run, &ending);
}

const char *topics_join(struct run *run, struct json_object *words, size_t max)
{
	struct strbuf sb;
	const char *joined;

	strbuf_init(&sb, max);
	for (size_t i = 0; words && i < json_object_array_length(words); i++) {
		struct json_object *word = json_object_array_get_idx(words, i);
		const char *s = json_object_is_type(word, json_type_string)
					? json_object_get_string(word)
					: "";

		if (*s && sb.len)
			strbuf_addc(&sb, ' ');
		strbuf_adds(&sb, s);
	}
	joined = arena_strdup(&run->arena, sb.buf);
	strbuf_release(&sb);
	return joined;
}
