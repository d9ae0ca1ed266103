/* cpoa workflow list. */
#include <inttypes.h>
#include <stdio.h>

#include "cpoa/json.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/query.h"
#include "ctl/table.h"
#include "ctl/workflow.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 100000, ROOMY = 110 };
enum { C_ID, C_TYPE, C_STATUS, C_START, C_END, C_ERROR };

struct wish {
	struct workflow_filter filter;
	int64_t limit;
	bool json, ids, count;
};

/* clang-format off */
static const char list_sql[] =
	"SELECT workflow_id, trigger_event_type, overall_status, "
	SQL_US("start_timestamp") ", " SQL_US("end_timestamp") ", error_message"
	" FROM workflow_instances" WORKFLOW_WHERE
	"ORDER BY start_timestamp DESC, workflow_id LIMIT $4::int8";

static const char count_sql[] =
	"SELECT trigger_event_type, overall_status, count(*) FROM workflow_instances" WORKFLOW_WHERE
	"GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";
/* clang-format on */

static struct db_result *query(struct db *db, const struct wish *wish, struct err *e)
{
	struct workflow_params p;
	char limit[24];

	workflow_filter_params(&wish->filter, &p);
	if (wish->count)
		return db_query(db, count_sql, WORKFLOW_FILTER_PARAMS, p.value, e);
	snprintf(limit, sizeof(limit), "%" PRId64, wish->limit);
	p.value[WORKFLOW_FILTER_PARAMS] = limit;
	return db_query(db, list_sql, WORKFLOW_FILTER_PARAMS + 1, p.value, e);
}

/* ---- counts ---- */

static void print_counts_json(const struct db_result *r)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < db_rows(r); i++) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, "type", db_text(r, i, 0));
		json_set_str(o, "status", db_text(r, i, 1));
		json_set_num(o, "count", db_int(r, i, 2));
		json_object_array_add(list, o);
	}
	print_json(list);
	json_put(&list);
}

static void print_counts(const struct db_result *r)
{
	static const struct table_column columns[] = {
		{"COUNT", .right = true}, {"STATUS", .status = true}, {"TYPE", .gives = true}};
	struct table t;

	table_init(&t, columns, 3);
	for (int i = 0; i < db_rows(r); i++)
		table_add(&t, (const char *const[]){db_text(r, i, 2), db_text(r, i, 1),
						    db_text(r, i, 0)});
	table_print(&t, stdout, output_width());
	table_release(&t);
}

/* ---- lists ---- */

static void print_ids(const struct db_result *r)
{
	for (int i = 0; i < db_rows(r); i++)
		puts(db_text(r, i, C_ID));
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

/* ---- the command ---- */

static void print_rows(const struct db_result *r, const struct wish *wish)
{
	if (wish->count && wish->json)
		print_counts_json(r);
	else if (wish->json)
		print_list(r);
	else if (wish->ids)
		print_ids(r);
	else if (db_rows(r) && wish->count)
		print_counts(r);
	else if (db_rows(r))
		print_table(r);
}

static int run(const struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct err e = {0};
	int code = connect_db(&s, &db);

	if (code != EXIT_DONE)
		return code;
	r = query(db, wish, &e);
	if (!r)
		return complain_query(&e);
	print_rows(r, wish);
	if (!wish->count && db_rows(r) == wish->limit)
		say("there may be more; --limit is %" PRId64, wish->limit);
	if (db_rows(r))
		return EXIT_DONE;
	if (!workflow_could_match(wish->filter.type, wish->filter.status, &e))
		return complain(&e);
	say("no workflow matches");
	return EXIT_NO_MATCH;
}

int workflow_list(int argc, char **argv)
{
	struct wish wish = {.limit = LIMIT_DEFAULT};
	const struct arg_option options[] = {
		WORKFLOW_FILTER_OPTIONS(wish.filter),
		{"limit", .number = &wish.limit, .min = 1, .max = LIMIT_MAX},
		{"count", .flag = &wish.count},
		{"ids", .flag = &wish.ids},
		{"json", .flag = &wish.json},
		{0},
	};
	struct args operands;
	struct err e = {0};

	if (!args_parse(&operands, "workflow list", argc, argv, options, &e) ||
	    !args_count(&operands, "workflow list", 0, 0, "", &e))
		return complain(&e);
	if (wish.ids + wish.count + wish.json > 1 && wish.ids) {
		say("--ids prints ids and nothing else: leave --json and --count out");
		return EXIT_USAGE;
	}
	return run(&wish);
}
