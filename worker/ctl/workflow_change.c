/* cpoa workflow cancel, cpoa workflow retry: which ones, and in batches. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/uuid.h"

#include "engine/sql.h"

#include "ctl/args.h"
#include "ctl/change.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/query.h"
#include "ctl/retry.h"
#include "ctl/table.h"
#include "ctl/workflow.h"

enum { C_ID, C_TYPE, C_STATUS, C_START, C_ERROR };
enum { IDS_BYTES = 4 << 20 };

/* One of the two commands. */
struct verb {
	const char *name, *command; /* "cancel", "workflow cancel" */
	const char *status;	    /* which ones, unless the user says */
	/* Does it to `list`, all in one transaction. */
	bool (*act)(struct db *db, const struct audit *audit, bool from_start, struct retry *list,
		    int n, struct err *e);
};

struct wish {
	const struct verb *verb;
	struct change_options change;
	struct args ids;
	struct workflow_filter filter;
	bool from_start;
	struct audit audit;
};

struct tally {
	int64_t done, refused;
};

/* ---- cancelling ---- */

static const char cancel_sql[] =
	"WITH c AS (UPDATE workflow_instances SET cancel_requested_at ="
	" coalesce(cancel_requested_at, now()) WHERE workflow_id = ANY(ARRAY(SELECT workflow_id"
	" FROM workflow_instances WHERE workflow_id = ANY($8::uuid[]) ORDER BY workflow_id"
	" FOR NO KEY UPDATE)) AND claimed_by IS NOT NULL RETURNING workflow_id) "
	"INSERT INTO replays (" AUDIT_COLUMNS ", workflow_id, outcome) SELECT " AUDIT_VALUES
	", workflow_id, 'requested' FROM c RETURNING workflow_id";

struct cancelling {
	const struct audit *audit;
	struct retry *list;
	int n;
};

static bool cancel_batch(void *ctx, struct db *db, struct err *e)
{
	struct cancelling *c = ctx;
	AUTO(strbuf_release) struct strbuf ids;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	const char *params[AUDIT_PARAMS + 1];

	strbuf_init(&ids, IDS_BYTES);
	for (int i = 0; i < c->n; i++) {
		array_add(&ids, c->list[i].workflow_id);
		c->list[i].done = false;
		snprintf(c->list[i].why, sizeof(c->list[i].why), "it has ended, or never was");
	}
	audit_params(c->audit, params);
	params[AUDIT_PARAMS] = array_text(&ids);
	r = db_query(db, cancel_sql, AUDIT_PARAMS + 1, params, e);
	for (int row = 0; r && row < db_rows(r); row++)
		for (int i = 0; i < c->n; i++)
			if (strcasecmp(c->list[i].workflow_id, db_text(r, row, 0)) == 0)
				c->list[i].done = true;
	return r && run_sql(db, "NOTIFY " SQL_CHANNEL, 0, NULL, e);
}

static bool cancel_workflows(struct db *db, const struct audit *audit, bool from_start,
			     struct retry *list, int n, struct err *e)
{
	struct cancelling c = {audit, list, n};

	(void)from_start;
	return in_transaction(db, cancel_batch, &c, e);
}

static const struct verb cancel = {"cancel", "workflow cancel", "in_progress", cancel_workflows};
static const struct verb retry = {"retry", "workflow retry", "failed", retry_workflows};

/* ---- which ones ---- */

/* clang-format off */
static const char choose_sql[] =
	"SELECT workflow_id, trigger_event_type, overall_status, "
	SQL_US("start_timestamp") ", error_message FROM workflow_instances" WORKFLOW_WHERE
	"AND ($5::uuid[] IS NULL OR workflow_id = ANY($5::uuid[])) "
	"ORDER BY start_timestamp, workflow_id LIMIT $4::int8";
/* clang-format on */

static struct db_result *choose(struct db *db, const struct wish *wish, struct err *e)
{
	AUTO(strbuf_release) struct strbuf ids;
	struct workflow_params p;
	char limit[24];

