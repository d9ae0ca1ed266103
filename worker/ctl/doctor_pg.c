/* doctor: the session with PostgreSQL. Nothing here sets anything for longer than a transaction:
 * behind a pooler another client would inherit it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "ctl/connect.h"
#include "ctl/doctor.h"
#include "ctl/query.h"

enum { VERSION_MIN = 150000, LOOKS = 8 };
static const int64_t clock_warn_us = 2000000, clock_wrong_us = 10000000;

/* ---- login ---- */

static const struct remedy login_remedies[] = {
	{"28P01", NULL,
	 "Set POSTGRES_USER and POSTGRES_PASSWORD (or _FILE, or DATABASE_URL) to what "
	 "the role's password is."},
	{NULL, "URL cannot be read", "Write DATABASE_URL so, or set POSTGRES_HOST and its like."},
	{NULL, "password", "Set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE."},
	{"28000", "no encryption",
	 "The server demands TLS: set POSTGRES_SSLMODE=verify-full and "
	 "POSTGRES_SSLROOTCERT to its CA."},
	{"28000", NULL,
	 "The server lets nobody in by that name from here: make the role, or add a line "
	 "to the server's pg_hba.conf."},
	{"3D000", NULL, "Set POSTGRES_DB to a database that is there, or create it."},
	{"53300", NULL,
	 "The server has no connection left: raise its max_connections, or end some."},
	{"57P03", NULL, "The server is starting or stopping: try again in a moment."},
	{NULL, "does not support SSL",
	 "The server has no TLS: switch it on there (ssl = on), or set "
	 "POSTGRES_SSLMODE=disable if the network between is yours."},
	{NULL, "speaks no TLS",
	 "The server has no TLS: switch it on there (ssl = on), or set POSTGRES_SSLMODE=disable if "
	 "the network between is yours."},
	{NULL, "certificate has expired", "Have the server's certificate renewed."},
	{NULL, "another host", "Set POSTGRES_HOST to a name that the server's certificate holds."},
	{NULL, "CA file", "Set POSTGRES_SSLROOTCERT to the file with the server's CA."},
	{NULL, "root certificate file",
	 "Set POSTGRES_SSLROOTCERT to the file with the server's CA."},
	{NULL, "does not match host name",
	 "Set POSTGRES_HOST to a name that the server's certificate "
	 "holds."},
	{NULL, "certificate",
	 "Set POSTGRES_SSLROOTCERT to the CA that has signed the server's "
	 "certificate, or renew that certificate."},
	{NULL, "translate host name", "Set POSTGRES_HOST to a name that can be resolved here."},
	{NULL, "timeout expired",
	 "Nothing answers there: look at POSTGRES_HOST, POSTGRES_PORT, and a "
	 "firewall in between."},
	{NULL, NULL,
	 "Start PostgreSQL, or set POSTGRES_HOST and POSTGRES_PORT (or DATABASE_URL) to where "
	 "it listens."},
};

static struct db_result *ask(struct doctor *d, const char *sql)
{
	struct err e = {0};
	struct db_result *r = db_query(d->db, sql, 0, NULL, &e);

	if (!r)
		doctor_failed(d, "Read the server's log at this time of day.", &e);
	return r;
}

void check_pg_login(struct doctor *d)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct db_options o = settings_db(&d->settings);
	struct err e = {0};

	if (!db_configured(&d->settings)) {
		err_set(&e, ERR_USAGE, "PostgreSQL is not configured");
		doctor_failed(d, "Set POSTGRES_HOST, _USER, _PASSWORD and _DB, or DATABASE_URL.",
			      &e);
		return;
	}
	d->db = db_open(&o, &e);
	if (!d->db) {
		doctor_failed(d, remedy_for(login_remedies, &e), &e);
		return;
	}
	r = ask(d, "SELECT current_database(), current_user, current_setting('server_version')");
	if (!r)
		return;
	if (db_server_version(d->db) < VERSION_MIN)
		doctor_wrong(d, "Bring the server to PostgreSQL 15 or later.", "PostgreSQL is %s",
			     db_text(r, 0, 2));
	else
		doctor_ok(d, "database %s as role %s, PostgreSQL %s", db_text(r, 0, 0),
			  db_text(r, 0, 1), db_text(r, 0, 2));
}

/* ---- whether a session is one ---- */

static int64_t backend_of(struct db *db, struct err *e)
{
	AUTO(db_result_free_ptr)
	struct db_result *r = db_query(db, "SELECT pg_backend_pid()", 0, NULL, e);

	return r ? db_int(r, 0, 0) : 0;
}

/*
 * Behind a proxy: two sessions that meet the same server process, or one that meets another than
 * before, have theirs only for a transaction. 0: neither was seen; 1: it was; -1: an error.
 */
static int shares_backends(struct db *a, struct db *b, struct err *e)
{
	int64_t first = 0;

	for (int i = 0; i < LOOKS; i++) {
		int64_t mine = backend_of(a, e), other = mine ? backend_of(b, e) : 0;

		if (!mine || !other)
			return -1;
		if (mine == other || (first && mine != first))
			return 1;
		first = mine;
	}
	return 0;
}

