/* session: see session.h. */
#include "session.h"

#include <criterion/criterion.h>
#include <stdlib.h>

const struct db_statement insert = {
	.name = "insert",
	.n_params = 2,
	.types = {DB_INT8, DB_TEXT},
	.sql = "INSERT INTO t SELECT * FROM unnest($1::int8[], $2::text[])",
};
const struct db_statement count_all = {.name = "count", .sql = "SELECT count(*) FROM t"};

struct db_options session_options(void)
{
	const char *port = getenv("POSTGRES_PORT");
	struct db_options o = {
		.url = getenv("DATABASE_URL"),
		.host = getenv("POSTGRES_HOST"),
		.user = getenv("POSTGRES_USER"),
		.password = getenv("POSTGRES_PASSWORD"),
		.dbname = getenv("POSTGRES_DB"),
		.port = port ? strtol(port, NULL, 10) : 5432,
		.application_name = "test_db",
		.lost_after_ms = 10000,
		.connect_timeout_s = 5,
	};

	if (!o.host && !o.url)
		cr_skip("POSTGRES_HOST and DATABASE_URL are unset");
	return o;
}

struct db *open_db(void)
{
	struct db_options o = session_options();
	struct err e = {0};
	struct db *db = db_open(&o, &e);

	cr_assert(db, "%s", e.text);
	return db;
}

void script(struct db *db, const char *sql)
{
	struct err e = {0};

	cr_assert(db_script(db, sql, &e), "%s", e.text);
}

int64_t ask_int(struct db *db, const char *sql)
{
	struct err e = {0};
	struct db_result *r = db_query(db, sql, 0, NULL, &e);
	int64_t n;

	cr_assert(r, "%s", e.text);
	cr_assert_eq(db_rows(r), 1);
	n = db_int(r, 0, 0);
	db_result_free(r);
	return n;
}

void prepare(struct db *db, const struct db_statement *table, size_t n)
{
	struct err e = {0};

	cr_assert(db_prepare(db, table, n, &e), "%s", e.text);
}

void expect_batch(struct db *db, struct db_batch *b)
{
	struct err e = {0};

	cr_assert(db_batch_run(db, b, &e), "%s", e.text);
	cr_assert_eq(b->failed, -1);
}

void init_insert(struct db_column c[2])
{
	db_column_init(&c[0], DB_INT8);
	db_column_init(&c[1], DB_TEXT);
}

void release(struct db_column *c, int n)
{
	for (int i = 0; i < n; i++)
		db_column_release(&c[i]);
}
