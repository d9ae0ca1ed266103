/* links: cpoa_db cpoa_session */
/*
 * db against a real PostgreSQL. Each test has a table of its own and drops it.
 */
#include "session.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sessions ---- */

Test(db, open_sets_what_it_promises)
{
	struct db *db = open_db();

	cr_assert_geq(db_server_version(db), 140000);
	cr_assert_geq(db_fd(db), 0);
	cr_assert_eq(ask_int(db, "SELECT extract(epoch FROM "
				 "current_setting('idle_session_timeout')::interval)"),
		     10);
	cr_assert_eq(ask_int(db, "SELECT extract(epoch FROM current_setting("
				 "'idle_in_transaction_session_timeout')::interval)"),
		     10);
	/* The server's side, over TCP. */
	cr_assert_eq(ask_int(db, "SELECT (current_setting('tcp_user_timeout') = '10000' AND "
				 "current_setting('tcp_keepalives_idle') = '3' AND "
				 "current_setting('tcp_keepalives_interval') = '1' AND "
				 "current_setting('tcp_keepalives_count') = '3')::int"),
		     1);
	cr_assert_eq(ask_int(db, "SELECT (current_setting('client_encoding') = 'UTF8' AND "
				 "current_setting('application_name') = 'test_db')::int"),
		     1);
	db_close(db);
}

static void expect_open_error(const struct db_options *o, enum err_class class, const char *code)
{
	struct err e = {0};
	struct db *db = db_open(o, &e);

	cr_assert_null(db);
	cr_assert_eq(e.class, class, "class %d: %s", (int)e.class, e.text);
	cr_assert_str_eq(e.code, code, "%s", e.text);
	cr_assert_null(strstr(e.text, "secret"), "%s", e.text);
}

static bool has_tls(void)
{
	struct db *db = open_db();
	int64_t on = ask_int(db, "SELECT (current_setting('ssl') = 'on')::int");

	db_close(db);
	return on;
}

Test(db, open_says_whose_fault_it_is)
{
	struct db_options o = session_options();
	char url[256];

	o.dbname = "there_is_no_such_database";
	o.url = NULL;
	expect_open_error(&o, ERR_USAGE, "3D000");
	o = session_options();
	o.user = "nobody_by_this_name";
	o.password = "secret";
	expect_open_error(&o, ERR_USAGE, "28000");
	o = session_options();
	o.port = 1;
	expect_open_error(&o, ERR_LOST, "");
	o = session_options();
	o.sslmode = "require";
	if (!has_tls())
		expect_open_error(&o, ERR_USAGE, "");
	o = session_options();
	o.sslmode = "nonsense";
	expect_open_error(&o, ERR_USAGE, "");
	o = session_options();
	o.url = "postgresql://user:secret@[half/db";
	expect_open_error(&o, ERR_USAGE, "");
	snprintf(url, sizeof(url), "postgresql://x:secret@%s:%d/y?nonsense=1", o.host, (int)o.port);
	o.url = url;
	expect_open_error(&o, ERR_USAGE, "");
}

Test(db, open_by_url)
{
	struct db_options o = session_options();
	struct err e = {0};
	char url[256];
	struct db *db;

	snprintf(url, sizeof(url), "postgresql://%s@%s:%d/%s", o.user, o.host, (int)o.port,
		 o.dbname);
	db = db_open(&(struct db_options){.url = url, .password = o.password}, &e);
	cr_assert(db, "%s", e.text);
	db_close(db);
}

Test(db, a_bad_statement_is_rejected_with_its_code)
{
	struct db *db = open_db();
	struct err e = {0};

	cr_assert_not(db_script(db, "SELECT nonsense", &e));
	cr_assert_eq(e.class, ERR_REJECT);
	cr_assert_str_eq(e.code, "42703");
	cr_assert_null(db_query(db, "SELECT $1::int", 1, (const char *[]){"x"}, &e));
	cr_assert_eq(e.class, ERR_REJECT);
	cr_assert_eq(ask_int(db, "SELECT 1"), 1);
	db_close(db);
}

Test(db, a_script_is_one_transaction)
{
	struct db *db = open_db();
	struct err e = {0};

	script(db, TABLE);
	cr_assert_not(db_script(db, "INSERT INTO t VALUES (1, 'x'); SELECT 1 / 0", &e));
	cr_assert_str_eq(e.code, "22012");
	cr_assert_eq(ask_int(db, "SELECT count(*) FROM t"), 0);
	db_close(db);
}

