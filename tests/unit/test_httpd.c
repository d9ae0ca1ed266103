/* links: cpoa_httpd cpoa_http */
/*
 * httpd, a real one on a free port, asked by http_ask and by raw sockets.
 */
#include "cpoa/httpd.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/http.h"

static int get_live(void *ctx, struct strbuf *body, const char **type)
{
	(void)ctx;
	(void)type;
	strbuf_adds(body, "alive\n");
	return 200;
}

static int get_ready(void *ctx, struct strbuf *body, const char **type)
{
	*type = "application/json";
	strbuf_addf(body, "{\"ctx\":\"%s\"}", (const char *)ctx);
	return 503;
}

static int get_endless(void *ctx, struct strbuf *body, const char **type)
{
	(void)ctx;
	(void)type;
	while (!body->failed)
		strbuf_adds(body,
			    "0123456789012345678901234567890123456789012345678901234567890123");
	return 200;
}

static const struct httpd_route routes[] = {
	{"/livez", get_live},
	{"/readyz", get_ready},
	{"/endless", get_endless},
	{NULL, NULL},
};

static char ctx[] = "given";
static struct httpd *server;

static void start(void)
{
	struct err e = {0};

	cr_assert(http_global_init(&e));
	server = httpd_start("127.0.0.1", 0, routes, ctx, &e);
	cr_assert(server, "%s", e.text);
	cr_assert_gt(httpd_port(server), 0);
}

static void stop(void)
{
	httpd_stop(server);
}

TestSuite(httpd, .init = start, .fini = stop);

static int get(const char *path, struct strbuf *answer)
{
	struct err e = {0};
	char url[64];
	int status;

	strbuf_init(answer, 100000);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", (unsigned)httpd_port(server), path);
	cr_assert(http_ask("GET", url, NULL, 5000, &status, answer, &e), "%s", e.text);
	return status;
}

