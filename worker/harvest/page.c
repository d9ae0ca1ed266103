/* page: fetching one page. */
#include "harvest/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "harvest/extract.h"
#include "harvest/guard.h"

const char *page_outcome_name(enum page_outcome outcome)
{
	static const char *const names[PAGE_OUTCOME_COUNT] = {
		[PAGE_OK] = "ok",
		[PAGE_FETCH_ERROR] = "fetch_error",
		[PAGE_NO_CONTENT] = "no_content_extracted",
		[PAGE_TOO_SHORT] = "content_too_short",
		[PAGE_UNSAFE_URL] = "unsafe_url",
		[PAGE_SSRF_BLOCKED] = "ssrf_blocked",
	};

	return names[outcome];
}

/* ---- ends ---- */

static bool end(struct page *page, enum page_outcome outcome, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Always false, as what did not begin. */
static bool end(struct page *page, enum page_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(page->message, sizeof(page->message), fmt, ap);
	va_end(ap);
	page->outcome = outcome;
	return false;
}

static bool is_html(const char *content_type)
{
	static const char *const types[] = {"text/html", "application/xhtml+xml"};
	size_t n = strcspn(content_type, "; \t");

	/* A server that does not say what it sends is believed to send pages. */
	if (n == 0)
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strlen(types[i]) == n && strncasecmp(content_type, types[i], n) == 0)
			return true;
	return false;
}

static void read_text(struct page *page)
{
	const struct http_request *r = &page->http;
	size_t min = page->options->content_min;

	page->text = extract_text(r->answer.buf, r->answer.len, r->content_type, &page->text_len);
	while (page->text_len && page->text[page->text_len - 1] == '\n')
		page->text[--page->text_len] = '\0';
	page->length = utf8_count(page->text, page->text_len);
	if (page->length == 0)
		end(page, PAGE_NO_CONTENT, "no main text was found");
	else if (page->length < min)
		end(page, PAGE_TOO_SHORT, "%zu characters of text; %zu are wanted", page->length,
		    min);
	else
		end(page, PAGE_OK, "%zu characters", page->length);
	if (page->outcome != PAGE_OK) {
		free(page->text);
		page->text = NULL;
		page->text_len = 0;
	}
}

/* ---- on the way ---- */

void page_guard(struct http_request *r, const struct harvest_options *options, const char *url)
{
	r->address_ok = guard_allows(options->allow_hosts, url) ? NULL : guard_address_ok;
}

static void on_done(struct http_request *r);

/* Asks for page->at. */
static bool ask(struct page *page)
{
	static const char *const accept = "Accept: text/html,application/xhtml+xml;q=0.9";
	int64_t left_ms = (page->deadline_us - clock_mono_us()) / 1000;
	struct err e;

	if (!guard_url_ok(page->at, &e))
		return end(page, PAGE_UNSAFE_URL, "%s", e.text);
	if (left_ms <= 0)
		return end(page, PAGE_FETCH_ERROR, "its redirects took too long");
	page->http = (struct http_request){
		.method = "GET",
		.url = page->at,
		.headers = {accept},
		.timeout_ms = left_ms,
		.body_max = page->options->body_max,
		.compressed = true,
		.done = on_done,
		.owner = page,
	};
	page_guard(&page->http, page->options, page->at);
	http_start(page->client, &page->http);
	return true;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Whether it goes on elsewhere. */
static bool redirect(struct page *page)
{
	char next[HTTP_URL_MAX];
	struct err e;

	if (!page->http.location)
		return end(page, PAGE_FETCH_ERROR, "HTTP %d to nowhere", page->http.status);
	if (page->redirects >= PAGE_REDIRECTS_MAX)
		return end(page, PAGE_FETCH_ERROR, "more than %d redirects", PAGE_REDIRECTS_MAX);
	if (!http_resolve(page->at, page->http.location, next, &e))
		return end(page, PAGE_UNSAFE_URL, "redirected: %s", e.text);
	snprintf(page->at, sizeof(page->at), "%s", next);
	page->redirects++;
	http_request_release(&page->http);
	return ask(page);
}

static void judge(struct page *page)
{
	const struct http_request *r = &page->http;
	const char *host = page->redirects ? " (redirected)" : "";

	if (r->outcome != HTTP_ANSWERED && r->address_refused)
		end(page, PAGE_SSRF_BLOCKED, "address refused: not one of the public Internet%s",
		    host);
	else if (r->outcome != HTTP_ANSWERED)
		end(page, PAGE_FETCH_ERROR, "%s%s", r->error, host);
	else if (r->status < 200 || r->status > 299)
		end(page, PAGE_FETCH_ERROR, "HTTP %d%s", r->status, host);
	else if (!is_html(r->content_type))
		end(page, PAGE_FETCH_ERROR, "not a page of HTML but %s%s", r->content_type, host);
	else
		read_text(page);
}

static void on_done(struct http_request *r)
{
	struct page *page = r->owner;

	if (r->outcome == HTTP_ANSWERED && is_redirect(r->status)) {
		if (redirect(page))
			return;
	} else {
		judge(page);
	}
	http_request_release(&page->http);
	page->done(page);
}

/* ---- the interface ---- */

bool page_start(struct page *page, const char *url)
{
	static const char anywhere[] = "http://localhost/";
	struct err e;

	page->deadline_us = clock_mono_us() + page->options->timeout_ms * 1000;
	/* Before it is resolved: that takes user information away. */
	if (!guard_url_ok(url, &e) || !http_resolve(anywhere, url, page->at, &e)) {
		page->url = xstrdup(url);
		return end(page, PAGE_UNSAFE_URL, "%s", e.text);
	}
	page->url = xstrdup(page->at);
	return ask(page);
}

void page_release(struct page *page)
{
	if (page->client && page->http.handle)
		http_cancel(page->client, &page->http);
	http_request_release(&page->http);
	free(page->url);
	free(page->text);
}
