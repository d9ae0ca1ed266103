/*
 * harvest: the web about a topic, as text (agents.md §6: WCHA as a library).
 *
 * A search, then all of its results at once; of each page the main text; joined as the original
 * joins. A state machine over one struct http: no thread, and nothing blocks.
 *
 *	search ──▶ results ──▶ page ──▶ text ─┐
 *	  ▲ │ again, later     page ──▶ text ─┼─▶ the result
 *	  └─┘                  page ──▶ ✗    ─┘
 *	                       ▲ │ redirect, at most 3
 *	                       └─┘
 *
 * Bounded: WCHA_REQUEST_TIMEOUT for the search's request and for each page with its redirects,
 * WCHA_MAX_BODY_BYTES for what an answer unpacks to. Every address is judged by guard.h, that of
 * the search engine too, but for the hosts of WCHA_ALLOW_HOSTS.
 *
 * Everything here belongs to one thread.
 */
#ifndef HARVEST_HARVEST_H
#define HARVEST_HARVEST_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/err.h"

/* All strings outlive the harvests. */
struct harvest_options {
	const char *search_url; /* with "{query}" */
	const char *user_agent;
	const char *allow_hosts; /* guard_allows() */
	int max_results;	 /* at most SEARCH_RESULTS_MAX */
	int64_t timeout_ms;
	size_t body_max;
	size_t content_min; /* characters: a page with less is dropped */
	size_t content_max; /* bytes of the whole */
	unsigned retries;   /* of the search, after the first attempt */
	int64_t backoff_ms; /* attempt n waits about backoff·2^n */
};

/* The harvests of one thread: their connections and timers. */
struct harvests;

MUST_CHECK struct harvests *harvests_new(const struct harvest_options *o, struct err *e);
void harvests_free(struct harvests *all); /* there is none any more */

/* For poll(2): readable when there is something to do; and when harvests_work is wanted all the
 * same. */
int harvests_fd(const struct harvests *all);
int harvests_wait_ms(struct harvests *all, int max_ms);

/* Does what there is to do without waiting for anything, and calls `done` of those that have ended.
 */
void harvests_work(struct harvests *all);

/* One harvest. */
struct harvest;

/*
 * Of a topic; or of one page, when `url` is not NULL. `done` is called once, from harvests_work();
 * there harvest_result() tells what came of it.
 */
struct harvest *harvest_start(struct harvests *all, const char *topic, const char *url,
			      void (*done)(struct harvest *h, void *owner), void *owner);

/*
 * {"status":"success"|"failure", "content":text or null, "source_urls":[those in the content],
 *  "message":…, "sources":[{"url","outcome":"ok" or an error_type of agents.md §6,"message",
 *  "length":characters}]}. A new reference.
 */
struct json_object *harvest_result(const struct harvest *h);

/* Also of one that is under way: `done` will not be called. */
void harvest_free(struct harvest *h);

#endif
