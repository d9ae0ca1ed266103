/*
 * The server. HTTP itself, malformed requests included, is libmicrohttpd's.
 */
#include "cpoa/httpd.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/log.h"

enum {
	/* Together 2 MiB. Whoever holds all that one address may have leaves the probes theirs. */
	CONNECTIONS_MAX = 128,
	CONNECTIONS_PER_ADDRESS_MAX = 16,
	SILENCE_S = 5,
	CONNECTION_MEMORY = 16 << 10,
	BODY_MAX = 4 << 20,
	BACKLOG = 64,
};

struct httpd {
	struct MHD_Daemon *daemon;
	const struct httpd_route *routes;
	void *ctx;
	uint16_t port;
};

/* ---- answering ---- */

static enum MHD_Result reply(struct MHD_Connection *c, int status, const char *type,
			     struct strbuf *body)
{
	size_t len = body->len;
	struct MHD_Response *response = MHD_create_response_from_buffer(
		len, strbuf_detach(body, NULL), MHD_RESPMEM_MUST_FREE);
	enum MHD_Result ok;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ok = MHD_queue_response(c, (unsigned)status, response);
	MHD_destroy_response(response);
	return ok;
}

static const char text_plain[] = "text/plain; charset=utf-8";

static enum MHD_Result refuse(struct MHD_Connection *c, int status, const char *words)
{
	struct strbuf body;

	strbuf_init(&body, BODY_MAX);
	strbuf_adds(&body, words);
	return reply(c, status, text_plain, &body);
}

static enum MHD_Result serve(const struct httpd *h, struct MHD_Connection *c,
			     const struct httpd_route *route)
{
	AUTO(strbuf_release) struct strbuf body;
	const char *type = text_plain;
	int status;

	strbuf_init(&body, BODY_MAX);
	status = route->handle(h->ctx, &body, &type);
	if (body.failed)
		return refuse(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is too large\n");
	return reply(c, status, type, &body);
}

static bool has_body(struct MHD_Connection *c)
{
	const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");

	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Transfer-Encoding") ||
	       (length && strcmp(length, "0") != 0);
}

static const struct httpd_route *find_route(const struct httpd *h, const char *path)
{
	for (const struct httpd_route *r = h->routes; r->path; r++) {
		if (strcmp(r->path, path) == 0)
			return r;
	}
	return NULL;
}

/*
 * libmicrohttpd calls this when the headers are there, for each piece of a body, and at the end. A
 * body is refused at the first call, which makes it close the connection instead of reading on.
 */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **state)
{
	static char seen;
	const struct httpd *h = cls;
	const struct httpd_route *route;

	(void)version;
	(void)data;
	(void)data_len;
	if (*state != &seen) {
		*state = &seen;
		if (has_body(c))
			return refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, "no body, please\n");
		return MHD_YES;
	}
	route = find_route(h, path);
	if (!route)
		return refuse(c, MHD_HTTP_NOT_FOUND, "not found\n");
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
	return serve(h, c, route);
}

/* ---- starting and stopping ---- */

static int bind_socket(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, to->ai_addr, to->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
		int errnum = errno;

		close(fd);
		errno = errnum;
		return -1;
	}
	return fd;
}

/* Here and not by libmicrohttpd, which does not say why it could not. */
static int open_socket(const char *bind_to, uint16_t port, struct err *e)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	const char *address = bind_to && *bind_to ? bind_to : "0.0.0.0";
	struct addrinfo *to;
	char service[8];
	int fd;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(address, service, &hints, &to) != 0) {
		err_set(e, ERR_USAGE, "HTTP server: \"%s\" is not an address", address);
		return -1;
	}
	fd = bind_socket(to);
	if (fd < 0)
		err_errno(e, ERR_USAGE, errno, "HTTP server: cannot listen on %s port %u", address,
			  (unsigned)port);
	freeaddrinfo(to);
	return fd;
}

static uint16_t socket_port(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(at);
	int failed = getsockname(fd, (struct sockaddr *)&at, &len);

	assert(!failed);
	if (at.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
	return ntohs(((struct sockaddr_in *)&at)->sin_port);
}

static void on_log(void *cls, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static void on_log(void *cls, const char *fmt, va_list ap)
{
	char text[256];

	(void)cls;
	vsnprintf(text, sizeof(text), fmt, ap);
	log_debug("HTTP server", log_str("libmicrohttpd", text), LOG_END);
}

struct httpd *httpd_start(const char *bind, uint16_t port, const struct httpd_route *routes,
			  void *ctx, struct err *e)
{
	struct httpd *h;
	int fd = open_socket(bind, port, e);

	if (fd < 0)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->routes = routes;
	h->ctx = ctx;
	h->port = socket_port(fd);
	h->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, h->port, NULL,
		NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)SILENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_END);
	if (!h->daemon) { /* which has closed the socket */
		err_set(e, ERR_USAGE, "HTTP server: libmicrohttpd did not start on port %u",
			(unsigned)h->port);
		free(h);
		return NULL;
	}
	return h;
}

uint16_t httpd_port(const struct httpd *h)
{
	return h->port;
}

void httpd_stop(struct httpd *h)
{
	if (!h)
		return;
	MHD_stop_daemon(h->daemon);
	free(h);
}
