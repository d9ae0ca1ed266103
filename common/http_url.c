/*
 * URLs, by the same parser that curl's requests go through: what is judged here is what is asked.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_private.h"

static void cleanup_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void free_part(char **part)
{
	curl_free(*part);
}

static bool is_http(CURLU *url)
{
	AUTO(free_part) char *scheme = NULL;

	return curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
}

/* ---- origins that need no parser ---- */

/* A name that is no number, or an IPv4 address as everybody writes it. */
static bool is_plain_host(const char *s, size_t len)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr address;

	if (*s < '0' || *s > '9')
		return len > 0;
	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &address) == 1;
}

/*
 * How long the part of a URL is that says its origin, when curl would leave it as it stands: http
 * or https, a name or an IPv4 address, perhaps a port. Else 0.
 */
static size_t plain_origin(const char *url)
{
	static const char name[] =
		"-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
	size_t len = n > 0 ? strspn(url + n, name) : 0;

	if (len == 0 || !is_plain_host(url + n, len))
		return 0;
	n += len;
	if (url[n] == ':') {
		len = strspn(url + n + 1, "0123456789");
		if (len == 0 || len > 5 || url[n + 1] == '0' ||
		    strtoul(url + n + 1, NULL, 10) > 65535)
			return 0;
		n += 1 + len;
	}
	return strchr("/?#", url[n]) ? n : 0; /* the end, too */
}

/* What an agent says most: a path on its own host, with nothing in it to be taken out. */
static bool resolve_plain(const char *base, const char *reference, char out[HTTP_URL_MAX])
{
	static const char plain[] = "/-_.~?&=0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = plain_origin(base), len = strspn(reference, plain);

	if (n == 0 || reference[0] != '/' || reference[1] == '/' || reference[len] ||
	    strstr(reference, "/.") || n + len >= HTTP_URL_MAX)
		return false;
	memcpy(out, base, n);
	memcpy(out + n, reference, len + 1);
	return true;
}

static char *host_header(CURLU *url)
{
	AUTO(free_part) char *host = NULL;
	AUTO(free_part) char *port = NULL;
	struct strbuf text;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return NULL;
	/* Not the scheme's own. */
	curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
	strbuf_init(&text, HTTP_URL_MAX);
	strbuf_addf(&text, "Host: %s%s%s\r\n", host, port ? ":" : "", port ? port : "");
	return strbuf_detach(&text, NULL);
}

static void release_origin(struct origin *o)
{
	curl_url_cleanup(o->url);
	free(o->text);
	free(o->host);
}

static const struct origin *add_origin(struct http *h, const char *url, size_t len)
{
	struct origin o = {.text = xstrndup(url, len), .len = len, .url = curl_url()};

	if (h->n_origins == ORIGINS_MAX || !o.url ||
	    curl_url_set(o.url, CURLUPART_URL, o.text, 0) != CURLUE_OK ||
	    !(o.host = host_header(o.url))) {
		release_origin(&o);
		return NULL;
	}
	h->origins[h->n_origins] = o;
	return &h->origins[h->n_origins++];
}

const struct origin *http_origin(struct http *h, const char *url)
{
	size_t len;

	for (size_t i = 0; i < h->n_origins; i++) {
		const struct origin *o = &h->origins[i];

		if (strncmp(o->text, url, o->len) == 0 && strchr("/?#", url[o->len]))
			return o;
	}
	len = plain_origin(url);
	return len > 0 ? add_origin(h, url, len) : NULL;
}

void http_release_origins(struct http *h)
{
	while (h->n_origins > 0)
		release_origin(&h->origins[--h->n_origins]);
}

/* Pages hold references with spaces and bare UTF-8 in them: those are encoded, as browsers do. */
enum { LENIENT = CURLU_ALLOW_SPACE | CURLU_URLENCODE };

/* For words about it: without what stands before an @, which may be a password. */
static const char *shown(const char *url)
{
	const char *at = strrchr(url, '@');

	return at ? at + 1 : url;
}

