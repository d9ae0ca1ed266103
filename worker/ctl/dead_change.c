/* dead_change: choosing, showing what was chosen. */
#include "ctl/dead_change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpoa/json.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/query.h"
#include "ctl/table.h"

/* ---- choosing ---- */

/* clang-format off */
static const char choose_sql[] =
	"SELECT d.id, d.reason, d.type, d.workflow_id, left(d.error_text, 300), "
	SQL_US("d.last_failed_at") " FROM dead_letters d" DEAD_WHERE
	"ORDER BY d.id LIMIT $8::bigint";
/* clang-format on */

static int64_t count_all(struct db *db, const struct dead_params *p, int64_t otherwise)
{
	struct err e = {0};
	AUTO(db_result_free_ptr)
	struct db_result *r = db_query(db, "SELECT count(*) FROM dead_letters d" DEAD_WHERE,
				       DEAD_FILTER_PARAMS, p->value, &e);

	return r ? strtoll(db_text(r, 0, 0), NULL, 10) : otherwise;
}

static int choose(struct dead_change *c)
{
	AUTO(dead_params_release) struct dead_params p;
	int64_t most = c->change.limit;
	char limit[24];
	struct err e = {0};

	if (!dead_filter_params(&c->filter, &p, &e))
		return complain(&e);
	/* One more than may be: whether there are too many is seen. */
	snprintf(limit, sizeof(limit), "%" PRId64, most + 1);
	p.value[DEAD_FILTER_PARAMS] = limit;
	c->chosen = db_query(c->db, choose_sql, DEAD_FILTER_PARAMS + 1, p.value, &e);
	if (!c->chosen)
		return complain_filter(&e);
	if (db_rows(c->chosen) == 0)
		return dead_none(&c->filter);
	if (db_rows(c->chosen) > most)
		return change_too_many(&c->change, c->verb, "dead letter",
				       count_all(c->db, &p, most + 1));
	return change_agree(&c->change, c->verb, "dead letter", db_rows(c->chosen),
			    dead_filter_named(&c->filter));
}

int dead_change_begin(struct dead_change *c, const char *verb, int argc, char **argv,
		      const struct arg_option *options)
{
	char command[32];
	struct pace pace;
	struct err e = {0};
	int code;

	c->verb = verb;
	c->change.limit = CHANGE_LIMIT;
	snprintf(command, sizeof(command), "dead %s", verb);
	audit_begin(&c->audit, verb, NULL, "cpoa dead", argc, argv);
	if (!args_parse(&c->filter.operands, command, argc, argv, options, &e) ||
	    !dead_filter_for_change(&c->filter, command, &e) ||
	    !pace_begin(&pace, c->change.rate_text, &e))
		return complain(&e);
	audit_explain(&c->audit, c->change.reason_text, c->change.as);
	code = connect_db(&c->settings, &c->db);
	return code == EXIT_DONE ? choose(c) : code;
}

void dead_change_release(struct dead_change *c)
{
	db_result_free_ptr(&c->chosen);
	db_close_ptr(&c->db);
	settings_release(&c->settings);
	audit_release(&c->audit);
}

/* ---- showing ---- */

static void print_sample(const struct db_result *r)
{
	static const struct table_column columns[] = {
		{"ID", .right = true}, {"REASON", .gives = true}, {"TYPE", .gives = true},
		{"LAST FAILED"},       {"ERROR", .gives = true},
	};
	struct table t;

	table_init(&t, columns, 5);
	for (int i = 0; i < db_rows(r) && i < CHANGE_SAMPLE; i++) {
		char last[TIME_TEXT_SIZE];

		table_add(&t, (const char *const[]){db_text(r, i, CHOSEN_ID),
						    db_text(r, i, CHOSEN_REASON),
						    cell_text(r, i, CHOSEN_TYPE),
						    time_text(last, db_int(r, i, CHOSEN_LAST)),
						    cell_text(r, i, CHOSEN_ERROR)});
	}
	table_print(&t, stdout, output_width());
	table_release(&t);
}

void dead_print_plan(const struct dead_change *c)
{
	const struct db_result *r = c->chosen;
	struct groups groups = {0};
	struct json_object *o, *sample;

	for (int i = 0; i < db_rows(r); i++)
		groups_add(&groups, db_text(r, i, CHOSEN_REASON), cell_text(r, i, CHOSEN_TYPE));
	if (!c->change.json) {
		printf("would %s %d dead letter%s\n\n", c->verb, db_rows(r), plural(db_rows(r)));
		groups_print(&groups, "REASON", "TYPE");
		putchar('\n');
		print_sample(r);
		return;
	}
	o = json_object_new_object();
	sample = json_object_new_array();
	json_set_str(o, "action", c->verb);
	json_set_num(o, "count", db_rows(r));
	json_set(o, "groups", groups_json(&groups, "reason", "type"));
	for (int i = 0; i < db_rows(r) && i < CHANGE_SAMPLE; i++)
		json_object_array_add(
			sample, json_object_new_int64(strtoll(db_text(r, i, CHOSEN_ID), NULL, 10)));
	json_set(o, "sample", sample);
	print_json(o);
	json_put(&o);
}
