/* nearest: three rows of the table of distances are enough, as a swap looks two back. */
#include "cpoa/nearest.h"

#include <string.h>

enum { DISTANCE_MAX = 3, LETTERS_A_DIFFERENCE = 3 };

struct nearest nearest_to(const char *word, size_t len)
{
	size_t may = 1 + len / LETTERS_A_DIFFERENCE;

	if (may > DISTANCE_MAX + 1)
		may = DISTANCE_MAX + 1;
	return (struct nearest){.word = word, .len = len, .distance = (unsigned)may};
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned rows[3][NEAREST_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= nb; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *oldest = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1,
				       above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = oldest;
	}
	return above[nb];
}

void nearest_try(struct nearest *n, const char *name)
{
	size_t len = strlen(name);
	unsigned d;

	if (n->len == 0 || n->len > NEAREST_MAX || len > NEAREST_MAX)
		return;
	if (len > n->len && strncmp(name, n->word, n->len) == 0)
		d = 1;
	else
		d = distance(n->word, n->len, name, len);
	if (d >= n->distance)
		return;
	n->distance = d;
	n->found = name;
}
