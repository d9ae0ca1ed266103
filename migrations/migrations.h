/* migrations: the schema's steps, embedded at build from migrations/NNNN_name.sql; and who may do
 * what. */
#ifndef MIGRATIONS_H
#define MIGRATIONS_H

struct migration {
	int version;
	const char *name; /* "0001_aethercast" */
	const char *sql;
};

/* In order; closed by version 0. */
extern const struct migration migrations[];

/* grants.sql, in which :"role" stands for the role that gets them. */
extern const char *const migrations_grants;

#endif
