/*
 * search: from a topic to the pages about it.
 *
 * What a search engine answers is told apart by what it is: SearXNG's JSON
 * ({"results":[{"url":…}]}), or a page like DuckDuckGo's, whose results are links of class
 * "result__a" (html.duckduckgo.com) or "result-link" (lite), wrapped as
 * //duckduckgo.com/l/?uddg=URL. Advertisements are left out, the same page under two spellings is
 * taken once.
 *
 * Any thread; nothing is kept between calls.
 */
#ifndef HARVEST_SEARCH_H
#define HARVEST_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

enum {
	SEARCH_RESULTS_MAX = 20,
	SEARCH_QUERY_MAX = 500 /* bytes of a topic that are searched for */
};

struct search_results {
	char *url[SEARCH_RESULTS_MAX]; /* as the engine gave them: not yet judged */
	int n;
};

/* `template` with the percent-encoded query in place of each "{query}". */
void search_url(struct strbuf *out, const char *template, const char *query);

/*
 * The first `max` results. `url` is where the answer came from, `content_type` its header. No
 * results are none; false (ERR_RETRY): the answer is not that of a search engine, or it asks
 * whether we are a person. search_release() frees, also after false.
 */
MUST_CHECK bool search_read(struct search_results *r, const char *url, const char *content_type,
			    const char *body, size_t len, int max, struct err *e);
void search_release(struct search_results *r);

#endif
