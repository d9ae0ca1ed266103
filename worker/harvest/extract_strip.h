/*
 * extract_strip: a page reduced to what extraction looks at, before a tree is made of it.
 *
 * Most bytes of a page are scripts, styles and attributes that say nothing about its text; and what
 * a tree costs must not be for a page to decide. One pass over UTF-8, in which comments, scripts
 * and other raw text go, elements that only colour words go, and of the attributes only a few stay,
 * cut short. Elements beyond EXTRACT_PARTS_MAX or deeper than EXTRACT_DEPTH_MAX lose their tags,
 * not their text.
 */
#ifndef HARVEST_EXTRACT_STRIP_H
#define HARVEST_EXTRACT_STRIP_H

#include <stdbool.h>
#include <stddef.h>

#include "cpoa/strbuf.h"

enum {
	STRIP_JSONLD_MAX = 16 /* scripts with linked data that are kept */
};

struct slice {
	const char *s;
	size_t len;
};

struct strip {
	struct strbuf html;		       /* what libxml2 gets */
	struct slice title;		       /* of <title>, as it stands in the page */
	struct slice headline;		       /* of <meta property="og:title"> */
	struct slice jsonld[STRIP_JSONLD_MAX]; /* <script type="application/ld+json"> */
	size_t jsonld_n;
};

/* The slices point into `html`, which must outlive them. */
void strip_page(struct strip *st, const char *html, size_t len);
void strip_release(struct strip *st);

#endif
