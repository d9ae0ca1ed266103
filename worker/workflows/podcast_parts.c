/* podcast_parts: the result object, the rows and the log of a podcast, all made from its calls
 * (agents.md §1.1). */
#include "workflows/podcast_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"

enum { PREVIEW_MAX = 250 };

/* ---- the log: a pure function of the calls, so a podcast that was taken over has it whole ---- */

static void add_entry(struct strbuf *log, int64_t wall_us, const char *stage, const char *message)
{
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, wall_us);
	strbuf_adds(log, log->buf[log->len - 1] == '[' ? "{" : ",{");
	json_add_str(log, "timestamp", time);
	json_add_str(log, "stage", stage);
	json_add_str(log, "message", message);
}

static void end_entry(struct strbuf *log)
{
	strbuf_addc(log, '}');
}

static void entry(struct strbuf *log, int64_t wall_us, const char *stage, const char *message)
{
	add_entry(log, wall_us, stage, message);
	end_entry(log);
}

static void add_error(struct strbuf *log, const struct reply *reply)
{
	json_add_key(log, "structured_data");
	strbuf_addc(log, '{');
	json_add_str(log, "message", reply->error);
	if (reply->http_status) {
		json_add_key(log, "http_status");
		strbuf_addf(log, "%d", reply->http_status);
	}
	strbuf_addc(log, '}');
	json_add_key(log, "is_error_payload");
	strbuf_adds(log, "true");
}

static void add_preview(struct strbuf *log, const char *text)
{
	size_t n = text ? utf8_cut(text, strlen(text), PREVIEW_MAX) : 0;
	struct strbuf preview;

	if (!n)
		return;
	strbuf_init(&preview, PREVIEW_MAX + 3);
	strbuf_add(&preview, text, n);
	if (text[n])
		strbuf_adds(&preview, "...");
	json_add_str(log, "data_preview", preview.buf);
	strbuf_release(&preview);
}

static void add_start(struct strbuf *log, struct reply *reply, const char *key)
{
	char *text = reply_start(reply, key, PREVIEW_MAX + 8);

	add_preview(log, text);
	free(text);
}

static void log_call(struct strbuf *log, struct call *call)
{
	struct reply *reply = call_reply(call);
	const char *stage = call->stage ? call->stage : call->name;
	char text[160];

	snprintf(text, sizeof(text), "%s called.", call->agent_name);
	entry(log, call->planned_us, stage, text);
	if (!reply)
		return;
	snprintf(text, sizeof(text), "%s %s.", call->agent_name,
		 reply->error ? "failed" : "succeeded");
	add_entry(log, call->landed_us, stage, text);
	if (reply->error)
		add_error(log, reply);
	else
		add_start(log, reply, strcmp(call->name, "wcha") == 0 ? "content" : "title");
	end_entry(log);
}

/* Written once, as text: it goes into the row and into the result. A new reference. */
static struct json_object *make_log(struct run *run, const char *legacy, const char *asf,
				    const char *error)
{
	AUTO(strbuf_release) struct strbuf log;
	char text[160];

	strbuf_init(&log, JSON_TEXT_MAX);
	strbuf_addc(&log, '[');
	entry(&log, run->started_us, "initialization", "Podcast generation started.");
	for (struct call *call = run->calls; call; call = call->next)
		if (call->agent)
			log_call(&log, call);
	if (asf)
		entry(&log, run->now_us, "asf_notification", asf);
	snprintf(text, sizeof(text), "Podcast generation ended with status %s.", legacy);
	add_entry(&log, run->now_us, "finalization", text);
	add_preview(&log, error);
	end_entry(&log);
	strbuf_addc(&log, ']');
	return json_raw(log.buf, log.len);
}

/* ---- the result ---- */

/* What VFA said, also when it failed; it always carries tts_settings_used. A new reference. */
static struct json_object *audio_details(const struct podcast *p)
{
	struct json_object *o = json_object_new_object();
	struct json_object *said = p->audio ? reply_body(p->audio) : NULL;

	if (json_object_is_type(said, json_type_object)) {
		json_object_object_foreach(said, key, value) json_set_ref(o, key, value);
	}
	if (!p->audio) {
		json_set_str(o, "status", "not_run");
		json_set_str(o, "message", "VFA not reached.");
	} else if (p->audio->error) {
		json_set_str(o, "status", "error");
		if (!json_str(o, "message"))
			json_set_str(o, "message", p->audio->error);
	}
	if (!json_object_object_get_ex(o, "tts_settings_used", NULL))
		json_set(o, "tts_settings_used", NULL);
	return o;
}