bool http_resolve(const char *base, const char *reference, char out[HTTP_URL_MAX], struct err *e)
{
	AUTO(cleanup_url) CURLU *url = NULL;
	AUTO(free_part) char *text = NULL;

	if (resolve_plain(base, reference, out))
		return true;
	url = curl_url();
	if (!url)
		BUG("out of memory");
	if (curl_url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK)
		return err_set(e, ERR_REJECT, "the base is not a URL: %s", shown(base));
	/* The page itself (RFC 3986 §5.2.2); curl 7.88 would cut the base's query and file name. */
	if (*reference && *reference != '#' &&
	    curl_url_set(url, CURLUPART_URL, reference, LENIENT) != CURLUE_OK)
		return err_set(e, ERR_REJECT, "not a URL: %s", shown(reference));
	if (!is_http(url))
		return err_set(e, ERR_REJECT, "not an http or https URL: %s", shown(reference));
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(url, CURLUPART_OPTIONS, NULL, 0);
	curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
	if (curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return err_set(e, ERR_REJECT, "not a URL: %s", shown(reference));
	if (strlen(text) >= HTTP_URL_MAX)
		return err_set(e, ERR_REJECT, "a URL of more than %d bytes", HTTP_URL_MAX - 1);
	snprintf(out, HTTP_URL_MAX, "%s", text);
	return true;
}

bool http_url_read(struct http_url *out, const char *text, struct err *e)
{
	AUTO(cleanup_url) CURLU *url = curl_url();
	AUTO(free_part) char *host = NULL;
	AUTO(free_part) char *port = NULL;
	AUTO(free_part) char *user = NULL;
	AUTO(free_part) char *password = NULL;

	if (!url)
		BUG("out of memory");
	if (strnlen(text, HTTP_URL_MAX) == HTTP_URL_MAX)
		return err_set(e, ERR_REJECT, "a URL of more than %d bytes", HTTP_URL_MAX - 1);
	if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME | LENIENT) !=
		    CURLUE_OK ||
	    !is_http(url))
		return err_set(e, ERR_REJECT, "not an http or https URL: %s", shown(text));
	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK || !*host ||
	    strlen(host) >= sizeof(out->host) ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return err_set(e, ERR_REJECT, "a URL without a host: %s", shown(text));
	curl_url_get(url, CURLUPART_USER, &user, 0);
	curl_url_get(url, CURLUPART_PASSWORD, &password, 0);
	for (size_t i = 0; i <= strlen(host); i++)
		out->host[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 32 : host[i]);
	out->port = (unsigned)strtoul(port, NULL, 10);
	out->user_info = user || password;
	return true;
}

bool http_url_target(struct strbuf *out, const char *text)
{
	AUTO(cleanup_url) CURLU *url = curl_url();
	AUTO(free_part) char *path = NULL;
	AUTO(free_part) char *query = NULL;

	if (!url)
		BUG("out of memory");
	if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) !=
		    CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PATH, &path, CURLU_URLENCODE) != CURLUE_OK)
		return false;
	strbuf_adds(out, path);
	if (curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_OK) {
		strbuf_adds(out, "?");
		strbuf_adds(out, query);
	}
	return true;
}

struct parts {
	char *scheme, *host, *port;
};

static void release_parts(struct parts *o)
{
	curl_free(o->scheme);
	curl_free(o->host);
	curl_free(o->port);
}

static bool read_parts(struct parts *o, const char *text)
{
	AUTO(cleanup_url) CURLU *url = curl_url();

	if (!url)
		BUG("out of memory");
	return curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_SCHEME, &o->scheme, 0) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_HOST, &o->host, 0) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_PORT, &o->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
}

bool http_same_origin(const char *a, const char *b)
{
	AUTO(release_parts) struct parts x = {0}, y = {0};
	size_t n = plain_origin(a);

	if (n > 0 && plain_origin(b) == n && memcmp(a, b, n) == 0)
		return true;
	return read_parts(&x, a) && read_parts(&y, b) && strcmp(x.scheme, y.scheme) == 0 &&
	       strcasecmp(x.host, y.host) == 0 && strcmp(x.port, y.port) == 0;
}

void http_escape(struct strbuf *out, const char *text)
{
	AUTO(free_part) char *escaped = curl_easy_escape(NULL, text, 0);

	if (!escaped)
		BUG("out of memory");
	strbuf_adds(out, escaped);
}
