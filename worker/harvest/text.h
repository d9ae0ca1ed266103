/*
 * text: words put together into paragraphs.
 *
 * Whitespace of every kind (no-break and zero-width spaces too) counts as one space, at the edges
 * of a paragraph as none; control characters are dropped. Owned by its user.
 */
#ifndef HARVEST_TEXT_H
#define HARVEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "cpoa/strbuf.h"

struct text {
	struct strbuf out;
	size_t start; /* where the paragraph in the making starts */
	bool space;   /* whitespace is owed before the next word */
};

void text_init(struct text *t, size_t max);
void text_release(struct text *t);

/* Adds UTF-8 to the present paragraph. */
void text_add(struct text *t, const char *s, size_t len);

/* Ends the paragraph; ends nothing when it is empty. */
void text_break(struct text *t);

/* How long `s` is to a reader, in characters: a run of whitespace counts as one, and an ideograph
 * or a syllable of Hangul as two, for it says more than a letter. */
size_t text_measure(const char *s, size_t len);

#endif
