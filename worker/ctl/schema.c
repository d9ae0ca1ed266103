/* schema: comparing checksums. */
#include "ctl/schema.h"

#include <stdlib.h>
#include <string.h>

#include "migrations.h"

#include "ctl/query.h"

void schema_release(struct schema *p)
{
	free(p->steps);
	p->steps = NULL;
}

static void list_steps(struct schema *p)
{
	*p = (struct schema){0};
	while (migrations[p->n].version)
		p->n++;
	p->steps = xcalloc((size_t)p->n + 1, sizeof(*p->steps));
	for (int i = 0; i < p->n; i++) {
		uint8_t d[DIGEST_SIZE];

		p->steps[i].migration = &migrations[i];
		digest(migrations[i].sql, strlen(migrations[i].sql), d);
		digest_text(d, p->steps[i].checksum);
		p->known = migrations[i].version;
	}
	p->pending = p->n;
}

static void note_row(struct schema *p, int version, const char *checksum, int64_t applied_us)
{
	if (version > p->newest)
		p->newest = version;
	for (int i = 0; i < p->n; i++) {
		struct schema_step *s = &p->steps[i];

		if (s->migration->version != version)
			continue;
		s->state = strcmp(s->checksum, checksum) == 0 ? SCHEMA_APPLIED : SCHEMA_CHANGED;
		s->applied_us = applied_us;
		p->pending--;
		p->changed += s->state == SCHEMA_CHANGED;
	}
}

bool schema_read(struct db *db, struct schema *p, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *there = NULL, *rows = NULL;

	list_steps(p);
	there = db_query(db, "SELECT to_regclass('schema_migrations') IS NOT NULL", 0, NULL, e);
	if (!there)
		return false;
	if (!db_int(there, 0, 0))
		return true;
	rows = db_query(db,
			"SELECT version, checksum, " SQL_US(
				"applied_at") " FROM schema_migrations ORDER BY version",
			0, NULL, e);
	if (!rows)
		return false;
	for (int r = 0; r < db_rows(rows); r++)
		note_row(p, (int)db_int(rows, r, 0), db_text(rows, r, 1), db_int(rows, r, 2));
	return true;
}
