/* query: transactions, arrays, cells. */
#include "ctl/query.h"

#include "cpoa/json.h"

enum { TRIES = 5, CELL_DEPTH = 64 };

/* ---- statements ---- */

bool run_sql(struct db *db, const char *sql, int n, const char *const *params, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = db_query(db, sql, n, params, e);

	return r != NULL;
}

bool in_transaction(struct db *db, bool (*body)(void *ctx, struct db *db, struct err *e), void *ctx,
		    struct err *e)
{
	struct err ignored;

	for (int i = 1;; i++) {
		if (!db_script(db, "BEGIN", e))
			return false;
		if (body(ctx, db, e) && db_script(db, "COMMIT", e))
			return true;
		if (e->class == ERR_LOST || !db_script(db, "ROLLBACK", &ignored) ||
		    e->class != ERR_RETRY || i == TRIES)
			return false;
	}
}

/* ---- parameters ---- */

void array_add(struct strbuf *sb, const char *item)
{
	strbuf_addc(sb, sb->len ? ',' : '{');
	strbuf_adds(sb, item);
}

const char *array_text(struct strbuf *sb)
{
	strbuf_adds(sb, sb->len ? "}" : "{}");
	return sb->buf;
}

/* ---- results ---- */

const char *cell_text(const struct db_result *r, int row, int column)
{
	return db_is_null(r, row, column) ? NULL : db_text(r, row, column);
}

struct json_object *cell_json(const struct db_result *r, int row, int column)
{
	struct json_object *o = NULL;
	struct err e = {0};

	if (db_is_null(r, row, column) ||
	    json_read(db_text(r, row, column), db_length(r, row, column), CELL_DEPTH, JSON_MEND, &o,
		      &e) != JSON_OK)
		return NULL;
	return o;
}
