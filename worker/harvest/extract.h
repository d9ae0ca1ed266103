/*
 * extract: the main text of an HTML page.
 *
 * What a reader came for: the paragraphs, subheadings, lists and quotations of the article, in
 * reading order. Navigation, headline and byline, captions, share bars, related links, newsletters,
 * cookie notices, comments and scripts are left out. The rules know words of HTML ("sidebar",
 * "article-body") and the shape of text, no site's name:
 *
 *   extract_strip   page -> page: only the markup that the rules look at, nothing without a limit
 *   extract_tree    page -> parts in document order (libxml2), with what each one holds
 *   extract_words   class and id -> what a part says it is
 *   extract_clean   strikes out the parts that are no article
 *   extract_choose  finds the part that is the article
 *   extract_notes   strikes out lines that say what they are: "Read more: …"
 *   extract_head    the title; and the text that the page gives to search engines, a last resort
 *
 * Bounded: EXTRACT_PAGE_MAX bytes of a page are read, EXTRACT_PARTS_MAX elements of it are told
 * apart, each step is linear in these, and none recurses. Any thread; nothing is kept between calls
 * (libxml2 is initialised once).
 */
#ifndef HARVEST_EXTRACT_H
#define HARVEST_EXTRACT_H

#include <stddef.h>

enum {
	EXTRACT_PAGE_MAX = 4 << 20, /* bytes; what follows is not looked at */
	EXTRACT_PARTS_MAX = 100000, /* start tags; later ones are as if they were not there */
	EXTRACT_DEPTH_MAX = 240,    /* elements in each other; libxml2 stops reading at 256 */
	EXTRACT_TITLE_MAX = 500	    /* bytes */
};

struct extract {
	char *text;  /* UTF-8, a line a paragraph, "" when there is none; never NULL */
	char *title; /* UTF-8, the headline or else <title>, "" when there is none; never NULL */
	size_t text_len;
};

/*
 * `charset` is that of the Content-Type header, or the whole header, or NULL (see charset.h). Takes
 * any bytes; what it cannot make sense of gives an empty text. extract_release() frees the result.
 */
void extract_page(struct extract *x, const char *html, size_t len, const char *charset);
void extract_release(struct extract *x);

/* The text alone; free() it. `text_len` may be NULL. */
char *extract_text(const char *html, size_t len, const char *charset, size_t *text_len);

#endif
