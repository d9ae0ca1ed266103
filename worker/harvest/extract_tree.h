/*
 * extract_tree: a page as an array of its parts in document order.
 *
 * A part is an element or a piece of text; its subtree is [i, end), so that a walk is a loop, and
 * to skip a subtree is a jump. A block is a part that starts a new line (p, div, li, …); each piece
 * of text belongs to the block that is nearest above it.
 */
#ifndef HARVEST_EXTRACT_TREE_H
#define HARVEST_EXTRACT_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "harvest/extract_strip.h"

enum tag {
	TAG_INLINE, /* any element that starts no new line */
	TAG_TEXT,
	TAG_A,
	TAG_BLOCK, /* div and all that is like it */
	TAG_ARTICLE,
	TAG_SECTION,
	TAG_MAIN,
	TAG_P,
	TAG_PRE,
	TAG_QUOTE,
	TAG_H1,
	TAG_HEADING, /* h2 to h6 */
	TAG_LIST,
	TAG_ITEM,
	TAG_TABLE,
	TAG_ROW,
	TAG_CELL,
	TAG_BR,
	TAG_BUTTON,
	TAG_CAPTION, /* figcaption, caption */
	TAG_FIGURE,
	TAG_HEADER,
	TAG_TIME,
	TAG_OUTSIDE, /* nav, aside, footer, form: no article within */
	TAGS
};

struct part {
	const char *text; /* of TAG_TEXT; of the document, UTF-8 */
	enum tag tag;
	unsigned words;	      /* WORDS_… */
	unsigned parent, end; /* indices */
	unsigned block;	      /* the nearest block, itself included */
	unsigned body;	      /* the nearest that calls itself the article's body; 0 for none */
	bool gone;	      /* struck out, with its subtree */
	bool in_link;
	bool in_page_link; /* <a href="#…"> */
	bool titled;	   /* holds a line that is a link and nothing else; tree_count() */
	/* Characters in the subtree, without what is gone; tree_count() */
	unsigned chars, link_chars;
	unsigned own, own_link; /* of which this block's own */
	unsigned good;		/* in paragraphs worth the name */
};

struct tree {
	void *doc;
	struct part *part;
	unsigned n; /* part[0] is the root; 0 when there is nothing */
};

void tree_init(struct tree *t, const struct strip *page);
void tree_release(struct tree *t);

/* Counts the characters of the subtrees anew, when parts have been struck out. */
void tree_count(struct tree *t);

/* Whether `i` lies in the subtree of `root`. */
static inline bool tree_within(const struct tree *t, unsigned i, unsigned root)
{
	return i >= root && i < t->part[root].end;
}

#endif
