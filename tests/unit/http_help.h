/* http_help: tiny servers over raw sockets, and a client, for the tests of http. */
#ifndef UNIT_HTTP_HELP_H
#define UNIT_HTTP_HELP_H

#include "cpoa/http.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "cpoa/clock.h"

/* ---- the server ---- */

struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	void (*serve)(struct server *s, int fd); /* one connection, closed afterwards */
	atomic_int connections, requests;
	char seen[8192]; /* the last request */
};

static inline void *run_server(void *arg)
{
	struct server *s = arg;

	for (;;) {
		int fd = accept(s->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		s->connections++;
		s->serve(s, fd);
		close(fd);
	}
}

static inline int listen_anywhere(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, len), 0);
	cr_assert_eq(listen(fd, 2000), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static inline void start_server(struct server *s, void (*serve)(struct server *s, int fd))
{
	memset(s, 0, sizeof(*s));
	s->serve = serve;
	s->fd = listen_anywhere(&s->port);
	cr_assert_eq(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static inline void stop_server(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static inline void say(int fd, const char *text)
{
	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Reads one request with its body into `seen`; false at the end of the connection. */
static inline bool read_request(struct server *s, int fd)
{
	size_t len = 0, want = 0;

	while (!want || len < want) {
		ssize_t n = recv(fd, s->seen + len, sizeof(s->seen) - 1 - len, 0);
		char *end, *length;

		if (n <= 0)
			return false;
		len += (size_t)n;
		s->seen[len] = '\0';
		end = strstr(s->seen, "\r\n\r\n");
		length = strstr(s->seen, "Content-Length: ");
		if (end)
			want = (size_t)(end + 4 - s->seen) +
			       (length ? strtoul(length + 16, NULL, 10) : 0);
	}
	s->requests++;
	return true;
}

/* ---- the client ---- */

/* A test of terse requests defines it. */
#ifndef TERSE
#define TERSE false
#endif

struct one {
	struct http_request r;
	char url[128];
	int done;
};

static struct http *client;

static inline void start_client(void)
{
	struct err e = {0};

	cr_assert(http_global_init(&e), "%s", e.text);
	client = http_new(&(struct http_options){.user_agent = "test/1", .terse = TERSE}, &e);
	cr_assert(client, "%s", e.text);
}

static inline void stop_client(void)
{
	http_free(client);
}

TestSuite(http, .init = start_client, .fini = stop_client);

static inline void count_done(struct http_request *r)
{
	struct one *o = r->owner;

	o->done++;
}

static inline void fill(struct one *o, uint16_t port, const char *path)
{
	memset(o, 0, sizeof(*o));
	snprintf(o->url, sizeof(o->url), "http://127.0.0.1:%u%s", (unsigned)port, path);
	o->r = (struct http_request){.method = "GET",
				     .url = o->url,
				     .timeout_ms = 5000,
				     .body_max = 10000,
				     .done = count_done,
				     .owner = o};
}

/* Works for at most `ms`, or until nothing is in flight. */
static inline void work(int ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (http_in_flight(client) > 0 && clock_mono_ms() < until) {
		struct pollfd p = {.fd = http_fd(client), .events = POLLIN};
		int wait = http_wait_ms(client), left = (int)(until - clock_mono_ms());

		poll(&p, 1, wait >= 0 && wait < left ? wait : left);
		http_work(client);
	}
}

static inline void ask(struct one *o)
{
	http_start(client, &o->r);
	work(10000);
	cr_assert_eq(o->done, 1);
}

static inline void expect_outcome(struct one *o, enum http_outcome outcome)
{
	cr_expect_eq(o->r.outcome, outcome, "outcome %d: %s", (int)o->r.outcome, o->r.error);
	if (outcome != HTTP_ANSWERED) {
		cr_expect(o->r.error[0]);
		cr_expect_eq(o->r.status, 0);
	}
}

/* ---- answers ---- */

static inline void serve_hello(struct server *s, int fd)
{
	while (read_request(s, fd))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
			"5\r\n\r\nhello");
}

static inline void serve_by_path(struct server *s, int fd)
{
	struct linger reset = {1, 0};

	if (!read_request(s, fd))
		return;
	if (strstr(s->seen, "/reset")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
		poll(NULL, 0, 20);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	} else if (strstr(s->seen, "/short")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
	} else if (strstr(s->seen, "/garbage")) {
		say(fd, "I am no HTTP server\r\n");
	} else if (strstr(s->seen, "/declared")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n");
		recv(fd, s->seen, 1, 0);
	} else if (strstr(s->seen, "/endless")) {
		say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		while (send(fd, s->seen, 1000, MSG_NOSIGNAL) > 0)
			;
	} else if (strstr(s->seen, "/headers")) {
		say(fd, "HTTP/1.1 200 OK\r\n");
		while (send(fd, "X-Filler: 0123456789012345678901234567890123456789\r\n", 52,
			    MSG_NOSIGNAL) > 0)
			;
	} else if (strstr(s->seen, "/longheader")) {
		say(fd, "HTTP/1.1 200 OK\r\nX: ");
		while (send(fd, "0123456789", 10, MSG_NOSIGNAL) > 0)
			;
	} else if (strstr(s->seen, "/hang")) {
		recv(fd, s->seen, 1, 0);
	} else if (strstr(s->seen, "/drip")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
		while (send(fd, "x", 1, MSG_NOSIGNAL) > 0)
			poll(NULL, 0, 20);
	} /* else closed without a word */
}

#endif
