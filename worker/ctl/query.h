/*
 * query: statements, their parameters and their results, as the commands that read or change rows
 * need them.
 */
#ifndef CTL_QUERY_H
#define CTL_QUERY_H

#include <json-c/json.h>
#include <stdbool.h>

#include "cpoa/db.h"
#include "cpoa/err.h"
#include "cpoa/strbuf.h"

/* ---- statements ---- */

/* A timestamptz as microseconds since 1970, for a list of columns. */
#define SQL_US(column) "(extract(epoch FROM " column ") * 1000000)::int8"

/* A statement whose rows nobody wants. */
MUST_CHECK bool run_sql(struct db *db, const char *sql, int n, const char *const *params,
			struct err *e);

/* `body` in one transaction; done again when the server chose it as a deadlock's victim. */
MUST_CHECK bool in_transaction(struct db *db, bool (*body)(void *ctx, struct db *db, struct err *e),
			       void *ctx, struct err *e);

/* ---- parameters ---- */

/* Appends an item to PostgreSQL's text of an array, "{a,b"; it must need no quotes (numbers,
 * UUIDs). */
void array_add(struct strbuf *sb, const char *item);
/* Its end: "{a,b}", "{}" when there is none. */
const char *array_text(struct strbuf *sb);

/* ---- results ---- */

/* NULL where the row has a null. */
const char *cell_text(const struct db_result *r, int row, int column);

/* A new reference; NULL where the row has a null, or what is no JSON of our depth. */
struct json_object *cell_json(const struct db_result *r, int row, int column);

#endif
