/*
 * table: rows of texts in columns. The columns take what their texts need; when that is more than
 * the terminal has, the columns marked `gives` are cut, and a last one of them is left out if that
 * is not enough.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct table_column {
	const char *title;
	bool right;  /* aligned */
	bool status; /* coloured */
	bool gives;  /* cut when there is not room for all */
};

struct table_row {
	char **cell; /* one a column, cleaned */
	char *note;  /* printed beneath, or NULL */
};

struct table {
	const struct table_column *columns;
	int n_columns;
	struct table_row *rows;
	int n_rows, room;
};

void table_init(struct table *t, const struct table_column *columns, int n);
void table_release(struct table *t);

/* Adds a row; the texts are cleaned and copied (NULL: empty). */
void table_add(struct table *t, const char *const *cells);

/* Of the last row: a line beneath it. */
void table_note(struct table *t, const char *note);

/* Replaces a cell: for what depends on the room that the others leave. */
void table_set(struct table *t, int row, int column, const char *text);

/* Columns of a line as it would be printed uncut. */
int table_width(const struct table *t);

/* Title line and rows, in at most `width` columns (0: no limit). */
void table_print(const struct table *t, FILE *out, int width);

#endif
