/*
 * Parameters in PostgreSQL's binary form: big-endian numbers, and arrays as array_recv() reads them
 * (src/backend/utils/adt/arrayfuncs.c): dimensions, a flag for nulls, the element's type, then for
 * each dimension its length and lower bound, then each element as its length (-1: null) and bytes.
 */
#include "cpoa/db.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "db_columns.h"

enum {
	ARRAY_HEADER = 20,
	ARRAY_HEADER_EMPTY = 12, /* no dimensions: neither length nor bound follows */
	KEEP_MAX = 1 << 20,	 /* a larger buffer is given back when its batch is over */
};

/* Microseconds from 1970, where our clock begins, to 2000, where PostgreSQL's does. */
static const int64_t EPOCH_US = INT64_C(946684800000000);

static const struct {
	uint32_t one, array;
} oids[] = {
	[DB_TEXT] = {25, 1009}, [DB_UUID] = {2950, 2951},  [DB_INT4] = {23, 1007},
	[DB_INT8] = {20, 1016}, [DB_BOOL] = {16, 1000},	   [DB_TIME] = {1184, 1185},
	[DB_JSON] = {114, 199}, [DB_JSONB] = {3802, 3807}, [DB_BYTEA] = {17, 1001},
};

uint32_t db_type_oid(enum db_type type, bool array)
{
	assert((size_t)type < sizeof(oids) / sizeof(oids[0]));
	return array ? oids[type].array : oids[type].one;
}

void db_column_init(struct db_column *c, enum db_type type)
{
	assert((size_t)type < sizeof(oids) / sizeof(oids[0]));
	*c = (struct db_column){.type = type};
	strbuf_init(&c->bytes, DB_COLUMN_MAX);
}

void db_column_release(struct db_column *c)
{
	strbuf_release(&c->bytes);
	c->n = 0;
	c->nulls = false;
}

void db_column_reset(struct db_column *c)
{
	if (c->bytes.cap > KEEP_MAX)
		strbuf_release(&c->bytes);
	strbuf_reset(&c->bytes);
	c->n = 0;
	c->nulls = false;
}

/* ---- adding ---- */

static void write_be32(char *at, uint32_t n)
{
	n = htobe32(n);
	memcpy(at, &n, sizeof(n));
}

static void reserve_header(struct db_column *c)
{
	static const char blank[ARRAY_HEADER];

	if (c->bytes.len == 0)
		strbuf_add(&c->bytes, blank, sizeof(blank));
}

static void add_be32(struct db_column *c, int32_t n)
{
	uint32_t wire = htobe32((uint32_t)n);

	strbuf_add(&c->bytes, &wire, sizeof(wire));
}

static void add_be64(struct db_column *c, int64_t n)
{
	uint64_t wire = htobe64((uint64_t)n);

	strbuf_add(&c->bytes, &wire, sizeof(wire));
}

static void begin_element(struct db_column *c, int32_t len)
{
	assert(c->n < INT32_MAX);
	reserve_header(c);
	add_be32(c, len);
	c->n++;
}

void db_put_null(struct db_column *c)
{
	begin_element(c, -1);
	c->nulls = true;
}

void db_put_text(struct db_column *c, const char *s)
{
	assert(c->type == DB_TEXT || c->type == DB_JSON || c->type == DB_JSONB);
	db_put_bytes(c, s, s ? strlen(s) : 0);
}

void db_put_bytes(struct db_column *c, const void *data, size_t len)
{
	static const char jsonb_version = 1; /* jsonb_recv() takes no other */
	size_t prefix = c->type == DB_JSONB ? 1 : 0;

	assert(c->type == DB_TEXT || c->type == DB_JSON || c->type == DB_JSONB ||
	       c->type == DB_BYTEA);
	if (!data) {
		db_put_null(c);
		return;
	}
	if (len > DB_COLUMN_MAX) {
		c->bytes.failed = true; /* its length would not fit the wire's int32 */
		return;
	}
	begin_element(c, (int32_t)(len + prefix));
	strbuf_add(&c->bytes, &jsonb_version, prefix);
	strbuf_add(&c->bytes, data, len);
}

struct strbuf *db_open_bytes(struct db_column *c)
{
	assert(c->type == DB_TEXT || c->type == DB_JSON || c->type == DB_BYTEA);
	begin_element(c, 0);
	c->open = c->bytes.len;
	return &c->bytes;
}

void db_close_bytes(struct db_column *c)
{
	if (!c->bytes.failed)
		write_be32(c->bytes.buf + c->open - 4, (uint32_t)(c->bytes.len - c->open));
}

void db_put_uuid(struct db_column *c, const struct uuid *id)
{
	assert(c->type == DB_UUID);
	if (!id) {
		db_put_null(c);
		return;
	}
	begin_element(c, sizeof(id->bytes));
	strbuf_add(&c->bytes, id->bytes, sizeof(id->bytes));
}

void db_put_int(struct db_column *c, int64_t n)
{
	assert(c->type == DB_INT4 || c->type == DB_INT8);
	if (c->type == DB_INT4) {
		assert(n >= INT32_MIN && n <= INT32_MAX);
		begin_element(c, 4);
		add_be32(c, (int32_t)n);
	} else {
		begin_element(c, 8);
		add_be64(c, n);
	}
}

void db_put_bool(struct db_column *c, bool b)
{
	assert(c->type == DB_BOOL);
	begin_element(c, 1);
	strbuf_addc(&c->bytes, b ? 1 : 0);
}

void db_put_time(struct db_column *c, int64_t wall_us)
{
	assert(c->type == DB_TIME);
	assert(wall_us >= 0);
	if (wall_us == 0) {
		db_put_null(c);
		return;
	}
	begin_element(c, 8);
	add_be64(c, wall_us - EPOCH_US);
}

/* ---- sending ---- */

static int32_t read_be32(const char *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return (int32_t)be32toh(n);
}

static void scalar_value(const struct db_column *c, const char **value, int *len)
{
	assert(c->n == 1);
	*len = read_be32(c->bytes.buf + ARRAY_HEADER);
	*value = *len < 0 ? NULL : c->bytes.buf + ARRAY_HEADER + 4;
	if (*len < 0)
		*len = 0;
}

void db_column_value(struct db_column *c, bool scalar, const char **value, int *len)
{
	char *header;

	assert(!c->bytes.failed);
	if (scalar) {
		scalar_value(c, value, len);
		return;
	}
	reserve_header(c);
	header = c->bytes.buf;
	write_be32(header, c->n > 0 ? 1 : 0);
	write_be32(header + 4, c->nulls ? 1 : 0);
	write_be32(header + 8, db_type_oid(c->type, false));
	write_be32(header + 12, (uint32_t)c->n);
	write_be32(header + 16, 1);
	*value = header;
	*len = c->n > 0 ? (int)c->bytes.len : ARRAY_HEADER_EMPTY;
}
