/* links: cpoa_db */
/*
 * Columns, byte by byte: what PostgreSQL's array_recv() takes. No server.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "../../common/db_columns.h"
#include "cpoa/db.h"

static void expect_value(struct db_column *c, bool scalar, const void *want, size_t want_len)
{
	const char *value;
	int len;

	db_column_value(c, scalar, &value, &len);
	cr_assert_eq((size_t)len, want_len, "%d bytes", len);
	cr_assert_eq(memcmp(value, want, want_len), 0);
}

Test(db_columns, an_empty_array_has_no_dimensions)
{
	static const char want[] = "\0\0\0\0"
				   "\0\0\0\0"
				   "\0\0\0\x19";
	struct db_column c;

	db_column_init(&c, DB_TEXT);
	expect_value(&c, false, want, 12);
	db_column_release(&c);
}

Test(db_columns, text_that_is_written_piece_by_piece)
{
	struct db_column pieces, whole;
	const char *value;
	int len;

	db_column_init(&pieces, DB_TEXT);
	db_column_init(&whole, DB_TEXT);
	db_put_text(&whole, "one");
	db_put_text(&whole, "");
	db_put_text(&whole, "two");
	db_column_value(&whole, false, &value, &len);
	strbuf_adds(db_open_bytes(&pieces), "o");
	strbuf_adds(&pieces.bytes, "ne");
	db_close_bytes(&pieces);
	(void)db_open_bytes(&pieces);
	db_close_bytes(&pieces);
	db_put_text(&pieces, "two");
	expect_value(&pieces, false, value, (size_t)len);
	(void)db_open_bytes(&pieces);
	pieces.bytes.failed = true; /* as when it grows beyond the ceiling */
	db_close_bytes(&pieces);
	db_column_release(&pieces);
	db_column_release(&whole);
}

Test(db_columns, text_array_with_a_null)
{
	static const char want[] = "\0\0\0\1"
				   "\0\0\0\1"
				   "\0\0\0\x19"
				   "\0\0\0\3"
				   "\0\0\0\1"
				   "\0\0\0\2hi"
				   "\xff\xff\xff\xff"
				   "\0\0\0\0";
	struct db_column c;

	db_column_init(&c, DB_TEXT);
	db_put_text(&c, "hi");
	db_put_text(&c, NULL);
	db_put_text(&c, "");
	expect_value(&c, false, want, sizeof(want) - 1);
	db_column_release(&c);
}

Test(db_columns, an_array_without_nulls_says_so)
{
	static const char want[] = "\0\0\0\1"
				   "\0\0\0\0"
				   "\0\0\0\x17"
				   "\0\0\0\2"
				   "\0\0\0\1"
				   "\0\0\0\4"
				   "\0\0\0\7"
				   "\0\0\0\4"
				   "\xff\xff\xff\xff";
	struct db_column c;

	db_column_init(&c, DB_INT4);
	db_put_int(&c, 7);
	db_put_int(&c, -1);
	expect_value(&c, false, want, sizeof(want) - 1);
	db_column_release(&c);
}

Test(db_columns, scalars_of_every_type)
{
	static const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
	struct db_column c;

	db_column_init(&c, DB_INT8);
	db_put_int(&c, 258);
	expect_value(&c, true, "\0\0\0\0\0\0\1\2", 8);
	db_column_release(&c);
	db_column_init(&c, DB_BOOL);
	db_put_bool(&c, true);
	expect_value(&c, true, "\1", 1);
	db_column_release(&c);
	db_column_init(&c, DB_JSON);
	db_put_text(&c, "{}");
	expect_value(&c, true, "{}", 2);
	db_column_release(&c);
	db_column_init(&c, DB_JSONB);
	db_put_text(&c, "{}");
	expect_value(&c, true, "\1{}", 3);
	db_column_release(&c);
	db_column_init(&c, DB_UUID);
	db_put_uuid(&c, &id);
	expect_value(&c, true, id.bytes, 16);
	db_column_release(&c);
	db_column_init(&c, DB_BYTEA);
	db_put_bytes(&c, "a\0b", 3);
	expect_value(&c, true, "a\0b", 3);
	db_column_release(&c);
}

Test(db_columns, time_counts_from_2000)
{
	struct db_column c;

	db_column_init(&c, DB_TIME);
	db_put_time(&c, INT64_C(946684800000001));
	expect_value(&c, true, "\0\0\0\0\0\0\0\1", 8);
	db_column_release(&c);
}

Test(db_columns, a_null_scalar_is_no_value)
{
	struct db_column c;
	const char *value;
	int len;

	db_column_init(&c, DB_TIME);
	db_put_time(&c, 0);
	db_column_value(&c, true, &value, &len);
	cr_assert_null(value);
	db_column_release(&c);
}

Test(db_columns, reset_empties_and_gives_large_buffers_back)
{
	struct db_column c;
	char *large = calloc(1, 3 << 20);
	size_t small_cap;

	db_column_init(&c, DB_BYTEA);
	db_put_bytes(&c, "x", 1);
	small_cap = c.bytes.cap;
	db_column_reset(&c);
	cr_assert_eq(c.n, 0);
	cr_assert_eq(c.bytes.len, 0);
	cr_assert_eq(c.bytes.cap, small_cap);
	db_put_bytes(&c, large, 3 << 20);
	db_put_null(&c);
	cr_assert_geq(c.bytes.cap, 3U << 20);
	db_column_reset(&c);
	cr_assert_lt(c.bytes.cap, 1U << 20);
	cr_assert_not(c.nulls);
	expect_value(&c, false, "\0\0\0\0\0\0\0\0\0\0\0\x11", 12);
	db_column_release(&c);
	free(large);
}

Test(db_columns, what_passes_the_ceiling_is_remembered)
{
	struct db_column c;

	db_column_init(&c, DB_TEXT);
	c.bytes.max = 100;
	db_put_text(&c, "fits");
	cr_assert_not(c.bytes.failed);
	db_put_bytes(&c,
		     "0123456789012345678901234567890123456789012345678901234567890123456789"
		     "0123456789",
		     80);
	cr_assert(c.bytes.failed);
	db_column_reset(&c);
	cr_assert_not(c.bytes.failed);
	db_column_release(&c);
}
