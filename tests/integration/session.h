/* session: what the tests of db share: sessions with the real server, and a table of their own.
 * Each fails the test that calls it when something goes wrong. */
#ifndef TEST_SESSION_H
#define TEST_SESSION_H

#include "cpoa/db.h"

/* As the environment says; the test is skipped where it says nothing. */
struct db_options session_options(void);
struct db *open_db(void);

void script(struct db *db, const char *sql);
int64_t ask_int(struct db *db, const char *sql);
void prepare(struct db *db, const struct db_statement *table, size_t n);
void expect_batch(struct db *db, struct db_batch *b);

/* Of the session alone, as Criterion runs tests at the same time. */
#define TABLE "CREATE TEMP TABLE t (id int8 PRIMARY KEY, v text)"
extern const struct db_statement insert, count_all;

void init_insert(struct db_column c[2]);
void release(struct db_column *c, int n);

#endif
