/*
 * db: one PostgreSQL session, over libpq; the only files that include it.
 *
 * Statements stand in a table (struct db_statement) and are prepared when the session opens. A
 * batch is some of them with their parameters: db_batch_run() sends all in pipeline mode, in one
 * implicit transaction ending at the one Sync (PostgreSQL manual 34.5, 55.2.3), and either all of
 * it happened or nothing. Parameters are arrays in binary form, one array a column (struct
 * db_column), so that a thousand rows are one statement and nothing is ever escaped or quoted.
 *
 * Text that PostgreSQL cannot store makes a batch fail (ERR_REJECT): the caller decides what to try
 * alone.
 *
 * Everything here belongs to the thread that opened the session. Calls block; `tcp_user_timeout`
 * and keepalives bound how long a dead peer can hold one.
 */
#ifndef CPOA_DB_H
#define CPOA_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"
#include "cpoa/uuid.h"

struct db;
struct db_result;

struct db_options {
	const char *url; /* DATABASE_URL, or NULL/"": the five below */
	const char *host, *user, *password, *dbname;
	int64_t port;
	/* As libpq's, but: with a CA file and no mode, "verify-full"; with a mode that verifies and
	 * no CA file, the system's. NULL or "": the URL's, else libpq's default, "prefer". */
	const char *sslmode, *sslrootcert;
	const char *application_name;
	int64_t lost_after_ms; /* tcp_user_timeout and keepalives of both sides, and both idle
				  timeouts of the session; 0: none */
	int64_t connect_timeout_s;
};

/* The types of PostgreSQL that we send. */
enum db_type { DB_TEXT, DB_UUID, DB_INT4, DB_INT8, DB_BOOL, DB_TIME, DB_JSON, DB_JSONB, DB_BYTEA };

enum { DB_PARAMS_MAX = 24 };

/*
 * A statement: every parameter is an array of `types[i]`, or a single value where bit i of
 * `scalars` is set. `name` is what it is prepared under and shown as in errors.
 */
struct db_statement {
	const char *name;
	const char *sql;
	unsigned n_params;
	unsigned scalars;
	enum db_type types[DB_PARAMS_MAX];
};

/* ---- session ---- */

/* NULL on failure: ERR_LOST when the server is not there, ERR_USAGE when it refuses us (password,
 * database, TLS). */
MUST_CHECK struct db *db_open(const struct db_options *o, struct err *e);
void db_close(struct db *db); /* NULL is fine */

/* Prepares statements, in one round trip. */
MUST_CHECK bool db_prepare(struct db *db, const struct db_statement *table, size_t n,
			   struct err *e);

/* EXPLAIN of one, with nulls: true if the server would run it for this role. Runs nothing, and
 * leaves nothing behind in the session. */
MUST_CHECK bool db_explain(struct db *db, const struct db_statement *s, struct err *e);

/* Whatever stands in `sql` (several statements are one transaction); no results. For migrations and
 * session settings. ERR_LOST when the server is silent for lost_after_ms, as of db_query(). */
MUST_CHECK bool db_script(struct db *db, const char *sql, struct err *e);

/* One statement with text parameters (NULL: null), results in text form. For commands and tests.
 * NULL on failure. */
MUST_CHECK struct db_result *db_query(struct db *db, const char *sql, int n,
				      const char *const *params, struct err *e);

/* The socket, for poll(2); -1 when the session is gone. */
int db_fd(const struct db *db);

/* Reads what has come without waiting, and passes each notification (LISTEN) on; false (ERR_LOST):
 * the session is gone. */
MUST_CHECK bool db_notified(struct db *db,
			    void (*notify)(void *ctx, const char *channel, const char *payload),
			    void *ctx, struct err *e);

/* Passes on those that have come along with answers; reads nothing, so it costs nothing. */
void db_take_notes(struct db *db,
		   void (*notify)(void *ctx, const char *channel, const char *payload), void *ctx);

/* The server's version as PostgreSQL counts it: 150020. */
int db_server_version(const struct db *db);

/* The server process that this session was given at its start. A proxy in between names one of its
 * own making. */
int db_backend_pid(const struct db *db);

/* ---- parameters ---- */

