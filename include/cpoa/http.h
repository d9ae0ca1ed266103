/*
 * http: requests over libcurl's multi interface; the only files that include it.
 *
 * One struct http belongs to one thread and holds any number of requests in flight:
 * curl_multi_socket_action over one epoll descriptor, so that a waiting request costs no thread and
 * no polling. Connections are reused. Redirects are not followed. http and https only; certificates
 * are checked. Every body has a ceiling. No environment variable names a proxy.
 *
 * libcurl sends a request a second time by itself, a POST as well, when a kept connection breaks
 * before a byte of the answer has come: a server may see it twice, so whoever asks for work carries
 * an idempotency key.
 *
 * A request lives inside the thing that asks (no allocation of ours per request but the body): fill
 * the struct, http_start() it, and `done` is called from http_work() exactly once, unless
 * http_cancel() was faster.
 */
#ifndef CPOA_HTTP_H
#define CPOA_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

enum { HTTP_HEADERS_MAX = 12 };

struct http;
struct sockaddr;

struct http_options {
	const char *user_agent;
	const char *ca_file;	 /* NULL or "": the system's */
	int64_t max_connections; /* kept open when idle, at least 16 */
	/* For many requests to few servers that know us: cheaper, and the user agent is sent as
	 * "<user_agent> HTTP/1.1", which is one product more. Nothing but Host and
	 * Content-Length is added to `headers`, which need not outlive http_start(). */
	bool terse;
};

/* How a request ended. The class of a failure without an answer matters: a request that never left
 * was not seen. */
enum http_outcome {
	HTTP_ANSWERED,	  /* a status line and a whole body */
	HTTP_UNREACHABLE, /* no connection: refused, no route, no name, TLS, none within 10 s, or
			     no address that address_ok let pass */
	HTTP_TIMEOUT,
	HTTP_BROKEN,	  /* the connection broke before the answer was whole */
	HTTP_TOO_LARGE,	  /* the body passed its ceiling, or the headers 64 KiB */
	HTTP_BAD_REQUEST, /* the URL or a header is not one; nothing was sent */
	HTTP_WITHHELD,	  /* may_send said no */
};

struct http_request {
	/* ---- to be filled in; all must live until done ---- */
	const char *method;		       /* "GET" or "POST" */
	const char *url;		       /* shorter than HTTP_URL_MAX */
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", NULL-terminated; a control
						  character refuses the request */
	const void *body;
	size_t body_len;
	int64_t timeout_ms;
	size_t body_max; /* bytes of the answer */
	void (*done)(struct http_request *r);
	void *owner;
	/*
	 * Judges each address before a socket for it is made, after the name was resolved; NULL:
	 * all are fine. A kept connection is not judged again: a struct http whose requests are
	 * guarded must open none to the same host and port without a guard.
	 */
	bool (*address_ok)(const struct sockaddr *address, void *ctx);
	void *address_ctx;
	/*
	 * Asked in the last moment, when a connection stands and nothing is sent yet, also before
	 * libcurl sends it a second time; false: it is not sent, HTTP_WITHHELD. NULL: it may.
	 */
	bool (*may_send)(struct http_request *r);
	bool compressed; /* asks for a compressed answer; body_max counts what it unpacks to */

	/* ---- the answer, valid from `done` on; http_request_release() frees it ---- */
	enum http_outcome outcome;
	int status;		/* 0 without an answer */
	int64_t retry_after_ms; /* Retry-After (RFC 9110 §10.2.3), either form, at most 7 days; -1:
				   none, or "0" */
	struct strbuf answer;
	char content_type[128];
	char *location;	      /* of a 3xx, shorter than HTTP_URL_MAX; else NULL */
	bool address_refused; /* address_ok let none by */
	char error[384];      /* what went wrong, when not HTTP_ANSWERED */
	int64_t took_us;

	/* ---- http.c's ---- */
	void *handle;
};

MUST_CHECK bool http_global_init(struct err *e); /* once, before threads */

MUST_CHECK struct http *http_new(const struct http_options *o, struct err *e);

/* Cancels what is still in flight (without calling `done`) and frees all. */
void http_free(struct http *h);

/* Hands the request over until `done`. A request that cannot even begin is done with an outcome at
 * the next http_work. */
void http_start(struct http *h, struct http_request *r);

/* Takes it back: `done` will not be called. */
void http_cancel(struct http *h, struct http_request *r);

/* Frees the answer, also of a zeroed struct; it may be used again. */
void http_request_release(struct http_request *r);

/* For poll(2): readable when there is something to do. */
int http_fd(const struct http *h);

/* When http_work is wanted again even if nothing becomes readable, in ms; -1: never. */
int http_wait_ms(struct http *h);

/* Does what there is to do without waiting, and calls `done` for what has ended. */
void http_work(struct http *h);

size_t http_in_flight(const struct http *h);

/* One request, waiting for it. For commands and tests. False: e says why there was no answer. */
MUST_CHECK bool http_ask(const char *method, const char *url, const char *body, int64_t timeout_ms,
			 int *status, struct strbuf *answer, struct err *e);

/* ---- URLs (RFC 3986, by libcurl's parser) ---- */

enum { HTTP_URL_MAX = 2048 };

/* `reference` resolved against `base`; http and https only, without user information or fragment.
 */
MUST_CHECK bool http_resolve(const char *base, const char *reference, char out[HTTP_URL_MAX],
			     struct err *e);

struct http_url {
	char host[256]; /* lower case; IPv6 in its brackets, IPv4 as four decimals */
	unsigned port;	/* the scheme's when none is given */
	bool user_info;
};

/* What an absolute http or https URL names; false: it is none. */
MUST_CHECK bool http_url_read(struct http_url *out, const char *text, struct err *e);

/* Whether both have the same scheme, host and port. */
bool http_same_origin(const char *a, const char *b);

/* `text` percent-encoded for a query value, appended. */
void http_escape(struct strbuf *out, const char *text);

#endif
