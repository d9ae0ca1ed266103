/* links: cpoa_db cpoa_session */
/* Sessions of db that end, and batches in two halves, against a real PostgreSQL. */
#include "session.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

static void terminate(struct db *db, struct db *by)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)::int",
		 db_backend_pid(db));
	cr_assert_eq(ask_int(by, sql), 1);
}

Test(db_session, a_terminated_backend_is_a_lost_session)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};
	struct db_batch b;

	script(db, TABLE);
	prepare(db, &count_all, 1);
	terminate(db, other);
	db_batch_init(&b);
	db_batch_add(&b, &count_all, NULL);
	cr_assert_not(db_batch_run(db, &b, &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	e = (struct err){0};
	cr_assert_not(db_batch_run(db, &b, &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	e = (struct err){0};
	cr_assert_not(db_script(db, "SELECT 1", &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	db_close(db);
	db_close(other);
}

/* ---- in two halves ---- */

static const struct db_statement mark = {.name = "mark",
					 .sql = "SELECT pg_advisory_lock(4711, pg_backend_pid())"};

/* Whether `other` sees within 5 s that the session has run `mark`. */
static bool await_mark(struct db *db, struct db *other)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 4711 AND "
		 "objid::int8 = %d AND granted",
		 db_backend_pid(db));
	for (int64_t until = clock_mono_ms() + 5000; clock_mono_ms() < until;)
		if (ask_int(other, sql) == 1)
			return true;
	return false;
}

Test(db_session, the_server_works_on_what_was_sent_while_nobody_waits)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};
	struct db_batch b;

	prepare(db, &mark, 1);
	db_batch_init(&b);
	db_batch_add(&b, &mark, NULL);
	cr_assert(db_batch_send(db, &b, &e), "%s", e.text);
	cr_assert(await_mark(db, other));
	cr_assert(db_batch_finish(db, &b, &e), "%s", e.text);
	cr_assert_eq(db_rows(b.step[0].result), 1);
	db_batch_clear(&b);
	expect_batch(db, &b); /* the session goes on */
	db_batch_clear(&b);
	db_close(db);
	db_close(other);
}

/* Sends a batch to `db` that waits for a lock of `other`'s. */
static void send_what_is_locked(struct db *db, struct db *other, struct db_batch *b)
{
	static const struct db_statement lock = {.name = "lock",
						 .sql = "SELECT pg_advisory_xact_lock(4712)"};
	struct err e = {0};

	prepare(db, &lock, 1);
	script(other, "SELECT pg_advisory_lock(4712)");
	db_batch_init(b);
	db_batch_add(b, &lock, NULL);
	cr_assert(db_batch_send(db, b, &e), "%s", e.text);
}

Test(db_session, who_waits_between_the_halves_hears_when_the_answer_begins_to_come)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};
	struct db_batch b;

	send_what_is_locked(db, other, &b);
	cr_expect_not(db_batch_wait(db, 1), "it waits for the lock");
	cr_expect_not(db_batch_wait(db, 1));
	script(other, "SELECT pg_advisory_unlock(4712)");
	cr_expect(db_batch_wait(db, 60000));
	cr_assert(db_batch_finish(db, &b, &e), "%s", e.text);
	db_batch_clear(&b);
	db_close(db);
	db_close(other);
}

