/* snippet: SCA, IGA, and the row in topics_snippets. */
#include "workflows/snippet.h"

#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "agents/agents.h"
#include "workflows/workflows.h"

enum { TITLE_MAX = 1000, TOPIC_ID_MAX = 255 };

/* ---- the row ---- */

/* The column is a UUID and SCA's ids are none: named in this space, the same id is the same row for
 * ever. */
static struct uuid row_id(const char *snippet_id)
{
	static const struct uuid space = {{0x0b, 0x6e, 0x3d, 0x54, 0xf2, 0x19, 0x4c, 0x0d, 0x8a,
					   0x71, 0x55, 0xc9, 0x1e, 0x42, 0xb7, 0x90}};
	struct uuid id;

	return uuid_from_text(&id, snippet_id) ? id
					       : uuid_named(&space, snippet_id, strlen(snippet_id));
}

static void add_time(struct strbuf *row, const char *key, int64_t wall_us)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, wall_us);
	json_add_str(row, key, text);
}

/* What TDA gave, and beside it the id that SCA chose. */
static void add_details(struct strbuf *row, struct json_object *info, const char *snippet_id)
{
	json_open(row, "original_topic_details", '{');
	json_add_members(row, json_obj(info, "original_topic_details_from_tda"), "snippet_id");
	json_add_str(row, "snippet_id", snippet_id);
	json_close(row, '}');
}

static void add_keywords(struct strbuf *row, struct json_object *keywords)
{
	if (keywords) {
		json_add_obj(row, "keywords", keywords);
		return;
	}
	json_open(row, "keywords", '[');
	json_close(row, ']');
}

static void save(struct run *run, struct json_object *info, struct json_object *data)
{
	const char *title = json_str(data, "title"),
		   *generated = json_str(data, "generation_timestamp");
	struct json_object *keywords = json_arr(data, "keywords");
	const char *snippet_id = json_str(data, "snippet_id");
	struct uuid id = row_id(snippet_id);
	char text[UUID_TEXT_SIZE];
	int64_t at_us = run->now_us;
	struct strbuf row;

	if (generated && !clock_parse(generated, &at_us))
		at_us = run->now_us;
	uuid_to_text(&id, text);
	json_begin(&row);
	json_add_str(&row, "id", text);
	json_add_str(&row, "title", title ? title : json_str(info, "title_suggestion"));
	json_add_str(&row, "summary", json_str(data, "summary"));
	add_keywords(&row, keywords ? keywords : json_arr(info, "keywords"));
	json_add_str(&row, "source_url", json_str(data, "source_url"));
	json_add_str(&row, "source_name", json_str(data, "source_name"));
	add_details(&row, info, snippet_id);
	json_add_str(&row, "llm_model", json_str(data, "llm_model_used"));
	json_add_str(&row, "cover_art_prompt", json_str(data, "cover_art_prompt"));
	json_add_str(&row, "image_url", json_str(data, "image_url"));
	add_time(&row, "generated", at_us);
	add_time(&row, "accessed", run->now_us);
	run_save(run, SAVE_SNIPPET, &row);
}

/* ---- a snippet ---- */

/* SCA's object with the cover in it. A new reference. */
static struct json_object *with_image(struct json_object *sca_data, const char *id,
				      const char *image_url)
{
	struct json_object *data = json_object_new_object();

	json_object_object_foreach(sca_data, key, value) json_set_ref(data, key, value);
	if (!json_str(data, "snippet_id")) {
		const char *other = json_str(data, "id");
		char made[CALL_NAME_SIZE];

		call_name(made, "snippet", id);
		json_set_str(data, "snippet_id", other ? other : made);
	}
	json_set_str(data, "image_url", image_url);
	return data;
}

static bool wants_cover(struct run *run, const char *prompt)
{
	return prompt && *prompt && *run->policy->agent[AGENT_IGA].url;
}

enum progress snippet_generate(struct run *run, struct json_object *info, const char *id, int order,
			       struct snippet *out)
{
	char sca_name[CALL_NAME_SIZE], iga_name[CALL_NAME_SIZE];
	struct reply *text, *cover = NULL;
	const char *prompt, *snippet_id;