Test(db, prepare_names_the_bad_one)
{
	static const struct db_statement table[] = {
		{.name = "good", .sql = "SELECT 1"},
		{.name = "bad", .sql = "SELECT nonsense"},
	};
	struct db *db = open_db();
	struct err e = {0};

	cr_assert_not(db_prepare(db, table, 2, &e));
	cr_assert_eq(e.class, ERR_REJECT);
	cr_assert(strstr(e.text, "bad"), "%s", e.text);
	cr_assert_eq(ask_int(db, "SELECT 1"), 1);
	db_close(db);
}

/* ---- batches ---- */

Test(db, a_batch_commits_as_one)
{
	struct db *db = open_db(), *other = open_db();
	const struct db_statement table[] = {insert, count_all};
	struct db_column c[2];
	struct db_batch b;

	script(db, TABLE);
	prepare(db, table, 2);
	init_insert(c);
	db_put_int(&c[0], 1);
	db_put_text(&c[1], "one");
	db_put_int(&c[0], 2);
	db_put_null(&c[1]);
	db_batch_init(&b);
	cr_assert_eq(db_batch_add(&b, &insert, c), 0);
	cr_assert_eq(db_batch_add(&b, &count_all, NULL), 1);
	expect_batch(db, &b);
	cr_assert_eq(db_int(b.step[1].result, 0, 0), 2);
	cr_assert_eq(db_columns(b.step[1].result), 1);
	db_batch_clear(&b);
	release(c, 2);
	db_close(db);
	db_close(other);
}

Test(db, a_refused_step_undoes_the_others)
{
	struct db *db = open_db();
	const struct db_statement table[] = {insert, count_all};
	struct db_column good[2], bad[2];
	struct err e = {0};
	struct db_batch b;

	script(db, TABLE);
	prepare(db, table, 2);
	init_insert(good);
	init_insert(bad);
	db_put_int(&good[0], 1);
	db_put_text(&good[1], "one");
	db_put_int(&bad[0], 2);
	db_put_bytes(&bad[1], "a\0b", 3); /* no text for PostgreSQL */
	db_batch_init(&b);
	db_batch_add(&b, &insert, good);
	db_batch_add(&b, &insert, bad);
	db_batch_add(&b, &count_all, NULL);
	cr_assert_not(db_batch_run(db, &b, &e));
	cr_assert_eq(e.class, ERR_REJECT);
	cr_assert_str_eq(e.code, "22021");
	cr_assert_eq(b.failed, 1);
	cr_assert_eq(ask_int(db, "SELECT count(*) FROM t"), 0);
	b.n = 1;
	expect_batch(db, &b); /* the same session goes on */
	db_batch_clear(&b);
	cr_assert_eq(ask_int(db, "SELECT count(*) FROM t"), 1);
	release(good, 2);
	release(bad, 2);
	db_close(db);
}