	strbuf_init(&ids, IDS_BYTES);
	for (int i = 0; i < wish->ids.n; i++)
		array_add(&ids, wish->ids.item[i]);
	/* One more than may be: whether there are too many is seen. */
	snprintf(limit, sizeof(limit), "%" PRId64, wish->change.limit + 1);
	workflow_filter_params(&wish->filter, &p);
	p.value[WORKFLOW_FILTER_PARAMS] = limit;
	if (wish->ids.n > 0) {
		p.value[1] = NULL; /* of whatever status */
		p.value[WORKFLOW_FILTER_PARAMS + 1] = array_text(&ids);
	}
	return db_query(db, choose_sql, WORKFLOW_FILTER_PARAMS + 2, p.value, e);
}

static int64_t count_all(struct db *db, const struct wish *wish)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct workflow_params p;
	struct err e = {0};

	workflow_filter_params(&wish->filter, &p);
	r = db_query(db, "SELECT count(*) FROM workflow_instances" WORKFLOW_WHERE,
		     WORKFLOW_FILTER_PARAMS, p.value, &e);
	return r ? strtoll(db_text(r, 0, 0), NULL, 10) : wish->change.limit + 1;
}

/* ---- what it would do ---- */

static void print_sample(const struct db_result *r, int n)
{
	static const struct table_column columns[] = {
		{"WORKFLOW"}, {"TYPE", .gives = true},	{"STATUS", .status = true},
		{"STARTED"},  {"ERROR", .gives = true},
	};
	struct table t;

	table_init(&t, columns, 5);
	for (int i = 0; i < n && i < CHANGE_SAMPLE; i++) {
		char started[TIME_TEXT_SIZE];

		table_add(&t, (const char *const[]){db_text(r, i, C_ID), db_text(r, i, C_TYPE),
						    db_text(r, i, C_STATUS),
						    time_text(started, db_int(r, i, C_START)),
						    cell_text(r, i, C_ERROR)});
	}
	table_print(&t, stdout, output_width());
	table_release(&t);
}

static void print_plan(const struct wish *wish, const struct db_result *r)
{
	struct groups groups = {0};
	struct json_object *o, *sample;

	for (int i = 0; i < db_rows(r); i++)
		groups_add(&groups, db_text(r, i, C_TYPE), db_text(r, i, C_STATUS));
	if (!wish->change.json) {
		printf("would %s %d workflow%s\n\n", wish->verb->name, db_rows(r),
		       plural(db_rows(r)));
		groups_print(&groups, "TYPE", "STATUS");
		putchar('\n');
		print_sample(r, db_rows(r));
		return;
	}
	o = json_object_new_object();
	sample = json_object_new_array();
	json_set_str(o, "action", wish->verb->name);
	json_set_num(o, "count", db_rows(r));
	json_set(o, "groups", groups_json(&groups, "type", "status"));
	for (int i = 0; i < db_rows(r) && i < CHANGE_SAMPLE; i++)
		json_object_array_add(sample, json_object_new_string(db_text(r, i, C_ID)));
	json_set(o, "sample", sample);
	print_json(o);
	json_put(&o);
}

/* ---- doing it ---- */

static void report(const struct wish *wish, const struct retry *list, int n, struct tally *tally)
{
	for (int i = 0; i < n; i++) {
		const struct retry *item = &list[i];
		struct json_object *o;

		tally->done += item->done;
		tally->refused += !item->done;
		if (!wish->change.json) {
			if (!item->done)
				say("%s: %s", item->workflow_id, item->why);
			continue;
		}
		o = json_object_new_object();
		json_set_str(o, "workflow_id", item->workflow_id);
		json_set_str(o, "outcome", item->done ? "done" : "refused");
		json_set_str(o, "why", item->done ? NULL : item->why);
		print_json(o);
		json_put(&o);
	}
}

static int finish(const struct wish *wish, const struct tally *tally, int64_t n)
{
	if (!wish->change.json)
		printf("%s %" PRId64 " of %" PRId64 " workflow%s (%s)\n",
		       wish->verb == &cancel ? "asked to cancel" : "retried", tally->done, n,
		       plural(n), wish->audit.replay_id);
	if (interrupted()) {
		say("interrupted; the same command goes on: %s", wish->audit.command);
		return EXIT_INTERRUPTED;
	}
	if (tally->refused == 0)
		return EXIT_DONE;
	return tally->done ? EXIT_FAILED : EXIT_REFUSED;
}

