/* harvest: the search, the pages, the result. */
#include "harvest/harvest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"
#include "cpoa/timers.h"

#include "harvest/charset.h"
#include "harvest/guard.h"
#include "harvest/page.h"
#include "harvest/search.h"

enum {
	BACKOFF_MAX_MS = 30000,
	RETRY_AFTER_MAX_MS = 60000, /* a search engine that wants a longer rest is given up */
	CONNECTIONS = 32,
	MESSAGE_MAX = 4000,
	PART_OVERHEAD = HTTP_URL_MAX + 64,
	WHAT_SHOWN_MAX = 200, /* bytes of a topic in a message */
	QUIET_STATUS = 202    /* DuckDuckGo's, for whom it takes for a robot */
};

struct harvests {
	struct harvest_options options;
	struct http *http;
	struct timers timers;
	struct rng rng;
};

struct harvest {
	struct harvests *all;
	char *what; /* a topic, or a page's URL */
	bool is_page;
	void (*done)(struct harvest *h, void *owner);
	void *owner;
	struct timer timer;	    /* the next search, or the end of one that could not begin */
	struct http_request search; /* while there are no pages */
	struct strbuf search_url;
	unsigned failures;
	char search_error[ERR_TEXT_MAX]; /* why there are no pages */
	struct page *pages;
	int n_pages, n_over;
};

/* ---- pages ---- */

/* The caller touches nothing afterwards: the owner may have freed the harvest. */
static void end(struct harvest *h)
{
	h->done(h, h->owner);
}

static void on_page(struct page *page)
{
	struct harvest *h = page->owner;

	if (++h->n_over == h->n_pages)
		end(h);
}

/* All at once. False: all are over already. */
static bool start_pages(struct harvest *h, char *const *urls, int n)
{
	h->pages = xcalloc((size_t)n, sizeof(*h->pages));
	h->n_pages = n;
	for (int i = 0; i < n; i++) {
		struct page *page = &h->pages[i];

		page->client = h->all->http;
		page->options = &h->all->options;
		page->done = on_page;
		page->owner = h;
		if (!page_start(page, urls[i]))
			h->n_over++;
	}
	return h->n_over < n;
}

/* ---- the search ---- */

static void fail_search(struct harvest *h, const char *why)
{
	snprintf(h->search_error, sizeof(h->search_error), "%s", why);
	end(h);
}

static void search_again(struct harvest *h, const char *why, int64_t retry_after_ms)
{
	struct harvests *all = h->all;
	int64_t wait = backoff_ms(&all->rng, all->options.backoff_ms, BACKOFF_MAX_MS, h->failures);

	if (h->failures >= all->options.retries || retry_after_ms > RETRY_AFTER_MAX_MS) {
		fail_search(h, why);
		return;
	}
	h->failures++;
	timers_set(&all->timers, &h->timer, clock_mono_us() + MAX(wait, retry_after_ms) * 1000);
}

static void hear_results(struct harvest *h)
{
	struct http_request *r = &h->search;
	struct search_results found;
	struct err e;
	bool ok = search_read(&found, r->url, r->content_type, r->answer.buf, r->answer.len,
			      h->all->options.max_results, &e);
	int64_t retry_after_ms = r->retry_after_ms;
	bool waits = false;

	http_request_release(r);
	if (ok && found.n)
		waits = start_pages(h, found.url, found.n);
	search_release(&found);
	if (!ok)
		search_again(h, e.text, retry_after_ms);
	else if (!waits)
		end(h);
}

