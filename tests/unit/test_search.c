/* links: cpoa_harvest */
/*
 * What search engines answer, and what else comes back.
 */
#include "harvest/search.h"

#include <criterion/criterion.h>
#include <string.h>

#include "cpoa/http.h"

#define BASE "https://html.duckduckgo.com/html/?q=x"

/* The results as one text, a space after each; "error" when there are none to be had. */
static const char *read_from(const char *body, const char *type, int max)
{
	static struct strbuf text;
	struct search_results r;
	struct err e = {0};

	if (!text.buf)
		strbuf_init(&text, 8192);
	strbuf_reset(&text);
	if (!search_read(&r, BASE, type, body, strlen(body), max, &e)) {
		cr_expect_eq(e.class, ERR_RETRY);
		cr_expect_neq(e.text[0], '\0');
		strbuf_adds(&text, "error");
	}
	for (int i = 0; i < r.n; i++)
		strbuf_addf(&text, "%s ", r.url[i]);
	search_release(&r);
	return text.buf;
}

static const char *read_html(const char *body)
{
	return read_from(body, "text/html; charset=UTF-8", 10);
}

static const char *read_json(const char *body)
{
	return read_from(body, "application/json", 10);
}

static void expect_url(const char *template, const char *query, const char *expected)
{
	AUTO(strbuf_release) struct strbuf url;

	strbuf_init(&url, 8192);
	search_url(&url, template, query);
	cr_expect_str_eq(url.buf, expected);
}

Test(search, the_query_is_put_in_its_place)
{
	expect_url("http://s/?q={query}", "tea", "http://s/?q=tea");
	expect_url("http://s/?q={query}&x=1", "a b&c=d#e/?\"<",
		   "http://s/?q=a%20b%26c%3Dd%23e%2F%3F%22%3C&x=1");
	expect_url("http://s/{query}?q={query}", "\xC3\xA9", "http://s/%C3%A9?q=%C3%A9");
	expect_url("http://s/?q={query}", "{query}", "http://s/?q=%7Bquery%7D");
	expect_url("http://s/?q={quer", "tea", "http://s/?q={quer");
	expect_url("http://s/?q={query}", "", "http://s/?q=");
}

Test(search, a_long_query_is_cut_between_characters)
{
	AUTO(strbuf_release) struct strbuf url;
	char query[4 * SEARCH_QUERY_MAX + 1];

	for (size_t i = 0; i < sizeof(query) - 1; i += 4)
		memcpy(query + i, "\xF0\x9F\x90\x9D", 4);
	query[sizeof(query) - 1] = '\0';
	strbuf_init(&url, 8192);
	search_url(&url, "http://s/?q={query}", query);
	cr_expect_lt(url.len, HTTP_URL_MAX);
	cr_expect_eq((url.len - strlen("http://s/?q=")) % 12, 0);
	cr_expect_gt(url.len, SEARCH_QUERY_MAX);
}

#define LINK(href)                                                                         \
	"<h2 class=\"result__title\"><a rel=\"nofollow\" class=\"result__a\" href=\"" href \
	"\">T</a></h2>"
#define RESULT(href) "<div class=\"result results_links web-result \">" LINK(href) "</div>"

Test(search, results_of_duckduckgo)
{
	cr_expect_str_eq(
		read_html("<html><body>" RESULT(
			"//duckduckgo.com/l/"
			"?uddg=https%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z%3D%25C3%25A9&amp;rut=0a")
				  RESULT("http://b.example/") "</body></html>"),
		"https://a.example/x?y=1&z=%C3%A9 http://b.example/ ");
}

Test(search, lite_results_too)
{
	cr_expect_str_eq(
		read_html(
			"<a class='result-link' "
			"href=\"//duckduckgo.com/l/?rut=1&uddg=http%3A%2F%2Fa.example%2F\">x</a>"),
		"http://a.example/ ");
}

Test(search, advertisements_are_left_out)
{
	static const char page[] = "<div class=\"result results_links result--ad \"><div>" LINK(
		"http://bought.example/") "</div></div>" RESULT("//duckduckgo.com/"
								"y.js?ad_domain=x&"
								"ad_provider=y")
		RESULT("//duckduckgo.com/l/"
		       "?uddg=https%3A%2F%2Fduckduckgo.com%2Fy.js%3Fad_domain%3Dx&"
		       "rut=1") "<table><tr class=\"result-sponsored\"><td><a "
				"class=\"result-link\" "
				"href=\"http://b.example/\">x</a></table>" RESULT(
					"http://honest.example/");

	cr_expect_str_eq(read_html(page), "http://honest.example/ ");
}

