/* cpoa workflow list. */
#include <inttypes.h>
#include <stdio.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/workflow.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 100000, ROOMY = 110 };
enum { C_ID, C_TYPE, C_STATUS, C_START, C_END, C_ERROR };

struct filter {
	const char *type, *status;
	int64_t since_us, limit; /* since 0: ever */
};

static struct db_result *query(struct db *db, const struct filter *f, struct err *e)
{
	char limit[24], since[CLOCK_TEXT_SIZE];
	const char *params[] = {f->type, f->status, f->since_us ? since : NULL, limit};

	snprintf(limit, sizeof(limit), "%" PRId64, f->limit);
	if (f->since_us)
		clock_text(since, clock_wall_us() - f->since_us);
	return db_query(
		db,
		"SELECT workflow_id, trigger_event_type, overall_status, " SQL_US(
			"start_timestamp") ", " SQL_US("end_timestamp") ", error_message FROM "
									"workflow_instances "
									"WHERE ($1::text IS NULL "
									"OR trigger_event_type = "
									"$1::text)"
									" AND ($2::text IS NULL OR "
									"overall_status = $2::text)"
									" AND ($3::timestamptz IS "
									"NULL OR start_timestamp "
									">= $3::timestamptz) "
									"ORDER BY start_timestamp "
									"DESC, workflow_id LIMIT "
									"$4::int8",
		4, params, e);
}

static void print_list(const struct db_result *r)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < db_rows(r); i++) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, "workflow_id", db_text(r, i, C_ID));
		json_set_str(o, "type", db_text(r, i, C_TYPE));
		json_set_str(o, "status", db_text(r, i, C_STATUS));
		json_set_time(o, "started_at", db_int(r, i, C_START));
		json_set_time(o, "ended_at", db_int(r, i, C_END));
		json_set_str(o, "error", cell_text(r, i, C_ERROR));
		json_object_array_add(list, o);
	}
	print_json(list);
	json_put(&list);
}

static void print_table(const struct db_result *r)
{
	static const struct table_column columns[] = {
		{"WORKFLOW"}, {"TYPE", .gives = true}, {"STATUS", .status = true, .gives = true},
		{"STARTED"},  {"TOOK", .right = true}, {"ERROR", .gives = true},
	};
	/* On a narrow terminal the year goes. */
	int width = output_width(), skip = width > 0 && width < ROOMY ? 5 : 0;
	struct table t;

	table_init(&t, columns, 6);
	for (int i = 0; i < db_rows(r); i++) {
		char started[TIME_TEXT_SIZE], took[TIME_TEXT_SIZE];
		int64_t start = db_int(r, i, C_START);

		time_text(started, start);
		took_text(took, start, db_int(r, i, C_END));
		table_add(&t, (const char *const[]){db_text(r, i, C_ID), db_text(r, i, C_TYPE),
						    db_text(r, i, C_STATUS),
						    *started ? started + skip : "", took,
						    cell_text(r, i, C_ERROR)});
	}
	table_print(&t, stdout, width);
	table_release(&t);
}

static int run(const struct filter *f, bool json)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct err e = {0};
	int code = load_settings(&s);

	if (code == EXIT_DONE)
		code = connect_db(&s, &db);
	if (code != EXIT_DONE)
		return code;
	r = query(db, f, &e);
	if (!r)
		return complain_query(&e);
	if (json)
		print_list(r);
	else if (db_rows(r))
		print_table(r);
	if (db_rows(r) == f->limit)
		say("there may be more; --limit is %" PRId64, f->limit);
	if (db_rows(r))
		return EXIT_DONE;
	say("no workflow matches");
	return EXIT_NO_MATCH;
}

int workflow_list(int argc, char **argv)
{
	struct filter f = {.limit = LIMIT_DEFAULT};
	bool json = false;
	const struct arg_option options[] = {
		{"type", .text = &f.type},
		{"status", .text = &f.status},
		{"since", .duration_us = &f.since_us},
		{"limit", .number = &f.limit, .min = 1, .max = LIMIT_MAX},
		{"json", .flag = &json},
		{0},
	};
	struct args operands;
	struct err e = {0};

	if (!args_parse(&operands, "workflow list", argc, argv, options, &e) ||
	    !args_count(&operands, "workflow list", 0, 0, "", &e))
		return complain(&e);
	return run(&f, json);
}