static bool may_pass(int status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

static void on_search(struct http_request *r)
{
	struct harvest *h = r->owner;
	char why[sizeof(r->error) + 64];
	int64_t retry_after_ms = r->retry_after_ms;
	bool again;

	if (r->outcome == HTTP_ANSWERED && (r->status == 200 || r->status == QUIET_STATUS)) {
		hear_results(h);
		return;
	}
	if (r->outcome == HTTP_ANSWERED) {
		snprintf(why, sizeof(why), "the search engine answered HTTP %d", r->status);
		again = may_pass(r->status);
	} else {
		snprintf(why, sizeof(why), "%s%s", r->error,
			 r->address_refused ? "; WCHA_ALLOW_HOSTS can exempt its host" : "");
		again = !r->address_refused && r->outcome != HTTP_BAD_REQUEST &&
			r->outcome != HTTP_TOO_LARGE;
	}
	http_request_release(r);
	if (again)
		search_again(h, why, retry_after_ms);
	else
		fail_search(h, why);
}

static void search(struct harvest *h)
{
	const struct harvest_options *o = &h->all->options;
	struct err e;

	strbuf_reset(&h->search_url);
	search_url(&h->search_url, o->search_url, h->what);
	if (!guard_url_ok(h->search_url.buf, &e)) {
		fail_search(h, e.text);
		return;
	}
	h->search = (struct http_request){
		.method = "GET",
		.url = h->search_url.buf,
		.headers = {"Accept: text/html,application/xhtml+xml,application/json;q=0.9"},
		.timeout_ms = o->timeout_ms,
		.body_max = o->body_max,
		.compressed = true,
		.done = on_search,
		.owner = h,
	};
	page_guard(&h->search, o, h->search_url.buf);
	http_start(h->all->http, &h->search);
}

/* ---- the result ---- */

/* Texts from pages and URLs may hold any bytes. */
static void set_text(struct json_object *o, const char *key, const char *s)
{
	size_t len;
	AUTO(free_ptr) char *clean = charset_to_utf8(s, strlen(s), "utf-8", &len);

	json_set(o, key, json_object_new_string_len(clean, (int)len));
}

static struct json_object *sources_of(const struct harvest *h)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < h->n_pages; i++) {
		const struct page *page = &h->pages[i];
		struct json_object *o = json_object_new_object();

		set_text(o, "url", page->url);
		json_set_str(o, "outcome", page_outcome_name(page->outcome));
		set_text(o, "message", page->message);
		json_set_num(o, "length", (int64_t)page->length);
		json_object_array_add(list, o);
	}
	return list;
}

/* "Source: URL", the text, and between two of them a line of dashes: PSWA was made for this. Those
 * that no longer fit at all are left out. */
static void join(const struct harvest *h, struct strbuf *content, struct json_object *urls)
{
	size_t max = h->all->options.content_max;

	for (int i = 0; i < h->n_pages; i++) {
		const struct page *page = &h->pages[i];
		size_t start = content->len, head;

		if (page->outcome != PAGE_OK)
			continue;
		strbuf_addf(content, "%sSource: %s\n", start ? "\n\n---\n\n" : "", page->url);
		head = content->len;
		strbuf_add(content, page->text, page->text_len);
		strbuf_cut(content, utf8_cut(content->buf, content->len, max));
		if (content->len <= head) {
			strbuf_cut(content, start);
			return;
		}
		json_object_array_add(urls, json_object_new_string(page->url));
	}
}

/* What became of those that gave nothing. */
static void add_failures(const struct harvest *h, struct strbuf *message)
{
	const char *before = " Failures: ";

	for (int i = 0; i < h->n_pages; i++) {
		const struct page *page = &h->pages[i];

		if (page->outcome == PAGE_OK)
			continue;
		strbuf_addf(message, "%s%.300s: %s (%s)", before, page->url, page->message,
			    page_outcome_name(page->outcome));
		before = "; ";
	}
}

static void say_failure(const struct harvest *h, struct strbuf *message)
{
	int n = (int)utf8_cut(h->what, strlen(h->what), WHAT_SHOWN_MAX);

	if (h->search_error[0])
		strbuf_addf(message, "Error during web search for topic '%.*s': %s", n, h->what,
			    h->search_error);
	else if (h->n_pages == 0)
		strbuf_addf(message, "WCHA: No search results found for topic '%.*s'.", n, h->what);
	else
		strbuf_addf(message,
			    "WCHA: Failed to harvest usable content from any of the %d URLs for "
			    "topic '%.*s'.",
			    h->n_pages, n, h->what);
}