Test(search, other_links_are_no_results)
{
	cr_expect_str_eq(read_html("<a href=\"http://x.example/\">x</a><a "
				   "class=\"result__snippet\" href=\"http://y.example/\">y</a>"
				   "<a class=\"result__url\" href=\"http://z.example/\">z</a><a "
				   "class=\"my-result__a\" href=\"http://w.example/\">w</a>" RESULT(
					   "http://a.example/")),
			 "http://a.example/ ");
}

Test(search, each_page_once)
{
	cr_expect_str_eq(
		read_html(RESULT("http://a.example/x") RESULT("https://a.example/x") RESULT(
			"http://a.example/x/") RESULT("http://a.example/x#part")
				  RESULT("http://a.example/x?y") RESULT("http://a.example/X")),
		"http://a.example/x http://a.example/x?y http://a.example/X ");
}

Test(search, only_so_many)
{
	static const char page[] = RESULT("http://a.example/") RESULT("http://b.example/")
		RESULT("http://c.example/") RESULT("http://d.example/");

	cr_expect_str_eq(read_from(page, "text/html", 3),
			 "http://a.example/ http://b.example/ http://c.example/ ");
	cr_expect_str_eq(read_from(page, "", 1), "http://a.example/ ");
}

Test(search, never_more_than_there_is_room_for)
{
	AUTO(strbuf_release) struct strbuf page;
	struct search_results r;
	struct err e = {0};

	strbuf_init(&page, 1 << 20);
	for (int i = 0; i < 3 * SEARCH_RESULTS_MAX; i++)
		strbuf_addf(&page, RESULT("http://a.example/%d"), i);
	cr_assert(search_read(&r, BASE, "text/html", page.buf, page.len, 1000, &e));
	cr_expect_eq(r.n, SEARCH_RESULTS_MAX);
	search_release(&r);
	cr_expect_eq(r.n, 0);
}

/* Judged later, and told of: here they are only carried. */
Test(search, what_is_no_web_address_is_not_hidden)
{
	cr_expect_str_eq(
		read_html(RESULT("//duckduckgo.com/l/?uddg=ftp%3A%2F%2Fa.example%2F")
				  RESULT("//duckduckgo.com/l/?uddg=http%3A%2F%2Fu%40127.0.0.1%2F")),
		"ftp://a.example/ http://u@127.0.0.1/ ");
}

Test(search, targets_with_control_characters_are_not_followed)
{
	cr_expect_str_eq(read_html(RESULT("/l/?uddg=http%3A%2F%2Fa.example%2F%0D%0AHost:x")
					   RESULT("http://b.example/")
						   RESULT("/l/?uddg=http%3A%2F%2Fa.example%2F%00")),
			 "https://html.duckduckgo.com/l/"
			 "?uddg=http%3A%2F%2Fa.example%2F%0D%0AHost:x http://b.example/ "
			 "https://html.duckduckgo.com/l/?uddg=http%3A%2F%2Fa.example%2F%00 ");
}

Test(search, nothing_found_is_no_error)
{
	cr_expect_str_eq(read_html("<div id=\"links\" class=\"results\"><div "
				   "class=\"no-results\">No results.</div></div>"),
			 "");
	cr_expect_str_eq(read_html("<div class=\"result result--ad\">" LINK(
				 "//duckduckgo.com/y.js?x") "</div>"),
			 "");
	cr_expect_str_eq(read_json("{\"query\":\"x\",\"results\":[]}"), "");
}

Test(search, what_is_no_answer_of_a_search_engine)
{
	static const char *const rows[] = {
		"",
		" ",
		"<html><body>Welcome to nginx!</body></html>",
		"[]",
		"\"x\"",
		"\x80\xff",
		"<form id=\"challenge-form\"><div class=\"anomaly-modal__title\">Unfortunately, "
		"bots use DuckDuckGo too.</div></form>" RESULT("http://a.example/"),
		"{",
		"{}",
		"{\"results\":{}}",
		"{\"results\":[}",
		"{\"error\":\"rate limit\"}",
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++)
		cr_expect_str_eq(read_html(rows[r]), "error", "%s", rows[r]);
}

Test(search, results_of_searxng)
{
	cr_expect_str_eq(
		read_json(
			" \r\n{\"query\":\"x\",\"results\":[{\"url\":\"http://a.example/"
			"\",\"title\":\"A\"},"
			"{\"title\":\"no "
			"url\"},7,null,{\"url\":7},{\"url\":\"\"},{\"url\":\"https://a.example\"},"
			"{\"url\":\"http://b.example/\"}]}"),
		"http://a.example/ http://b.example/ ");
	/* Whatever it calls itself. */
	cr_expect_str_eq(read_html("{\"results\":[{\"url\":\"http://a.example/\"}]}"),
			 "http://a.example/ ");
}
