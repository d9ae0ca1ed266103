/* links: cpoa_world cpoa_db cpoa_mq */
/* The worker's own port under whatever comes: it answers what it should, and the work goes on. */
#include "world.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- raw ---- */

enum { NEIGHBOUR = 0x7f000002 }; /* 127.0.0.2: another address than everybody else's */

static int dial_from(struct world *w, in_addr_t source)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)worker_port(w, 0))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Until the other side closes, or says nothing for a while. */
static const char *hear(struct world *w, int fd, int silence_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char answer[16384];
	size_t got = 0;
	ssize_t n;

	while (got < sizeof(answer) - 1 && poll(&p, 1, silence_ms) > 0 &&
	       (n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0)
		got += (size_t)n;
	answer[got] = '\0';
	return world_format(w, "%s", answer);
}

static const char *ask(struct world *w, in_addr_t source, const char *text, size_t len)
{
	int fd = dial_from(w, source);
	const char *answer;

	send(fd, text, len, MSG_NOSIGNAL);
	answer = hear(w, fd, 500);
	close(fd);
	return answer;
}

#define LIVEZ "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void expect_probe(struct world *w)
{
	int fd = dial_from(w, NEIGHBOUR);
	const char *answer;

	send(fd, LIVEZ, sizeof(LIVEZ) - 1, MSG_NOSIGNAL);
	answer = hear(w, fd, SOON_MS);
	close(fd);
	cr_assert(strncmp(answer, "HTTP/1.1 200", 12) == 0, "a probe got: %s", answer);
}

static const char *repeated(struct world *w, const char *before, char c, int n, const char *after)
{
	char *many = malloc((size_t)n + 1);
	const char *all;

	memset(many, c, (size_t)n);
	many[n] = '\0';
	all = world_format(w, "%s%s%s", before, many, after);
	free(many);
	return all;
}

static void expect_work(struct world *w, const char *name)
{
	same(json_at(world_end(w, world_podcast(w, name, NULL)), "data.status"), "completed");
}

/* ---- what is asked ---- */

/* An answer begins with "HTTP/1.1 " and one of these; "": there may be none, and no 200. */
Test(admin, answers_what_it_should_and_nothing_else)
{
	static const struct {
		const char *line, *answer;
	} rows[] = {
		{"GET /livez HTTP/1.1", "200"},
		{"GET /livez?a=b HTTP/1.1", "200"},
		{"HEAD /metrics HTTP/1.1", "200"},
		{"GET /", ""},
		{"GET /livez", ""},
		{"GET / HTTP/1.1", "404"},
		{"GET //livez HTTP/1.1", "404"},
		{"GET /livez/ HTTP/1.1", "404"},
		{"GET /livez/../version HTTP/1.1", "404"},
		{"GET /../../../../etc/passwd HTTP/1.1", "404"},
		{"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", "404"},
		{"GET /livez%00.html HTTP/1.1", ""},
		{"GET /x%0d%0aX-Evil:%201 HTTP/1.1", "404"},
		{"GET /debug/pprof HTTP/1.1", "404"},
		{"GET http://127.0.0.1/livez HTTP/1.1", "404"},
		{"GET * HTTP/1.1", "404"},
		{"OPTIONS * HTTP/1.1", "404"},
		{"OPTIONS /livez HTTP/1.1", "405"},
		{"TRACE /livez HTTP/1.1", "405"},
		{"PUT /livez HTTP/1.1", "405"},
		{"DELETE /metrics HTTP/1.1", "405"},
		{"PATCH /readyz HTTP/1.1", "405"},
		{"CONNECT 127.0.0.1:22 HTTP/1.1", "404"},
		{"get /livez HTTP/1.1", "405"},
		{"\x01\x02\x03 /livez HTTP/1.1", ""},
		{"GET /livez HTTP/2.0", ""},
		{"PRI * HTTP/2.0", ""},
		{"GET /livez HTTP/1.1\r\nX-Evil\x01: 1", ""},
	};
	struct world *w = world_open();

	world_worker(w, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *text =
			world_format(w, "%s\r\nHost: x\r\nX-Evil: 1\r\n\r\n", rows[i].line);
		const char *answer = ask(w, INADDR_LOOPBACK, text, strlen(text));

		if (rows[i].answer[0])
			cr_expect(strncmp(answer, "HTTP/1.1 ", 9) == 0 &&
					  strncmp(answer + 9, rows[i].answer, 3) == 0,
				  "%s -> %s", rows[i].line, answer);
		cr_expect_null(strstr(answer, "X-Evil"), "%s -> %s", rows[i].line, answer);
		cr_expect_null(strstr(answer, "root:"), "%s -> %s", rows[i].line, answer);
	}
	expect_probe(w);
	world_close(w);
}

Test(admin, large_and_broken_requests_cost_nothing)
{
	struct world *w = world_open();
	const char *large[6];
	long memory;

	world_agents(w, NULL);
	world_worker(w, "ASAN_OPTIONS=quarantine_size_mb=1");
	expect_work(w, "before");
	memory = worker_status(w, 0, "VmRSS");
	large[0] = repeated(w, "GET /", 'x', 1 << 20, " HTTP/1.1\r\n\r\n");
	large[1] = repeated(w, "GET /livez HTTP/1.1\r\nX: ", 'x', 1 << 20, "\r\n\r\n");
	large[2] = repeated(w, "GET /livez HTTP/1.1\r\nX: y\r\n", '\t', 1 << 20, "\r\n\r\n");
	large[3] = repeated(w, "", 'x', 1 << 20, "");
	large[4] = repeated(w, "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n",
			    'x', 1 << 20, "");
	large[5] =
		repeated(w, "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
			 'f', 1 << 20, "");
	for (int i = 0; i < 60; i++) {
		const char *text = large[i % 6];
		const char *answer = ask(w, INADDR_LOOPBACK, text, strlen(text));

		cr_expect_null(strstr(answer, "\"status\":\"ok\""), "%.60s -> %s", text, answer);
	}
	expect_probe(w);
	expect_work(w, "after");
	cr_assert_lt(worker_status(w, 0, "VmRSS") - memory, 32L << 10, "%ld kB more",
		     worker_status(w, 0, "VmRSS") - memory);
	world_close(w);
}

/* ---- how it is asked ---- */

static int sockets(struct world *w)
{
	const char *out, *line = world_format(w, "ls /proc/%d/fd | wc -l", (int)worker_pid(w, 0));

	cr_assert_eq(world_run(w, &out, (const char *const[]){"/bin/sh", "-c", line, NULL}), 0);
	return (int)strtol(out, NULL, 10);
}

struct crowd {
	struct world *w;
	int fd[80], n;
};

/* One address that holds as many connections as it gets, and never finishes a request on any. */
static void join(struct crowd *c, const char *text)
{
	int fd = dial_from(c->w, INADDR_LOOPBACK);

	send(fd, text, strlen(text), MSG_NOSIGNAL);
	c->fd[c->n++] = fd;
}

static void dribble(struct crowd *c)
{
	for (int i = 0; i < c->n; i++)
		send(c->fd[i], "x", 1, MSG_NOSIGNAL);
}

static bool answers_all(void *ctx)
{
	const char *answer = ask(ctx, INADDR_LOOPBACK, LIVEZ, sizeof(LIVEZ) - 1);

	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

Test(admin, one_address_that_holds_on_keeps_nobody_else_out)
{
	enum { ROUNDS = 12 };
	struct world *w = world_open();
	struct crowd c = {.w = w};
	int before;
	long threads;

	world_agents(w, NULL);
	world_worker(w, NULL);
	expect_work(w, "before");
	before = sockets(w);
	threads = worker_status(w, 0, "Threads");
	for (int i = 0; i < 20; i++) {
		join(&c, "");
		join(&c, "G");
		join(&c, "GET /metrics HTTP/1.1\r\nX: ");
		join(&c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET ");
	}
	for (int i = 0; i < ROUNDS; i++) {
		dribble(&c);
		expect_probe(w);
		expect_work(w, world_format(w, "p%d", i));
	}
	cr_assert_leq(sockets(w) - before, 24, "%d more", sockets(w) - before);
	cr_assert_leq(worker_status(w, 0, "Threads"), threads);
	for (int i = 0; i < c.n; i++)
		close(c.fd[i]);
	cr_assert(await(answers_all, w, SOON_MS));
	world_close(w);
}

/* Half a goodbye, a reset, and requests that come faster than their answers are read. */
Test(admin, rude_ones_are_borne)
{
	struct world *w = world_open();
	const char *many = "";

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (int i = 0; i < 100; i++)
		many = world_format(w, "%sGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", many);
	for (int i = 0; i < 10; i++) {
		struct linger reset = {.l_onoff = 1};
		int half = dial_from(w, INADDR_LOOPBACK), gone = dial_from(w, INADDR_LOOPBACK);
		int deaf = dial_from(w, INADDR_LOOPBACK);

		send(half, LIVEZ, sizeof(LIVEZ) - 1, MSG_NOSIGNAL);
		shutdown(half, SHUT_WR);
		send(deaf, many, strlen(many), MSG_NOSIGNAL);
		send(gone, many, strlen(many), MSG_NOSIGNAL);
		setsockopt(gone, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(gone);
		expect_probe(w);
		close(half);
		close(deaf);
	}
	expect_work(w, "after");
	cr_assert(await(answers_all, w, SOON_MS));
	world_close(w);
}
