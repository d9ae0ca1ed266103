/*
 * The session: opening it, plain statements, notifications, and what an error of it means.
 */
#include "cpoa/db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"
#include "db_private.h"

enum { CONNECT_TIMEOUT_S = 10, ASK_AGAIN_MS = 1000 };

/* ---- errors ---- */

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Codes and classes of the manual's Appendix A; what is not here is the statement's fault. */
static const struct {
	const char *prefix;
	enum err_class class;
} state_classes[] = {
	{"08", ERR_LOST},     /* connection */
	{"57P", ERR_LOST},    /* shutdown, crash, starting up, idle_session_timeout */
	{"25P03", ERR_LOST},  /* idle_in_transaction_session_timeout */
	{"25006", ERR_RETRY}, /* read only: a standby; the next connection may find the primary */
	{"40", ERR_RETRY},    /* deadlock, serialization */
	{"53", ERR_RETRY},    /* memory, lock table, disk, connections */
	{"55P03", ERR_RETRY}, /* lock not available */
	{"57014", ERR_RETRY}, /* cancelled by an operator or a timeout */
	{"58", ERR_RETRY},    /* input or output error of the server */
};

/* The class of an SQLSTATE. */
static enum err_class state_class(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof(state_classes) / sizeof(state_classes[0]); i++) {
		if (starts_with(sqlstate, state_classes[i].prefix))
			return state_classes[i].class;
	}
	return ERR_REJECT;
}

static void set_code(struct err *e, const char *sqlstate)
{
	size_t n = strnlen(sqlstate, sizeof(e->code) - 1);

	memcpy(e->code, sqlstate, n);
	e->code[n] = '\0';
}

/* libpq ends its messages with a newline, and puts several into one. */
static int trimmed(const char *text)
{
	size_t n = strnlen(text, ERR_TEXT_MAX);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	return (int)n;
}

bool db_lost(struct db *db, const char *what, struct err *e)
{
	const char *text = PQerrorMessage(db->conn);

	db->lost = true;
	return err_set(e, ERR_LOST, "%s: PostgreSQL: %.*s", what, trimmed(text), text);
}

/*
 * PostgreSQL's detail and context are left out: they quote the row's values, and an error's text
 * goes to the log.
 */