	*out = (struct snippet){0};
	call_name(sca_name, "sca", id);
	text = sca_craft(run, sca_name, order, info);
	if (!text)
		return RUN_WAITING;
	if (text->error) {
		out->code = sca_error_code(text);
		out->details = text->error;
		out->raw = reply_string(text, "raw_response");
		return RUN_ENDED;
	}
	prompt = reply_string(text, "cover_art_prompt");
	snippet_id = reply_string(text, "snippet_id");
	call_name(iga_name, "iga", snippet_id ? snippet_id : id);
	if (wants_cover(run, prompt)) {
		cover = iga_draw(run, iga_name, order, prompt);
		if (!cover)
			return RUN_WAITING;
	}
	/* A snippet without a cover is a snippet: every failure of IGA is tolerated. */
	out->data = with_image(reply_body(text), id,
			       cover && !cover->error ? reply_string(cover, "image_url") : NULL);
	if (run_landed_now(run, cover ? iga_name : sca_name))
		save(run, info, out->data);
	return RUN_ENDED;
}

/* ---- the workflow ---- */

static bool check(struct json_object *args, struct err *e)
{
	struct json_object *info = json_any(args, "topic_info");

	if (!info)
		return err_set(e, ERR_REJECT,
			       "field 'topic_info' is missing; give it as an object");
	if (!arg_kind(args, "topic_info", json_type_object, e))
		return false;
	if (!arg_text(info, "title_suggestion", true, TITLE_MAX, e) ||
	    !arg_text(info, "topic_id", false, TOPIC_ID_MAX, e))
		return err_wrap(e, "topic_info");
	return true;
}

/* A topic without an id gets one that is the same whenever this workflow runs. */
static struct json_object *with_id(struct run *run, struct json_object *info)
{
	struct json_object *o = json_object_new_object();
	const char *id = json_str(info, "topic_id");
	char workflow[UUID_TEXT_SIZE], made[64];

	json_object_object_foreach(info, key, value) json_set_ref(o, key, value);
	if (!id || !*id) {
		uuid_to_text(&run->job.workflow_id, workflow);
		snprintf(made, sizeof(made), "topic_adhoc_%.6s", workflow);
		json_set_str(o, "topic_id", made);
	}
	return o;
}

/* What there is to tell of one that there is not. */
static void tell_failure(const struct snippet *s, struct strbuf *result, struct strbuf *details)
{
	json_add_str(result, "error", s->code);
	json_add_str(result, "details", s->details);
	if (s->raw)
		json_add_str(result, "raw_response", s->raw);
	json_begin(details);
	json_add_str(details, "code", s->code);
	json_add_str(details, "message", s->details);
}

/* `otherwise`: how it ends when there is no snippet. */
static enum progress end(struct run *run, struct snippet *s, enum run_status otherwise)
{
	struct strbuf result, details;
	struct ending ending = {.status = STATUS_COMPLETED, .result = &result};

	json_begin(&result);
	json_add_members(&result, s->data, NULL);
	if (!s->data) {
		ending.status = otherwise;
		ending.code = otherwise == STATUS_FAILED ? s->code : NULL;
		ending.error = s->details;
		ending.error_details = &details;
		tell_failure(s, &result, &details);
	}
	json_put(&s->data);
	return run_end(run, &ending);
}

static enum progress step(struct run *run)
{
	struct json_object *info = with_id(run, run_obj(run, "topic_info"));
	struct snippet s;
	enum progress progress = snippet_generate(run, info, json_str(info, "topic_id"), 1, &s);

	if (progress == RUN_ENDED)
		progress = end(run, &s, STATUS_FAILED);
	json_put(&info);
	return progress;
}

static void give_up(struct run *run, const char *code, const char *text)
{
	enum run_status status = code ? STATUS_FAILED : STATUS_CANCELLED;

	end(run, &(struct snippet){.code = code ? code : run_status_name(status), .details = text},
	    status);
}

const struct workflow snippet_generation = {
	.type = "snippet_generation",
	.index = WORKFLOW_SNIPPET,
	.check = check,
	.step = step,
	.give_up = give_up,
	.started_message = "Snippet generation started.",
	.completed_message = "Snippet generation complete!",
};
