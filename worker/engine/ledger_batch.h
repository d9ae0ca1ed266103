/*
 * ledger_batch: the changes of many runs as the parameters of a few statements. No session in here:
 * it fills columns.
 */
#ifndef ENGINE_LEDGER_BATCH_H
#define ENGINE_LEDGER_BATCH_H

#include "cpoa/db.h"

#include "engine/house.h"
#include "engine/sql.h"

enum { BATCH_RUNS_MAX = 256 };

struct ledger_batch {
	struct db_column columns[SQL_COUNT][DB_PARAMS_MAX];
	struct db_batch db;
	int step[SQL_COUNT]; /* where each statement stands in db, or -1 */
	struct run *runs[BATCH_RUNS_MAX];
	uint64_t job_hash[BATCH_RUNS_MAX]; /* of those that admit: type and key */
	int n;
	int64_t lease;
};

void batch_init(struct ledger_batch *b);
void batch_release(struct ledger_batch *b);

/* Empties it for the next transaction of this lease. */
void batch_begin(struct ledger_batch *b, int64_t lease);

/*
 * Adds all that a run's change writes. False: not now, for the batch is full or holds another
 * change of the same workflow or job already; it must go into the next one.
 */
bool batch_add(struct ledger_batch *b, struct run *run);

/* Adds events whose rows are to be struck out. */
void batch_strike(struct ledger_batch *b, const struct event *event);

/* Adds the statements that have rows to the transaction, in the order of enum sql_id. */
void batch_close(struct ledger_batch *b);

/* One statement of its own, for what is not a change: begin, put into batch_column(b, id, 1…),
 * close. */
struct db_column *batch_column(struct ledger_batch *b, enum sql_id id, int param);

/* What a statement of the last run returned; NULL when it was not in it. */
const struct db_result *batch_result(const struct ledger_batch *b, enum sql_id id);

#endif
