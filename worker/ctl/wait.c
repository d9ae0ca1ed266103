/* wait: events first, rows second. */
#include "ctl/wait.h"

#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/db.h"
#include "cpoa/json.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/told.h"

enum {
	GOES_ON = -1, /* in place of an exit code */
	TICK_MS = 250,
	LOOK_MS = 1000,
	DB_RETRY_MS = 5000,
	PATIENCE_MS = 60000, /* without broker and without PostgreSQL */
	TERMINAL_DEPTH = 64,
};

/* How far a worker's clock may be behind ours. */
#define CLOCK_SLACK_US INT64_C(600000000)

/* ---- events ---- */

/* A job that was there already under this key has another workflow id. */
static bool is_ours(struct wait *w, struct json_object *event)
{
	struct json_object *data = json_obj(event, "data");
	const char *key = json_str(data, "idempotency_key"),
		   *type = json_str(data, "workflow_type");

	if (strcasecmp(told_workflow(event), w->workflow_id) == 0)
		return true;
	if (!w->key || !key || !type || strcmp(key, w->key) != 0 || strcmp(type, w->type) != 0)
		return false;
	if (!w->told_other)
		say("a job with this key was there already: workflow %s", told_workflow(event));
	w->told_other = true;
	return true;
}

static int on_event(struct wait *w, struct json_object *event)
{
	enum event_kind kind;

	if (!is_ours(w, event) || !told_kind(event, &kind))
		return GOES_ON;
	if (w->json)
		print_json(event);
	else
		told_print_line(event, clock_mono_us() - w->began_us);
	snprintf(w->stage, sizeof(w->stage), "%s", told_stage(event));
	if (kind == EVENT_STARTED || kind == EVENT_PROGRESS)
		return GOES_ON;
	if (w->json)
		return kind == EVENT_COMPLETED ? EXIT_DONE : EXIT_FAILED;
	return told_print_end(event);
}

/* ---- rows ---- */

static bool open_db(struct wait *w)
{
	struct db_options o = settings_db(w->settings);
	struct err e = {0};

	w->db = db_open(&o, &e);
	if (w->db)
		return true;
	if (!w->told_no_db)
		say("%s; a refusal of the job would go unseen, trying again", e.text);
	w->told_no_db = true;
	w->look_at_ms = clock_mono_ms() + DB_RETRY_MS;
	return false;
}

static int look_for_refusal(struct wait *w, struct err *e)
{
	char since[CLOCK_TEXT_SIZE];
	const char *params[] = {w->message_id, since};
	AUTO(db_result_free_ptr) struct db_result *r = NULL;

	clock_text(since, w->began_wall_us - CLOCK_SLACK_US);
	r = db_query(w->db,
		     "SELECT reason, error_text FROM dead_letters "
		     "WHERE message_id = $1 AND state = 'dead' AND last_failed_at >= "
		     "$2::timestamptz LIMIT 1",
		     2, params, e);
	if (!r || db_rows(r) == 0)
		return GOES_ON;
	say("the job was refused, %s: %s", db_text(r, 0, 0), db_text(r, 0, 1));
	return EXIT_REFUSED;
}

static int on_row(struct wait *w, const char *text, size_t len)
{
	AUTO(json_put) struct json_object *event = NULL;
	struct err e = {0};

	if (json_read(text, len, TERMINAL_DEPTH, JSON_MEND, &event, &e) != JSON_OK)
		return complain(&e);
	return on_event(w, event);
}

/* Between the commit and the event lies a moment: only what was in the row a look ago has been
 * missed. */
static int look_for_end(struct wait *w, struct err *e)
{
	const char *params[] = {w->workflow_id, w->type, w->key, w->arguments};
	AUTO(db_result_free_ptr) struct db_result *r = NULL;

	r = db_query(
		w->db,
		"SELECT terminal_event FROM workflow_instances WHERE terminal_event IS NOT NULL "
		"AND (workflow_id = $1::uuid OR (trigger_event_type = $2 AND idempotency_key = $3 "
		"AND trigger_event_details_json = $4::jsonb)) LIMIT 1",
		4, params, e);
	if (!r || db_rows(r) == 0)
		return GOES_ON;
	if (w->row_ended)
		return on_row(w, db_text(r, 0, 0), db_length(r, 0, 0));
	w->row_ended = true;
	return GOES_ON;
}

static int look(struct wait *w)
{
	struct err e = {0};
	int code;

	if (!db_configured(w->settings) || clock_mono_ms() < w->look_at_ms)
		return GOES_ON;
	w->look_at_ms = clock_mono_ms() + LOOK_MS;
	if (!w->db && !open_db(w))
		return GOES_ON;
	code = look_for_refusal(w, &e);
	if (code == GOES_ON && e.class == ERR_NONE)
		code = look_for_end(w, &e);
	if (code == GOES_ON && e.class == ERR_LOST)
		db_close_ptr(&w->db);
	return code;
}

/* ---- both ---- */

static int on_news(struct wait *w, const struct cpoa_client_event *event)
{
	AUTO(json_put) struct json_object *o = NULL;
	struct err e = {0};

	if (json_read(event->json, event->len, TERMINAL_DEPTH, JSON_MEND, &o, &e) != JSON_OK)
		return GOES_ON;
	return on_event(w, o);
}

/* The last line of a terminal, until something has come. */
static enum cpoa_client_news hear(struct wait *w, struct cpoa_client_event *event,
				  struct cpoa_client_error *error)
{
	enum cpoa_client_news news;

	spinner_show(&w->spinner, w->stage, clock_mono_us() - w->began_us);
	news = cpoa_client_next(w->client, w->spinner.on ? SPINNER_MS : TICK_MS, event, error);
	spinner_clear(&w->spinner);
	return news;
}

static int listen(struct wait *w)
{
	struct cpoa_client_event event;
	struct cpoa_client_error error = {0};

	switch (hear(w, &event, &error)) {
	case CPOA_CLIENT_EVENT:
		return on_news(w, &event);
	case CPOA_CLIENT_GONE:
		say("%s; connecting again, the workflow goes on meanwhile", error.text);
		break;
	case CPOA_CLIENT_BACK:
		say("connected again");
		break;
	case CPOA_CLIENT_NOTHING:
		if (!w->db && cpoa_client_gone_ms(w->client) > PATIENCE_MS) {
			say("no broker for %d s, and no PostgreSQL to ask; `cpoa workflow show %s` "
			    "tells later",
			    PATIENCE_MS / 1000, w->workflow_id);
			return EXIT_NO_SERVER;
		}
		break;
	}
	return GOES_ON;
}

int wait_for_end(struct wait *w)
{
	int code = GOES_ON;

	w->look_at_ms = clock_mono_ms() + LOOK_MS;
	snprintf(w->stage, sizeof(w->stage), "waiting for a worker");
	spinner_init(&w->spinner, !w->json);
	while (code == GOES_ON) {
		if (interrupted()) {
			say("no longer waiting; the workflow goes on: `cpoa workflow show %s`",
			    w->workflow_id);
			code = EXIT_INTERRUPTED;
		} else if (w->timeout_us && clock_mono_us() - w->began_us >= w->timeout_us) {
			say("it has not ended in time; it goes on: `cpoa workflow show %s`",
			    w->workflow_id);
			code = EXIT_FAILED;
		} else {
			code = listen(w);
			if (code == GOES_ON)
				code = look(w);
		}
	}
	db_close_ptr(&w->db);
	return code;
}
