/*
 * httpd: a small HTTP server for probes and metrics, over libmicrohttpd; the only file that
 * includes it.
 *
 * GET and HEAD on the paths of a table; anything else is 404 or 405. It runs a thread of its own;
 * handlers are called on it, must not block, and read nothing but counters. At most 128 connections
 * (16 from one address), each closed after 5 s of silence; requests without a body.
 */
#ifndef CPOA_HTTPD_H
#define CPOA_HTTPD_H

#include <stdint.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

struct httpd;

struct httpd_route {
	const char *path;
	/* Writes the body, may set *type (a literal; default text/plain), returns the HTTP status.
	 */
	int (*handle)(void *ctx, struct strbuf *body, const char **type);
};

/* `routes` (closed by a NULL path) and ctx must outlive it. Port 0: a free one. NULL: ERR_USAGE,
 * the text says why. */
MUST_CHECK struct httpd *httpd_start(const char *bind, uint16_t port,
				     const struct httpd_route *routes, void *ctx, struct err *e);
uint16_t httpd_port(const struct httpd *h);
void httpd_stop(struct httpd *h); /* NULL is fine; returns when its thread has ended */

#endif
