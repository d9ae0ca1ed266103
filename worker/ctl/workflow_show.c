/* cpoa workflow show: one workflow, its calls, what came of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/uuid.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/history.h"
#include "ctl/output.h"
#include "ctl/query.h"
#include "ctl/timeline.h"
#include "ctl/told.h"
#include "ctl/workflow.h"

struct view {
	struct json_object *workflow; /* the columns of its row, JSON columns parsed */
	struct json_object *calls;    /* array of the same for task_instances */
	struct json_object *podcast;  /* or NULL */
	struct json_object *event;    /* terminal event, or NULL */
	struct db_result *history;    /* what operators have done */
};

static void view_release(struct view *v)
{
	json_put(&v->workflow);
	json_put(&v->calls);
	json_put(&v->podcast);
	json_put(&v->event);
	db_result_free(v->history);
}

/* ---- reading ---- */

/* Each statement makes its rows JSON on the server; times are there as "us" numbers, see
 * json_time(). */
/* clang-format off */
static const char workflow_sql[] =
	"SELECT json_build_object("
	"'workflow_id', w.workflow_id, "
	"'type', w.trigger_event_type, "
	"'status', w.overall_status, "
	"'started_at', " SQL_US("w.start_timestamp") ", "
	"'ended_at', " SQL_US("w.end_timestamp") ", "
	"'updated_at', " SQL_US("w.last_updated_timestamp") ", "
	"'user_id', w.user_id, "
	"'idempotency_key', w.idempotency_key, "
	"'error', w.error_message, "
	"'claims', w.claims, "
	"'claimed_by', w.claimed_by, "
	"'worker', l.worker, "
	"'cancel_requested_at', " SQL_US("w.cancel_requested_at") ", "
	"'reply_to', w.reply_to, "
	"'correlation_id', w.correlation_id, "
	"'traceparent', w.traceparent, "
	"'arguments', w.trigger_event_details_json, "
	"'context', w.context_data_json"
	"), w.terminal_event FROM workflow_instances w "
	"LEFT JOIN leases l ON l.lease_id = w.claimed_by WHERE w.workflow_id = $1::uuid";

static const char calls_sql[] =
	"SELECT json_build_object("
	"'order', task_order, "
	"'agent', agent_name, "
	"'call', call_name, "
	"'stage', stage, "
	"'status', status, "
	"'task_id', task_id, "
	"'started_at', " SQL_US("start_timestamp") ", "
	"'ended_at', " SQL_US("end_timestamp") ", "
	"'retries', retry_count, "
	"'external_task_id', external_celery_task_id, "
	"'status_url', status_url, "
	"'input', input_params_json, "
	"'output', output_result_summary_json, "
	"'error', error_details_json"
	") FROM task_instances WHERE workflow_id = $1::uuid "
	"ORDER BY task_order, start_timestamp, call_name";

static const char podcast_sql[] =
	"SELECT json_build_object("
	"'podcast_id', podcast_id, "
	"'topic', topic, "
	"'cpoa_status', cpoa_status, "
	"'cpoa_error_message', cpoa_error_message, "
	"'final_audio_filepath', final_audio_filepath, "
	"'stream_id', stream_id, "
	"'asf_websocket_url', asf_websocket_url, "
	"'asf_notification_status', asf_notification_status, "
	"'task_created_timestamp', " SQL_US("task_created_timestamp") ", "
	"'last_updated_timestamp', " SQL_US("last_updated_timestamp") ", "
	"'tts_settings_used', tts_settings_used"
	") FROM podcasts WHERE podcast_id = $1::uuid";
/* clang-format on */

static bool read_calls(struct db *db, const char *id, struct view *v, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = db_query(db, calls_sql, 1, &id, e);

	if (!r)
		return false;
	v->calls = json_object_new_array();
	for (int i = 0; i < db_rows(r); i++)
		json_object_array_add(v->calls, cell_json(r, i, 0));
	return true;
}

/* The task_id of a podcast is the id of its legacy row; nobody need have made one. */
static bool read_podcast(struct db *db, struct view *v, struct err *e)
{
	const char *id = json_str(json_obj(v->workflow, "arguments"), "task_id");
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct uuid uuid;

	if (!uuid_from_text(&uuid, id))
		return true;
	r = db_query(db, podcast_sql, 1, &id, e);
	if (r && db_rows(r) == 1)
		v->podcast = cell_json(r, 0, 0);
	return r != NULL;
}

/* True with v->workflow NULL: there is none. */
static bool read_view(struct db *db, const char *id, struct view *v, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = db_query(db, workflow_sql, 1, &id, e);

	if (!r)
		return false;
	if (db_rows(r) == 0)
		return true;
	v->workflow = cell_json(r, 0, 0);
	v->event = cell_json(r, 0, 1);
	v->history = history_read(db, NULL, id, e);
	return v->history && read_calls(db, id, v, e) && read_podcast(db, v, e);
}

/* ---- as JSON ---- */

static void mend_time(struct json_object *o, const char *key)
{
	json_set_time(o, key, json_num(o, key, 0));
}