void check_pg_sessions(struct doctor *d)
{
	static const char mend[] = "Connect to PostgreSQL itself, or to a pool in session mode "
				   "(PgBouncer: pool_mode = "
				   "session for this database).";
	AUTO(db_close_ptr) struct db *second = NULL;
	struct db_options o = settings_db(&d->settings);
	struct err e = {0};
	int64_t pid = backend_of(d->db, &e);
	int shares;

	if (!pid) {
		doctor_failed(d, mend, &e);
		return;
	}
	if (pid == db_backend_pid(d->db)) {
		doctor_ok(d, "no proxy stands between: a session is a server process");
		return;
	}
	second = db_open(&o, &e);
	doctor_watch(second ? db_fd(second) : -1);
	shares = second ? shares_backends(d->db, second, &e) : -1;
	if (shares > 0)
		doctor_wrong(
			d, mend,
			"a proxy stands between that hands out sessions by the transaction "
			"(PgBouncer?): a worker's lease is a lock of its session, and would be "
			"lost at once");
	else if (shares < 0)
		doctor_failed(d, mend, &e);
	else
		doctor_warn(d, mend,
			    "a proxy stands between; it seems to keep sessions whole, but a "
			    "worker that dies behind it may be missed for long");
}

/* ---- whether it takes what we write ---- */

void check_pg_writable(struct doctor *d)
{
	AUTO(db_result_free_ptr)
	struct db_result *r = ask(
		d, "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool");

	if (!r)
		return;
	if (db_int(r, 0, 0))
		doctor_wrong(d, "Point POSTGRES_HOST at the primary.",
			     "the server is a standby, which takes no writes");
	else if (db_int(r, 0, 1))
		doctor_wrong(d,
			     "Set default_transaction_read_only = off, for the server, database or "
			     "role (ALTER ROLE … SET).",
			     "sessions are read-only (default_transaction_read_only is on)");
	else
		doctor_ok(d, "the server takes writes");
}

/* A setting that makes what is committed less sure, or what is slow impossible. */
static bool warn_of_setting(struct doctor *d, const char *name, const char *value, const char *good)
{
	if (strcmp(value, good) == 0)
		return false;
	if (strcmp(name, "statement_timeout") == 0)
		doctor_warn(d, "ALTER ROLE … SET statement_timeout = 0 for the worker's role.",
			    "statement_timeout is %s: a busy worker's commit may take longer",
			    value);
	else
		doctor_warn(d, "Set it to on, unless this server may forget.",
			    "%s is %s: a job that was acknowledged may be lost with the server",
			    name, value);
	return true;
}

void check_pg_settings(struct doctor *d)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct err e = {0};
	int bad = 0;

	/* One transaction, so that it ends with it. */
	if (!db_script(d->db,
		       "BEGIN; SET LOCAL idle_session_timeout = '10s'; "
		       "SET LOCAL idle_in_transaction_session_timeout = '10s'; "
		       "SET LOCAL lock_timeout = '250ms'; ROLLBACK",
		       &e)) {
		doctor_failed(
			d,
			"A worker must be able to set idle_session_timeout: use PostgreSQL 15 "
			"or later itself.",
			&e);
		return;
	}
	r = ask(d,
		"SELECT n, current_setting(n), CASE n WHEN 'statement_timeout' THEN '0' ELSE 'on' "
		"END FROM unnest(ARRAY['fsync', 'full_page_writes', 'synchronous_commit', "
		"'statement_timeout']) n");
	for (int i = 0; r && i < db_rows(r); i++)
		bad += warn_of_setting(d, db_text(r, i, 0), db_text(r, i, 1), db_text(r, i, 2));
	if (r && !bad)
		doctor_ok(d, "idle timeouts can be set, and a commit is kept");
}

/* ---- clocks ---- */

void check_pg_clock(struct doctor *d)
{
	static const char mend[] = "Keep both hosts' clocks by NTP (chrony, systemd-timesyncd).";
	int64_t before = clock_wall_us();
	AUTO(db_result_free_ptr)
	struct db_result *r = ask(d, "SELECT " SQL_US("clock_timestamp()"));
	int64_t ours = before + (clock_wall_us() - before) / 2, off;
	double seconds;

	if (!r)
		return;
	off = ours - db_int(r, 0, 0);
	seconds = (double)llabs(off) / 1e6;
	if (llabs(off) >= clock_wrong_us)
		doctor_wrong(d, mend,
			     "this host's clock is %.1f s %s PostgreSQL's: times of workflows, "
			     "--since and retention are wrong by as much",
			     seconds, off > 0 ? "ahead of" : "behind");
	else if (llabs(off) >= clock_warn_us)
		doctor_warn(d, mend, "this host's clock is %.1f s %s PostgreSQL's", seconds,
			    off > 0 ? "ahead of" : "behind");
	else
		doctor_ok(d, "this host's clock and PostgreSQL's agree within %.1f s",
			  seconds + 0.1);
}
