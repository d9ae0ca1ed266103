/*
 * pswa.c - the podcast script writer: makes a script of the very content that it is given
 *
 * agents.md §2.2. A paragraph becomes a segment; lines that name a source, and the "---" between
 * parts, are not spoken.
 */
#include "standin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	TOPIC_CHARS_MAX = 200,
	CONTENT_CHARS_MAX = 50000,
	GUIDANCE_CHARS_MAX = 1000,
	SEGMENTS_MAX = 40, /* what is left goes into the last one */
};

static const char *skip_source_line(const char *text, const char *end)
{
	const char *newline;

	if (end - text < 8 || memcmp(text, "Source: ", 8) != 0)
		return text;
	newline = memchr(text, '\n', (size_t)(end - text));
	return newline ? newline + 1 : end;
}

static void add_segment(struct json_object *segments, const char *text, size_t len)
{
	struct json_object *segment = json_object_new_object();
	char title[32];

	(void)snprintf(title, sizeof(title), "Part %zu", json_object_array_length(segments) + 1);
	json_put_text(segment, "segment_title", title);
	json_object_object_add(segment, "content", json_object_new_string_len(text, (int)len));
	json_object_array_add(segments, segment);
}

static struct json_object *segments_of(const char *content)
{
	struct json_object *segments = json_object_new_array();

	while (*content) {
		const char *end = strstr(content, "\n\n");

		if (!end || json_object_array_length(segments) == SEGMENTS_MAX - 1)
			end = content + strlen(content);
		content = skip_source_line(content, end);
		if (end > content && (end - content != 3 || memcmp(content, "---", 3) != 0))
			add_segment(segments, content, (size_t)(end - content));
		content = end + strspn(end, "\r\n");
	}
	return segments;
}

static void put_sentence(struct json_object *script, const char *name, const char *before,
			 const char *topic, const char *after)
{
	struct buf sentence = {0};

	buf_adds(&sentence, before);
	buf_adds(&sentence, topic);
	buf_adds(&sentence, after);
	json_put_text(script, name, sentence.data);
	buf_release(&sentence);
}

static void work(const struct job *job, struct outcome *outcome)
{
	const char *topic = json_text(job->body, "topic");
	const char *persona = json_text(job->body, "persona");
	struct json_object *script = json_object_new_object();
	char id[32];

	(void)snprintf(id, sizeof(id), "pswa_script_%012" PRIx64, job->hash >> 16);
	json_put_text(script, "script_id", id);
	put_sentence(script, "title", "A closer look at ", topic, "");
	put_sentence(script, "intro", "Welcome. Today we talk about ", topic, ".");
	json_object_object_add(script, "segments", segments_of(json_text(job->body, "content")));
	put_sentence(script, "outro", "That was our programme on ", topic,
		     ". Thank you for listening.");
	json_put_text(script, "topic", topic);
	json_put_text(script, "llm_model_used", "stand-in");
	json_put_text(script, "persona_used", persona ? persona : "neutral");
	json_put_text(script, "source", "aims_generation_async");
	outcome->result = script;
}

static bool check(const struct json_object *body, struct refusal *refusal)
{
	const char *topic = json_text(body, "topic"), *content = json_text(body, "content");
	const char *guidance = json_text(body, "narrative_guidance");

	if (!json_object_is_type(body, json_type_object))
		return refuse(refusal, "PSWA_INVALID_PAYLOAD", "The body must be a JSON object.");
	if (is_blank(topic) || is_blank(content))
		return refuse(refusal, "PSWA_MISSING_CONTENT_OR_TOPIC",
			      "'content' and 'topic' are required.");
	if (utf8_count(topic) > TOPIC_CHARS_MAX)
		return refuse(refusal, "PSWA_TOPIC_TOO_LONG",
			      "'topic' has more than 200 characters.");
	if (utf8_count(content) > CONTENT_CHARS_MAX)
		return refuse(refusal, "PSWA_CONTENT_TOO_LONG",
			      "'content' has more than 50000 characters.");
	if (guidance && utf8_count(guidance) > GUIDANCE_CHARS_MAX)
		return refuse(refusal, "PSWA_GUIDANCE_TOO_LONG",
			      "'narrative_guidance' has more than 1000 characters.");
	return true;
}

static const struct scenario scenarios[] = {
	{.name = "insufficient_content",
	 .replace = "{\"error\":\"Insufficient content\","
		    "\"message\":\"The content is too short to make a script of it.\"}",
	 .echo = "topic"},
	{.name = "llm_error",
	 .replace = "{\"error\":\"LLM_PROCESSING_ERROR\",\"message\":\"Simulated LLM error.\","
		    "\"details\":\"The model did not answer.\"}"},
	{.name = "malformed_json",
	 .replace =
		 "{\"error\":\"AIMS_BAD_JSON_RESPONSE\",\"message\":\"Simulated malformed JSON.\","
		 "\"raw_response_preview\":\"{ title: broken\"}"},
	{.name = "missing_segments", .patch = "{\"segments\":null}"},
	{.name = "missing_script_id", .patch = "{\"script_id\":null}"},
	{.name = "wrapped", .wrap_sync = true},
	{.name = NULL},
};

const struct agent pswa_agent = {
	.id = PSWA,
	.name = "pswa",
	.title = "PSWA",
	.path = {"/v1/weave_script", "/weave_script"},
	.status_path = "/tasks/", /* not under /v1, as in the original */
	.wrap = "script_data",
	.busy_state = "PROGRESS",
	.conflict_http = 200, /* in the original's code; its README says 409 */
	.key_required = true,
	.check = check,
	.work = work,
	.scenarios = scenarios,
};
