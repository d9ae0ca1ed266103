/* table: measuring, cutting, padding. */
#include "ctl/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

#include "ctl/output.h"

enum { COLUMNS_MAX = 16, GAP = 2, NARROWEST = 7, NOTE_INDENT = 4 };

void table_init(struct table *t, const struct table_column *columns, int n)
{
	assert(n > 0 && n <= COLUMNS_MAX);
	*t = (struct table){.columns = columns, .n_columns = n};
}

void table_release(struct table *t)
{
	for (int r = 0; r < t->n_rows; r++) {
		for (int c = 0; c < t->n_columns; c++)
			free(t->rows[r].cell[c]);
		free(t->rows[r].cell);
		free(t->rows[r].note);
	}
	free(t->rows);
	*t = (struct table){.columns = t->columns, .n_columns = t->n_columns};
}

static char *cleaned(const char *text, int columns)
{
	struct strbuf sb;

	strbuf_init(&sb, 4 * TEXT_CLEAN_MAX);
	text_clean(&sb, text, columns);
	return strbuf_detach(&sb, NULL);
}

void table_add(struct table *t, const char *const *cells)
{
	struct table_row *row;

	if (t->n_rows == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		t->rows = xrealloc(t->rows, (size_t)t->room * sizeof(*t->rows));
	}
	row = &t->rows[t->n_rows++];
	row->note = NULL;
	row->cell = xcalloc((size_t)t->n_columns, sizeof(*row->cell));
	for (int c = 0; c < t->n_columns; c++)
		row->cell[c] = cleaned(cells[c], 0);
}

void table_note(struct table *t, const char *note)
{
	assert(t->n_rows > 0);
	free(t->rows[t->n_rows - 1].note);
	t->rows[t->n_rows - 1].note = cleaned(note, 0);
}

void table_set(struct table *t, int row, int column, const char *text)
{
	assert(row < t->n_rows && column < t->n_columns);
	free(t->rows[row].cell[column]);
	t->rows[row].cell[column] = cleaned(text, 0);
}

static int measure(const struct table *t, int widths[COLUMNS_MAX])
{
	int sum = GAP * (t->n_columns - 1);

	for (int c = 0; c < t->n_columns; c++) {
		widths[c] = text_columns(t->columns[c].title);
		for (int r = 0; r < t->n_rows; r++) {
			int n = text_columns(t->rows[r].cell[c]);

			widths[c] = n > widths[c] ? n : widths[c];
		}
		sum += widths[c];
	}
	return sum;
}

int table_width(const struct table *t)
{
	int widths[COLUMNS_MAX];

	return measure(t, widths);
}

/*
 * Takes a column at a time from the widest that gives. When all are at their narrowest, the last
 * one goes if it is of that kind. Returns how many columns stay.
 */
static int shrink(const struct table *t, int widths[COLUMNS_MAX], int excess)
{
	while (excess > 0) {
		int widest = -1;

		for (int c = 0; c < t->n_columns; c++)
			if (t->columns[c].gives && widths[c] > NARROWEST &&
			    (widest < 0 || widths[c] > widths[widest]))
				widest = c;
		if (widest < 0)
			return t->n_columns - t->columns[t->n_columns - 1].gives;
		widths[widest]--;
		excess--;
	}
	return t->n_columns;
}

/* Blanks are owed until something follows them, so that no line ends in them. Returns how many are
 * owed. */
static int print_cell(const struct table_column *column, FILE *out, const char *text, int width,
		      bool head, int owed)
{
	AUTO(free_ptr) char *cut = cleaned(text, width);
	const char *colour = column->status && !head ? status_colour(text) : "";
	int room = width - text_columns(cut);

	if (!*cut)
		return owed + width;
	if (column->right)
		owed += room;
	fprintf(out, "%*s%s%s%s", owed, "", colour, cut, colour_end(colour));
	return column->right ? 0 : room;
}

void table_print(const struct table *t, FILE *out, int width)
{
	int widths[COLUMNS_MAX], excess = measure(t, widths) - width;
	int n = width > 0 ? shrink(t, widths, excess) : t->n_columns;

	for (int r = -1; r < t->n_rows; r++) {
		int owed = 0;

		for (int c = 0; c < n; c++) {
			const char *text = r < 0 ? t->columns[c].title : t->rows[r].cell[c];

			owed = print_cell(&t->columns[c], out, text, widths[c], r < 0, owed) + GAP;
		}
		fputc('\n', out);
		if (r >= 0 && t->rows[r].note) {
			AUTO(free_ptr)
			char *cut = cleaned(t->rows[r].note,
					    width > NOTE_INDENT ? width - NOTE_INDENT : 0);

			fprintf(out, "%*s%s\n", NOTE_INDENT, "", cut);
		}
	}
}