struct json_object *harvest_result(const struct harvest *h)
{
	AUTO(strbuf_release) struct strbuf content, message;
	struct json_object *o = json_object_new_object(), *urls = json_object_new_array();
	size_t room = 0;
	int kept;

	for (int i = 0; i < h->n_pages; i++)
		room += h->pages[i].text_len + PART_OVERHEAD;
	strbuf_init(&content, room);
	strbuf_init(&message, MESSAGE_MAX);
	join(h, &content, urls);
	kept = (int)json_object_array_length(urls);
	if (kept)
		strbuf_addf(&message,
			    "Successfully consolidated content from %d out of %d URLs for topic "
			    "'%.*s'.",
			    kept, h->n_pages,
			    (int)utf8_cut(h->what, strlen(h->what), WHAT_SHOWN_MAX), h->what);
	else
		say_failure(h, &message);
	add_failures(h, &message);
	json_set_str(o, "status", kept ? "success" : "failure");
	json_set(o, "content",
		 kept ? json_object_new_string_len(content.buf, (int)content.len) : NULL);
	json_set(o, "source_urls", urls);
	set_text(o, "message", message.buf);
	json_set(o, "sources", sources_of(h));
	return o;
}

/* ---- life ---- */

struct harvest *harvest_start(struct harvests *all, const char *topic, const char *url,
			      void (*done)(struct harvest *h, void *owner), void *owner)
{
	struct harvest *h = xcalloc(1, sizeof(*h));

	h->all = all;
	h->what = xstrdup(url ? url : topic);
	h->is_page = url != NULL;
	h->done = done;
	h->owner = owner;
	strbuf_init(&h->search_url, 64 << 10);
	timers_set(&all->timers, &h->timer, clock_mono_us());
	return h;
}

static void begin(struct harvest *h)
{
	if (!h->is_page)
		search(h);
	else if (!start_pages(h, &h->what, 1))
		end(h);
}

void harvest_free(struct harvest *h)
{
	if (!h)
		return;
	timers_cancel(&h->all->timers, &h->timer);
	if (h->search.handle)
		http_cancel(h->all->http, &h->search);
	http_request_release(&h->search);
	for (int i = 0; i < h->n_pages; i++)
		page_release(&h->pages[i]);
	strbuf_release(&h->search_url);
	free(h->pages);
	free(h->what);
	free(h);
}

struct harvests *harvests_new(const struct harvest_options *o, struct err *e)
{
	struct harvests *all = xcalloc(1, sizeof(*all));
	struct http_options http = {.user_agent = o->user_agent, .max_connections = CONNECTIONS};

	all->options = *o;
	rng_seed(&all->rng, 0);
	timers_init(&all->timers);
	all->http = http_new(&http, e);
	if (all->http)
		return all;
	harvests_free(all);
	return NULL;
}

void harvests_free(struct harvests *all)
{
	if (!all)
		return;
	http_free(all->http);
	timers_release(&all->timers);
	free(all);
}

int harvests_fd(const struct harvests *all)
{
	return http_fd(all->http);
}

int harvests_wait_ms(struct harvests *all, int max_ms)
{
	int wait = timers_wait_ms(&all->timers, clock_mono_us(), max_ms),
	    http_wait = http_wait_ms(all->http);

	return http_wait >= 0 && http_wait < wait ? http_wait : wait;
}

void harvests_work(struct harvests *all)
{
	struct timer *timer;
	int64_t now = clock_mono_us();

	while ((timer = timers_pop_due(&all->timers, now)))
		begin((struct harvest *)(void *)((char *)timer - offsetof(struct harvest, timer)));
	http_work(all->http);
}
