/* schema: the migrations that this program brings, and which of them the database has. */
#ifndef CTL_SCHEMA_H
#define CTL_SCHEMA_H

#include <stdint.h>

#include "cpoa/db.h"
#include "cpoa/digest.h"

struct migration;

enum schema_state {
	SCHEMA_PENDING,
	SCHEMA_APPLIED,
	SCHEMA_CHANGED, /* what was applied under that number is another one */
};

struct schema_step {
	const struct migration *migration;
	char checksum[DIGEST_TEXT_SIZE];
	enum schema_state state;
	int64_t applied_us;
};

struct schema {
	struct schema_step *steps;
	int n, pending, changed;
	int newest; /* version that the database has; 0: none */
	int known;  /* version that this program brings */
};

/* Without the table schema_migrations nothing is applied. To be released, also when it fails. */
MUST_CHECK bool schema_read(struct db *db, struct schema *p, struct err *e);
void schema_release(struct schema *p);

#endif
