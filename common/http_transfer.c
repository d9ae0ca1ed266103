/*
 * One request: the options of its easy handle, its ceilings, and what curl's result means.
 */
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/tls.h"
#include "http_private.h"

enum {
	HEADER_BYTES_MAX = 64 << 10,
	TARGET_USUAL = 512,
	CONNECT_MS_MAX = 10000, /* a host that is gone is known sooner than a slow one */
	RETRY_AFTER_S_MAX = 7 * 86400,
};

/* ---- ceilings ---- */

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	strbuf_add(&t->request->answer, data, size * n);
	t->too_large = t->request->answer.failed;
	return t->too_large ? 0 : size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	(void)data;
	t->header_bytes += size * n;
	t->too_large = t->header_bytes > HEADER_BYTES_MAX;
	return t->too_large ? 0 : size * n;
}

/* ---- addresses ---- */

/* Name resolution is over, and this is what connect(2) gets: no later answer of a name server can
 * change it. */
static bool judge(struct transfer *t, const struct curl_sockaddr *to)
{
	struct http_request *r = t->request;

	if (!r || (r->address_ok && !r->address_ok(&to->addr, r->address_ctx))) {
		if (r)
			r->address_refused = !t->address_passed;
		return false;
	}
	t->address_passed = true;
	r->address_refused = false;
	return true;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct transfer *t = ctx;
	int fd;

	(void)purpose;
	if (!judge(t, to))
		return CURL_SOCKET_BAD;
	fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	if (fd >= 0)
		http_unwatch(t->http, fd);
	return fd;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
	http_unwatch(ctx, fd);
	return close(fd);
}

static int before_sending(void *ctx, char *peer, char *own, int peer_port, int own_port)
{
	struct transfer *t = ctx;

	(void)peer;
	(void)own;
	(void)peer_port;
	(void)own_port;
	t->withheld = t->request->may_send && !t->request->may_send(t->request);
	return t->withheld ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- options ---- */

static void set(CURL *easy, CURLoption option, long value)
{
	CURLcode code = curl_easy_setopt(easy, option, value);

	assert(code == CURLE_OK);
}

static void set_text(CURL *easy, CURLoption option, const char *value)
{
	CURLcode code = curl_easy_setopt(easy, option, value);

	if (code != CURLE_OK)
		BUG("libcurl, option %d: %s", (int)option, curl_easy_strerror(code));
}

static void add_line(struct transfer *t, size_t i, const char *line)
{
	t->lines[i].data = (char *)(uintptr_t)line; /* curl only reads it */
	t->lines[i].next = NULL;
	if (i > 0)
		t->lines[i - 1].next = &t->lines[i];
}

enum { LEFT_OUT_HOST = 3 };

/* What curl is not to add to a request whose headers go with the target. */
static void leave_out(struct transfer *t)
{
	add_line(t, 0, "Expect:");
	add_line(t, 1, "Content-Type:");
	add_line(t, 2, "Accept:");
	add_line(t, LEFT_OUT_HOST, "Host:");
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines);
}

struct transfer *http_transfer_new(struct http *h)
{
	struct transfer *t = xcalloc(1, sizeof(*t));
	CURL *easy = curl_easy_init();

	if (!easy)
		BUG("out of memory");
	t->easy = easy;
	t->http = h;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, h); /* outlives the handle */
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
	set(easy, CURLOPT_NOSIGNAL, 1);
	set(easy, CURLOPT_BUFFERSIZE, HTTP_BUFFER_BYTES - 1);
	set(easy, CURLOPT_PIPEWAIT, 0);
	set(easy, CURLOPT_FOLLOWLOCATION, 0);
	set(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	set_text(easy, CURLOPT_NOPROXY, "*"); /* no environment variable diverts a call */
	set_text(easy, CURLOPT_USERAGENT, h->terse ? NULL : h->user_agent);
	if (h->ca_file)
		set_text(easy, CURLOPT_CAINFO, h->ca_file);
	if (h->terse) {
		/* Of the whole target HTTP/2 would make a pseudo-header. */
		set(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
		leave_out(t);
	}
	return t;
}

/* ---- the request ---- */

static bool is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i], letter = c | 0x20;

		if ((letter < 'a' || letter > 'z') && c != '-' && (c < '0' || c > '9') &&
		    !strchr("!#$%&'*+.^_`|~", c))
			return false;
	}
	return len > 0;
}

static bool has_control(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	}
	return false;
}

/* "Name: value" (RFC 9110 §5.1, §5.5); the name may not be empty, the value may. */
static bool is_header(const char *line)
{
	const char *colon = strchr(line, ':');

	return colon && is_token(line, (size_t)(colon - line)) && !has_control(colon);
}

static bool refuse(struct http_request *r, const char *why)
{
	r->outcome = HTTP_BAD_REQUEST;
	snprintf(r->error, sizeof(r->error), "%s", why);
	return false;
}

