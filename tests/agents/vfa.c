/*
 * vfa.c - the voice forger: speaks a script
 *
 * agents.md §2.3. Spoken are the title, the segments' titles and their contents; intro and outro
 * are not, as in the original.
 */
#include "standin.h"

#include <inttypes.h>
#include <string.h>

enum { SCRIPT_CHARS_MIN = 20 };

static void add_spoken(struct buf *text, const char *line)
{
	if (is_blank(line))
		return;
	buf_adds(text, line);
	buf_adds(text, "\n\n");
}

static void spoken_text(const struct json_object *script, struct buf *text)
{
	struct json_object *segments = json_member(script, "segments");

	add_spoken(text, json_text(script, "title"));
	if (!json_object_is_type(segments, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(segments); i++) {
		const struct json_object *segment = json_object_array_get_idx(segments, i);

		add_spoken(text, json_text(segment, "segment_title"));
		add_spoken(text, json_text(segment, "content"));
	}
}

static void put_setting(struct json_object *settings, const struct json_object *params,
			const char *name, struct json_object *fallback)
{
	struct json_object *given = json_member(params, name);

	if (given)
		json_object_put(fallback);
	json_object_object_add(settings, name, given ? json_object_get(given) : fallback);
}

static struct json_object *settings_of(const struct json_object *params)
{
	struct json_object *settings = json_object_new_object();

	put_setting(settings, params, "voice_name", json_object_new_string("en-US-Standard-C"));
	put_setting(settings, params, "language_code", json_object_new_string("en-US"));
	put_setting(settings, params, "audio_encoding", json_object_new_string("LINEAR16"));
	put_setting(settings, params, "speaking_rate", json_object_new_double(1.0));
	put_setting(settings, params, "pitch", json_object_new_double(0.0));
	return settings;
}

/* A logical error: no status, and the poll answers 500 with it. */
static void fail(struct outcome *outcome, const char *code, const char *message)
{
	json_put_text(outcome->result, "error_code", code);
	json_put_text(outcome->result, "message", message);
	outcome->http = 500;
}

static void skip(struct outcome *outcome)
{
	json_put_text(outcome->result, "status", "skipped");
	json_put_text(outcome->result, "message", "The script is too short to be spoken.");
	json_put_text(outcome->result, "audio_filepath", NULL);
	json_put_text(outcome->result, "tts_settings_used", NULL);
}

static void succeed(const struct job *job, struct outcome *outcome, const char *path, size_t chars)
{
	struct json_object *result = outcome->result;

	json_put_text(result, "status", "success");
	json_put_text(result, "message", "The script was spoken.");
	json_put_text(result, "audio_filepath", path);
	json_put_text(result, "audio_format", "wav");
	json_object_object_add(result, "script_char_count", json_object_new_int64((int64_t)chars));
	json_put_text(result, "engine_used", job->audio_dir ? speech_engine() : "stand-in");
	json_object_object_add(result, "tts_settings_used",
			       settings_of(json_member(job->body, "voice_params")));
}

static void work(const struct job *job, struct outcome *outcome)
{
	struct buf text = {0}, path = {0};
	char stream_id[32];
	size_t chars;

	spoken_text(json_member(job->body, "script"), &text);
	chars = text.data ? utf8_count(text.data) : 0;
	(void)snprintf(stream_id, sizeof(stream_id), "strm_%016" PRIx64, job->hash);
	buf_addf(&path, "%s/%s.wav", job->audio_dir ? job->audio_dir : "gs://aethercast-audio",
		 stream_id);
	outcome->result = json_object_new_object();
	json_put_text(outcome->result, "stream_id", stream_id);
	if (chars == 0) {
		fail(outcome, "VFA_SCRIPT_ERROR_NO_TEXT", "The script has no text.");
	} else if (chars < SCRIPT_CHARS_MIN) {
		skip(outcome);
	} else {
		if (job->audio_dir)
			outcome->speech = speech_new(buf_take(&text), path.data);
		if (job->audio_dir && !outcome->speech)
			fail(outcome, "VFA_BUSY", "Too many scripts wait to be spoken.");
		else
			succeed(job, outcome, path.data, chars);
	}
	buf_release(&text);
	buf_release(&path);
}

static bool check(const struct json_object *body, struct refusal *refusal)
{
	struct json_object *script = json_member(body, "script");
	struct json_object *params = json_member(body, "voice_params");

	if (!json_object_is_type(body, json_type_object))
		return refuse(refusal, "VFA_INVALID_PAYLOAD", "The body must be a JSON object.");
	if (!json_object_is_type(script, json_type_object) ||
	    is_blank(json_text(script, "script_id")))
		return refuse(refusal, "VFA_INVALID_SCRIPT_PAYLOAD",
			      "'script' must be an object with a 'script_id'.");
	if (params && !json_object_is_type(params, json_type_object))
		return refuse(refusal, "VFA_INVALID_VOICE_PARAMS_TYPE",
			      "'voice_params' must be an object.");
	return true;
}

static const struct scenario scenarios[] = {
	{.name = "vfa_error_aims_tts",
	 .http = 500,
	 .replace = "{\"error_code\":\"VFA_TEST_MODE_AIMS_TTS_ERROR\","
		    "\"message\":\"Simulated error of the speech service.\",\"stream_id\":null}"},
	{.name = "vfa_error_file_save",
	 .state = "FAILURE",
	 .http = 500,
	 .replace = "{\"error\":{\"type\":\"task_failed\","
		    "\"message\":\"Simulated failure to save the audio file.\"}}"},
	{.name = "skipped",
	 .replace =
		 "{\"status\":\"skipped\",\"message\":\"Simulated skip: the script is too short.\","
		 "\"audio_filepath\":null,\"stream_id\":null,\"tts_settings_used\":null}"},
	{.name = "error",
	 .replace = "{\"status\":\"error\",\"message\":\"Simulated synthesis error.\","
		    "\"audio_filepath\":null,\"stream_id\":null,\"tts_settings_used\":null}"},
	{.name = "unknown_status", .patch = "{\"status\":\"half_done\"}"},
	{.name = "no_audio", .patch = "{\"audio_filepath\":null}"},
	{.name = NULL},
};

const struct agent vfa_agent = {
	.id = VFA,
	.name = "vfa",
	.title = "VFA",
	.path = {"/v1/forge_voice", "/forge_voice"},
	.status_path = "/v1/tasks/",
	.busy_state = "PROGRESS",
	.conflict_http = 409,
	.key_required = true,
	.check = check,
	.work = work,
	.scenarios = scenarios,
};
