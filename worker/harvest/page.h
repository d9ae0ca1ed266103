/*
 * page: one page of a harvest, from its URL to its text.
 *
 * A page is fetched, its redirects followed (each checked like the first), and its main text
 * extracted. It belongs to the thread of its struct http.
 */
#ifndef HARVEST_PAGE_H
#define HARVEST_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/http.h"

#include "harvest/harvest.h"

enum { PAGE_REDIRECTS_MAX = 3 };

/* agents.md §6, error_type. */
enum page_outcome {
	PAGE_OK,
	PAGE_FETCH_ERROR,
	PAGE_NO_CONTENT,
	PAGE_TOO_SHORT,
	PAGE_UNSAFE_URL,   /* not http or https, or with user information */
	PAGE_SSRF_BLOCKED, /* its address is not one of the public Internet */
	PAGE_OUTCOME_COUNT,
};

/* "ok", "fetch_error" … */
const char *page_outcome_name(enum page_outcome outcome);

struct page {
	struct http_request http;
	struct http *client;
	const struct harvest_options *options;
	char *url;	       /* where it was found */
	char at[HTTP_URL_MAX]; /* where it is by now */
	int redirects;
	int64_t deadline_us;
	void (*done)(struct page *page);
	void *owner;

	/* what came of it */
	enum page_outcome outcome;
	char message[320];
	char *text;
	size_t text_len; /* bytes */
	size_t length;	 /* characters of what was extracted, kept or not */
};

/*
 * Zeroed but for options, client, done and owner. False: it is over already, and `done` is not
 * called for it.
 */
bool page_start(struct page *page, const char *url);

/* Also of one under way. */
void page_release(struct page *page);

/* The guard for a URL that is about to be asked: NULL for a host of WCHA_ALLOW_HOSTS. */
void page_guard(struct http_request *r, const struct harvest_options *options, const char *url);

#endif
