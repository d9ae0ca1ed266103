/*
 * doctor: whether a worker could work here, and if not, what to do.
 *
 * A check is a row of the table in doctor.c: its name, its function, and what it stands on. It
 * changes nothing anywhere, and tells what it finds by the functions below: one line each, and for
 * what is not well also the mend. All checks run, whatever the earlier ones find; one whose ground
 * is missing is skipped and says so. None takes longer than CHECK_S seconds: then its connections
 * are cut, which it meets as a lost server.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include <json-c/json.h>
#include <stdbool.h>

#include "cpoa/db.h"
#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "engine/settings.h"

enum { CHECK_S = 5 };

enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_WRONG, VERDICT_SKIPPED, VERDICT_COUNT };

/* What a check stands on, and an earlier one has brought. */
enum ground {
	GROUND_NOTHING,
	GROUND_SETTINGS, /* settings are read */
	GROUND_DB,	 /* db is a session */
	GROUND_SCHEMA,	 /* … in a database that is migrated */
	GROUND_MQ,	 /* the broker has let us in */
	GROUND_PUBLISH,	 /* … and takes what is published */
	GROUND_COUNT,
};

struct doctor {
	struct settings settings;
	bool has[GROUND_COUNT];
	struct db *db; /* NULL: no session */

	/* doctor.c's */
	const char *check; /* the name of the one that runs */
	struct json_object *list;
	int count[VERDICT_COUNT];
	bool misconfigured, unreachable;
};

/* ---- telling ---- */

void doctor_ok(struct doctor *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* `mend` is a whole sentence: what to do. */
void doctor_warn(struct doctor *d, const char *mend, const char *fmt, ...) PRINTF_LIKE(3, 4);
void doctor_wrong(struct doctor *d, const char *mend, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* An error; of class ERR_USAGE and ERR_LOST it decides the exit code. */
void doctor_failed(struct doctor *d, const char *mend, const struct err *e);

/* What is said when a server is met: whose mend begins to be true first, row by row. */
struct remedy {
	const char *code; /* of the error; NULL: any */
	const char *part; /* of its text, which is all that libraries tell; NULL: any */
	const char *mend;
};
/* The table ends with a row without code and part. */
const char *remedy_for(const struct remedy *table, const struct err *e);

/* A socket that is to be cut when the check takes too long; -1: none. It is forgotten when the
 * check ends. */
void doctor_watch(int fd);

/* ---- the checks ---- */

void check_configuration(struct doctor *d);
/* doctor_pg.c */
void check_pg_login(struct doctor *d);
void check_pg_sessions(struct doctor *d);
void check_pg_writable(struct doctor *d);
void check_pg_settings(struct doctor *d);
void check_pg_clock(struct doctor *d);
/* doctor_schema.c */
void check_schema(struct doctor *d);
void check_grants(struct doctor *d);
void check_locks(struct doctor *d);
/* doctor_mq.c */
void check_mq_login(struct doctor *d);
void check_mq_topology(struct doctor *d);
void check_mq_permissions(struct doctor *d);
void check_mq_alarm(struct doctor *d);
/* doctor_agents.c */
void check_agents(struct doctor *d);

#endif
