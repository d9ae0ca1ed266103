#include "front.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/err.h"

struct connection {
	const struct front *front;
	int near, far; /* far: -1 when there is nobody behind it */
	SSL *ssl;      /* NULL: in the clear */
};

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* ---- passing on ---- */

static ssize_t hear(struct connection *c, void *buf, int size)
{
	return c->ssl ? SSL_read(c->ssl, buf, size) : read(c->near, buf, (size_t)size);
}

static ssize_t say(struct connection *c, const char *buf, ssize_t n)
{
	return c->ssl ? SSL_write(c->ssl, buf, (int)n)
		      : send(c->near, buf, (size_t)n, MSG_NOSIGNAL);
}

static bool pass_in(struct connection *c)
{
	char buf[16384];

	do {
		ssize_t n = hear(c, buf, sizeof(buf));

		if (n <= 0 || send(c->far, buf, (size_t)n, MSG_NOSIGNAL) != n)
			return false;
	} while (c->ssl && SSL_pending(c->ssl) > 0);
	return true;
}

static bool pass_out(struct connection *c)
{
	char buf[16384];
	ssize_t n = read(c->far, buf, sizeof(buf));

	return n > 0 && say(c, buf, n) == n;
}

static void pass(struct connection *c)
{
	struct pollfd p[] = {{.fd = c->near, .events = POLLIN}, {.fd = c->far, .events = POLLIN}};

	while (poll(p, 2, -1) > 0) {
		if (p[0].revents && !pass_in(c))
			return;
		if (p[1].revents && !pass_out(c))
			return;
	}
}

/* ---- one connection ---- */

/* PostgreSQL's SSLRequest and its answer (manual 55.2.10). */
static bool answer_request(const struct connection *c)
{
	char request[8];

	return recv(c->near, request, sizeof(request), MSG_WAITALL) == (ssize_t)sizeof(request) &&
	       send(c->near, c->front->certificate ? "S" : "N", 1, MSG_NOSIGNAL) == 1;
}

static bool shake_hands(struct connection *c, SSL_CTX *ctx)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.pem", getenv("CPOA_TEST_TLS"), c->front->certificate);
	if (SSL_CTX_use_certificate_chain_file(ctx, path) != 1)
		abort();
	snprintf(path, sizeof(path), "%s/%s.key", getenv("CPOA_TEST_TLS"), c->front->certificate);
	if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) != 1)
		abort();
	c->ssl = SSL_new(ctx);
	return SSL_set_fd(c->ssl, c->near) == 1 && SSL_accept(c->ssl) == 1;
}

/* It is read to its end, or what was said could be lost with a reset. */
static void answer_plainly(const struct connection *c)
{
	char buf[4096];

	if (recv(c->near, buf, sizeof(buf), 0) > 0)
		send(c->near, c->front->says, strlen(c->front->says), MSG_NOSIGNAL);
	shutdown(c->near, SHUT_WR);
	while (recv(c->near, buf, sizeof(buf), 0) > 0)
		;
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct sockaddr_in to = loopback(c->front->to);

	if (c->front->says)
		answer_plainly(c);
	else if ((!c->front->postgres || answer_request(c)) &&
		 (!c->front->certificate || shake_hands(c, ctx)) && c->front->to) {
		c->far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(c->far, (const struct sockaddr *)&to, sizeof(to)) == 0)
			pass(c);
		close(c->far);
	}
	SSL_free(c->ssl);
	SSL_CTX_free(ctx);
	close(c->near);
	free(c);
	return NULL;
}

static void start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, run, arg), 0);
	pthread_detach(thread);
}

static void *take(void *arg)
{
	const struct front *f = arg;

	for (;;) {
		struct connection *c = xcalloc(1, sizeof(*c));

		c->front = f;
		c->near = accept4(f->listening, NULL, NULL, SOCK_CLOEXEC);
		if (c->near < 0) {
			free(c);
			return NULL;
		}
		start_thread(serve, c);
	}
}

void front_start(struct front *f)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);

	signal(SIGPIPE, SIG_IGN); /* libssl writes without MSG_NOSIGNAL */
	f->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(f->listening, (const struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(f->listening, 64), 0);
	cr_assert_eq(getsockname(f->listening, (struct sockaddr *)&at, &len), 0);
	f->port = ntohs(at.sin_port);
	start_thread(take, f);
}