static const char *websocket_url(struct run *run, const char *stream_id, char *out, size_t size)
{
	if (!stream_id)
		return NULL;
	/* Not cut to fit: half an address is worse than none. */
	return (size_t)snprintf(out, size, "%s?stream_id=%s", run->policy->websocket_url,
				stream_id) < size
		       ? out
		       : NULL;
}

struct outcome {
	const char *legacy, *error, *audio_path, *stream_id, *asf_status;
	char asf_text[400], url[1024];
	bool streamed; /* there is a stream for the ASF */
};

static void outcome_of(struct run *run, const struct podcast *p, const char *legacy,
		       const char *error, struct outcome *o)
{
	struct json_object *audio = p->audio ? reply_body(p->audio) : NULL;
	struct uuid id;
	char text[UUID_TEXT_SIZE], stream[201];
	size_t n;

	*o = (struct outcome){.legacy = legacy, .error = error};
	if (audio && !p->audio->error) {
		o->audio_path = json_str(audio, "audio_filepath");
		o->stream_id = json_str(audio, "stream_id");
	}
	o->streamed = strcmp(legacy, "completed") == 0;
	if (o->streamed) {
		id = run_terminal_id(run);
		uuid_to_text(&id, text);
		n = utf8_cut(o->stream_id, strlen(o->stream_id), sizeof(stream) - 1);
		memcpy(stream, o->stream_id, n);
		stream[n] = '\0';
		snprintf(o->asf_text, sizeof(o->asf_text), "Event %s recorded for stream %s.", text,
			 stream);
		o->asf_status = o->asf_text;
	} else if (strcmp(legacy, "completed_with_vfa_data_missing") == 0) {
		o->asf_status = error;
	}
}

static struct json_object *make_result(struct run *run, const struct podcast *p, struct outcome *o,
				       struct json_object *log)
{
	struct json_object *result = json_object_new_object();
	char id[UUID_TEXT_SIZE];

	uuid_to_text(&run->job.workflow_id, id);
	json_set_str(result, "task_id", run->job.task_id);
	json_set_str(result, "workflow_id", id);
	json_set_str(result, "topic", run_str(run, "topic"));
	json_set_str(result, "status", o->legacy);
	json_set_str(result, "error_message", o->error);
	json_set_str(result, "asf_notification_status", o->asf_status);
	json_set_str(result, "asf_websocket_url",
		     websocket_url(run, o->stream_id, o->url, sizeof(o->url)));
	json_set(result, "final_audio_details", audio_details(p));
	json_set_str(result, "final_audio_filepath", o->audio_path);
	json_set_ref(result, "orchestration_log", log);
	return result;
}

static struct json_object *make_context(const struct podcast *p)
{
	struct json_object *context = json_object_new_object();

	if (p->web && !p->web->error) {
		struct json_object *urls = reply_member(p->web, "source_urls");

		if (!json_object_is_type(urls, json_type_array))
			json_put(&urls);
		json_set(context, "wcha_source_urls", urls);
	}
	if (p->script && !p->script->error) {
		json_set(context, "script_title", reply_raw(p->script, "title"));
		json_set(context, "script_id", reply_raw(p->script, "script_id"));
	}
	if (p->audio && !p->audio->error) {
		json_set_str(context, "final_audio_gcs_uri",
			     json_str(reply_body(p->audio), "audio_filepath"));
		json_set_str(context, "stream_id", json_str(reply_body(p->audio), "stream_id"));
		json_set_ref(context, "tts_settings_used",
			     json_any(reply_body(p->audio), "tts_settings_used"));
	}
	return context;
}

static void save_final(struct run *run, const struct podcast *p, const struct outcome *o,
		       struct json_object *result, struct json_object *log)
{
	struct json_object *row = json_object_new_object();

	json_set_str(row, "podcast_id", run->job.task_id);
	json_set_str(row, "cpoa_status", o->legacy);
	json_set(row, "final", json_object_new_boolean(1));
	json_set_str(row, "cpoa_error_message", o->error);
	json_set_str(row, "final_audio_filepath", o->audio_path);
	json_set_str(row, "stream_id", o->stream_id);
	json_set_str(row, "asf_websocket_url", json_str(result, "asf_websocket_url"));
	json_set_str(row, "asf_notification_status", o->asf_status);
	json_set_ref(row, "tts_settings_used",
		     p->audio ? json_any(reply_body(p->audio), "tts_settings_used") : NULL);
	json_set_ref(row, "cpoa_full_orchestration_log", log);
	run_save(run, SAVE_PODCAST, row);
}

