/*
 * web.c - a little web: a search engine, and the articles that it finds
 *
 *	GET /search?q=TOPIC              a page like html.duckduckgo.com's: results, wrapped in its
 *	                                 redirects, and an advertisement between them
 *	GET /search?q=TOPIC&format=json  the same as SearXNG answers
 *	GET /articles/N?topic=TOPIC      an article on the topic, in a page as pages are
 */
#include "standin.h"

#include <stdlib.h>
#include <string.h>

enum { RESULTS = 5, ARTICLE_PARAGRAPHS = 5 };

static const char *const names[] = {"The Daily Courier", "Review of Things", "Open Encyclopedia"};

/* ---- writing ---- */

static void add_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			buf_adds(out, "&amp;");
		else if (*text == '<')
			buf_adds(out, "&lt;");
		else if (*text == '"')
			buf_adds(out, "&quot;");
		else
			buf_add(out, text, 1);
	}
}

static void add_percent(struct buf *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";

	for (; *text; text++) {
		if (strchr(plain, *text))
			buf_add(out, text, 1);
		else
			buf_addf(out, "%%%02X", (unsigned char)*text);
	}
}

static char *article_url(const struct request *request, const char *topic, unsigned n)
{
	struct buf url = {0};

	buf_addf(&url, "http://%s/articles/%u?topic=", request->host ? request->host : "localhost",
		 n);
	add_percent(&url, topic);
	return buf_take(&url);
}

/* ---- the search engine ---- */

static void search_json(const struct request *request, const char *topic, struct answer *answer)
{
	struct json_object *body = json_object_new_object(), *list = json_object_new_array();

	for (unsigned n = 1; n <= RESULTS; n++) {
		struct json_object *result = json_object_new_object();
		char *url = article_url(request, topic, n);

		json_put_text(result, "url", url);
		json_put_text(result, "title", topic);
		json_object_array_add(list, result);
		free(url);
	}
	json_put_text(body, "query", topic);
	json_object_object_add(body, "results", list);
	answer_json(answer, 200, body);
}

static void add_result(struct buf *out, const struct request *request, const char *topic,
		       unsigned n)
{
	char *url = article_url(request, topic, n);

	buf_adds(out, "<div class=\"result results_links results_links_deep web-result \">\n"
		      "<h2 class=\"result__title\"><a rel=\"nofollow\" class=\"result__a\" "
		      "href=\"//duckduckgo.com/l/?uddg=");
	add_percent(out, url);
	buf_adds(out, "&amp;rut=0123456789abcdef\">");
	add_escaped(out, topic);
	buf_addf(out, " - %s</a></h2>\n", names[n % ARRAY_SIZE(names)]);
	buf_adds(out, "<a class=\"result__snippet\" href=\"//duckduckgo.com/l/?uddg=");
	add_percent(out, url);
	buf_adds(out, "\">A few words from the page.</a>\n</div>\n");
	free(url);
}

static void search_page(const struct request *request, const char *topic, struct answer *answer)
{
	struct buf page = {0};

	buf_adds(&page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
	add_escaped(&page, topic);
	buf_adds(&page, " at DuckDuckGo</title></head>\n<body><form action=\"/search\"><input "
			"name=\"q\"></form>\n<div id=\"links\" class=\"results\">\n"
			"<div class=\"result results_links results_links_deep result--ad \"><h2 "
			"class=\"result__title\"><a class=\"result__a\" "
			"href=\"https://duckduckgo.com/y.js?ad_domain=ads.example.com\">"
			"Buy now</a></h2></div>\n");
	for (unsigned n = 1; n <= RESULTS; n++)
		add_result(&page, request, topic, n);
	buf_adds(&page, "</div></body></html>\n");
	answer_text(answer, 200, &page);
	answer->type = "text/html; charset=UTF-8";
}

/* ---- the articles ---- */

static void add_head(struct buf *page, const char *topic, unsigned n)
{
	buf_adds(page,
		 "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>");
	add_escaped(page, topic);
	buf_addf(page,
		 " | %s</title>\n<style>body{margin:0}</style>\n"
		 "<script>window.visits = 1;</script></head>\n<body>\n",
		 names[n % ARRAY_SIZE(names)]);
	buf_adds(page, "<header><nav class=\"site-nav\"><ul><li><a href=\"/\">Home</a></li>"
		       "<li><a href=\"/world\">World</a></li><li><a href=\"/science\">Science</a>"
		       "</li><li><a href=\"/login\">Sign in</a></li></ul></nav></header>\n"
		       "<div class=\"cookie-banner\" role=\"dialog\"><p>We and our partners use "
		       "cookies to store and read information on your device, so that we can show "
		       "you what you have seen already.</p><button>Accept all</button></div>\n");
}

static void add_foot(struct buf *page)
{
	buf_adds(page,
		 "<aside class=\"related\"><h3>Read also</h3><ul>"
		 "<li><a href=\"/articles/77\">Ten kettles that changed the world</a></li>"
		 "<li><a href=\"/articles/78\">Why owls are never late</a></li></ul></aside>\n"
		 "<section class=\"comments\"><h3>Comments</h3><div class=\"comment\"><p>First! "
		 "I have never read anything so long in my whole life.</p></div></section>\n"
		 "<footer><p>All rights reserved. <a href=\"/imprint\">Imprint</a> "
		 "<a href=\"/privacy\">Privacy</a></p></footer>\n</body></html>\n");
}

/* Articles about one topic differ: each begins elsewhere in what there is to say. */
static void article(unsigned n, const char *topic, struct answer *answer)
{
	struct buf page = {0}, paragraph = {0};

	add_head(&page, topic, n);
	buf_adds(&page, "<main><article>\n<h1>");
	add_escaped(&page, topic);
	buf_adds(&page,
		 "</h1>\n<p class=\"byline\">By A. Writer</p>\n<div class=\"article-body\">\n");
	for (unsigned i = 0; i < ARTICLE_PARAGRAPHS; i++) {
		paragraph.len = 0;
		wcha_paragraph(&paragraph, (n + i) % WCHA_PARAGRAPHS, topic);
		buf_adds(&page, "<p>");
		add_escaped(&page, paragraph.data);
		buf_adds(&page, "</p>\n");
	}
	buf_addf(&page,
		 "<p>This was article number %u of our series on the subject.</p>\n"
		 "</div></article></main>\n",
		 n);
	add_foot(&page);
	buf_release(&paragraph);
	answer_text(answer, 200, &page);
	answer->type = "text/html; charset=UTF-8";
}

bool web_route(const struct options *options, const struct request *request, struct answer *answer)
{
	static const char articles[] = "/articles/";
	const char *query = request->query[QUERY_Q], *format = request->query[QUERY_FORMAT],
		   *topic = request->query[QUERY_TOPIC];

	if (strcmp(request->path, "/search") == 0 && query && format && strcmp(format, "json") == 0)
		search_json(request, query, answer);
	else if (strcmp(request->path, "/search") == 0 && query)
		search_page(request, query, answer);
	else if (strncmp(request->path, articles, strlen(articles)) == 0)
		article((unsigned)strtoul(request->path + strlen(articles), NULL, 10),
			topic ? topic : "this page", answer);
	else
		return false;
	answer->due_us = clock_us() + ms_to_us(options_latency_ms(options, &wcha_agent));
	return true;
}
