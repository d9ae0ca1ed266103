/* doctor: what stands in the database, and what the role may do there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/strbuf.h"

#include "ctl/doctor.h"
#include "ctl/schema.h"
#include "engine/sql.h"

static const char migrate[] = "Run `cpoa migrate` as the role that owns the tables.";
static const char read_log[] = "Read the server's log at this time of day.";

/* ---- schema ---- */

void check_schema(struct doctor *d)
{
	AUTO(schema_release) struct schema schema = {0};
	struct err e = {0};

	if (!schema_read(d->db, &schema, &e)) {
		doctor_failed(d,
			      "Grant the role SELECT on schema_migrations (migrations/README.md).",
			      &e);
		return;
	}
	d->has[GROUND_SCHEMA] = schema.newest >= sql_schema_version && !schema.changed;
	if (!schema.newest)
		doctor_wrong(d, migrate, "the schema is missing");
	else if (schema.changed)
		doctor_wrong(d,
			     "`cpoa migrate status` names it: run the program that made this "
			     "schema, and add a migration in place of editing one.",
			     "a migration that was applied is not the one of this program");
	else if (schema.newest < sql_schema_version)
		doctor_wrong(d, migrate, "the schema is at version %d, and a worker needs %d",
			     schema.newest, sql_schema_version);
	else if (schema.newest < schema.known)
		doctor_warn(d, migrate, "the schema is at version %d, and this program brings %d",
			    schema.newest, schema.known);
	else
		doctor_ok(d, "version %d%s", schema.newest,
			  schema.newest > schema.known ? ", newer than this program, which fits"
						       : "");
}

/* ---- grants ---- */

/* What PostgreSQL has said already, as it says the same of many statements. */
struct refusals {
	char text[SQL_COUNT][ERR_TEXT_MAX];
	int n;
};

static bool is_new(struct refusals *said, const struct err *e)
{
	for (int i = 0; i < said->n; i++)
		if (strcmp(said->text[i], e->text) == 0)
			return false;
	snprintf(said->text[said->n++], ERR_TEXT_MAX, "%s", e->text);
	return true;
}

static void tell_refusal(struct doctor *d, const struct err *e)
{
	if (strcmp(e->code, "42501") == 0)
		doctor_wrong(d,
			     "As the owner of the tables, GRANT the role what migrations/README.md "
			     "lists (cpoa migrate --grant ROLE).",
			     "%s", e->text);
	else
		doctor_failed(d, migrate, e);
}

/* nextval() is not called by EXPLAIN. The tables are those that workers insert into. */
static int check_sequences(struct doctor *d)
{
	struct err e = {0};
	AUTO(db_result_free_ptr)
	struct db_result *r =
		db_query(d->db,
			 "SELECT q FROM (SELECT pg_get_serial_sequence(t, c) AS q FROM (VALUES "
			 "('leases', 'lease_id'), ('dead_letters', 'id')) AS v(t, c)) AS s "
			 "WHERE NOT has_sequence_privilege(q, 'USAGE')",
			 0, NULL, &e);

	if (!r) {
		tell_refusal(d, &e);
		return 1;
	}
	for (int i = 0; i < db_rows(r); i++) {
		err_set(&e, ERR_REJECT, "permission denied for sequence %s", db_text(r, i, 0));
		snprintf(e.code, sizeof(e.code), "42501");
		tell_refusal(d, &e);
	}
	return db_rows(r);
}

/*
 * EXPLAIN goes as far as an executor that is set up and not run, and setting it up is where
 * permissions are looked at (ExecCheckRTPerms). So what a worker may not do is found by its own
 * statements, whatever they become.
 */
void check_grants(struct doctor *d)
{
	struct refusals *said = xcalloc(1, sizeof(*said));
	struct err e = {0};
	int bad = check_sequences(d);

	for (int i = 0; i < SQL_COUNT; i++) {
		if (db_explain(d->db, &sql_table[i], &e))
			continue;
		bad++;
		if (is_new(said, &e))
			tell_refusal(d, &e);
		if (e.class == ERR_LOST)
			break;
	}
	free(said);
	if (!bad)
		doctor_ok(d, "the role may run each of a worker's %d statements", SQL_COUNT);
}

/* ---- the lock table ---- */

/* What one transaction of ours may lock: the tables and all their indexes. And who else is there.
 */
static const char locks_sql[] =
	"WITH t AS (SELECT to_regclass(n)::oid AS id FROM unnest(ARRAY['workflow_instances',"
	" 'task_instances', 'outbox_events', 'dead_letters', 'replays', 'leases', 'podcasts',"
	" 'topics_snippets', 'users']) n) "
	"SELECT (SELECT count(id) FROM t) + (SELECT count(*) FROM pg_index WHERE indrelid IN"
	" (SELECT id FROM t)), (SELECT count(*) FROM leases),"
	" (SELECT count(*) FROM pg_locks WHERE NOT fastpath),"
	" current_setting('max_locks_per_transaction'), current_setting('max_connections'),"
	" current_setting('max_prepared_transactions')";

void check_locks(struct doctor *d)
{
	struct err e = {0};
	AUTO(db_result_free_ptr)
	struct db_result *r = db_query(d->db, locks_sql, 0, NULL, &e);
	int64_t each, workers, held, transactions, room, need;
	char mend[160];

	if (!r) {
		doctor_failed(d, read_log, &e);
		return;
	}
	each = db_int(r, 0, 0);
	workers = db_int(r, 0, 1);
	held = db_int(r, 0, 2);
	transactions = db_int(r, 0, 4) + db_int(r, 0, 5);
	room = db_int(r, 0, 3) * transactions;
	/* One worker more than there are; whoever looks for the dead tries every lease. */
	need = held + (workers + 1) * each + workers;
	snprintf(mend, sizeof(mend),
		 "Set max_locks_per_transaction = %" PRId64
		 " or more in postgresql.conf, and restart the server.",
		 2 * need / transactions + 1);
	if (room < need)
		doctor_wrong(d, mend,
			     "the lock table has room for %" PRId64 ", and %" PRId64
			     " workers may need %" PRId64 ": when it is full, every client fails",
			     room, workers + 1, need);
	else if (room < 2 * need)
		doctor_warn(d, mend,
			    "the lock table has room for %" PRId64 ", of which %" PRId64
			    " may be needed",
			    room, need);
	else
		doctor_ok(d, "room for %" PRId64 " locks, of which %" PRId64 " may be needed", room,
			  need);
}