/* ---- the end ---- */

static enum run_status status_of(const char *legacy)
{
	if (strcmp(legacy, "completed") == 0)
		return STATUS_COMPLETED;
	if (strcmp(legacy, "cancelled") == 0)
		return STATUS_CANCELLED;
	return strncmp(legacy, "completed_with_", 15) == 0 ? STATUS_COMPLETED_WITH_ERRORS
							   : STATUS_FAILED;
}

/* What an unchanged ASF shows its user; the terminal one of agents.md §1.1 step 11, with stage and
 * legacy status in it. */
static struct json_object *make_ui(struct run *run, const struct outcome *o, enum run_status status)
{
	struct json_object *ui = json_object_new_object();
	char text[128];

	snprintf(text, sizeof(text), "Task ended with status: %s", run_status_name(status));
	json_set_str(ui, "message",
		     status == STATUS_COMPLETED ? run->job.workflow->completed_message
						: (o->error ? o->error : text));
	json_set_str(ui, "stage",
		     status == STATUS_FAILED && run->stage.name ? run->stage.name : "finalization");
	json_set_str(ui, "final_status", run_status_name(status));
	json_set_str(ui, "legacy_status", o->legacy);
	json_set(ui, "is_terminal", json_object_new_boolean(1));
	return ui;
}

/* The code is the dead letter's reason, where there is one. */
static struct json_object *make_error(struct run *run, const struct outcome *o, const char *code)
{
	struct json_object *error;

	if (!o->error)
		return NULL;
	error = json_object_new_object();
	json_set_str(error, "code", code ? code : o->legacy);
	json_set_str(error, "message", o->error);
	json_set_str(error, "stage", run->stage.name);
	return error;
}

static struct json_object *make_stream(const struct outcome *o)
{
	struct json_object *stream;

	if (!o->streamed)
		return NULL;
	stream = json_object_new_object();
	json_set_str(stream, "stream_id", o->stream_id);
	json_set_str(stream, "filepath", o->audio_path);
	return stream;
}

/* The ASF is told by the event: its task row says which. */
static void note_asf(struct run *run, const struct outcome *o)
{
	struct json_object *input = json_object_new_object(), *output = json_object_new_object();
	struct uuid id = run_terminal_id(run);
	char text[UUID_TEXT_SIZE];

	uuid_to_text(&id, text);
	json_set_str(input, "stream_id", o->stream_id);
	json_set_str(input, "gcs_uri", o->audio_path);
	json_set_str(output, "event_id", text);
	json_set_str(output, "message", o->asf_status);
	run_note(run, "ASF_NOTIFY", "asf_notify", 4, input, output);
}

static enum progress end(struct run *run, const struct podcast *p, const char *legacy,
			 const char *code, const char *error)
{
	struct outcome o;
	struct json_object *log;
	struct ending ending = {.status = status_of(legacy), .code = code, .error = error};

	outcome_of(run, p, legacy, error, &o);
	log = make_log(run, legacy,
		       o.streamed ? "The ASF is told by the completion event." : o.asf_status,
		       error);
	ending.result = make_result(run, p, &o, log);
	ending.context = make_context(p);
	ending.error_details = make_error(run, &o, code);
	ending.ui = make_ui(run, &o, ending.status);
	ending.ui_event = ending.status == STATUS_COMPLETED ? "generation_status" : "task_error";
	ending.stream = make_stream(&o);
	if (o.streamed)
		note_asf(run, &o);
	save_final(run, p, &o, ending.result, log);
	json_put(&log);
	return run_end(run, &ending);
}

enum progress podcast_end(struct run *run, const struct podcast *p, const char *legacy,
			  const char *error)
{
	return end(run, p, legacy, status_of(legacy) == STATUS_FAILED ? legacy : NULL, error);
}

void podcast_abandon(struct run *run, const char *code, const char *text)
{
	struct podcast nothing = {0};

	end(run, &nothing, code ? "failed_unknown_stage_exception" : "cancelled", code, text);
}
