/* VFA: the voice of a script (agents.md §2.3). */
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"

enum { BESIDE = 200, SUMMARY = 500 }; /* usual bytes; the first beside the script */

static bool is(const char *s, const char *what)
{
	return s && strcmp(s, what) == 0;
}

static void accept(const struct call *call, struct json_object *result, struct reply *reply)
{
	const char *status = json_str(result, "status"), *code = json_str(result, "error_code");
	const char *message = json_str(result, "message");

	(void)call;
	if (is(status, "success") || is(status, "skipped"))
		reply_result(reply, json_object_get(result));
	else if (is(status, "error") || (!status && code))
		reply_failure(reply, REPLY_REPORTED, result, "VFA reported %s: %s",
			      code ? code : "an error", message ? message : "it gave no message");
	else
		reply_failure(reply, REPLY_MALFORMED, result,
			      "VFA answered with the unknown status '%s'", status ? status : "");
}

const struct agent vfa = {.name = "VFA", .label = "vfa", .index = AGENT_VFA, .accept = accept};

/* NULL: an empty one. */
static void add_voice(struct strbuf *sb, const char *key, struct json_object *voice)
{
	json_open(sb, key, '{');
	json_add_members(sb, voice, NULL);
	json_close(sb, '}');
}

struct reply *vfa_forge(struct run *run, struct reply *written, struct json_object *voice)
{
	struct call *call;

	if (!run_ask(run, &vfa, "vfa", &call)) {
		struct json_object *script = reply_body(written);
		struct strbuf request, input;

		/* As it stands in its row, rather than printed again. */
		json_begin_large(&request, written->text_len + BESIDE);
		json_add_text(&request, "script",
			      (struct json_slice){written->text, written->text_len});
		add_voice(&request, "voice_params", voice);
		json_begin(&input);
		json_add_str(&input, "script_id", json_str(script, "script_id"));
		json_add_str(&input, "title", json_str(script, "title"));
		add_voice(&input, "voice_params_input", voice);
		json_add_str(&input, "idempotency_key_for_vfa", call->key);
		call_send(call, &request, &input);
	}
	if (call_wants_summary(call) && call_reply(call)->kind == REPLY_RESULT) {
		struct json_object *result = reply_body(call_reply(call));
		struct strbuf summary;

		json_begin_large(&summary, SUMMARY);
		json_add_str(&summary, "status", json_str(result, "status"));
		json_add_str(&summary, "audio_gcs_uri", json_str(result, "audio_filepath"));
		json_add_str(&summary, "stream_id", json_str(result, "stream_id"));
		json_add_obj(&summary, "tts_settings_used", json_any(result, "tts_settings_used"));
		call_summary(call, &summary);
	}
	return call_reply(call);
}
