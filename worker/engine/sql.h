/*
 * sql: every statement that a worker runs, in one table (sql.c). Each takes arrays, one element a
 * row, so that a thousand changes of a kind are one statement.
 *
 * Parameter 1 is the worker's lease. A worker that has lost it changes nothing (design.md §2,
 * §5.4): SQL_GUARD stands first in a transaction and fails it as a whole when one of the workflows
 * that it writes is not claimed by $1; what comes with an admission, and what else writes, says
 * "AND claimed_by = $1" itself.
 */
#ifndef ENGINE_SQL_H
#define ENGINE_SQL_H

#include "cpoa/db.h"

enum sql_id {
	/* one commit of changes, in this order */
	SQL_GUARD,
	SQL_ADMIT,
	SQL_PLAN,
	SQL_TAKE,
	SQL_LAND,
	SQL_SAVE_STAGE,
	SQL_SAVE_PODCAST,
	SQL_SAVE_SNIPPET,
	SQL_TELL,
	SQL_FINISH,
	SQL_BURY,
	SQL_STRIKE,
	/* what workflows ask of our own tables */
	SQL_FIND_TOPICS,
	/* jobs that were there already */
	SQL_FIND_DUPLICATES,
	SQL_TELL_AGAIN,
	/* take-over */
	SQL_SILENT,
	SQL_END_SESSIONS,
	SQL_DEAD_LEASES,
	SQL_CLAIM,
	SQL_FORGIVE,
	SQL_LOAD_CALLS,
	SQL_CLAIM_EVENTS,
	SQL_DROP_LEASES,
	SQL_LET_GO,
	SQL_RELEASE,
	SQL_RELEASE_EVENTS,
	/* what operators have asked for */
	SQL_CANCELLED,
	SQL_COUNT
};

extern const struct db_statement sql_table[SQL_COUNT];

/* The class of the advisory locks that leases are: pg_advisory_lock(LEASE_CLASS, lease_id). "CPOA"
 * in ASCII. */
enum { LEASE_CLASS = 0x43504f41 };

/* What SQL_GUARD fails with (SQLSTATE division_by_zero; nothing else here divides). */
#define SQL_FENCED "22012"

/* The claimed_by of a row that nobody runs and anybody may claim; NULL is a row that has ended. */
enum { LEASE_NONE = 0 };

/* Whoever has made something claimable, or wants a workflow cancelled, says so here (NOTIFY): every
 * worker looks at once. */
#define SQL_CHANNEL "cpoa"

/* Settings of the ledger's session: see sql.c. */
extern const char sql_session[];

/* The newest migration that this program knows; an older schema is refused. */
extern const int sql_schema_version;

#endif
