/*
 * http_private: what the files of http share, and nobody else sees.
 */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "cpoa/http.h"

/* Scheme, host and port of URLs that are asked for again and again: what curl makes of them. */
struct origin {
	char *text; /* "http://host:port", as it stands in those URLs */
	size_t len;
	char *host; /* the header */
	CURLU *url;
};

enum { ORIGINS_MAX = 16 };

/*
 * An easy handle and what belongs to the request that it serves at present. It is on exactly one
 * of the three lists of struct http.
 */
struct transfer {
	LIST_ENTRY(transfer) link;
	CURL *easy;
	struct http *http;
	struct http_request *request; /* NULL while idle */
	const struct origin *origin;  /* that it is set to; NULL: to a whole URL */
	int64_t begun_us;
	size_t header_bytes;
	bool too_large;
	bool withheld;				       /* may_send said no */
	bool address_passed;			       /* address_ok let at least one by */
	struct curl_slist lines[HTTP_HEADERS_MAX + 2]; /* a list for curl, without allocations */
	char error[CURL_ERROR_SIZE];
};

LIST_HEAD(transfer_list, transfer);

struct http {
	CURLM *multi;
	int epoll;
	int64_t wake_ms;		/* monotonic; -1: curl waits for no time */
	struct transfer_list flying;	/* in the multi handle */
	struct transfer_list stillborn; /* could not begin; the outcome is in the request */
	struct transfer_list idle;
	size_t n_idle, in_flight;
	unsigned char *watched; /* by descriptor: CURL_POLL_IN and CURL_POLL_OUT as epoll has them,
				   and WATCH_WANTED */
	size_t n_watched;
	char *user_agent, *ca_file;
	bool terse;
	struct origin origins[ORIGINS_MAX]; /* of terse requests */
	size_t n_origins;
};

/* curl waits for the socket. Without: it is a kept connection's, which stays in epoll until
 * something happens to it, so that a request costs no epoll_ctl(2). */
enum { WATCH_WANTED = 8 };

/* A socket has just been made, or is about to be closed: epoll does not have it. */
void http_unwatch(struct http *h, int fd);

/*
 * The buffer that libcurl receives into, of each request under way; there may be ten thousand.
 * Whole pages: see http_memory.c. libcurl takes a byte more than it is told.
 */
enum { HTTP_BUFFER_BYTES = 16 << 10 };

/* Starts libcurl, once. */
CURLcode http_memory_init(void);

/* A handle with all options set that are the same for every request. */
struct transfer *http_transfer_new(struct http *h);

/* Fits it to its request; false: the request is none, and has its outcome. */
bool http_transfer_prepare(struct transfer *t);

/* A URL's origin; NULL: not one for which curl would do nothing further (a user, IPv6, no URL), or
 * there are too many. */
const struct origin *http_origin(struct http *h, const char *url);
void http_release_origins(struct http *h);

/* Appends what an http or https URL has behind its host, as curl would ask for it; false: it is
 * none. */
bool http_url_target(struct strbuf *out, const char *url);

/* Writes the outcome into the request. */
void http_transfer_finish(struct transfer *t, CURLcode code);

#endif
