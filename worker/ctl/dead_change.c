/* dead_change: choosing, showing what was chosen; and cpoa dead discard. */
#include "ctl/dead_change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "engine/sql.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/workflow.h"

/* ---- choosing ---- */

static int64_t count_all(struct db *db, const struct dead_params *p, int64_t otherwise)
{
	struct err e = {0};
	AUTO(db_result_free_ptr)
	struct db_result *r = db_query(db, "SELECT count(*) FROM dead_letters d" DEAD_WHERE,
				       DEAD_FILTER_PARAMS, p->value, &e);

	return r ? strtoll(db_text(r, 0, 0), NULL, 10) : otherwise;
}

int dead_choose(struct db *db, const struct dead_filter *f, const struct change_options *c,
		const char *verb, struct db_result **r)
{
	AUTO(dead_params_release) struct dead_params p;
	char limit[24];
	struct err e = {0};

	if (!dead_filter_params(f, &p, &e))
		return complain(&e);
	/* One more than may be: whether there are too many is seen. */
	snprintf(limit, sizeof(limit), "%" PRId64, c->limit + 1);
	p.value[DEAD_FILTER_PARAMS] = limit;
	*r = db_query(
		db,
		"SELECT d.id, d.reason, d.type, d.workflow_id, left(d.error_text, 300), " SQL_US(
			"d.last_failed_at") " FROM dead_letters d" DEAD_WHERE
					    "ORDER BY d.id LIMIT $8::bigint",
		DEAD_FILTER_PARAMS + 1, p.value, &e);
	if (!*r)
		return complain_filter(&e);
	if (db_rows(*r) > c->limit)
		return change_too_many(c, verb, "dead letter", count_all(db, &p, c->limit + 1));
	return change_agree(c, verb, "dead letter", db_rows(*r), dead_filter_named(f));
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

void dead_print_plan(const struct change_options *c, const char *verb, const struct db_result *r)
{
	struct groups groups = {0};
	struct json_object *o, *sample;

	for (int i = 0; i < db_rows(r); i++)
		groups_add(&groups, db_text(r, i, CHOSEN_REASON), cell_text(r, i, CHOSEN_TYPE));
	if (!c->json) {
		printf("would %s %d dead letter%s\n\n", verb, db_rows(r), plural(db_rows(r)));
		groups_print(&groups, "REASON", "TYPE");
		putchar('\n');
		print_sample(r);
		return;
	}
	o = json_object_new_object();
	sample = json_object_new_array();
	json_set_str(o, "action", verb);
	json_set_num(o, "count", db_rows(r));
	json_set(o, "groups", groups_json(&groups, "reason", "type"));
	for (int i = 0; i < db_rows(r) && i < CHANGE_SAMPLE; i++)
		json_object_array_add(
			sample, json_object_new_int64(strtoll(db_text(r, i, CHOSEN_ID), NULL, 10)));
	json_set(o, "sample", sample);
	print_json(o);
	json_put(&o);
}

/* ---- discard ---- */

/* Never one that a replay has in hand. */
static const char discard_sql[] =
	"WITH d AS (UPDATE dead_letters SET state = 'discarded' WHERE id = ANY(ARRAY(SELECT id"
	" FROM dead_letters WHERE id = ANY($8::bigint[]) AND state = 'dead' AND (claimed_by IS NULL"
	" OR pg_try_advisory_xact_lock_shared($9::int, claimed_by::int)) ORDER BY id"
	" FOR UPDATE SKIP LOCKED)) RETURNING id, workflow_id) "
	"INSERT INTO replays (" AUDIT_COLUMNS ", dead_letter_id, workflow_id, outcome) "
	"SELECT " AUDIT_VALUES ", id, workflow_id, 'discarded' FROM d RETURNING dead_letter_id";

struct wish {
	struct dead_filter filter;
	struct change_options change;
	struct audit audit;
};

static int64_t discard_batch(struct db *db, const struct wish *wish, const struct db_result *r,
			     int at, int n, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *done = NULL;
	AUTO(strbuf_release) struct strbuf ids;
	const char *params[AUDIT_PARAMS + 2];
	char class[16];

	strbuf_init(&ids, 64 << 10);
	for (int i = at; i < at + n; i++)
		array_add(&ids, db_text(r, i, CHOSEN_ID));
	snprintf(class, sizeof(class), "%d", LEASE_CLASS);
	audit_params(&wish->audit, params);
	params[AUDIT_PARAMS] = array_text(&ids);
	params[AUDIT_PARAMS + 1] = class;
	done = db_query(db, discard_sql, AUDIT_PARAMS + 2, params, e);
	return done ? db_rows(done) : -1;
}

static void print_done(const struct wish *wish, int64_t done, int n)
{
	struct json_object *o;

	if (!wish->change.json) {
		printf("discarded %" PRId64 " of %d dead letter%s (%s)\n", done, n, plural(n),
		       wish->audit.replay_id);
		return;
	}
	o = json_object_new_object();
	json_set_num(o, "discarded", done);
	json_set_num(o, "of", n);
	json_set_str(o, "replay_id", wish->audit.replay_id);
	print_json(o);
	json_put(&o);
}

static int discard_all(struct db *db, const struct wish *wish, const struct db_result *r)
{
	int n = db_rows(r), at = 0, batch;
	int64_t done = 0;
	struct pace pace;
	struct err e = {0};

	if (!pace_begin(&pace, wish->change.rate_text, &e))
		return complain(&e);
	interrupt_catch();
	while (at < n &&
	       (batch = pace_take(&pace, n - at < CHANGE_BATCH ? n - at : CHANGE_BATCH)) > 0) {
		int64_t some = discard_batch(db, wish, r, at, batch, &e);

		if (some < 0)
			return complain_query(&e);
		done += some;
		at += batch;
	}
	print_done(wish, done, n);
	if (at < n) {
		say("the rest stays as it was; this goes on: %s", wish->audit.command);
		return EXIT_INTERRUPTED;
	}
	return done == n ? EXIT_DONE : done ? EXIT_FAILED : EXIT_REFUSED;
}

static int run(const struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	int code = load_settings(&s);

	if (code == EXIT_DONE)
		code = connect_db(&s, &db);
	if (code == EXIT_DONE)
		code = dead_choose(db, &wish->filter, &wish->change, "discard", &r);
	if (code != EXIT_DONE)
		return code;
	if (wish->change.dry_run) {
		dead_print_plan(&wish->change, "discard", r);
		return EXIT_DONE;
	}
	return discard_all(db, wish, r);
}

int dead_discard(int argc, char **argv)
{
	struct wish wish = {.change = {.limit = CHANGE_LIMIT}};
	const struct arg_option options[] = {
		DEAD_FILTER_OPTIONS(wish.filter),
		CHANGE_OPTIONS(wish.change),
		{0},
	};
	struct pace pace;
	struct err e = {0};
	int code;

	audit_begin(&wish.audit, "discard", NULL, "cpoa dead", argc, argv);
	if (!args_parse(&wish.filter.operands, "dead discard", argc, argv, options, &e) ||
	    !dead_filter_for_change(&wish.filter, "dead discard", &e) ||
	    !pace_begin(&pace, wish.change.rate_text, &e)) {
		audit_release(&wish.audit);
		return complain(&e);
	}
	wish.audit.reason = wish.change.reason_text;
	code = run(&wish);
	audit_release(&wish.audit);
	return code;
}
