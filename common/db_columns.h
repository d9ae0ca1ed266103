/*
 * db_columns: what db.c needs of a column when it sends it.
 */
#ifndef DB_COLUMNS_H
#define DB_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/db.h"

/* The object id of a type of ours, or of an array of it; fixed for ever (pg_type.dat). */
uint32_t db_type_oid(enum db_type type, bool array);

/*
 * The bytes of a parameter in PostgreSQL's binary form, valid until the column is changed: the
 * array, or its only element (*value NULL: a null). The column must not have failed.
 */
void db_column_value(struct db_column *c, bool scalar, const char **value, int *len);

#endif
