/* search: reading what search engines answer. */
#include "harvest/search.h"

#include <libxml/HTMLparser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpoa/http.h"
#include "cpoa/json.h"

#include "harvest/charset.h"

static const char placeholder[] = "{query}";

void search_url(struct strbuf *out, const char *template, const char *query)
{
	size_t n = utf8_cut(query, strlen(query), SEARCH_QUERY_MAX);
	char *cut = xstrndup(query, n);
	const char *at;

	while ((at = strstr(template, placeholder))) {
		strbuf_add(out, template, (size_t)(at - template));
		http_escape(out, cut);
		template = at + strlen(placeholder);
	}
	strbuf_adds(out, template);
	free(cut);
}

/* ---- results ---- */

/* What makes two URLs the same page: not the scheme, a fragment, or a slash at the end. */
static const char *page_of(const char *url, size_t *len)
{
	const char *scheme = strstr(url, "://"), *page = scheme ? scheme + 3 : url;

	*len = strcspn(page, "#");
	if (*len > 0 && page[*len - 1] == '/')
		--*len;
	return page;
}

static bool known(const struct search_results *r, const char *url)
{
	size_t len, other_len;
	const char *page = page_of(url, &len);

	for (int i = 0; i < r->n; i++) {
		const char *other = page_of(r->url[i], &other_len);

		if (len == other_len && memcmp(page, other, len) == 0)
			return true;
	}
	return false;
}

static void add(struct search_results *r, const char *url, int max)
{
	if (r->n >= max || r->n >= SEARCH_RESULTS_MAX || !*url ||
	    strnlen(url, HTTP_URL_MAX) == HTTP_URL_MAX || known(r, url))
		return;
	r->url[r->n++] = xstrdup(url);
}

/* ---- JSON ---- */

static bool read_json(struct search_results *r, const char *body, size_t len, int max,
		      struct err *e)
{
	AUTO(json_put) struct json_object *o = NULL;
	struct json_object *list;
	struct err why;

	if (json_read(body, len, JSON_DEPTH_MAX, JSON_MEND, &o, &why) != JSON_OK)
		return err_set(e, ERR_RETRY, "the search engine's JSON cannot be read: %s",
			       why.text);
	list = json_arr(o, "results");
	if (!list)
		return err_set(e, ERR_RETRY, "the search engine's JSON has no list of \"results\"");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *url = json_str(json_object_array_get_idx(list, i), "url");

		if (url)
			add(r, url, max);
	}
	return true;
}

/* ---- pages ---- */

static const char *attribute(const xmlNode *node, const char *name)
{
	for (const xmlAttr *a = node->properties; a; a = a->next)
		if (strcasecmp((const char *)a->name, name) == 0 && a->children &&
		    a->children->content)
			return (const char *)a->children->content;
	return "";
}

/* Whether one of the words of `text` is `word`. */
static bool has_word(const char *text, const char *word)
{
	size_t n, len = strlen(word);

	for (; *text; text += n) {
		text += strspn(text, " \t\n\r\f");
		n = strcspn(text, " \t\n\r\f");
		if (n == len && memcmp(text, word, n) == 0)
			return true;
	}
	return false;
}

static bool is_ad(const xmlNode *node)
{
	for (; node && node->type == XML_ELEMENT_NODE; node = node->parent) {
		const char *class = attribute(node, "class");

		if (has_word(class, "result--ad") || has_word(class, "result-sponsored") ||
		    has_word(class, "badge--ad"))
			return true;
	}
	return false;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A value of a query, decoded; false when it holds what no URL does. */
static bool decode(const char *s, size_t len, char out[HTTP_URL_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)s[i];

		if (c == '%' && i + 2 < len && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
			c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
			i += 2;
		} else if (c == '+') {
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f || n + 1 >= HTTP_URL_MAX)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return n > 0;
}

/* The value of a parameter of the URL's query. */
static bool parameter(const char *url, const char *name, char out[HTTP_URL_MAX])
{
	size_t len = strlen(name), n;
	const char *p = strchr(url, '?');

	while (p && *p && *p != '#') {
		p++;
		n = strcspn(p, "&#");
		if (n > len && memcmp(p, name, len) == 0 && p[len] == '=')
			return decode(p + len + 1, n - len - 1, out);
		p += n;
	}
	return false;
}

/* DuckDuckGo sends its readers by way of /l/?uddg=URL, and to advertisers by way of y.js. */
static void add_link(struct search_results *r, const char *base, const char *href, int max)
{
	char url[HTTP_URL_MAX], target[HTTP_URL_MAX];
	struct err e;

	if (!http_resolve(base, href, url, &e))
		snprintf(url, sizeof(url), "%.*s", HTTP_URL_MAX - 1, href);
	if (strstr(url, "/l/?") && parameter(url, "uddg", target))
		snprintf(url, sizeof(url), "%s", target);
	if (!strstr(url, "duckduckgo.com/y.js"))
		add(r, url, max);
}

/* The next node in document order. */
static xmlNode *next_node(xmlNode *node)
{
	if (node->children && node->type == XML_ELEMENT_NODE)
		return node->children;
	while (node && !node->next)
		node = node->parent;
	return node ? node->next : NULL;
}

static void read_links(struct search_results *r, xmlNode *node, const char *base, int max)
{
	for (; node; node = next_node(node)) {
		const char *class;

		if (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, "a") != 0)
			continue;
		class = attribute(node, "class");
		if ((has_word(class, "result__a") || has_word(class, "result-link")) &&
		    !is_ad(node))
			add_link(r, base, attribute(node, "href"), max);
	}
}

/* A page without a result is still one of these when nothing was found, or advertisements alone. */
static bool is_search_page(const char *html)
{
	static const char *const signs[] = {"no-results",  "No results",   "result__",
					    "result-link", "id=\"links\"", "id=\"results\""};

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (strstr(html, signs[i]))
			return true;
	return false;
}

static bool read_page(struct search_results *r, const char *base, const char *content_type,
		      const char *body, size_t len, int max, struct err *e)
{
	size_t utf8_len;
	AUTO(free_ptr) char *html = charset_to_utf8(body, len, content_type, &utf8_len);
	htmlDocPtr doc;

	if (strstr(html, "anomaly-modal") || strstr(html, "anomaly.js"))
		return err_set(e, ERR_RETRY,
			       "the search engine asks whether we are a person; another one can be "
			       "named in WCHA_SEARCH_URL");
	doc = htmlReadMemory(html, (int)utf8_len, base, "UTF-8",
			     HTML_PARSE_NONET | HTML_PARSE_RECOVER | HTML_PARSE_NOERROR |
				     HTML_PARSE_NOWARNING | HTML_PARSE_COMPACT);
	if (doc) {
		xmlNode *root = xmlDocGetRootElement(doc);

		if (root)
			read_links(r, root, base, max);
		xmlFreeDoc(doc);
	}
	return r->n > 0 || is_search_page(html) ||
	       err_set(e, ERR_RETRY, "what came back is no page of search results");
}

bool search_read(struct search_results *r, const char *url, const char *content_type,
		 const char *body, size_t len, int max, struct err *e)
{
	size_t at = 0;

	*r = (struct search_results){0};
	while (at < len && strchr(" \t\r\n", body[at]) && body[at])
		at++;
	if (at < len && body[at] == '{')
		return read_json(r, body + at, len - at, max, e);
	return read_page(r, url, content_type, body, len, max, e);
}

void search_release(struct search_results *r)
{
	while (r->n)
		free(r->url[--r->n]);
}