static int act(const struct wish *wish, struct db *db, const char *const *ids, int n)
{
	AUTO(free_ptr) struct retry *list = xcalloc(CHANGE_BATCH, sizeof(*list));
	struct tally tally = {0};
	struct pace pace;
	struct err e = {0};
	int at = 0, batch;

	if (!pace_begin(&pace, wish->change.rate_text, &e))
		return complain(&e);
	interrupt_catch();
	while (at < n &&
	       (batch = pace_take(&pace, n - at < CHANGE_BATCH ? n - at : CHANGE_BATCH)) > 0) {
		for (int i = 0; i < batch; i++)
			snprintf(list[i].workflow_id, sizeof(list[i].workflow_id), "%s",
				 ids[at + i]);
		if (!wish->verb->act(db, &wish->audit, wish->from_start, list, batch, &e)) {
			finish(wish, &tally, n);
			return complain_query(&e);
		}
		report(wish, list, batch, &tally);
		at += batch;
	}
	return finish(wish, &tally, n);
}

static int act_on(const struct wish *wish, struct db *db, const struct db_result *r)
{
	int n = wish->ids.n ? wish->ids.n : db_rows(r), code;
	const char **ids = xcalloc((size_t)n + 1, sizeof(*ids));

	/* Those that were named are answered one by one, also when there is no such workflow. */
	for (int i = 0; i < n; i++)
		ids[i] = wish->ids.n ? wish->ids.item[i] : db_text(r, i, C_ID);
	code = act(wish, db, ids, n);
	free(ids);
	return code;
}

static int run(const struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	const char *name = wish->verb->name;
	struct err e = {0};
	int code = connect_db(&s, &db);

	if (code != EXIT_DONE)
		return code;
	r = choose(db, wish, &e);
	if (!r)
		return complain_query(&e);
	if (db_rows(r) > wish->change.limit)
		return change_too_many(&wish->change, name, "workflow",
				       wish->ids.n ? wish->ids.n : count_all(db, wish));
	if (db_rows(r) == 0 && !workflow_could_match(wish->filter.type, wish->filter.status, &e))
		return complain(&e);
	code = change_agree(&wish->change, name, "workflow", db_rows(r), wish->ids.n > 0);
	if (code != EXIT_DONE)
		return code;
	if (wish->change.dry_run) {
		print_plan(wish, r);
		return EXIT_DONE;
	}
	return act_on(wish, db, r);
}

/* ---- arguments ---- */

static bool check(const struct wish *wish, struct err *e)
{
	const struct workflow_filter *f = &wish->filter;
	bool filtered = f->type || f->status || f->since_us;
	struct pace pace;
	struct uuid id;

	for (int i = 0; i < wish->ids.n; i++)
		if (!uuid_from_text(&id, wish->ids.item[i]))
			return err_set(e, ERR_USAGE, "'%.64s' is no workflow id: those are UUIDs",
				       wish->ids.item[i]);
	if (wish->ids.n && filtered)
		return err_set(e, ERR_USAGE, "give either ids or a filter");
	if (!wish->ids.n && !filtered)
		return err_set(e, ERR_USAGE,
			       "`cpoa %s` needs ids or a filter (--type, --status, --since); "
			       "`cpoa workflow --help` explains it",
			       wish->verb->command);
	return pace_begin(&pace, wish->change.rate_text, e);
}

static int change(const struct verb *verb, int argc, char **argv)
{
	struct wish wish = {.verb = verb, .change = {.limit = CHANGE_LIMIT}};
	const struct arg_option options[] = {
		WORKFLOW_FILTER_OPTIONS(wish.filter),
		CHANGE_OPTIONS(wish.change),
		{verb == &retry ? "from-start" : NULL, .flag = &wish.from_start},
		{0},
	};
	struct err e = {0};
	int code;

	audit_begin(&wish.audit, verb->name, NULL, "cpoa workflow", argc, argv);
	if (!args_parse(&wish.ids, verb->command, argc, argv, options, &e) || !check(&wish, &e)) {
		audit_release(&wish.audit);
		return complain(&e);
	}
	audit_explain(&wish.audit, wish.change.reason_text, wish.change.as);
	if (!wish.filter.status)
		wish.filter.status = verb->status;
	code = run(&wish);
	audit_release(&wish.audit);
	return code;
}

int workflow_cancel(int argc, char **argv)
{
	return change(&cancel, argc, argv);
}

int workflow_retry(int argc, char **argv)
{
	return change(&retry, argc, argv);
}