static void show_json(struct view *v)
{
	struct json_object *o = json_object_get(v->workflow);

	mend_time(o, "started_at");
	mend_time(o, "ended_at");
	mend_time(o, "updated_at");
	mend_time(o, "cancel_requested_at");
	for (size_t i = 0; i < json_object_array_length(v->calls); i++) {
		mend_time(json_object_array_get_idx(v->calls, i), "started_at");
		mend_time(json_object_array_get_idx(v->calls, i), "ended_at");
	}
	if (v->podcast) {
		mend_time(v->podcast, "task_created_timestamp");
		mend_time(v->podcast, "last_updated_timestamp");
	}
	json_set_ref(o, "calls", v->calls);
	json_set_ref(o, "result", json_obj(json_obj(v->event, "data"), "result"));
	json_set_ref(o, "podcast", v->podcast);
	json_set(o, "history", history_json(v->history));
	print_json(o);
	json_put(&o);
}

/* ---- for people ---- */

static void print_time(const char *name, struct json_object *o, const char *key)
{
	char text[TIME_TEXT_SIZE];

	print_field(name, time_text(text, json_num(o, key, 0)));
}

static void print_number(const char *name, struct json_object *o, const char *key, int64_t unless)
{
	char text[24];
	int64_t n = json_num(o, key, unless);

	if (n == unless)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)n);
	print_field(name, text);
}

static void print_head(struct json_object *w)
{
	struct json_object *arguments = json_obj(w, "arguments");
	char took[TIME_TEXT_SIZE];

	print_field("workflow", json_str(w, "workflow_id"));
	print_field("type", json_str(w, "type"));
	print_field_coloured("status", json_str(w, "status"));
	print_field("topic", json_str(arguments, "topic"));
	print_time("started", w, "started_at");
	print_time("ended", w, "ended_at");
	print_field("took",
		    took_text(took, json_num(w, "started_at", 0), json_num(w, "ended_at", 0)));
	print_field("error", json_str(w, "error"));
	print_time("cancel at", w, "cancel_requested_at");
	print_field("key", json_str(w, "idempotency_key"));
	print_field("task", json_str(arguments, "task_id"));
	print_field("user", json_str(w, "user_id"));
	print_field("client", json_str(arguments, "client_id"));
	print_field("trace", json_str(w, "traceparent"));
	print_field("worker", json_str(w, "worker"));
	print_number("claims", w, "claims", 1);
}

static const char *error_of(struct json_object *call)
{
	struct json_object *error = json_any(call, "error");
	const char *message = json_str(error, "message");

	return message || !error ? message
				 : json_object_to_json_string_ext(error, JSON_C_TO_STRING_PLAIN);
}

static struct timeline_call line_of(struct json_object *call)
{
	struct json_object *order = json_any(call, "order"), *retries = json_any(call, "retries");

	return (struct timeline_call){
		.order = order ? json_object_get_string(order) : NULL,
		.agent = json_str(call, "agent"),
		.call = json_str(call, "call"),
		.status = json_str(call, "status"),
		.retries = retries ? json_object_get_string(retries) : NULL,
		.error = error_of(call),
		.start_us = json_num(call, "started_at", 0),
		.end_us = json_num(call, "ended_at", 0),
	};
}

static void print_calls(const struct view *v)
{
	int n = (int)json_object_array_length(v->calls);
	struct timeline_call *lines = xcalloc((size_t)n + 1, sizeof(*lines));
	int64_t from = json_num(v->workflow, "started_at", 0),
		to = json_num(v->workflow, "ended_at", 0);

	for (int i = 0; i < n; i++)
		lines[i] = line_of(json_object_array_get_idx(v->calls, (size_t)i));
	if (n) {
		putchar('\n');
		timeline_print(lines, n, from, to ? to : clock_wall_us(), output_width());
	}
	free(lines);
}

static void print_podcast_row(struct json_object *row)
{
	printf("\nrow in podcasts\n");
	print_field("  status", json_str(row, "cpoa_status"));
	print_field("  error", json_str(row, "cpoa_error_message"));
	print_field("  audio", json_str(row, "final_audio_filepath"));
	print_field("  stream", json_str(row, "stream_id"));
	print_field("  listen at", json_str(row, "asf_websocket_url"));
	print_field("  asf", json_str(row, "asf_notification_status"));
	print_time("  updated", row, "last_updated_timestamp");
}

static void show_text(const struct view *v)
{
	struct json_object *data = json_obj(v->event, "data");
	enum event_kind kind;

	print_head(v->workflow);
	print_calls(v);
	if (told_kind(v->event, &kind) && kind == EVENT_COMPLETED) {
		printf("\nresult\n");
		told_print_result(data);
	}
	if (v->podcast)
		print_podcast_row(v->podcast);
	history_print(v->history);
}

/* ---- the command ---- */

static int run(const char *id, bool json)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(view_release) struct view v = {0};
	struct err e = {0};
	int code = connect_db(&s, &db);

	if (code != EXIT_DONE)
		return code;
	if (!read_view(db, id, &v, &e))
		return complain_query(&e);
	if (!v.workflow) {
		say("there is no workflow %s", id);
		return EXIT_NO_MATCH;
	}
	if (json)
		show_json(&v);
	else
		show_text(&v);
	return EXIT_DONE;
}

int workflow_show(int argc, char **argv)
{
	bool json = false;
	const struct arg_option options[] = {{"json", .flag = &json}, {0}};
	struct args operands;
	struct uuid id;
	struct err e = {0};

	if (!args_parse(&operands, "workflow show", argc, argv, options, &e) ||
	    !args_count(&operands, "workflow show", 1, 1, "the id of a workflow", &e))
		return complain(&e);
	if (!uuid_from_text(&id, operands.item[0])) {
		say("'%.64s' is no workflow id: those are UUIDs", operands.item[0]);
		return EXIT_USAGE;
	}
	return run(operands.item[0], json);
}