Test(db_session, who_waits_between_the_halves_hears_of_the_end)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};
	struct db_batch b;

	send_what_is_locked(db, other, &b);
	terminate(db, other);
	cr_expect(db_batch_wait(db, 60000));
	cr_assert_not(db_batch_finish(db, &b, &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	db_close(db);
	db_close(other);
}

/* More than the sockets hold, with an answer as long: neither side may wait for the other. */
Test(db_session, what_does_not_go_at_once_goes_when_it_is_finished)
{
	enum { MANY = 200, LONG = 100000 };
	static const struct db_statement repeat = {.name = "repeat",
						   .n_params = 1,
						   .types = {DB_TEXT},
						   .sql = "SELECT unnest($1::text[])"};
	struct db *db = open_db();
	char *text = xcalloc(1, LONG + 1);
	struct db_column c;
	struct err e = {0};
	struct db_batch b;

	memset(text, 'x', LONG);
	prepare(db, &repeat, 1);
	db_column_init(&c, DB_TEXT);
	for (int i = 0; i < MANY; i++)
		db_put_text(&c, text);
	db_batch_init(&b);
	db_batch_add(&b, &repeat, &c);
	cr_assert(db_batch_send(db, &b, &e), "%s", e.text);
	cr_assert(db_batch_finish(db, &b, &e), "%s", e.text);
	cr_assert_eq(db_rows(b.step[0].result), MANY);
	cr_assert_eq(db_length(b.step[0].result, MANY - 1, 0), LONG);
	db_batch_clear(&b);
	release(&c, 1);
	free(text);
	db_close(db);
}

Test(db_session, a_session_that_ends_between_the_halves_is_lost)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};
	struct db_batch b;

	prepare(db, &mark, 1);
	db_batch_init(&b);
	db_batch_add(&b, &mark, NULL);
	cr_assert(db_batch_send(db, &b, &e), "%s", e.text);
	cr_assert(await_mark(db, other));
	terminate(db, other);
	/* What it has answered before its goodbye may be read. */
	if (db_batch_finish(db, &b, &e)) {
		db_batch_clear(&b);
		cr_assert_not(db_batch_run(db, &b, &e));
	}
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	db_close(db);
	db_close(other);
}

Test(db_session, terminated_within_a_batch)
{
	static const struct db_statement suicide = {
		.name = "suicide", .sql = "SELECT pg_terminate_backend(pg_backend_pid())"};
	struct db *db = open_db();
	const struct db_statement table[] = {suicide, count_all};
	struct err e = {0};
	struct db_batch b;

	script(db, TABLE);
	prepare(db, table, 2);
	db_batch_init(&b);
	db_batch_add(&b, &count_all, NULL);
	db_batch_add(&b, &suicide, NULL);
	db_batch_add(&b, &count_all, NULL);
	cr_assert_not(db_batch_run(db, &b, &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	cr_assert_eq(db_fd(db), -1);
	db_close(db);
}

static void no_note(void *ctx, const char *channel, const char *payload)
{
	(void)ctx;
	cr_assert_fail("%s: %s", channel, payload);
}

Test(db_session, an_idle_session_hears_of_its_end)
{
	struct db *db = open_db(), *other = open_db();
	struct err e = {0};
	bool alive = true;

	terminate(db, other);
	for (int i = 0; alive && i < 50; i++) {
		poll(&(struct pollfd){.fd = db_fd(db), .events = POLLIN}, 1, 100);
		alive = db_notified(db, no_note, NULL, &e);
	}
	cr_assert_not(alive);
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	db_close(db);
	db_close(other);
}

static struct db *open_lost_after(int64_t ms)
{
	struct db_options o = session_options();
	struct err e = {0};
	struct db *db;

	o.lost_after_ms = ms;
	db = db_open(&o, &e);
	cr_assert(db, "%s", e.text);
	return db;
}

Test(db_session, idle_session_timeout_ends_it)
{
	struct err e = {0};
	struct db *db = open_lost_after(1000);

	poll(NULL, 0, 1300);
	cr_assert_not(db_script(db, "SELECT 1", &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	db_close(db);
}

/* A proxy may keep the connection and swallow the question. */
Test(db_session, a_silent_server_is_given_up)
{
	struct err e = {0};
	struct db *db = open_lost_after(500);

	cr_assert_not(db_script(db, "SELECT pg_sleep(5)", &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	cr_assert(strstr(e.text, "did not answer for 500 ms"), "%s", e.text);
	db_close(db);
	db = open_lost_after(500);
	cr_assert_null(db_query(db, "SELECT pg_sleep(5)", 0, NULL, &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	db_close(db);
}
