/* podcast_parts: the result object, the rows and the log of a podcast, all made from its calls
 * (agents.md §1.1). */
#include "workflows/podcast_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"

enum { PREVIEW_MAX = 250, BESIDE_LOG = 1200, CONTEXT = 800 /* usual bytes */ };

/* ---- the log: a pure function of the calls, so a podcast that was taken over has it whole ---- */

/* Its message follows, and what more there is about it. */
static void begin_entry(struct strbuf *log, int64_t wall_us, const char *stage)
{
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, wall_us);
	json_open(log, NULL, '{');
	json_add_str(log, "timestamp", time);
	json_add_str(log, "stage", stage);
}

static void end_entry(struct strbuf *log)
{
	json_close(log, '}');
}

static void entry(struct strbuf *log, int64_t wall_us, const char *stage, const char *message)
{
	begin_entry(log, wall_us, stage);
	json_add_str(log, "message", message);
	end_entry(log);
}

static void add_error(struct strbuf *log, const struct reply *reply)
{
	json_open(log, "structured_data", '{');
	json_add_str(log, "message", reply->error);
	if (reply->http_status)
		json_add_num(log, "http_status", reply->http_status);
	json_close(log, '}');
	json_add_bool(log, "is_error_payload", true);
}

static void add_preview(struct strbuf *log, const char *text)
{
	size_t n = text ? utf8_cut(text, strlen(text), PREVIEW_MAX) : 0;
	char preview[PREVIEW_MAX + 1];

	if (!n)
		return;
	memcpy(preview, text, n);
	preview[n] = '\0';
	json_add_joined(log, "data_preview", preview, text[n] ? "..." : "", NULL);
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

	begin_entry(log, call->planned_us, stage);
	json_add_joined(log, "message", call->agent_name, " called.", NULL);
	end_entry(log);
	if (!reply)
		return;
	begin_entry(log, call->landed_us, stage);
	json_add_joined(log, "message", call->agent_name, reply->error ? " failed." : " succeeded.",
			NULL);
	if (reply->error)
		add_error(log, reply);
	else
		add_start(log, reply, strcmp(call->name, "wcha") == 0 ? "content" : "title");
	end_entry(log);
}

/* Written once: it goes into the row and into the result. */
static void make_log(struct strbuf *log, struct run *run, const char *legacy, const char *asf,
		     const char *error)
{
	enum { USUAL = 2048 };

	strbuf_init(log, JSON_TEXT_MAX);
	strbuf_grow(log, USUAL);
	json_open(log, NULL, '[');
	entry(log, run->started_us, "initialization", "Podcast generation started.");
	for (struct call *call = run->calls; call; call = call->next)
		if (call->agent)
			log_call(log, call);
	if (asf)
		entry(log, run->now_us, "asf_notification", asf);
	begin_entry(log, run->now_us, "finalization");
	json_add_joined(log, "message", "Podcast generation ended with status ", legacy, ".", NULL);
	add_preview(log, error);
	end_entry(log);
	json_close(log, ']');
}

/* ---- the result ---- */

/* What VFA said when it failed, in its own words where it has some. A new reference. */
static struct json_object *failed_audio(struct reply *audio)
{
	struct json_object *o = json_object_new_object(), *said = reply_body(audio);

	if (json_object_is_type(said, json_type_object)) {
		json_object_object_foreach(said, key, value) json_set_ref(o, key, value);
	}
	json_set_str(o, "status", "error");
	if (!json_str(o, "message"))
		json_set_str(o, "message", audio->error);
	return o;
}

