/*
 * extract_parts: the steps from a tree to a text (extract.h has the list).
 */
#ifndef HARVEST_EXTRACT_PARTS_H
#define HARVEST_EXTRACT_PARTS_H

#include "harvest/extract_tree.h"
#include "harvest/text.h"

/* How much is believed of what the parts of a page call themselves. */
enum strictness {
	STRICT,
	LENIENT, /* nothing: a page where strictness left too little */
};

/* Strikes out what is no article wherever it stands, and nothing else. Returns how many characters
 * of paragraphs the largest part had that went for its name alone. */
unsigned clean_page(struct tree *t, enum strictness strictness);

/* Strikes out lines and notes that say what they are: "Read more: …", a date, "Reporting by …". */
void notes_strike(struct tree *t, unsigned root, const char *title);

/* Strikes out the sections whose heading says that they are none of the article: "Comments". */
void notes_strike_sections(struct tree *t);

/* Strikes out what is no article within one: `root` is what choose_root() found. */
void clean_article(struct tree *t, unsigned root, const char *title);

/* The part that holds the article; 0 when nothing is better than the whole. */
unsigned choose_root(const struct tree *t);

/* The page's title, added to `out`: as it is given to others, or else <title>. */
void head_title(const struct strip *page, struct text *out);

/* The longest articleBody in the page's linked data, added to `out`; nothing when there is none. */
void head_body(const struct strip *page, struct text *out);

#endif
