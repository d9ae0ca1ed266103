/* ledger_session: the session with PostgreSQL, and the lease that is its. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/caller.h"
#include "engine/fault.h"
#include "engine/harvester.h"
#include "engine/intake.h"
#include "engine/ledger_parts.h"
#include "engine/stats.h"

static void take_lease_name(const struct ledger *l, char sql[512], int64_t lease)
{
	snprintf(sql, 512,
		 "SELECT pg_advisory_lock(%d, %lld); INSERT INTO leases (lease_id, worker, "
		 "version) VALUES (%lld, '%s', '%s')",
		 LEASE_CLASS, (long long)lease, (long long)lease, l->house->worker_name,
		 CPOA_VERSION);
}

static bool check_schema(struct db *db, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	int version;

	r = db_query(db, "SELECT coalesce(max(version), 0) FROM schema_migrations", 0, NULL, e);
	if (!r && strcmp(e->code, "42P01") == 0) /* undefined_table */
		return err_wrap(e, "the schema is missing; run `cpoa migrate`");
	if (!r)
		return err_wrap(e, "the schema's version cannot be read; if a grant is missing, "
				   "run `cpoa migrate --grant ROLE`");
	version = (int)strtol(db_text(r, 0, 0), NULL, 10);
	if (version < sql_schema_version)
		return err_set(
			e, ERR_USAGE,
			"the schema is at version %d and this program needs %d; run `cpoa migrate`",
			version, sql_schema_version);
	return true;
}

/* The number first, its lock next, its row last: whoever sees the row and gets the lock knows that
 * its holder is gone. */
static bool take_lease(struct ledger *l, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	char sql[512];

	r = db_query(l->db, "SELECT nextval('leases_lease_id_seq')", 0, NULL, e);
	if (!r)
		return false;
	l->lease = strtoll(db_text(r, 0, 0), NULL, 10);
	take_lease_name(l, sql, l->lease);
	return db_script(l->db, sql, e);
}

/* EXPLAIN looks at permissions like an execution does (see ctl/doctor_schema.c). */
static bool check_statements(struct db *db, struct err *e)
{
	for (int i = 0; i < SQL_COUNT; i++)
		if (!db_explain(db, &sql_table[i], e))
			return err_wrap(e,
					"the role cannot do its work (%s); `cpoa doctor` says what "
					"is missing",
					sql_table[i].name);
	return true;
}

bool ledger_schema_at_fault(struct ledger *l, struct err *e)
{
	struct err why = {0};

	/* SQLSTATE class 42 (manual, appendix A). A trigger or a policy may say so too, of one row:
	 * then all statements can be run, and it is that change's trouble alone. */
	if (strncmp(e->code, "42", 2) != 0 || check_statements(l->db, &why))
		return false;
	*e = why;
	return true;
}

static bool open_session(struct ledger *l, struct err *e)
{
	struct db_options o = settings_db(l->house->settings);

	o.lost_after_ms = l->house->settings->lease_us / 1000;
	l->db = db_open(&o, e);
	if (!l->db)
		return false;
	if (!db_script(l->db, sql_session, e) || !check_schema(l->db, e) ||
	    !check_statements(l->db, e)) {
		if (e->class != ERR_LOST)
			atomic_store(&l->house->schema_ok, false);
		return false;
	}
	atomic_store(&l->house->schema_ok, true);
	return take_lease(l, e) && db_script(l->db, "LISTEN " SQL_CHANNEL, e) &&
	       db_prepare(l->db, sql_table, SQL_COUNT, e);
}

void ledger_session_lost(struct ledger *l, const struct err *e)
{
	if (atomic_exchange(&l->house->lease, 0))
		log_warn("PostgreSQL session lost", log_err(e), log_int("cpoa.lease", l->lease),
			 LOG_END);
	atomic_store(&l->house->lease_until_us, 0);
	metric_set(&m_db_connected, 0, 0, 0);
	db_close(l->db);
	l->db = NULL;
	l->lease = 0;
	/* What was committed before is so: its acks and events do not wait for the next session. */
	ledger_aftermath(l);
	intake_poke(l->house->intake);
	caller_recall(l->house->caller);
	harvester_recall(l->house->harvester);
}

void ledger_try_session(struct ledger *l)
{
	int64_t asked_us = clock_mono_us();
	struct err e = {0};

	if (open_session(l, &e)) {
		backoff_reset(&l->backoff);
		atomic_store(&l->house->lease_until_us, asked_us + l->house->settings->lease_us);
		atomic_store(&l->house->lease, l->lease);
		metric_set(&m_db_connected, 0, 0, 1);
		FAULT(leased);
		log_info("lease taken", log_int("cpoa.lease", l->lease), LOG_END);
		l->rescue_at_us = 0;
		intake_poke(l->house->intake);
		return;
	}
	db_close(l->db);
	l->db = NULL;
	l->retry_at_us = clock_mono_us() + backoff_next_ms(&l->backoff) * 1000;
	log_warn("no PostgreSQL session", log_err(&e), LOG_END);
}
