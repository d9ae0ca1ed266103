/*
 * extract_words: what the words in an element's class and id say about it.
 */
#ifndef HARVEST_EXTRACT_WORDS_H
#define HARVEST_EXTRACT_WORDS_H

#include <stddef.h>

enum {
	WORDS_JUNK = 1 << 0,  /* surely no part of an article */
	WORDS_SHY = 1 << 1,   /* none if it is short: a byline, a caption, a date */
	WORDS_BODY = 1 << 2,  /* calls itself the body of the article */
	WORDS_GOOD = 1 << 3,  /* or something like it */
	WORDS_HIDDEN = 1 << 4 /* a style that hides it */
};

/* The signs in a class, id, role or itemprop (either may be NULL). */
unsigned words_judge(const char *attribute);

/* The signs in a style attribute. */
unsigned words_judge_style(const char *style);

/* Whether a short paragraph is one of those that stand in articles and belong to the page: "Read
 * more: …", "Advertisement". Both lengths in bytes. */
int words_boilerplate(const char *text, size_t len);

#endif
