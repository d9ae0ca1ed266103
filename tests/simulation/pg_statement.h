/* pg_statement: what pg_sql.c (one commit of changes) and pg_rescue.c (what is read and claimed)
 * share. */
#ifndef SIM_PG_STATEMENT_H
#define SIM_PG_STATEMENT_H

#include "simulation/pg.h"

struct statement {
	enum sql_id id;
	const struct params *p;
	int64_t lease;
	/* its text has the condition; the lease perhaps only of rows that come with an admission */
	bool asks_lease, asks_of_admitted, asks_xmin;
};

bool pg_guard(const struct params *p, int64_t lease);

bool pg_claimed_by(const struct workflow_row *w, int64_t lease);

/* The workflow that a row belongs to, if the statement lets it be written to. `admit`: the change
 * claims to have inserted it. */
struct workflow_row *pg_its_workflow(const struct statement *s, const struct uuid *id, bool admit);

typedef struct db_result *pg_reading(const struct statement *s);
typedef void pg_writing(const struct statement *s);

pg_reading pg_find_topics, pg_find_duplicates, pg_tell_again, pg_silent, pg_dead_leases, pg_claim,
	pg_load_calls, pg_claim_events, pg_cancelled;
pg_writing pg_end_sessions, pg_drop_leases, pg_forgive, pg_let_go, pg_release, pg_release_events;

#endif
