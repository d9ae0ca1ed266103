/* migrations: the schema's steps, embedded at build from migrations/NNNN_name.sql. */
#ifndef MIGRATIONS_H
#define MIGRATIONS_H

struct migration {
	int version;
	const char *name; /* "0001_aethercast" */
	const char *sql;
};

/* In order; closed by version 0. */
extern const struct migration migrations[];

#endif
