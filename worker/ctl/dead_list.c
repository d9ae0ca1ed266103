/* cpoa dead list, stats, export: what there is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpoa/json.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/query.h"
#include "ctl/table.h"

enum { LIST_LIMIT = 50, LIMIT_MAX = 10000000, EXPORT_PAGE = 200, ROOMY = 140 };

struct wish {
	struct dead_filter filter;
	int64_t limit;
	bool json, ids;
};

/* clang-format off */
/* Columns of list: as LETTER_COLUMNS but for body and headers. */
static const char list_sql[] =
	"SELECT d.id, d.reason, d.error_text, d.type, d.workflow_id, d.message_id, d.exchange,"
	" d.routing_key, d.state, d.replay_count, "
	SQL_US("d.first_failed_at") ", " SQL_US("d.last_failed_at") ", NULL, NULL, ''::bytea, "
	SQL_US("d.edited_at") " FROM dead_letters d" DEAD_WHERE
	"ORDER BY d.last_failed_at DESC, d.id DESC LIMIT $8::bigint";

/* What differs from one failure to the next, numbers and ids, is no part of what broke. */
static const char stats_sql[] =
	"SELECT count(*), d.reason, d.type, left(regexp_replace(d.error_text,"
	" '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]+', '#', 'gi'), 200) AS error, "
	SQL_US("min(d.first_failed_at)") ", " SQL_US("max(d.last_failed_at)") ", min(d.id)"
	" FROM dead_letters d" DEAD_WHERE
	"GROUP BY d.reason, d.type, error ORDER BY count(*) DESC, d.reason, d.type, error"
	" LIMIT $8::bigint";
/* clang-format on */
enum { S_COUNT, S_REASON, S_TYPE, S_ERROR, S_FIRST, S_LAST, S_EXAMPLE };

/* Page after page by id, so that a million is no burden. */
static const char export_sql[] = "SELECT " LETTER_COLUMNS " FROM dead_letters d" DEAD_WHERE
				 "AND d.id > $9::bigint ORDER BY d.id LIMIT $8::bigint";

/* ---- list ---- */

static void print_row_json(const struct letter *l)
{
	struct json_object *o = letter_json(l);

	json_object_object_del(o, "properties");
	json_object_object_del(o, "headers");
	print_json(o);
	json_put(&o);
}

static void print_table(const struct db_result *r)
{
	static const struct table_column columns[] = {
		{"ID", .right = true},	  {"REASON", .gives = true},  {"TYPE", .gives = true},
		{"LAST FAILED"},	  {"REPLAYS", .right = true}, {"STATE", .status = true},
		{"ERROR", .gives = true},
	};
	int width = output_width(), skip = width > 0 && width < ROOMY ? 5 : 0;
	struct table t;

	table_init(&t, columns, 7);
	for (int i = 0; i < db_rows(r); i++) {
		AUTO(letter_release) struct letter l;
		char last[TIME_TEXT_SIZE], replays[24];

		letter_read(&l, r, i);
		snprintf(replays, sizeof(replays), "%" PRId64, l.replays);
		time_text(last, l.last_us);
		table_add(&t,
			  (const char *const[]){l.id, l.reason, l.type, *last ? last + skip : "",
						replays, l.state, l.error});
	}
	table_print(&t, stdout, width);
	table_release(&t);
}

static void print_list(const struct wish *wish, const struct db_result *r)
{
	if (!wish->json && !wish->ids) {
		print_table(r);
		return;
	}
	for (int i = 0; i < db_rows(r); i++) {
		AUTO(letter_release) struct letter l;

		letter_read(&l, r, i);
		if (wish->ids)
			puts(l.id);
		else
			print_row_json(&l);
	}
}

/* ---- stats ---- */

static void print_stats_json(const struct db_result *r)
{
	for (int i = 0; i < db_rows(r); i++) {
		struct json_object *o = json_object_new_object();

		json_set_num(o, "count", db_int(r, i, S_COUNT));
		json_set_str(o, "reason", db_text(r, i, S_REASON));
		json_set_str(o, "type", cell_text(r, i, S_TYPE));
		json_set_str(o, "error", cell_text(r, i, S_ERROR));
		json_set_time(o, "first_failed_at", db_int(r, i, S_FIRST));
		json_set_time(o, "last_failed_at", db_int(r, i, S_LAST));
		json_set_num(o, "example", db_int(r, i, S_EXAMPLE));
		print_json(o);
		json_put(&o);
	}
}