/* A URL's path and query, appended; false: it is no URL. */
static bool add_target(struct strbuf *out, const char *url)
{
	const char *target = strstr(url, "://"), *s;

	target = target ? strpbrk(target + 3, "/?#") : NULL;
	for (s = target; s && *s > ' ' && *s < 0x7f && *s != '#'; s++)
		;
	/* As most are: there is nothing to take out of it. */
	if (s && !*s && *target == '/' && !strstr(target, "/.")) {
		strbuf_add(out, target, (size_t)(s - target));
		return true;
	}
	return http_url_target(out, url);
}

/*
 * "Name:" makes curl leave out a header of its own: no waiting for a 100 before the body, and no
 * type that the caller has not given.
 */
static void set_lines(struct transfer *t)
{
	const char *const *headers = t->request->headers;
	bool typed = false;
	size_t n = 0;

	for (; n < HTTP_HEADERS_MAX && headers[n]; n++) {
		typed = typed || strncasecmp(headers[n], "content-type:", 13) == 0;
		add_line(t, n, headers[n]);
	}
	add_line(t, n++, "Expect:");
	if (!typed)
		add_line(t, n++, "Content-Type:");
}

/*
 * The headers go with the target, which curl copies and sends as it is (CURLOPT_REQUEST_TARGET):
 * a list of headers it searches for each that it knows itself, and prints a character at a time,
 * which was a third of what a request cost. It writes " HTTP/1.1" behind the target; so the user
 * agent is the last, in whose value that is one product more (RFC 9110 §10.1.5).
 */
static bool set_target(struct transfer *t)
{
	AUTO(strbuf_release) struct strbuf text;
	struct http_request *r = t->request;

	strbuf_init(&text, HTTP_URL_MAX + HEADER_BYTES_MAX);
	strbuf_grow(&text, TARGET_USUAL);
	if (!add_target(&text, r->url))
		return refuse(r, "the URL is none");
	strbuf_adds(&text, " HTTP/1.1\r\n");
	for (size_t n = 0; n < HTTP_HEADERS_MAX && r->headers[n]; n++) {
		strbuf_adds(&text, r->headers[n]);
		strbuf_adds(&text, "\r\n");
	}
	if (t->origin)
		strbuf_adds(&text, t->origin->host);
	strbuf_adds(&text, "User-Agent: ");
	strbuf_adds(&text, t->http->user_agent);
	if (text.failed)
		return refuse(r, "the headers are too long");
	set_text(t->easy, CURLOPT_REQUEST_TARGET, text.buf);
	t->lines[LEFT_OUT_HOST - 1].next = t->origin ? &t->lines[LEFT_OUT_HOST] : NULL;
	return true;
}

/* Where a terse request goes; its target says the rest. */
static void set_origin(struct transfer *t)
{
	const struct origin *origin = http_origin(t->http, t->request->url);

	if (origin && origin == t->origin)
		return;
	curl_easy_setopt(t->easy, CURLOPT_CURLU, origin ? origin->url : NULL);
	set_text(t->easy, CURLOPT_URL, origin ? origin->text : t->request->url);
	t->origin = origin;
}

static bool set_url_and_headers(struct transfer *t)
{
	struct http_request *r = t->request;

	for (size_t n = 0; n < HTTP_HEADERS_MAX && r->headers[n]; n++) {
		if (!is_header(r->headers[n]))
			return refuse(r, "not a header, or it holds a control character");
	}
	if (t->http->terse) {
		set_origin(t);
		return set_target(t);
	}
	set_text(t->easy, CURLOPT_URL, r->url);
	set_lines(t);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines);
	return true;
}

static void set_method(struct transfer *t)
{
	const struct http_request *r = t->request;

	if (strcmp(r->method, "GET") == 0) {
		set(t->easy, CURLOPT_HTTPGET, 1);
		return;
	}
	assert(strcmp(r->method, "POST") == 0);
	set(t->easy, CURLOPT_POST, 1);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, r->body ? r->body : "");
}

/* For curl 0 is for ever, and what passes an int is an error. */
static long request_timeout(int64_t ms)
{
	if (ms < 1)
		return 1;
	return ms < INT_MAX ? (long)ms : INT_MAX;
}

bool http_transfer_prepare(struct transfer *t)
{
	struct http_request *r = t->request;
	long timeout = request_timeout(r->timeout_ms);

	t->begun_us = clock_mono_us();
	t->header_bytes = 0;
	t->too_large = t->withheld = t->address_passed = false;
	t->error[0] = '\0';
	r->outcome = HTTP_UNREACHABLE;
	r->status = 0;
	r->retry_after_ms = -1;
	r->took_us = 0;
	r->content_type[0] = r->error[0] = '\0';
	r->location = NULL;
	r->address_refused = false;
	strbuf_init(&r->answer, r->body_max);
	if (strnlen(r->url, HTTP_URL_MAX) == HTTP_URL_MAX)
		return refuse(r, "the URL is too long");
	if (has_control(r->url) || strchr(r->url, ' '))
		return refuse(r, "the URL holds a space or a control character");
	if (!set_url_and_headers(t))
		return false;
	set_method(t);
	set_text(t->easy, CURLOPT_ACCEPT_ENCODING, r->compressed ? "" : NULL); /* "": all */
	set(t->easy, CURLOPT_TIMEOUT_MS, timeout);
	set(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
	    timeout < CONNECT_MS_MAX ? timeout : CONNECT_MS_MAX);
	curl_easy_setopt(t->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->body_max);
	return true;
}