bool db_refused(struct db *db, const PGresult *pg, const char *what, struct err *e)
{
	const char *state = PQresultErrorField(pg, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(pg, PG_DIAG_MESSAGE_PRIMARY);
	enum err_class class;

	if (!state || !text) /* made up by libpq itself: the connection broke */
		return db_lost(db, what, e);
	class = PQstatus(db->conn) == CONNECTION_BAD ? ERR_LOST : state_class(state);
	if (class == ERR_LOST)
		db->lost = true;
	err_set(e, class, "%s: PostgreSQL: %s (SQLSTATE %s)", what, text, state);
	set_code(e, state);
	return false;
}

static void on_notice(void *ctx, const char *text)
{
	(void)ctx;
	log_debug("PostgreSQL says", log_str("postgresql.notice", text), LOG_END);
}

/* ---- opening ---- */

enum { SETTINGS_MAX = 20 };

struct settings {
	const char *name[SETTINGS_MAX + 1], *value[SETTINGS_MAX + 1];
	char number[SETTINGS_MAX][24];
	int n;
};

static void set_text(struct settings *s, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	assert(s->n < SETTINGS_MAX);
	s->name[s->n] = name;
	s->value[s->n] = value;
	s->n++;
}

static void set_number(struct settings *s, const char *name, int64_t value)
{
	assert(s->n < SETTINGS_MAX);
	snprintf(s->number[s->n], sizeof(s->number[0]), "%lld", (long long)value);
	set_text(s, name, s->number[s->n]);
}

/* A dead peer is found by probes when nothing is under way, by unacknowledged data otherwise. */
struct probes {
	int64_t idle_s, interval_s;
};

enum { PROBES = 3 };

static struct probes probes(int64_t lost_after_ms)
{
	int64_t lost_s = lost_after_ms / 1000;

	return (struct probes){lost_s >= 6 ? lost_s / 3 : 1, lost_s >= 12 ? lost_s / 6 : 1};
}

static void set_lost_after(struct settings *s, int64_t lost_after_ms)
{
	struct probes p = probes(lost_after_ms);

	if (lost_after_ms <= 0)
		return;
	set_number(s, "keepalives", 1);
	set_number(s, "keepalives_idle", p.idle_s);
	set_number(s, "keepalives_interval", p.interval_s);
	set_number(s, "keepalives_count", PROBES);
	set_number(s, "tcp_user_timeout", lost_after_ms);
}

/* The URL comes first, as of two settings of one name libpq takes the later. */
static void fill_settings(struct settings *s, const struct db_options *o)
{
	struct db_tls tls;

	s->n = 0;
	if (o->url && *o->url) {
		set_text(s, "dbname", o->url);
	} else {
		set_text(s, "host", o->host);
		set_text(s, "user", o->user);
		set_text(s, "password", o->password);
		set_text(s, "dbname", o->dbname);
		if (o->port > 0)
			set_number(s, "port", o->port);
	}
	tls = db_tls_choose(o);
	set_text(s, "sslmode", tls.mode);
	set_text(s, "sslrootcert", tls.root_cert);
	set_text(s, "application_name", o->application_name);
	set_text(s, "client_encoding", "UTF8");
	set_number(s, "connect_timeout",
		   o->connect_timeout_s > 0 ? o->connect_timeout_s : CONNECT_TIMEOUT_S);
	set_lost_after(s, o->lost_after_ms);
	s->name[s->n] = s->value[s->n] = NULL;
}

/* A password with a bare / or @ in it: libpq takes what follows for host, port or database, and
 * tells that none of these is good. */
static bool is_cut_short(const char *url)
{
	const char *start = strstr(url, "://"), *rest;

	if (!start)
		return false;
	rest = start + 3 + strcspn(start + 3, "@/");
	return *rest && memchr(rest + 1, '@', strcspn(rest + 1, "?"));
}

/* libpq quotes a URL that it cannot read, password and all: its words are dropped. */
static bool check_url(const char *url, struct err *e)
{
	PQconninfoOption *parsed;
	char *words = NULL;

	if (!url || !*url)
		return true;
	parsed = is_cut_short(url) ? NULL : PQconninfoParse(url, &words);
	PQfreemem(words);
	if (!parsed)
		return err_set(e, ERR_USAGE,
			       "the PostgreSQL URL cannot be read; it has the form "
			       "postgresql://user:password@host:port/database, with %%2F for a / "
			       "in the password, %%40 for an @, %%25 for a %%");
	PQconninfoFree(parsed);
	return true;
}

/* Finds "FATAL:  28P01: …" in a verbose message; false when there is no SQLSTATE in it. */
static bool verbose_state(const char *text, char state[6])
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (const char *at = strstr(text, ":  "); at; at = strstr(at + 3, ":  ")) {
		if (strspn(at + 3, alphabet) == 5 && at[8] == ':') {
			memcpy(state, at + 3, 5);
			state[5] = '\0';
			return true;
		}
	}
	return false;
}

/*
 * Whose fault it is that there is no session. Without an SQLSTATE the server has not spoken, and
 * libpq has nothing but its message to tell a certificate that it refused from a port that did.
 */
static enum err_class connect_class(PGconn *conn, const char *state)
{
	const char *text = PQerrorMessage(conn);
	bool tls = strstr(text, "SSL") || strstr(text, "certificate");

	if (*state) {
		bool refused = starts_with(state, "28") || starts_with(state, "3D");

		return refused ? ERR_USAGE : ERR_LOST;
	}
	if (PQconnectionNeedsPassword(conn))
		return ERR_USAGE;
	return tls && !strstr(text, "SYSCALL") ? ERR_USAGE : ERR_LOST;
}

static bool connect_failed(PGconn *conn, struct err *e)
{
	const char *text = PQerrorMessage(conn);
	char state[6] = "";

	if (!verbose_state(text, state) && db_tls_failed(conn, e))
		return false;
	err_set(e, connect_class(conn, state), "PostgreSQL: %.*s", trimmed(text), text);
	set_code(e, state);
	return false;
}

/*
 * libpq tells the SQLSTATE of a refused connection only in a verbose message, and takes the wish
 * for one only on a PGconn that exists: so what was refused at once is asked a second time. That
 * one is without words (fe-connect.c, options_valid) when the options were at fault.
 */
static bool ask_again(PGconn *conn, struct err *e)
{
	AUTO(free_ptr) char *words = xstrdup(PQerrorMessage(conn));

	PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
	PQreset(conn);
	if (PQstatus(conn) == CONNECTION_OK)
		return true;
	if (*PQerrorMessage(conn))
		return connect_failed(conn, e);
	return err_set(e, ERR_USAGE, "PostgreSQL: %.*s", trimmed(words), words);
}

