/* cpoa dead show: one letter, what it holds, what was done with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/workflow.h"

static const char letter_sql[] =
	"SELECT " LETTER_COLUMNS ", d.original_body FROM dead_letters d WHERE d.id = $1::bigint";
enum { C_ORIGINAL = 16 };

static const char history_sql[] =
	"SELECT " SQL_US("at") ", action, outcome, who, db_role, host, reason, detail, replay_id,"
			       " filter, version FROM replays WHERE dead_letter_id = $1::bigint"
			       " OR workflow_id = $2::uuid ORDER BY at, id";
enum {
	H_AT,
	H_ACTION,
	H_OUTCOME,
	H_WHO,
	H_ROLE,
	H_HOST,
	H_REASON,
	H_DETAIL,
	H_REPLAY,
	H_FILTER,
	H_VERSION
};

struct wish {
	const char *id;
	bool json, payload, headers;
};

/* ---- as JSON ---- */

static struct json_object *history_json(const struct db_result *r)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < db_rows(r); i++) {
		struct json_object *o = json_object_new_object();

		json_set_time(o, "at", db_int(r, i, H_AT));
		json_set_str(o, "action", db_text(r, i, H_ACTION));
		json_set_str(o, "outcome", db_text(r, i, H_OUTCOME));
		json_set_str(o, "who", db_text(r, i, H_WHO));
		json_set_str(o, "db_role", db_text(r, i, H_ROLE));
		json_set_str(o, "host", db_text(r, i, H_HOST));
		json_set_str(o, "reason", cell_text(r, i, H_REASON));
		json_set_str(o, "detail", cell_text(r, i, H_DETAIL));
		json_set_str(o, "replay_id", db_text(r, i, H_REPLAY));
		json_set_str(o, "command", cell_text(r, i, H_FILTER));
		json_set_str(o, "version", cell_text(r, i, H_VERSION));
		json_object_array_add(list, o);
	}
	return list;
}

static void show_json(const struct letter *l, const struct db_result *history)
{
	struct json_object *o = letter_json(l);

	letter_put_body(l, o);
	json_set(o, "history", history_json(history));
	print_json(o);
	json_put(&o);
}

/* ---- for people ---- */

/* Line by line, each cleaned: what a sender wrote must not speak to the terminal. */
static void print_lines(const char *text)
{
	AUTO(strbuf_release) struct strbuf line;

	strbuf_init(&line, 4 * TEXT_CLEAN_MAX);
	while (*text) {
		size_t n = strcspn(text, "\n");
		AUTO(free_ptr) char *one = xstrndup(text, n);

		strbuf_reset(&line);
		text_clean(&line, one, 0);
		printf("  %s\n", line.buf);
		text += n + (text[n] == '\n');
	}
}

static void print_object(const char *title, struct json_object *o)
{
	if (!o)
		return;
	printf("\n%s\n", title);
	print_lines(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_body(const struct letter *l)
{
	struct json_object *o = json_object_new_object(), *body;

	letter_put_body(l, o);
	body = json_any(o, "body");
	if (body) {
		print_object("payload", body);
	} else {
		printf("\npayload, %zu bytes, no JSON\n", l->len);
		print_lines(json_str(o, "body_text") ? json_str(o, "body_text")
						     : json_str(o, "body_hex"));
	}
	json_put(&o);
}

static void print_head(const struct letter *l)
{
	char time[TIME_TEXT_SIZE], replays[24];

	print_field("dead letter", l->id);
	print_field("state", l->state);
	print_field("reason", l->reason);
	print_field("error", l->error);
	print_field("type", l->type);
	print_field("workflow", l->workflow_id);
	print_field("message", l->message_id);
	print_field("exchange", l->exchange);
	print_field("routing key", l->routing_key);
	print_field("first failed", time_text(time, l->first_us));
	print_field("last failed", time_text(time, l->last_us));
	print_field("edited", time_text(time, l->edited_us));
	snprintf(replays, sizeof(replays), "%lld", (long long)l->replays);
	print_field("replays", replays);
}

static void print_history(const struct db_result *r)
{
	static const struct table_column columns[] = {
		{"WHEN"},
		{"ACTION"},
		{"OUTCOME", .gives = true},
		{"WHO", .gives = true},
		{"HOST", .gives = true},
		{"WHY", .gives = true},
	};
	struct table t;

	if (db_rows(r) == 0)
		return;
	printf("\nwhat was done\n");
	table_init(&t, columns, 6);
	for (int i = 0; i < db_rows(r); i++) {
		char at[TIME_TEXT_SIZE];

		table_add(&t, (const char *const[]){
				      time_text(at, db_int(r, i, H_AT)), db_text(r, i, H_ACTION),
				      db_text(r, i, H_OUTCOME), db_text(r, i, H_WHO),
				      db_text(r, i, H_HOST), cell_text(r, i, H_REASON)});
		if (!db_is_null(r, i, H_DETAIL))
			table_note(&t, db_text(r, i, H_DETAIL));
	}
	table_print(&t, stdout, output_width());
	table_release(&t);
}

static void show(const struct wish *wish, const struct letter *l, const struct db_result *r,
		 const struct db_result *history)
{
	if (wish->json) {
		show_json(l, history);
		return;
	}
	if (wish->payload && output_width() == 0) {
		/* For a pipe: as it is. */
		fwrite(l->body, 1, l->len, stdout);
		return;
	}
	if (!wish->payload && !wish->headers) {
		print_head(l);
		print_object("properties", l->properties);
	}
	if (!wish->payload)
		print_object("headers", l->headers);
	if (!wish->headers)
		print_body(l);
	if (!wish->payload && !wish->headers) {
		if (!db_is_null(r, 0, C_ORIGINAL))
			printf("\nedited; the payload as it came is kept in original_body\n");
		print_history(history);
	}
}

/* ---- the command ---- */

static int run(const struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL, *history = NULL;
	AUTO(letter_release) struct letter l = {0};
	const char *params[2] = {wish->id, NULL};
	struct err e = {0};
	int code = load_settings(&s);

	if (code == EXIT_DONE)
		code = connect_db(&s, &db);
	if (code != EXIT_DONE)
		return code;
	r = db_query(db, letter_sql, 1, params, &e);
	if (!r)
		return complain_query(&e);
	if (db_rows(r) == 0) {
		say("there is no dead letter %s", wish->id);
		return EXIT_NO_MATCH;
	}
	letter_read(&l, r, 0);
	params[1] = l.workflow_id;
	history = db_query(db, history_sql, 2, params, &e);
	if (!history)
		return complain_query(&e);
	show(wish, &l, r, history);
	return EXIT_DONE;
}

int dead_show(int argc, char **argv)
{
	struct wish wish = {0};
	const struct arg_option options[] = {
		{"json", .flag = &wish.json},
		{"payload", .flag = &wish.payload},
		{"headers", .flag = &wish.headers},
		{0},
	};
	struct args operands;
	struct err e = {0};

	if (!args_parse(&operands, "dead show", argc, argv, options, &e) ||
	    !args_count(&operands, "dead show", 1, 1, "the id of a dead letter", &e))
		return complain(&e);
	wish.id = operands.item[0];
	if (!dead_id_ok(wish.id, &e))
		return complain(&e);
	return run(&wish);
}
