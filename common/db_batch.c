/*
 * Batches and preparing, in pipeline mode: everything is queued, then sent while what comes back is
 * read (else both sides could wait for each other with full buffers), then the answers are sorted.
 */
#include "cpoa/db.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "db_columns.h"
#include "db_private.h"

/* PostgreSQL takes no message of 1 GiB, and libpq counts its buffer in an int. */
enum { BATCH_BYTES_MAX = (1 << 30) - (1 << 20) };

static const char too_large[] = "54000"; /* program_limit_exceeded, as the server would say */

/* ---- the pipeline ---- */

/* A frozen backend keeps its connection, so the kernel would wait for ever. */
static bool await(struct db *db, short events, const char *what, struct err *e)
{
	struct pollfd p = {.fd = PQsocket(db->conn), .events = events};
	int n;

	do
		n = poll(&p, 1, db->patience_ms);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return !(p.revents & ~POLLOUT) || PQconsumeInput(db->conn) || db_lost(db, what, e);
	db->lost = true;
	return err_set(e, ERR_LOST, "%s: PostgreSQL did not answer for %d ms", what,
		       db->patience_ms);
}

static bool flush_and_read(struct db *db, struct err *e)
{
	int more;

	while ((more = PQflush(db->conn)) > 0) {
		if (!await(db, POLLIN | POLLOUT, "sending", e))
			return false;
	}
	return more == 0 || db_lost(db, "sending", e);
}

PGresult *db_answer(struct db *db, const char *what, struct err *e)
{
	PGresult *answer = NULL, *pg;

	if (!flush_and_read(db, e))
		return NULL;
	for (;;) {
		while (PQisBusy(db->conn)) {
			if (!await(db, POLLIN, what, e)) {
				PQclear(answer);
				return NULL;
			}
		}
		pg = PQgetResult(db->conn);
		if (!pg)
			break;
		PQclear(answer); /* an error is the last */
		answer = pg;
	}
	if (!answer)
		db_lost(db, what, e);
	return answer;
}

/*
 * Where an answer goes. `take` gets each good result and owns it; the first bad one is kept in `e`.
 */
struct answers {
	const char *(*name)(void *ctx, int step);
	void (*take)(void *ctx, int step, PGresult *pg);
	void *ctx;
	int n;
	int failed; /* -1: none, or the commit itself (a deferred constraint) */
	bool ok;
};

static void note_error(struct db *db, struct answers *a, int step, PGresult *pg, struct err *e)
{
	if (a->ok) {
		a->ok = false;
		a->failed = step < a->n ? step : -1;
		db_refused(db, pg, step < a->n ? a->name(a->ctx, step) : "commit", e);
	}
	PQclear(pg);
}

/* Reads up to the Sync's answer: each step's results end with a NULL (manual 34.5.1.2). */
static bool read_answers(struct db *db, struct answers *a, struct err *e)
{
	int step = 0;

	for (;;) {
		ExecStatusType status;
		PGresult *pg;

		while (PQisBusy(db->conn))
			if (!await(db, POLLIN, "batch", e))
				return false;
		pg = PQgetResult(db->conn);
		status = PQresultStatus(pg);

		if (!pg) {
			step++;
			assert(step <= a->n + 1);
		} else if (status == PGRES_PIPELINE_SYNC) {
			PQclear(pg);
			return a->ok;
		} else if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
			a->take(a->ctx, step, pg);
		} else if (status == PGRES_PIPELINE_ABORTED) {
			PQclear(pg);
		} else {
			note_error(db, a, step, pg, e);
		}
		if (PQstatus(db->conn) == CONNECTION_BAD && !db->lost)
			return db_lost(db, "batch", e);
		if (db->lost) /* it has said goodbye: there is no Sync to come */
			return false;
	}
}

static bool finish_pipeline(struct db *db, struct answers *a, struct err *e)
{
	bool ok;

	if (!flush_and_read(db, e))
		return false;
	ok = read_answers(db, a, e);
	if (!db->lost && !PQexitPipelineMode(db->conn))
		return db_lost(db, "batch", e);
	return ok;
}

/* ---- preparing ---- */

static const char *statement_name(void *ctx, int step)
{
	const struct db_statement *const table = *(const struct db_statement *const *)ctx;

	return table[step].name;
}

static void drop(void *ctx, int step, PGresult *pg)
{
	(void)ctx;
	(void)step;
	PQclear(pg);
}

static void fill_types(Oid types[static DB_PARAMS_MAX], const struct db_statement *s)
{
	assert(s->n_params <= DB_PARAMS_MAX);
	for (unsigned i = 0; i < s->n_params; i++)
		types[i] = db_type_oid(s->types[i], !(s->scalars & (1U << i)));
}

static bool send_prepare(struct db *db, const struct db_statement *s)
{
	Oid types[DB_PARAMS_MAX] = {0};

	fill_types(types, s);
	return PQsendPrepare(db->conn, s->name, s->sql, (int)s->n_params, types);
}