static bool connect_session(struct db *db, const struct db_options *o, struct err *e)
{
	struct settings settings;
	int64_t begun = clock_mono_ms();

	fill_settings(&settings, o);
	db->conn = PQconnectdbParams(settings.name, settings.value, 1);
	if (!db->conn)
		BUG("out of memory");
	PQsetNoticeProcessor(db->conn, on_notice, NULL);
	if (PQstatus(db->conn) == CONNECTION_OK)
		return true;
	if (clock_mono_ms() - begun >= ASK_AGAIN_MS)
		return connect_failed(db->conn, e);
	if (!ask_again(db->conn, e))
		return false;
	PQsetErrorVerbosity(db->conn, PQERRORS_DEFAULT);
	return true;
}

/*
 * By SET and not among the connection's options: PgBouncer refuses those. The server looks for a
 * peer that is gone as we do; its own way would take it hours (manual 20.3.2). On a Unix-domain
 * socket that does nothing.
 */
static bool set_timeouts(struct db *db, int64_t lost_after_ms, struct err *e)
{
	char sql[320];
	long long ms = lost_after_ms;
	struct probes p = probes(lost_after_ms);

	if (ms <= 0)
		return true;
	snprintf(sql, sizeof(sql),
		 "SET idle_in_transaction_session_timeout = %lld; SET tcp_user_timeout = %lld;"
		 "SET tcp_keepalives_idle = %lld; SET tcp_keepalives_interval = %lld;"
		 "SET tcp_keepalives_count = %d",
		 ms, ms, (long long)p.idle_s, (long long)p.interval_s, PROBES);
	if (!db_script(db, sql, e))
		return false;
	if (db_server_version(db) < 140000) /* there is no other there */
		return true;
	snprintf(sql, sizeof(sql), "SET idle_session_timeout = %lld", ms);
	return db_script(db, sql, e);
}

struct db *db_open(const struct db_options *o, struct err *e)
{
	struct db *db;

	if (!check_url(o->url, e))
		return NULL;
	db = xcalloc(1, sizeof(*db));
	db->patience_ms = o->lost_after_ms > 0 ? (int)o->lost_after_ms : -1;
	if (!connect_session(db, o, e) || !set_timeouts(db, o->lost_after_ms, e)) {
		db_close(db);
		return NULL;
	}
	PQsetnonblocking(db->conn, 1); /* nothing that is sent waits longer than that */
	return db;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	PQfinish(db->conn);
	free(db);
}

void db_close_ptr(struct db **db)
{
	db_close(*db);
	*db = NULL;
}

int db_fd(const struct db *db)
{
	return !db->lost && PQstatus(db->conn) == CONNECTION_OK ? PQsocket(db->conn) : -1;
}

int db_server_version(const struct db *db)
{
	return PQserverVersion(db->conn);
}

int db_backend_pid(const struct db *db)
{
	return PQbackendPID(db->conn);
}

/* ---- plain statements ---- */

static bool succeeded(const PGresult *pg)
{
	ExecStatusType status = PQresultStatus(pg);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_EMPTY_QUERY;
}

/* NULL: `e` says why. */
static PGresult *ask(struct db *db, bool sent, const char *what, struct err *e)
{
	PGresult *pg;

	if (!sent) {
		db_lost(db, what, e);
		return NULL;
	}
	pg = db_answer(db, what, e);
	if (pg && !succeeded(pg)) {
		db_refused(db, pg, what, e);
		PQclear(pg);
		return NULL;
	}
	return pg;
}

bool db_script(struct db *db, const char *sql, struct err *e)
{
	PGresult *pg = ask(db, PQsendQuery(db->conn, sql), "script", e);

	PQclear(pg);
	return pg != NULL;
}

struct db_result *db_query(struct db *db, const char *sql, int n, const char *const *params,
			   struct err *e)
{
	PGresult *pg = ask(db, PQsendQueryParams(db->conn, sql, n, NULL, params, NULL, NULL, 0),
			   "query", e);

	return pg ? db_result_new(pg) : NULL;
}

void db_take_notes(struct db *db,
		   void (*notify)(void *ctx, const char *channel, const char *payload), void *ctx)
{
	PGnotify *note;

	while ((note = PQnotifies(db->conn)) != NULL) {
		notify(ctx, note->relname, note->extra);
		PQfreemem(note);
	}
}

bool db_notified(struct db *db, void (*notify)(void *ctx, const char *channel, const char *payload),
		 void *ctx, struct err *e)
{
	if (!PQconsumeInput(db->conn) || PQstatus(db->conn) != CONNECTION_OK)
		return db_lost(db, "listening", e);
	db_take_notes(db, notify, ctx);
	return true;
}