/* What VFA said, also when it failed; it always carries tts_settings_used. */
static void add_audio(struct strbuf *sb, const char *key, const struct podcast *p)
{
	struct json_object *o;

	if (p->audio && !p->audio->error && reply_member(p->audio, "tts_settings_used").text) {
		json_add_text(sb, key, (struct json_slice){p->audio->text, p->audio->text_len});
		return;
	}
	if (p->audio && !p->audio->error) {
		o = json_object_get(reply_body(p->audio));
	} else if (p->audio) {
		o = failed_audio(p->audio);
	} else {
		o = json_object_new_object();
		json_set_str(o, "status", "not_run");
		json_set_str(o, "message", "VFA not reached.");
	}
	json_open(sb, key, '{');
	json_add_members(sb, o, NULL);
	if (!json_object_object_get_ex(o, "tts_settings_used", NULL))
		json_add_str(sb, "tts_settings_used", NULL);
	json_close(sb, '}');
	json_put(&o);
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
	const char *url; /* NULL: none */
	char asf_text[400], url_text[1024], event_id[UUID_TEXT_SIZE];
	bool streamed; /* there is a stream for the ASF */
	struct strbuf log;
};

static void outcome_of(struct run *run, const struct podcast *p, const char *legacy,
		       const char *error, struct outcome *o)
{
	struct json_object *audio = p->audio ? reply_body(p->audio) : NULL;
	struct uuid id;
	char stream[201];
	size_t n;

	*o = (struct outcome){.legacy = legacy, .error = error};
	if (audio && !p->audio->error) {
		o->audio_path = json_str(audio, "audio_filepath");
		o->stream_id = json_str(audio, "stream_id");
	}
	o->url = websocket_url(run, o->stream_id, o->url_text, sizeof(o->url_text));
	o->streamed = strcmp(legacy, "completed") == 0;
	if (o->streamed) {
		id = run_terminal_id(run);
		uuid_to_text(&id, o->event_id);
		n = utf8_cut(o->stream_id, strlen(o->stream_id), sizeof(stream) - 1);
		memcpy(stream, o->stream_id, n);
		stream[n] = '\0';
		snprintf(o->asf_text, sizeof(o->asf_text), "Event %s recorded for stream %s.",
			 o->event_id, stream);
		o->asf_status = o->asf_text;
	} else if (strcmp(legacy, "completed_with_vfa_data_missing") == 0) {
		o->asf_status = error;
	}
}

static struct json_slice log_of(const struct outcome *o)
{
	return (struct json_slice){o->log.buf, o->log.len};
}

static void make_result(struct strbuf *result, struct run *run, const struct podcast *p,
			const struct outcome *o)
{
	char id[UUID_TEXT_SIZE];

	uuid_to_text(&run->job.workflow_id, id);
	json_begin_large(result, BESIDE_LOG + o->log.len + (p->audio ? p->audio->text_len : 0));
	json_add_str(result, "task_id", run->job.task_id);
	json_add_str(result, "workflow_id", id);
	json_add_str(result, "topic", run_str(run, "topic"));
	json_add_str(result, "status", o->legacy);
	json_add_str(result, "error_message", o->error);
	json_add_str(result, "asf_notification_status", o->asf_status);
	json_add_str(result, "asf_websocket_url", o->url);
	add_audio(result, "final_audio_details", p);
	json_add_str(result, "final_audio_filepath", o->audio_path);
	json_add_text(result, "orchestration_log", log_of(o));
}

static void make_context(struct strbuf *context, const struct podcast *p)
{
	json_begin_large(context, CONTEXT);
	if (p->web && !p->web->error) {
		struct json_slice urls = reply_member(p->web, "source_urls");

		if (urls.text && *urls.text != '[')
			urls.text = NULL;
		json_add_text(context, "wcha_source_urls", urls);
	}
	if (p->script && !p->script->error) {
		json_add_text(context, "script_title", reply_member(p->script, "title"));
		json_add_text(context, "script_id", reply_member(p->script, "script_id"));
	}
	if (p->audio && !p->audio->error) {
		struct json_object *audio = reply_body(p->audio);

		json_add_str(context, "final_audio_gcs_uri", json_str(audio, "audio_filepath"));
		json_add_str(context, "stream_id", json_str(audio, "stream_id"));
		json_add_obj(context, "tts_settings_used", json_any(audio, "tts_settings_used"));
	}
}

