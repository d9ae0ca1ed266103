/* pg_rows: parameters out of their binary form, and results. */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "simulation/pg.h"

static const int64_t epoch_us = INT64_C(946684800000000); /* 2000, where PostgreSQL begins */

enum { ARRAY_HEADER = 20 };

/* ---- parameters ---- */

static int32_t be32(const char *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return (int32_t)be32toh(n);
}

static struct cells take_apart(const struct db_column *column)
{
	struct cells c = {.n = column->n};
	const char *at = column->bytes.buf + ARRAY_HEADER;
	size_t version = column->type == DB_JSONB ? 1 : 0;

	c.cell = xcalloc((size_t)c.n + 1, sizeof(*c.cell));
	for (int i = 0; i < c.n; i++) {
		int32_t len = be32(at);

		at += 4;
		if (len < 0)
			continue;
		c.cell[i] = (struct cell){at + version, (size_t)len - version};
		at += len;
	}
	return c;
}

void params_read(struct params *p, const struct db_statement *s, struct db_column *columns)
{
	p->rows = 0;
	for (unsigned i = 0; i < s->n_params; i++) {
		bool scalar = s->scalars & (1U << i);

		p->p[i] = take_apart(&columns[i]);
		assert(!scalar || p->p[i].n == 1);
		if (!scalar && p->p[i].n > p->rows)
			p->rows = p->p[i].n;
	}
	for (unsigned i = s->n_params; i < DB_PARAMS_MAX; i++)
		p->p[i] = (struct cells){0};
}

void params_release(struct params *p)
{
	for (int i = 0; i < DB_PARAMS_MAX; i++)
		free(p->p[i].cell);
}

static struct cell at(const struct cells *c, int row)
{
	assert(row < c->n);
	return c->cell[row];
}

char *cell_text(const struct cells *c, int row)
{
	struct cell cell = at(c, row);

	return cell.at ? xstrndup(cell.at, cell.len) : NULL;
}

bool cell_is(const struct cells *c, int row, const char *text)
{
	struct cell cell = at(c, row);

	return cell.at && cell.len == strlen(text) && memcmp(cell.at, text, cell.len) == 0;
}

int64_t cell_int(const struct cells *c, int row)
{
	struct cell cell = at(c, row);
	uint64_t n;

	if (!cell.at)
		return 0;
	if (cell.len == 1)
		return cell.at[0] != 0;
	if (cell.len == 4)
		return be32(cell.at);
	assert(cell.len == sizeof(n));
	memcpy(&n, cell.at, sizeof(n));
	return (int64_t)be64toh(n);
}

int64_t cell_time(const struct cells *c, int row)
{
	return at(c, row).at ? cell_int(c, row) + epoch_us : 0;
}

struct uuid cell_uuid(const struct cells *c, int row)
{
	struct cell cell = at(c, row);
	struct uuid id = {{0}};

	if (cell.at) {
		assert(cell.len == sizeof(id.bytes));
		memcpy(id.bytes, cell.at, sizeof(id.bytes));
	}
	return id;
}

/* ---- results (in place of common/db_result.c) ---- */

struct result_cell {
	char *at; /* NULL: a null */
	size_t len;
};

struct db_result {
	struct result_cell *cell;
	int columns, rows, n;
};

struct db_result *result_new(int columns)
{
	struct db_result *r = xcalloc(1, sizeof(*r));

	r->columns = columns;
	return r;
}

void result_row(struct db_result *r)
{
	assert(r->n == r->rows * r->columns);
	r->rows++;
	r->cell = xrealloc(r->cell, (size_t)(r->rows * r->columns) * sizeof(*r->cell));
}

void result_bytes(struct db_result *r, const void *bytes, size_t len)
{
	assert(r->n < r->rows * r->columns);
	r->cell[r->n].at = xmalloc(len + 1);
	if (len)
		memcpy(r->cell[r->n].at, bytes, len);
	r->cell[r->n].at[len] = '\0';
	r->cell[r->n++].len = len;
}

void result_null(struct db_result *r)
{
	assert(r->n < r->rows * r->columns);
	r->cell[r->n++] = (struct result_cell){NULL, 0};
}

void result_text(struct db_result *r, const char *s)
{
	if (s)
		result_bytes(r, s, strlen(s));
	else
		result_null(r);
}

void result_int(struct db_result *r, int64_t n)
{
	result_bytes(r, &n, sizeof(n));
}

void result_uuid(struct db_result *r, const struct uuid *id)
{
	result_bytes(r, id->bytes, sizeof(id->bytes));
}

void db_result_free(struct db_result *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->n; i++)
		free(r->cell[i].at);
	free(r->cell);
	free(r);
}

void db_result_free_ptr(struct db_result **r)
{
	db_result_free(*r);
	*r = NULL;
}

static const struct result_cell *place(const struct db_result *r, int row, int col)
{
	assert(row >= 0 && row < r->rows && col >= 0 && col < r->columns);
	return &r->cell[row * r->columns + col];
}

int db_rows(const struct db_result *r)
{
	return r->rows;
}

bool db_is_null(const struct db_result *r, int row, int col)
{
	return !place(r, row, col)->at;
}

const char *db_text(const struct db_result *r, int row, int col)
{
	const char *text = place(r, row, col)->at;

	return text ? text : "";
}

size_t db_length(const struct db_result *r, int row, int col)
{
	return place(r, row, col)->len;
}

int64_t db_int(const struct db_result *r, int row, int col)
{
	const struct result_cell *c = place(r, row, col);
	int64_t n = 0;

	if (c->at) {
		assert(c->len == sizeof(n));
		memcpy(&n, c->at, sizeof(n));
	}
	return n;
}

int64_t db_time(const struct db_result *r, int row, int col)
{
	return db_int(r, row, col);
}

struct uuid db_uuid(const struct db_result *r, int row, int col)
{
	const struct result_cell *c = place(r, row, col);
	struct uuid id = {{0}};

	if (c->at) {
		assert(c->len == sizeof(id.bytes));
		memcpy(id.bytes, c->at, sizeof(id.bytes));
	}
	return id;
}