/* ---- the outcome ---- */

static enum http_outcome outcome_of(const struct transfer *t, CURLcode code)
{
	long sent = 0;

	curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (t->withheld)
		return HTTP_WITHHELD;
	if (t->too_large)
		return HTTP_TOO_LARGE;
	switch ((int)code) {
	case CURLE_OK:
		return HTTP_ANSWERED;
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_OUT_OF_MEMORY: /* so curl calls a header line of more than 100 KB (dynbuf.h) */
		return HTTP_TOO_LARGE;
	case CURLE_OPERATION_TIMEDOUT:
		return sent > 0 ? HTTP_TIMEOUT : HTTP_UNREACHABLE;
	case CURLE_URL_MALFORMAT:
		return HTTP_BAD_REQUEST;
	case CURLE_UNSUPPORTED_PROTOCOL: /* of the URL, or what came back is not HTTP/1 */
		return sent > 0 ? HTTP_BROKEN : HTTP_BAD_REQUEST;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return HTTP_UNREACHABLE;
	default:
		return sent > 0 ? HTTP_BROKEN : HTTP_UNREACHABLE;
	}
}

/* curl reads both forms, and says 0 for "at once" as for no header at all. */
static int64_t retry_after_ms(CURL *easy)
{
	curl_off_t s = 0;

	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &s);
	if (s == 0)
		return -1;
	if (s < 0) /* a date that has passed */
		return 0;
	return (s < RETRY_AFTER_S_MAX ? s : RETRY_AFTER_S_MAX) * 1000;
}

static char *location_of(CURL *easy, long status)
{
	struct curl_header *header;

	if (status < 300 || status > 399 ||
	    curl_easy_header(easy, "Location", 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
	    strnlen(header->value, HTTP_URL_MAX) == HTTP_URL_MAX)
		return NULL;
	return xstrdup(header->value);
}

/* curl's own words are for those who know OpenSSL's. */
static bool explain_tls(struct transfer *t, CURLcode code)
{
	char words[TLS_TEXT_MAX];
	struct http_url url;
	struct err e;
	long result = 0;

	if (code == CURLE_PEER_FAILED_VERIFICATION) {
		curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &result);
		/* Of the chain alone; for curl looks at the name itself. 1: unspecified. */
		if (result == 0 || result == 1)
			result = TLS_OTHER_HOST;
	} else if (code == CURLE_SSL_CONNECT_ERROR && strstr(t->error, "wrong version number")) {
		result = TLS_NONE;
	} else if (code == CURLE_SSL_CONNECT_ERROR &&
		   (strstr(t->error, "SSL_ERROR_SYSCALL") || strstr(t->error, "unexpected eof"))) {
		result = TLS_BROKEN;
	}
	if (result == 0 || !http_url_read(&url, t->request->url, &e))
		return false;
	tls_verdict(result, url.host, t->http->ca_file, words);
	snprintf(t->request->error, sizeof(t->request->error), "the server at %.100s:%u: %.250s",
		 url.host, url.port, words);
	return true;
}

static void explain(struct transfer *t, CURLcode code)
{
	struct http_request *r = t->request;

	if (r->outcome == HTTP_TOO_LARGE)
		snprintf(r->error, sizeof(r->error),
			 "the answer passes %zu bytes, or its headers %d", r->body_max,
			 HEADER_BYTES_MAX);
	else if (r->outcome == HTTP_UNREACHABLE && r->address_refused)
		snprintf(r->error, sizeof(r->error), "address refused");
	else if (!explain_tls(t, code))
		snprintf(r->error, sizeof(r->error), "%s",
			 t->error[0] ? t->error : curl_easy_strerror(code));
}

void http_transfer_finish(struct transfer *t, CURLcode code)
{
	struct http_request *r = t->request;
	const char *type = NULL;
	long status = 0;

	r->took_us = clock_mono_us() - t->begun_us;
	r->outcome = outcome_of(t, code);
	if (r->outcome != HTTP_ANSWERED) {
		explain(t, code);
		return;
	}
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	r->status = (int)status;
	r->retry_after_ms = retry_after_ms(t->easy);
	r->location = location_of(t->easy, status);
	snprintf(r->content_type, sizeof(r->content_type), "%s", type ? type : "");
}