Test(httpd, routes_by_path)
{
	static const struct {
		const char *path;
		int status;
		const char *body;
	} rows[] = {
		{"/livez", 200, "alive\n"},
		{"/livez?x=y", 200, "alive\n"},
		{"/readyz", 503, "{\"ctx\":\"given\"}"},
		{"/", 404, "not found\n"},
		{"/livez/", 404, "not found\n"},
		{"/live", 404, "not found\n"},
		{"/..%2flivez", 404, "not found\n"},
		{"/endless", 500, "the answer is too large\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct strbuf answer;

		cr_expect_eq(get(rows[i].path, &answer), rows[i].status, "%s", rows[i].path);
		cr_expect_str_eq(answer.buf, rows[i].body, "%s", rows[i].path);
		strbuf_release(&answer);
	}
}

/* ---- raw ---- */

static int dial(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(httpd_port(server))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* What comes back until the other side closes, or 300 ms of silence. */
static void converse(const char *text, size_t len, char *answer, size_t size)
{
	struct pollfd p = {.fd = dial(), .events = POLLIN};
	size_t got = 0;
	ssize_t n;

	send(p.fd, text, len, MSG_NOSIGNAL);
	while (got < size - 1 && poll(&p, 1, 300) > 0 &&
	       (n = recv(p.fd, answer + got, size - 1 - got, 0)) > 0)
		got += (size_t)n;
	answer[got] = '\0';
	close(p.fd);
}

Test(httpd, raw_requests)
{
	static const struct {
		const char *text, *begins, *holds;
	} rows[] = {
		{"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200",
		 "Cache-Control: no-store"},
		{"GET /livez HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "Connection: close"},
		{"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200",
		 "Content-Length: 6\r\n"},
		{"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405",
		 "Allow: GET, HEAD\r\n"},
		{"DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", ""},
		{"DELETE /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
		{"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		 "HTTP/1.1 413", ""},
		{"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		 "HTTP/1.1 413", ""},
		{"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n",
		 "HTTP/1.1 413", ""},
		{"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
		 "HTTP/1.1 200", "HTTP/1.1 503"},
	};
	char answer[8192];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		converse(rows[i].text, strlen(rows[i].text), answer, sizeof(answer));
		cr_expect_eq(strncmp(answer, rows[i].begins, strlen(rows[i].begins)), 0,
			     "%s\n->\n%s", rows[i].text, answer);
		cr_expect(strstr(answer, rows[i].holds), "%s\n->\n%s", rows[i].text, answer);
	}
}

Test(httpd, a_head_has_no_body)
{
	char answer[4096];
	const char *text = "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n", *end;

	converse(text, strlen(text), answer, sizeof(answer));
	end = strstr(answer, "\r\n\r\n");
	cr_assert(end);
	cr_assert_str_eq(end + 4, "");
}

static void expect_alive(void)
{
	struct strbuf answer;

	cr_expect_eq(get("/livez", &answer), 200);
	strbuf_release(&answer);
}

Test(httpd, malformed_requests_hurt_nobody)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
		{"\r\n\r\n", 4},
		{"GET\r\n\r\n", 7},
		{"GET /livez\r\n\r\n", 14},
		{"GET /livez HTTP/9.9\r\n\r\n", 23},
		{"\0\0\0\0\0\0\0\0\r\n\r\n", 12},
		{"GET /li\0vez HTTP/1.1\r\nHost: x\r\n\r\n", 34},
		{"GET /livez HTTP/1.1\r\nno colon\r\n\r\n", 34},
		{"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 52},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n", 27},
		{"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n", 37},
	};
	char answer[8192], large[40000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		converse(rows[i].text, rows[i].len, answer, sizeof(answer));
		cr_expect_null(strstr(answer, "alive"), "%zu: %s", i, answer);
		expect_alive();
	}
	memset(large, 'x', sizeof(large));
	memcpy(large, "GET /livez HTTP/1.1\r\nHost: ", 27);
	converse(large, sizeof(large), answer, sizeof(answer));
	cr_expect_null(strstr(answer, "alive"));
	memset(large + 4, 'x', 30);
	converse(large, sizeof(large), answer, sizeof(answer));
	expect_alive();
}

Test(httpd, more_connections_than_it_holds)
{
	int fds[40];

	for (int i = 0; i < 40; i++)
		fds[i] = dial();
	poll(NULL, 0, 50);
	for (int i = 0; i < 30; i++)
		close(fds[i]);
	poll(NULL, 0, 100);
	expect_alive();
	for (int i = 30; i < 40; i++)
		close(fds[i]);
}

Test(httpd, a_port_that_is_taken)
{
	struct err e = {0};

	cr_assert_null(httpd_start("127.0.0.1", httpd_port(server), routes, ctx, &e));
	cr_assert_eq(e.class, ERR_USAGE);
	cr_assert(strstr(e.text, "in use"), "%s", e.text);
	cr_assert_null(httpd_start("nonsense", 0, routes, ctx, &e));
	cr_assert_eq(e.class, ERR_USAGE);
	cr_assert(strstr(e.text, "nonsense"), "%s", e.text);
	httpd_stop(NULL);
}

Test(httpd, ipv6_and_every_address)
{
	static const char *const binds[] = {"::1", "", "0.0.0.0"};

	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
		struct err e = {0};
		struct httpd *h = httpd_start(binds[i], 0, routes, ctx, &e);
		struct strbuf answer;
		char url[64];
		int status;

		if (!h && i == 0)
			continue; /* a machine without IPv6 */
		cr_assert(h, "%s", e.text);
		strbuf_init(&answer, 1000);
		snprintf(url, sizeof(url), "http://%s:%u/livez", i ? "127.0.0.1" : "[::1]",
			 (unsigned)httpd_port(h));
		cr_assert(http_ask("GET", url, NULL, 5000, &status, &answer, &e), "%s", e.text);
		strbuf_release(&answer);
		httpd_stop(h);
	}
}
