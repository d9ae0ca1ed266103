/*
 * extract_words: what the words in an element's class and id say about it.
 */
#ifndef HARVEST_EXTRACT_WORDS_H
#define HARVEST_EXTRACT_WORDS_H

#include <stddef.h>

enum {
	WORDS_JUNK = 1 << 0,	/* surely no part of an article */
	WORDS_SHY = 1 << 1,	/* none if it is short: a byline, a caption, a date */
	WORDS_BODY = 1 << 2,	/* calls itself the body of the article */
	WORDS_GOOD = 1 << 3,	/* or something like it */
	WORDS_HIDDEN = 1 << 4,	/* a style that hides it */
	WORDS_READERS = 1 << 5, /* what readers say */
	WORDS_ENTRY = 1 << 6	/* an entry of a blog, whose class has words from its content */
};

enum { WORDS_MAX = 250, WORDS_BUCKETS = 256 };

/* Where to look first: an index of the words, of no use but for words_judge(). */
struct words {
	unsigned char first[WORDS_BUCKETS], next[WORDS_MAX];
};

void words_init(struct words *w);

/* The signs in a class, id, role or itemprop (or NULL). */
unsigned words_judge(const struct words *w, const char *attribute);

/* The same for an id, which may be a sentence made one word: then it says nothing. */
unsigned words_judge_id(const struct words *w, const char *id);

/* The signs in a style attribute. */
unsigned words_judge_style(const char *style);

#endif