Test(db, a_commit_that_fails_belongs_to_no_step)
{
	static const struct db_statement later = {.name = "later",
						  .sql = "INSERT INTO d VALUES (1), (1)"};
	struct db *db = open_db();
	struct err e = {0};
	struct db_batch b;

	script(db, "CREATE TEMP TABLE d (x int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
	prepare(db, &later, 1);
	db_batch_init(&b);
	db_batch_add(&b, &later, NULL);
	cr_assert_not(db_batch_run(db, &b, &e));
	cr_assert_str_eq(e.code, "23505", "%s", e.text);
	cr_assert_eq(b.failed, -1);
	cr_assert_eq(ask_int(db, "SELECT count(*) FROM d"), 0);
	db_close(db);
}

Test(db, a_parameter_beyond_its_ceiling_is_not_sent)
{
	struct db *db = open_db();
	struct db_column c[2];
	struct err e = {0};
	struct db_batch b;

	script(db, TABLE);
	prepare(db, &insert, 1);
	init_insert(c);
	c[1].bytes.max = 64;
	db_put_int(&c[0], 1);
	db_put_text(&c[1], "0123456789012345678901234567890123456789012345678901234567890123");
	db_batch_init(&b);
	db_batch_add(&b, &insert, c);
	cr_assert_not(db_batch_run(db, &b, &e));
	cr_assert_eq(e.class, ERR_REJECT);
	cr_assert_str_eq(e.code, "54000");
	cr_assert_eq(b.failed, 0);
	cr_assert_eq(ask_int(db, "SELECT 1"), 1);
	release(c, 2);
	db_close(db);
}

/* Every type goes out and comes back, as a value, as a null, and within an array. */
static const struct db_statement echo = {
	.name = "echo",
	.n_params = 9,
	.scalars = 0x1ff,
	.types = {DB_TEXT, DB_UUID, DB_INT4, DB_INT8, DB_BOOL, DB_TIME, DB_JSON, DB_JSONB,
		  DB_BYTEA},
	.sql = "SELECT $1::text, $2::uuid, $3::int4, $4::int8, $5::bool, $6::timestamptz, "
	       "$7::json, "
	       "$8::jsonb, $9::bytea",
};

static void init_echo(struct db_column c[9])
{
	for (int i = 0; i < 9; i++)
		db_column_init(&c[i], echo.types[i]);
}

Test(db, every_type_comes_back)
{
	static const char unicode[] = "Zürich 東京 🎙 \x01";
	struct db *db = open_db();
	struct uuid id = uuid_new(), back;
	struct db_column c[9];
	struct db_result *r;
	struct db_batch b;

	prepare(db, &echo, 1);
	init_echo(c);
	db_put_text(&c[0], unicode);
	db_put_uuid(&c[1], &id);
	db_put_int(&c[2], INT32_MIN);
	db_put_int(&c[3], INT64_MIN);
	db_put_bool(&c[4], true);
	db_put_time(&c[5], INT64_C(1750000000123456));
	db_put_text(&c[6], "{\"a\":  1}");
	db_put_text(&c[7], "{\"b\":2}");
	db_put_bytes(&c[8], "x\0y", 3);
	db_batch_init(&b);
	db_batch_add(&b, &echo, c);
	expect_batch(db, &b);
	r = b.step[0].result;
	back = db_uuid(r, 0, 1);
	cr_assert_str_eq(db_text(r, 0, 0), unicode);
	cr_assert_eq(db_length(r, 0, 0), strlen(unicode));
	cr_assert(uuid_equal(&back, &id));
	cr_assert_eq(db_int(r, 0, 2), INT32_MIN);
	cr_assert_eq(db_int(r, 0, 3), INT64_MIN);
	cr_assert_eq(db_int(r, 0, 4), 1);
	cr_assert_eq(db_time(r, 0, 5), INT64_C(1750000000123456));
	cr_assert_str_eq(db_text(r, 0, 6), "{\"a\":  1}");
	cr_assert_str_eq(db_text(r, 0, 7), "{\"b\": 2}");
	cr_assert_eq(db_length(r, 0, 7), 8);
	cr_assert_eq(db_length(r, 0, 8), 3);
	cr_assert_eq(memcmp(db_text(r, 0, 8), "x\0y", 3), 0);
	db_batch_clear(&b);
	release(c, 9);
	db_close(db);
}

Test(db, nulls_come_back_as_nulls)
{
	struct db *db = open_db();
	struct db_column c[9];
	struct uuid id;
	struct db_batch b;

	prepare(db, &echo, 1);
	init_echo(c);
	for (int i = 0; i < 9; i++)
		db_put_null(&c[i]);
	db_batch_init(&b);
	db_batch_add(&b, &echo, c);
	expect_batch(db, &b);
	for (int i = 0; i < 9; i++)
		cr_assert(db_is_null(b.step[0].result, 0, i));
	id = db_uuid(b.step[0].result, 0, 1);
	cr_assert(uuid_is_zero(&id));
	cr_assert_eq(db_int(b.step[0].result, 0, 3), 0);
	cr_assert_eq(db_time(b.step[0].result, 0, 5), 0);
	cr_assert_str_eq(db_text(b.step[0].result, 0, 7), "");
	cr_assert_eq(db_length(b.step[0].result, 0, 7), 0);
	db_batch_clear(&b);
	release(c, 9);
	db_close(db);
}

Test(db, ten_thousand_rows_are_one_statement)
{
	struct db *db = open_db();
	struct db_column c[2];
	struct db_batch b;
	char text[32];

	script(db, TABLE);
	prepare(db, &insert, 1);
	init_insert(c);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 10000; i++) {
			snprintf(text, sizeof(text), "row %d", i);
			db_put_int(&c[0], round * 10000 + i);
			db_put_text(&c[1], i % 3 ? text : NULL);
		}
		db_batch_init(&b);
		db_batch_add(&b, &insert, c);
		expect_batch(db, &b);
		db_batch_clear(&b);
		db_column_reset(&c[0]);
		db_column_reset(&c[1]);
	}
	cr_assert_eq(ask_int(db, "SELECT count(*) FROM t"), 2 * 10000);
	cr_assert_eq(ask_int(db, "SELECT count(*) FROM t WHERE v IS NULL"), 2 * 3334);
	release(c, 2);
	db_close(db);
}

