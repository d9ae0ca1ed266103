/*
 * nearest: which of some names was meant by a mistyped one.
 *
 * Names are compared by the letters that must be put in, left out, exchanged or swapped with their
 * neighbour to make one of the other (the optimal string alignment distance). One
 * difference for every three letters of the word is borne, three at most; a name that begins with
 * the whole word is as near as one that differs in one letter. Of names that are equally near the
 * first wins.
 *
 *	struct nearest n = nearest_to("workfow");
 *	for (…) nearest_try(&n, name, strlen(name));
 *	if (n.found) … "did you mean '%s'?" …
 *
 * Any thread; allocates nothing.
 */
#ifndef CPOA_NEAREST_H
#define CPOA_NEAREST_H

#include <stddef.h>

enum { NEAREST_MAX = 64 }; /* bytes; longer words and names are near to nothing */

struct nearest {
	const char *word;
	size_t len;
	const char *found; /* NULL: nothing was near */
	unsigned distance; /* of what was found; else what it would have to be below */
};

struct nearest nearest_to(const char *word, size_t len);

/* The name must outlive `n`. */
void nearest_try(struct nearest *n, const char *name);

#endif