bool db_prepare(struct db *db, const struct db_statement *table, size_t n, struct err *e)
{
	struct answers a = {.name = statement_name,
			    .take = drop,
			    .ctx = &table,
			    .n = (int)n,
			    .failed = -1,
			    .ok = true};

	if (!PQenterPipelineMode(db->conn))
		return db_lost(db, "prepare", e);
	for (size_t i = 0; i < n; i++) {
		if (!send_prepare(db, &table[i]))
			return db_lost(db, table[i].name, e);
	}
	if (!PQpipelineSync(db->conn))
		return db_lost(db, "prepare", e);
	return finish_pipeline(db, &a, e) || err_wrap(e, "prepare");
}

bool db_explain(struct db *db, const struct db_statement *s, struct err *e)
{
	static const char *const nulls[DB_PARAMS_MAX];
	AUTO(strbuf_release) struct strbuf sql;
	Oid types[DB_PARAMS_MAX] = {0};
	PGresult *pg;
	bool ok;

	fill_types(types, s);
	strbuf_init(&sql, 64 << 10);
	strbuf_addf(&sql, "EXPLAIN %s", s->sql);
	pg = PQexecParams(db->conn, sql.buf, (int)s->n_params, types, nulls, NULL, NULL, 0);
	ok = PQresultStatus(pg) == PGRES_TUPLES_OK;
	if (!ok)
		db_refused(db, pg, "query", e);
	PQclear(pg);
	return ok;
}

/* ---- batches ---- */

int db_batch_add(struct db_batch *b, const struct db_statement *statement,
		 struct db_column *columns)
{
	assert(b->n < DB_BATCH_MAX);
	for (unsigned i = 0; i < statement->n_params; i++)
		assert(columns[i].type == statement->types[i]);
	b->step[b->n].statement = statement;
	b->step[b->n].columns = columns;
	b->step[b->n].result = NULL;
	return b->n++;
}

static const char *step_name(void *ctx, int step)
{
	const struct db_batch *b = ctx;

	return b->step[step].statement->name;
}

static void keep(void *ctx, int step, PGresult *pg)
{
	struct db_batch *b = ctx;

	assert(step < b->n);
	assert(!b->step[step].result);
	b->step[step].result = db_result_new(pg);
}

/* Before anything is queued: a step that cannot be sent must not take the session with it. */
static bool check_sizes(struct db_batch *b, struct err *e)
{
	size_t total = 0;

	for (int i = 0; i < b->n; i++) {
		const struct db_statement *s = b->step[i].statement;
		bool failed = false;

		for (unsigned p = 0; p < s->n_params; p++) {
			failed = failed || b->step[i].columns[p].bytes.failed;
			total += b->step[i].columns[p].bytes.len;
		}
		if (failed || total > BATCH_BYTES_MAX) {
			b->failed = i;
			err_set(e, ERR_REJECT, "%s: more than %d MiB in a %s", s->name,
				(failed ? DB_COLUMN_MAX : BATCH_BYTES_MAX) >> 20,
				failed ? "parameter" : "batch");
			memcpy(e->code, too_large, sizeof(too_large));
			return false;
		}
	}
	return true;
}

static bool send_step(struct db *db, const struct db_statement *s, struct db_column *columns)
{
	const char *values[DB_PARAMS_MAX] = {NULL};
	int lengths[DB_PARAMS_MAX] = {0}, formats[DB_PARAMS_MAX] = {0};

	assert(s->n_params <= DB_PARAMS_MAX);
	for (unsigned i = 0; i < s->n_params; i++) {
		db_column_value(&columns[i], s->scalars & (1U << i), &values[i], &lengths[i]);
		formats[i] = 1;
	}
	return PQsendQueryPrepared(db->conn, s->name, (int)s->n_params, values, lengths, formats,
				   1);
}

bool db_batch_send(struct db *db, struct db_batch *b, struct err *e)
{
	b->failed = -1;
	if (!check_sizes(b, e))
		return false;
	if (!PQenterPipelineMode(db->conn))
		return db_lost(db, "batch", e);
	for (int i = 0; i < b->n; i++) {
		if (!send_step(db, b->step[i].statement, b->step[i].columns))
			return db_lost(db, b->step[i].statement->name, e);
	}
	/* What the socket does not take now goes when its answer is waited for. */
	if (!PQpipelineSync(db->conn) || PQflush(db->conn) < 0)
		return db_lost(db, "batch", e);
	return true;
}

/* What the socket would not take is sent on: the answer may wait for it. */
bool db_batch_wait(struct db *db, int ms)
{
	int unsent = PQflush(db->conn);
	struct pollfd p = {.fd = PQsocket(db->conn),
			   .events = unsent > 0 ? POLLIN | POLLOUT : POLLIN};

	return unsent < 0 || (poll(&p, 1, ms) > 0 && (p.revents & ~POLLOUT));
}

bool db_batch_finish(struct db *db, struct db_batch *b, struct err *e)
{
	struct answers a = {
		.name = step_name, .take = keep, .ctx = b, .n = b->n, .failed = -1, .ok = true};

	if (finish_pipeline(db, &a, e))
		return true;
	b->failed = a.failed;
	db_batch_clear(b);
	return false;
}

bool db_batch_run(struct db *db, struct db_batch *b, struct err *e)
{
	return db_batch_send(db, b, e) && db_batch_finish(db, b, e);
}

void db_batch_clear(struct db_batch *b)
{
	for (int i = 0; i < b->n; i++) {
		db_result_free(b->step[i].result);
		b->step[i].result = NULL;
	}
}
