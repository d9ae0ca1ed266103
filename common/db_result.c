/*
 * Reading results, in text form (db_query) and in binary form (batches).
 */
#include "cpoa/db.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "db_columns.h"
#include "db_private.h"

/* Microseconds from 1970 to 2000, where PostgreSQL's time begins. */
static const int64_t EPOCH_US = INT64_C(946684800000000);

struct db_result *db_result_new(PGresult *pg)
{
	struct db_result *r = xmalloc(sizeof(*r));

	r->pg = pg;
	return r;
}

void db_result_free(struct db_result *r)
{
	if (!r)
		return;
	PQclear(r->pg);
	free(r);
}

void db_result_free_ptr(struct db_result **r)
{
	db_result_free(*r);
	*r = NULL;
}

int db_rows(const struct db_result *r)
{
	return PQntuples(r->pg);
}

int db_columns(const struct db_result *r)
{
	return PQnfields(r->pg);
}

static void check_place(const struct db_result *r, int row, int col)
{
	assert(row >= 0 && row < PQntuples(r->pg));
	assert(col >= 0 && col < PQnfields(r->pg));
}

static bool is_binary(const struct db_result *r, int col)
{
	return PQfformat(r->pg, col) == 1;
}

/* A jsonb in binary form begins with its version. */
static int prefix_len(const struct db_result *r, int row, int col)
{
	bool jsonb = is_binary(r, col) && PQftype(r->pg, col) == db_type_oid(DB_JSONB, false);

	return jsonb && !PQgetisnull(r->pg, row, col) ? 1 : 0;
}

bool db_is_null(const struct db_result *r, int row, int col)
{
	check_place(r, row, col);
	return PQgetisnull(r->pg, row, col);
}

const char *db_text(const struct db_result *r, int row, int col)
{
	check_place(r, row, col);
	return PQgetvalue(r->pg, row, col) + prefix_len(r, row, col);
}

size_t db_length(const struct db_result *r, int row, int col)
{
	check_place(r, row, col);
	return (size_t)(PQgetlength(r->pg, row, col) - prefix_len(r, row, col));
}

static uint64_t read_be(const char *at, int len)
{
	uint64_t n = 0;

	for (int i = 0; i < len; i++)
		n = n << 8 | (uint8_t)at[i];
	return n;
}

int64_t db_int(const struct db_result *r, int row, int col)
{
	const char *at;

	check_place(r, row, col);
	if (PQgetisnull(r->pg, row, col))
		return 0;
	at = PQgetvalue(r->pg, row, col);
	if (!is_binary(r, col))
		return *at == 't' ? 1 : strtoll(at, NULL, 10);
	switch (PQgetlength(r->pg, row, col)) {
	case 1:
		return at[0] != 0;
	case 2:
		return (int16_t)read_be(at, 2);
	case 4:
		return (int32_t)read_be(at, 4);
	case 8:
		return (int64_t)read_be(at, 8);
	default:
		BUG("column %s is no integer", PQfname(r->pg, col));
	}
}

int64_t db_time(const struct db_result *r, int row, int col)
{
	int64_t us;

	check_place(r, row, col);
	if (PQgetisnull(r->pg, row, col))
		return 0;
	assert(is_binary(r, col));
	assert(PQgetlength(r->pg, row, col) == 8);
	us = (int64_t)read_be(PQgetvalue(r->pg, row, col), 8);
	if (us == INT64_MIN || us > INT64_MAX - EPOCH_US) /* -infinity, infinity and its like */
		return us;
	return us + EPOCH_US;
}

struct uuid db_uuid(const struct db_result *r, int row, int col)
{
	struct uuid id = {{0}};
	const char *at;

	check_place(r, row, col);
	if (PQgetisnull(r->pg, row, col))
		return id;
	at = PQgetvalue(r->pg, row, col);
	if (is_binary(r, col)) {
		assert(PQgetlength(r->pg, row, col) == (int)sizeof(id.bytes));
		memcpy(id.bytes, at, sizeof(id.bytes));
	} else if (!uuid_from_text(&id, at)) {
		BUG("column %s is no uuid", PQfname(r->pg, col));
	}
	return id;
}
