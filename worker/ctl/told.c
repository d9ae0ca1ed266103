/* told: lines for events, and the block at the end. */
#include "ctl/told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "ctl/ctl.h"
#include "ctl/output.h"
#include "workflows/workflows.h"

static const char prefix[] = "aethercast.cpoa.";

/* ---- reading ---- */

const char *told_type(struct json_object *event)
{
	const char *type = json_str(event, "type");

	return type && strncmp(type, prefix, sizeof(prefix) - 1) == 0 ? type + sizeof(prefix) - 1
								      : "?";
}

bool told_kind(struct json_object *event, enum event_kind *kind)
{
	const char *dot = strrchr(told_type(event), '.');

	return dot && event_kind_from_name(dot + 1, kind);
}

const char *told_workflow(struct json_object *event)
{
	const char *subject = json_str(event, "subject");

	return subject ? subject : "";
}

static struct json_object *ui_data(struct json_object *event)
{
	return json_obj(json_obj(json_obj(event, "data"), "ui"), "data");
}

const char *told_stage(struct json_object *event)
{
	const char *stage = json_str(ui_data(event), "stage");
	enum event_kind kind;

	if (stage)
		return stage;
	return told_kind(event, &kind) ? event_kind_name(kind) : "?";
}

const char *told_message(struct json_object *event)
{
	const char *message = json_str(ui_data(event), "message");

	return message ? message : "";
}

/* ---- a line ---- */

void told_print_line(struct json_object *event, int64_t elapsed_us)
{
	AUTO(strbuf_release) struct strbuf stage, message;
	int width = output_width();

	strbuf_init(&stage, 4 * TEXT_CLEAN_MAX);
	strbuf_init(&message, 4 * TEXT_CLEAN_MAX);
	text_clean(&stage, told_stage(event), width ? 40 : 0);
	text_clean(&message, told_message(event), width > 48 ? width - 36 : 0);
	printf("%6.1f s  %-24s%s%s\n", (double)elapsed_us / 1e6, stage.buf, message.len ? "  " : "",
	       message.buf);
	fflush(stdout);
}

/* ---- the end ---- */

/* The script's title is in the log alone: what PSWA's entry shows of it. */
static const char *podcast_title(struct json_object *result)
{
	struct json_object *log = json_arr(result, "orchestration_log");
	const char *title = NULL;

	for (size_t i = 0; log && i < json_object_array_length(log); i++) {
		struct json_object *entry = json_object_array_get_idx(log, i);
		const char *stage = json_str(entry, "stage"),
			   *preview = json_str(entry, "data_preview");

		if (stage && preview && strcmp(stage, "pswa_script_generation") == 0)
			title = preview;
	}
	return title;
}

static void print_podcast(struct json_object *result)
{
	struct json_object *audio = json_obj(result, "final_audio_details");

	print_field("topic", json_str(result, "topic"));
	print_field("title", podcast_title(result));
	print_field("audio", json_str(result, "final_audio_filepath"));
	print_field("stream", json_str(audio, "stream_id"));
	print_field("listen at", json_str(result, "asf_websocket_url"));
}

enum { NUMBER_COLUMNS = 4, SUMMARY_COLUMNS = 96 };

/* A text as lines of whole words, each after the columns that the number takes. */
static void print_folded(const char *text)
{
	AUTO(strbuf_release) struct strbuf clean, line;
	int width = output_width();
	size_t n;

	if (width == 0 || width > SUMMARY_COLUMNS)
		width = SUMMARY_COLUMNS;
	strbuf_init(&clean, 4 * TEXT_CLEAN_MAX);
	strbuf_init(&line, 4 * TEXT_CLEAN_MAX);
	text_clean(&clean, text, 0);
	for (const char *p = clean.buf + strspn(clean.buf, " "); *p; p += n + strspn(p + n, " ")) {
		size_t before = line.len;

		n = strcspn(p, " ");
		if (before)
			strbuf_addc(&line, ' ');
		strbuf_add(&line, p, n);
		if (!before || text_columns(line.buf) <= width - NUMBER_COLUMNS)
			continue;
		strbuf_cut(&line, before);
		printf("%*s%s\n", NUMBER_COLUMNS, "", line.buf);
		strbuf_reset(&line);
		strbuf_add(&line, p, n);
	}
	if (line.len)
		printf("%*s%s\n", NUMBER_COLUMNS, "", line.buf);
}

static void print_snippet(size_t number, struct json_object *snippet)
{
	AUTO(strbuf_release) struct strbuf title;
	const char *summary = json_str(snippet, "summary");

	strbuf_init(&title, 4 * TEXT_CLEAN_MAX);
	text_clean(&title, json_str(snippet, "title"), 0);
	printf("\n%2zu  %s\n", number, title.len ? title.buf : "(no title)");
	if (summary)
		print_folded(summary);
}

/* What search, exploration and landing page give; NULL: it is none of theirs. */
static struct json_object *snippets_of(struct json_object *result)
{
	static const char *const lists[] = {"search_results", "explored_topics", "snippets"};
	struct json_object *list = NULL;

	for (size_t i = 0; !list && i < sizeof(lists) / sizeof(*lists); i++)
		list = json_arr(result, lists[i]);
	return list;
}

static void print_any(struct json_object *result)
{
	puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
}

void told_print_result(struct json_object *data)
{
	struct json_object *result = json_obj(data, "result");
	struct json_object *snippets;
	const char *type = json_str(data, "workflow_type");

	if (!result)
		return;
	snippets = snippets_of(result);
	if (type && strcmp(type, podcast_generation.type) == 0)
		print_podcast(result);
	else if (type && strcmp(type, snippet_generation.type) == 0 && json_str(result, "title"))
		print_snippet(1, result);
	else if (snippets)
		for (size_t i = 0; i < json_object_array_length(snippets); i++)
			print_snippet(i + 1, json_object_array_get_idx(snippets, i));
	else
		print_any(result);
}

static void say_error(struct json_object *data, const char *status)
{
	struct json_object *error = json_obj(data, "error");
	const char *message = json_str(error, "message"), *code = json_str(error, "code"),
		   *stage = json_str(error, "stage");

	if (!message)
		message = json_str(json_obj(data, "result"), "error_message");
	say("%s%s%s: %s%s%s%s", status, stage ? " in " : "", stage ? stage : "",
	    message ? message : "no reason given", code ? " (" : "", code ? code : "",
	    code ? ")" : "");
}

int told_print_end(struct json_object *event)
{
	struct json_object *data = json_obj(event, "data");
	const char *status = json_str(data, "status");
	enum event_kind kind;
	bool completed = told_kind(event, &kind) && kind == EVENT_COMPLETED;

	if (!status)
		status = completed ? "completed" : "failed";
	if (completed) {
		putchar('\n');
		print_field_coloured("status", status);
		told_print_result(data);
		fflush(stdout);
	}
	if (strcmp(status, "completed") != 0)
		say_error(data, status);
	return completed ? EXIT_DONE : EXIT_FAILED;
}
