/* sca.c - the snippet crafter: agents.md §2.4 */
#include "standin.h"

#include <inttypes.h>

enum { BRIEF_CHARS_MAX = 1000 };

static void put_joined(struct json_object *object, const char *name, const char *before,
		       const char *text, const char *after)
{
	struct buf joined = {0};

	buf_adds(&joined, before);
	buf_adds(&joined, text);
	buf_adds(&joined, after);
	json_put_text(object, name, joined.data);
	buf_release(&joined);
}

static void work(const struct job *job, struct outcome *outcome)
{
	struct json_object *result = json_object_new_object();
	struct json_object *info = json_member(job->body, "topic_info");
	const char *brief = json_text(job->body, "content_brief");
	const char *summary = json_text(info, "summary");
	char id[32], generated[32];

	(void)snprintf(id, sizeof(id), "snippet_%012" PRIx64, job->hash >> 16);
	time_from_hash(job->hash, generated);
	json_put_text(result, "snippet_id", id);
	json_put_text(result, "topic_id", json_text(job->body, "topic_id"));
	json_put_text(result, "title", brief);
	if (is_blank(summary))
		put_joined(result, "summary", "In short: ", brief, ".");
	else
		json_put_text(result, "summary", summary);
	put_joined(result, "audio_url", "https://aethercast.com/placeholder_audio/", id, ".mp3");
	put_joined(result, "text_content", "What everybody should know about ", brief,
		   ", told in less than a minute.");
	put_joined(result, "cover_art_prompt", "Podcast cover: ", brief, "");
	json_put_text(result, "generation_timestamp", generated);
	put_joined(result, "llm_prompt_used", "Write a podcast snippet about: ", brief, "");
	json_put_text(result, "llm_model_used", "stand-in");
	json_object_object_add(result, "original_topic_details_from_tda", json_object_get(info));
	outcome->result = result;
}

static bool check(const struct json_object *body, struct refusal *refusal)
{
	const char *brief = json_text(body, "content_brief");

	if (!json_object_is_type(body, json_type_object))
		return refuse(refusal, "SCA_INVALID_PAYLOAD", "The body must be a JSON object.");
	if (is_blank(json_text(body, "topic_id")))
		return refuse(refusal, "SCA_INVALID_TOPIC_ID", "'topic_id' must be a string.");
	if (is_blank(brief))
		return refuse(refusal, "SCA_INVALID_CONTENT_BRIEF",
			      "'content_brief' must be a string.");
	if (utf8_count(brief) > BRIEF_CHARS_MAX)
		return refuse(refusal, "SCA_CONTENT_BRIEF_TOO_LONG",
			      "'content_brief' has more than 1000 characters.");
	if (!json_object_is_type(json_member(body, "topic_info"), json_type_object))
		return refuse(refusal, "SCA_INVALID_TOPIC_INFO", "'topic_info' must be an object.");
	return true;
}

static const struct scenario scenarios[] = {
	{.name = "sca_error",
	 .state = "FAILURE",
	 .http = 500,
	 .replace = "{\"error\":{\"type\":\"task_failed\",\"message\":\"Simulated SCA error.\"}}"},
	{.name = "error_code",
	 .http = 500,
	 .replace = "{\"error_code\":\"SCA_LLM_ERROR\",\"message\":\"Simulated logical error.\"}"},
	{.name = "no_cover", .patch = "{\"cover_art_prompt\":null}"},
	{.name = NULL},
};

const struct agent sca_agent = {
	.id = SCA,
	.name = "sca",
	.title = "SCA",
	.path = {"/craft_snippet"},
	.status_path = "/v1/tasks/",
	.busy_state = "STARTED",
	.conflict_http = 409,
	.key_required = true,
	.check = check,
	.work = work,
	.scenarios = scenarios,
};
