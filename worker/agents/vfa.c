/* VFA: the voice of a script (agents.md §2.3). */
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"

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

struct reply *vfa_forge(struct run *run, struct reply *written, struct json_object *voice)
{
	struct call *call;

	if (!run_ask(run, &vfa, "vfa", &call)) {
		struct json_object *request = json_object_new_object(),
				   *input = json_object_new_object();
		struct json_object *script = reply_body(written);
		struct json_object *params =
			voice ? json_object_get(voice) : json_object_new_object();

		/* As it stands in its row, rather than printed again. */
		json_set(request, "script", json_raw(written->text, written->text_len));
		json_set_ref(request, "voice_params", params);
		json_set_str(input, "script_id", json_str(script, "script_id"));
		json_set_str(input, "title", json_str(script, "title"));
		json_set(input, "voice_params_input", params);
		json_set_str(input, "idempotency_key_for_vfa", call->key);
		call_send(call, request, input);
	}
	if (call_wants_summary(call) && call_reply(call)->kind == REPLY_RESULT) {
		struct json_object *result = reply_body(call_reply(call)),
				   *summary = json_object_new_object();

		json_set_str(summary, "status", json_str(result, "status"));
		json_set_str(summary, "audio_gcs_uri", json_str(result, "audio_filepath"));
		json_set_str(summary, "stream_id", json_str(result, "stream_id"));
		json_set_ref(summary, "tts_settings_used", json_any(result, "tts_settings_used"));
		call_summary(call, summary);
	}
	return call_reply(call);
}