/* 20 steps of 4 MiB out and as much back: neither side may wait for the other with full buffers. */
Test(db, large_texts_both_ways)
{
	static const struct db_statement mirror = {
		.name = "mirror",
		.n_params = 1,
		.types = {DB_TEXT},
		.sql = "SELECT unnest($1::text[])",
	};
	enum { LEN = 1 << 20, ROWS = 4, STEPS = 20 };
	struct db *db = open_db();
	char *text = malloc(LEN + 1);
	struct db_column c;
	struct db_batch b;

	memset(text, 'x', LEN);
	text[LEN] = '\0';
	prepare(db, &mirror, 1);
	db_column_init(&c, DB_TEXT);
	for (int i = 0; i < ROWS; i++)
		db_put_text(&c, text);
	db_batch_init(&b);
	for (int i = 0; i < STEPS; i++)
		db_batch_add(&b, &mirror, &c);
	expect_batch(db, &b);
	for (int i = 0; i < STEPS; i++) {
		cr_assert_eq(db_rows(b.step[i].result), ROWS);
		cr_assert_eq(db_length(b.step[i].result, ROWS - 1, 0), (size_t)LEN);
	}
	cr_assert_str_eq(db_text(b.step[0].result, 0, 0), text);
	db_batch_clear(&b);
	db_column_release(&c);
	free(text);
	db_close(db);
}
/* ---- notifications, conflicts ---- */

static void count_note(void *ctx, const char *channel, const char *payload)
{
	int *notes = ctx;

	cr_assert_str_eq(channel, "test_db_channel");
	cr_assert_str_eq(payload, "hello");
	(*notes)++;
}

Test(db, listen_and_notify)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};
	int notes = 0;

	script(db, "LISTEN test_db_channel");
	cr_assert(db_notified(db, count_note, &notes, &e), "%s", e.text);
	cr_assert_eq(notes, 0);
	script(other, "NOTIFY test_db_channel, 'hello'");
	cr_assert_eq(poll(&(struct pollfd){.fd = db_fd(db), .events = POLLIN}, 1, 5000), 1);
	cr_assert(db_notified(db, count_note, &notes, &e), "%s", e.text);
	cr_assert_eq(notes, 1);
	db_close(db);
	db_close(other);
}

/* A notification that comes within a batch is kept, and told by db_notified. */
Test(db, a_note_to_oneself_within_a_batch)
{
	static const struct db_statement tell = {
		.name = "tell", .sql = "SELECT pg_notify('test_db_channel', 'hello')"};
	struct db *db = open_db();
	struct err e = {0};
	struct db_batch b;
	int notes = 0;

	script(db, "LISTEN test_db_channel");
	prepare(db, &tell, 1);
	db_batch_init(&b);
	db_batch_add(&b, &tell, NULL);
	expect_batch(db, &b);
	db_batch_clear(&b);
	cr_assert(db_notified(db, count_note, &notes, &e), "%s", e.text);
	cr_assert_eq(notes, 1);
	db_close(db);
}

Test(db, what_may_pass_is_to_be_tried_again)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};

	script(db, "DROP TABLE IF EXISTS test_db_lock; CREATE TABLE test_db_lock (x int)");
	script(db, "BEGIN; LOCK TABLE test_db_lock");
	script(other, "SET lock_timeout = 50");
	cr_assert_not(db_script(other, "LOCK TABLE test_db_lock; SELECT 1", &e));
	cr_assert_eq(e.class, ERR_RETRY, "%s", e.text);
	cr_assert_str_eq(e.code, "55P03");
	script(db, "ROLLBACK");
	script(other, "SET default_transaction_read_only = on");
	cr_assert_not(db_script(other, "INSERT INTO test_db_lock VALUES (1)", &e));
	cr_assert_eq(e.class, ERR_RETRY, "%s", e.text);
	cr_assert_str_eq(e.code, "25006");
	script(db, "DROP TABLE test_db_lock");
	db_close(db);
	db_close(other);
}