/* One column: the values of one array parameter, or one scalar. Reused from batch to batch. */
struct db_column {
	enum db_type type;
	struct strbuf bytes; /* 20 bytes of array header, then the elements */
	int32_t n;
	bool nulls;
	size_t open; /* where the element that is being written begins */
};

enum { DB_COLUMN_MAX = 256 << 20 }; /* bytes of one parameter */

void db_column_init(struct db_column *c, enum db_type type);
void db_column_release(struct db_column *c);
void db_column_reset(struct db_column *c);

/* Each appends one element; the function must fit the type. A NULL pointer appends a null. */
void db_put_null(struct db_column *c);
void db_put_text(struct db_column *c, const char *s);		      /* TEXT JSON JSONB */
void db_put_bytes(struct db_column *c, const void *data, size_t len); /* TEXT JSON JSONB BYTEA */
/* An element that is added to this buffer piece by piece, until db_close_bytes(). TEXT JSON BYTEA
 */
struct strbuf *db_open_bytes(struct db_column *c);
void db_close_bytes(struct db_column *c);
void db_put_uuid(struct db_column *c, const struct uuid *id);
void db_put_int(struct db_column *c, int64_t n); /* INT4 INT8 */
void db_put_bool(struct db_column *c, bool b);
void db_put_time(struct db_column *c, int64_t wall_us); /* microseconds since 1970; 0: null */

/* ---- batches ---- */

enum { DB_BATCH_MAX = 24 };

struct db_batch {
	struct {
		const struct db_statement *statement;
		struct db_column *columns; /* statement->n_params of them */
		struct db_result *result;  /* set by db_batch_run; binary form */
	} step[DB_BATCH_MAX];
	int n;
	int failed; /* the step that was refused, or -1 */
};

static inline void db_batch_init(struct db_batch *b)
{
	b->n = 0;
	b->failed = -1;
}

/* The columns stay the caller's and must live until the batch has run. Returns the step's number.
 */
int db_batch_add(struct db_batch *b, const struct db_statement *statement,
		 struct db_column *columns);

/*
 * Runs it. True: committed. False: nothing happened, except that with ERR_LOST it is unknown
 * whether the commit did. ERR_RETRY: deadlock, serialization, too many locks, no memory or disk,
 * cancelled: the same may pass; ERR_REJECT: e->code is the SQLSTATE, b->failed the step, or -1
 * where the commit itself was refused (a deferred constraint). A batch of more than 1 GiB, or a
 * column that failed, is refused (54000) unsent. Results are released by db_batch_clear.
 */
MUST_CHECK bool db_batch_run(struct db *db, struct db_batch *b, struct err *e);

/*
 * The same in two halves, for who has something else to do while the server works. Sending does not
 * wait: false (as above) says that there is nothing to finish. After true, db_batch_finish() is the
 * next that this session hears, and says how it went.
 *
 * Between the two, any number of times: db_batch_wait() waits at most `ms` milliseconds for the
 * answer to begin to come, or the session to be lost; true if so. It is not bound to come: how long
 * is too long is db_batch_finish()'s to say.
 */
MUST_CHECK bool db_batch_send(struct db *db, struct db_batch *b, struct err *e);
MUST_CHECK bool db_batch_wait(struct db *db, int ms);
MUST_CHECK bool db_batch_finish(struct db *db, struct db_batch *b, struct err *e);
void db_batch_clear(struct db_batch *b);

/* ---- results (of either form) ---- */

int db_rows(const struct db_result *r);
int db_columns(const struct db_result *r);
bool db_is_null(const struct db_result *r, int row, int col);
/* NUL-terminated, valid as long as the result; for TEXT, JSON, JSONB, BYTEA in binary form, for
 * everything in text form. */
const char *db_text(const struct db_result *r, int row, int col);
size_t db_length(const struct db_result *r, int row, int col);
int64_t db_int(const struct db_result *r, int row, int col); /* INT2 INT4 INT8 BOOL; null: 0 */
int64_t db_time(const struct db_result *r, int row,
		int col); /* TIMESTAMPTZ in binary form: us since 1970; null: 0 */
struct uuid db_uuid(const struct db_result *r, int row, int col);
void db_result_free(struct db_result *r);
void db_result_free_ptr(struct db_result **r); /* for AUTO */
void db_close_ptr(struct db **db);	       /* for AUTO */

#endif