static void save_final(struct run *run, const struct podcast *p, const struct outcome *o)
{
	struct strbuf row;

	json_begin_large(&row, BESIDE_LOG + o->log.len);
	json_add_str(&row, "podcast_id", run->job.task_id);
	json_add_str(&row, "cpoa_status", o->legacy);
	json_add_bool(&row, "final", true);
	json_add_str(&row, "cpoa_error_message", o->error);
	json_add_str(&row, "final_audio_filepath", o->audio_path);
	json_add_str(&row, "stream_id", o->stream_id);
	json_add_str(&row, "asf_websocket_url", o->url);
	json_add_str(&row, "asf_notification_status", o->asf_status);
	json_add_obj(&row, "tts_settings_used",
		     p->audio ? json_any(reply_body(p->audio), "tts_settings_used") : NULL);
	json_add_text(&row, "cpoa_full_orchestration_log", log_of(o));
	run_save(run, SAVE_PODCAST, &row);
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
static void make_ui(struct strbuf *ui, struct run *run, const struct outcome *o,
		    enum run_status status)
{
	json_begin(ui);
	if (status == STATUS_COMPLETED || o->error)
		json_add_str(ui, "message",
			     status == STATUS_COMPLETED ? run->job.workflow->completed_message
							: o->error);
	else
		json_add_joined(ui, "message", "Task ended with status: ", run_status_name(status),
				NULL);
	json_add_str(ui, "stage",
		     status == STATUS_FAILED && run->stage.name ? run->stage.name : "finalization");
	json_add_str(ui, "final_status", run_status_name(status));
	json_add_str(ui, "legacy_status", o->legacy);
	json_add_bool(ui, "is_terminal", true);
}

/* The code is the dead letter's reason, where there is one. */
static void make_error(struct strbuf *error, struct run *run, const struct outcome *o,
		       const char *code)
{
	json_begin(error);
	json_add_str(error, "code", code ? code : o->legacy);
	json_add_str(error, "message", o->error);
	json_add_str(error, "stage", run->stage.name);
}

static void make_stream(struct strbuf *stream, const struct outcome *o)
{
	json_begin(stream);
	json_add_str(stream, "stream_id", o->stream_id);
	json_add_str(stream, "filepath", o->audio_path);
}

/* The ASF is told by the event: its task row says which. */
static void note_asf(struct run *run, const struct outcome *o)
{
	struct strbuf input, output;

	json_begin(&input);
	json_add_str(&input, "stream_id", o->stream_id);
	json_add_str(&input, "gcs_uri", o->audio_path);
	json_begin(&output);
	json_add_str(&output, "event_id", o->event_id);
	json_add_str(&output, "message", o->asf_status);
	run_note(run, "ASF_NOTIFY", "asf_notify", 4, &input, &output);
}

static enum progress end(struct run *run, const struct podcast *p, const char *legacy,
			 const char *code, const char *error)
{
	struct outcome o;
	struct strbuf result, context, details, ui, stream;
	struct ending ending = {.status = status_of(legacy),
				.code = code,
				.error = error,
				.result = &result,
				.context = &context,
				.error_details = error ? &details : NULL,
				.ui = &ui};

	outcome_of(run, p, legacy, error, &o);
	make_log(&o.log, run, legacy,
		 o.streamed ? "The ASF is told by the completion event." : o.asf_status, error);
	make_result(&result, run, p, &o);
	make_context(&context, p);
	if (error)
		make_error(&details, run, &o, code);
	make_ui(&ui, run, &o, ending.status);
	ending.ui_event = ending.status == STATUS_COMPLETED ? "generation_status" : "task_error";
	if (o.streamed) {
		make_stream(&stream, &o);
		ending.stream = &stream;
		note_asf(run, &o);
	}
	save_final(run, p, &o);
	strbuf_release(&o.log);
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
