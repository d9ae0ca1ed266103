/*
 * pg: a PostgreSQL that holds the four tables of workflows in memory and knows nothing but the
 * statements of engine/sql.c, each by its number. It takes a batch as libpq would: whole, and with
 * one answer. It reads the real statement where it matters who may write: a condition on the lease
 * that is missing there is missing here.
 *
 * What a schedule may do to it: end a session with or without a word, answer with errors for a
 * while, refuse values, hold rows locked, restart. A batch whose session ends while it is on its
 * way has happened or not, and its sender cannot tell.
 */
#ifndef SIM_PG_H
#define SIM_PG_H

#include "cpoa/db.h"
#include "cpoa/digest.h"

#include "engine/sql.h"

struct workflow_row {
	struct uuid id, user;
	char *type, *details, *key, *reply_to, *correlation_id, *traceparent, *tracestate;
	uint8_t digest[DIGEST_SIZE];
	int64_t started_us, updated_us;
	bool claimed; /* claimed_by is not NULL: it has not ended */
	int64_t claimed_by, claims;
	uint64_t xmin;
	bool cancel_wanted; /* cancel_requested_at is not NULL */
	/* at its end */
	char *status, *error, *terminal_type, *terminal;
	struct uuid terminal_id;
	int64_t sequence;
	int ends;
};

struct task_row {
	struct uuid id, workflow_id;
	char *agent, *name, *status, *external_id, *status_url, *reply, *stage;
	int64_t order, retries, started_us, ended_us, updated_us;
};

struct event_row {
	struct uuid id, workflow_id;
	char *type, *body, *reply_to, *correlation_id;
	int64_t claimed_by;
};

struct letter_row {
	char *fingerprint, *reason, *body;
	size_t body_len;
	bool has_workflow;
	struct uuid workflow_id;
};

struct lease_row {
	int64_t id, server_start;
	char *worker;
};

enum { PG_WORKFLOWS = 64, PG_TASKS = 1024, PG_EVENTS = 256, PG_LETTERS = 64, PG_LEASES = 256 };

/* A span of time in which something is wrong with it. `below`: only with workflows whose id begins
 * with a byte below that. */
struct pg_trouble {
	int64_t until_us;
	unsigned below;
};

struct pg {
	struct workflow_row workflows[PG_WORKFLOWS];
	struct task_row tasks[PG_TASKS];
	struct event_row events[PG_EVENTS];
	struct letter_row letters[PG_LETTERS];
	struct lease_row leases[PG_LEASES];
	int n_workflows, n_tasks, n_events, n_letters, n_leases;
	int64_t next_lease, server_start;
	uint64_t transaction;
	struct db *sessions;
	struct pg_trouble down, full, refusing, locked; /* see pg_try_batch */
};

struct worker;

extern struct pg pg;

void pg_begin(void);
void pg_end(void);

struct workflow_row *pg_workflow(const struct uuid *id);
struct workflow_row *pg_job(const char *type, const char *key);
struct task_row *pg_task(const struct uuid *workflow_id, const char *name);
struct event_row *pg_event(const struct uuid *id);

/* ---- what may happen to it ---- */

/* Whether a lease's lock is held. */
bool pg_lease_alive(int64_t lease);
/* Whether its holder's session has waited for it for so long. */
bool pg_lease_silent(int64_t lease, int64_t silence_us);
/* pg_terminate_backend() of who holds it. */
void pg_end_session(int64_t lease);
bool pg_has_clients(void);

/* Ends every session of a worker (NULL: of all), or (not `said`) only the network to it: the server
 * ends it when it has been silent for a lease, unless it was cut in the midst of a batch. */
void pg_cut(const struct worker *worker, bool said);
void pg_restart(int64_t down_us);

/* A value that it will not store, wherever it stands but in a bytea. */
#define PG_POISON "(unstorable)"

/* ---- between pg.c, pg_rows.c and pg_sql.c ---- */

struct cell {
	const char *at; /* NULL: a null */
	size_t len;
};

/* A parameter, taken apart. */
struct cells {
	struct cell *cell;
	int n;
};

struct params {
	struct cells p[DB_PARAMS_MAX];
	int rows; /* of the arrays */
};

void params_read(struct params *p, const struct db_statement *s, struct db_column *columns);
void params_release(struct params *p);
char *cell_text(const struct cells *c, int row); /* NULL: a null; free it */
bool cell_is(const struct cells *c, int row, const char *text);
int64_t cell_int(const struct cells *c, int row); /* INT4 INT8 BOOL; null: 0 */
int64_t cell_time(const struct cells *c, int row);
struct uuid cell_uuid(const struct cells *c, int row);

struct db_result *result_new(int columns);
void result_row(struct db_result *r);
void result_text(struct db_result *r, const char *s);
void result_bytes(struct db_result *r, const void *at, size_t len);
void result_int(struct db_result *r, int64_t n); /* also a time */
void result_uuid(struct db_result *r, const struct uuid *id);
void result_null(struct db_result *r);

/* Executes one statement under a session's lease; NULL: it returns nothing. */
struct db_result *pg_execute(enum sql_id id, const struct params *p, int64_t lease);

#endif