static void print_stats(const struct wish *wish, const struct db_result *r)
{
	static const struct table_column columns[] = {
		{"COUNT", .right = true},
		{"REASON", .gives = true},
		{"TYPE", .gives = true},
		{"FIRST"},
		{"LAST"},
		{"E.G.", .right = true},
		{"ERROR", .gives = true},
	};
	int width = output_width(), skip = width > 0 && width < ROOMY ? 5 : 0;
	struct table t;

	if (wish->json) {
		print_stats_json(r);
		return;
	}
	table_init(&t, columns, 7);
	for (int i = 0; i < db_rows(r); i++) {
		char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];

		table_add(&t, (const char *const[]){db_text(r, i, S_COUNT), db_text(r, i, S_REASON),
						    cell_text(r, i, S_TYPE),
						    time_text(first, db_int(r, i, S_FIRST)) + skip,
						    time_text(last, db_int(r, i, S_LAST)) + skip,
						    db_text(r, i, S_EXAMPLE),
						    cell_text(r, i, S_ERROR)});
	}
	table_print(&t, stdout, width);
	table_release(&t);
}

/* ---- both ---- */

static int query(const struct wish *wish, const char *sql,
		 void (*print)(const struct wish *wish, const struct db_result *r))
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	AUTO(dead_params_release) struct dead_params p;
	struct err e = {0};
	char limit[24];
	int code;

	if (!dead_filter_params(&wish->filter, &p, &e))
		return complain(&e);
	code = connect_db(&s, &db);
	if (code != EXIT_DONE)
		return code;
	snprintf(limit, sizeof(limit), "%" PRId64, wish->limit);
	p.value[DEAD_FILTER_PARAMS] = limit;
	r = db_query(db, sql, DEAD_FILTER_PARAMS + 1, p.value, &e);
	if (!r)
		return complain_filter(&e);
	if (db_rows(r) == 0)
		return dead_none(&wish->filter);
	print(wish, r);
	if (db_rows(r) == wish->limit)
		say("there may be more; --limit is %" PRId64, wish->limit);
	return EXIT_DONE;
}

static bool read_wish(struct wish *wish, const char *command, int argc, char **argv, struct err *e)
{
	const struct arg_option options[] = {
		DEAD_FILTER_OPTIONS(wish->filter),
		{"limit", .number = &wish->limit, .min = 1, .max = LIMIT_MAX},
		{"json", .flag = &wish->json},
		{"ids", .flag = &wish->ids},
		{0},
	};

	return args_parse(&wish->filter.operands, command, argc, argv, options, e);
}

int dead_list(int argc, char **argv)
{
	struct wish wish = {.limit = LIST_LIMIT};
	struct err e = {0};

	if (!read_wish(&wish, "dead list", argc, argv, &e))
		return complain(&e);
	return query(&wish, list_sql, print_list);
}

int dead_stats(int argc, char **argv)
{
	struct wish wish = {.limit = LIST_LIMIT};
	struct err e = {0};

	if (!read_wish(&wish, "dead stats", argc, argv, &e))
		return complain(&e);
	return query(&wish, stats_sql, print_stats);
}

/* ---- export ---- */

static void print_page(const struct db_result *r)
{
	for (int i = 0; i < db_rows(r); i++) {
		AUTO(letter_release) struct letter l;
		struct json_object *o;

		letter_read(&l, r, i);
		o = letter_json(&l);
		letter_put_body(&l, o);
		print_json(o);
		json_put(&o);
	}
}

static int export_pages(struct db *db, const struct dead_filter *f, struct dead_params *p,
			int64_t limit)
{
	char last[24] = "0", page[24];
	struct err e = {0};
	int64_t n = 0;
	int rows;

	p->value[DEAD_FILTER_PARAMS] = page;
	p->value[DEAD_FILTER_PARAMS + 1] = last;
	do {
		int64_t want = limit - n < EXPORT_PAGE ? limit - n : EXPORT_PAGE;
		AUTO(db_result_free_ptr) struct db_result *r = NULL;

		snprintf(page, sizeof(page), "%" PRId64, want);
		r = db_query(db, export_sql, DEAD_FILTER_PARAMS + 2, p->value, &e);
		if (!r)
			return complain_filter(&e);
		rows = db_rows(r);
		print_page(r);
		n += rows;
		if (rows)
			snprintf(last, sizeof(last), "%s", db_text(r, rows - 1, 0));
	} while (rows == EXPORT_PAGE && n < limit && !interrupted() && !ferror(stdout));
	if (interrupted()) {
		say("interrupted: these are not all");
		return EXIT_INTERRUPTED;
	}
	return n ? EXIT_DONE : dead_none(f);
}

int dead_export(int argc, char **argv)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(dead_params_release) struct dead_params p = {0};
	struct wish wish = {.limit = LIMIT_MAX};
	struct err e = {0};
	int code;

	if (!read_wish(&wish, "dead export", argc, argv, &e) ||
	    !dead_filter_params(&wish.filter, &p, &e))
		return complain(&e);
	code = connect_db(&s, &db);
	if (code != EXIT_DONE)
		return code;
	interrupt_catch();
	return export_pages(db, &wish.filter, &p, wish.limit);
}
