/* links: cpoa_http */
/*
 * http against tiny servers made here: a thread that accepts connections and does to each what its
 * script says.
 */
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

static void *run_server(void *arg)
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

static int listen_anywhere(uint16_t *port)
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

static void start_server(struct server *s, void (*serve)(struct server *s, int fd))
{
	memset(s, 0, sizeof(*s));
	s->serve = serve;
	s->fd = listen_anywhere(&s->port);
	cr_assert_eq(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static void stop_server(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static void say(int fd, const char *text)
{
	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Reads one request with its body into `seen`; false at the end of the connection. */
static bool read_request(struct server *s, int fd)
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

struct one {
	struct http_request r;
	char url[128];
	int done;
};

static struct http *client;

static void start_client(void)
{
	struct err e = {0};

	cr_assert(http_global_init(&e), "%s", e.text);
	client = http_new(&(struct http_options){.user_agent = "test/1"}, &e);
	cr_assert(client, "%s", e.text);
}

static void stop_client(void)
{
	http_free(client);
}

TestSuite(http, .init = start_client, .fini = stop_client);

static void count_done(struct http_request *r)
{
	struct one *o = r->owner;

	o->done++;
}

static void fill(struct one *o, uint16_t port, const char *path)
{
	memset(o, 0, sizeof(*o));
	snprintf(o->url, sizeof(o->url), "http://127.0.0.1:%u%s", (unsigned)port, path);
	o->r = (struct http_request){.method = "GET", .url = o->url, .timeout_ms = 5000,
				     .body_max = 10000, .done = count_done, .owner = o};
}

/* Works for at most `ms`, or until nothing is in flight. */
static void work(int ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (http_in_flight(client) > 0 && clock_mono_ms() < until) {
		struct pollfd p = {.fd = http_fd(client), .events = POLLIN};
		int wait = http_wait_ms(client), left = (int)(until - clock_mono_ms());

		poll(&p, 1, wait >= 0 && wait < left ? wait : left);
		http_work(client);
	}
}

static void ask(struct one *o)
{
	http_start(client, &o->r);
	work(10000);
	cr_assert_eq(o->done, 1);
}

static void expect_outcome(struct one *o, enum http_outcome outcome)
{
	cr_expect_eq(o->r.outcome, outcome, "outcome %d: %s", (int)o->r.outcome, o->r.error);
	if (outcome != HTTP_ANSWERED) {
		cr_expect(o->r.error[0]);
		cr_expect_eq(o->r.status, 0);
	}
}

/* ---- answers ---- */

static void serve_hello(struct server *s, int fd)
{
	while (read_request(s, fd))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
}

Test(http, an_answer_and_reuse_of_its_connection)
{
	struct server s;
	struct one o;

	start_server(&s, serve_hello);
	for (int i = 0; i < 5; i++) {
		fill(&o, s.port, "/path?q=1");
		ask(&o);
		expect_outcome(&o, HTTP_ANSWERED);
		cr_expect_eq(o.r.status, 200);
		cr_expect_str_eq(o.r.answer.buf, "hello");
		cr_expect_str_eq(o.r.content_type, "text/plain");
		cr_expect_eq(o.r.retry_after_ms, -1);
		cr_expect_gt(o.r.took_us, 0);
		http_request_release(&o.r);
	}
	cr_expect_eq(s.connections, 1);
	cr_expect(strstr(s.seen, "GET /path?q=1 HTTP/1.1\r\n"));
	cr_expect(strstr(s.seen, "User-Agent: test/1\r\n"));
	cr_expect_null(strstr(s.seen, "Content-Type"));
	stop_client();
	client = NULL;
	stop_server(&s);
}

Test(http, a_post_with_headers)
{
	struct server s;
	struct one o;

	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	start_server(&s, serve_hello);
	fill(&o, s.port, "/");
	o.r.method = "POST";
	o.r.headers[0] = "Content-Type: application/json";
	o.r.headers[1] = "X-Idempotency-Key: abc";
	o.r.body = "{\"a\":1}";
	o.r.body_len = 7;
	ask(&o);
	expect_outcome(&o, HTTP_ANSWERED);
	cr_expect(strstr(s.seen, "POST / HTTP/1.1\r\n"), "%s", s.seen);
	cr_expect(strstr(s.seen, "Content-Type: application/json\r\n"));
	cr_expect(strstr(s.seen, "X-Idempotency-Key: abc\r\n"));
	cr_expect(strstr(s.seen, "\r\n\r\n{\"a\":1}"));
	cr_expect_null(strstr(s.seen, "Expect"));
	http_request_release(&o.r);
	fill(&o, s.port, "/"); /* nothing of it is left on the handle */
	ask(&o);
	cr_expect(strstr(s.seen, "GET / HTTP/1.1\r\n"));
	cr_expect_null(strstr(s.seen, "X-Idempotency-Key"));
	http_request_release(&o.r);
	stop_client();
	client = NULL;
	stop_server(&s);
}

static void serve_redirect(struct server *s, int fd)
{
	while (read_request(s, fd))
		say(fd, "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
}

Test(http, a_redirect_is_an_answer)
{
	struct server s;
	struct one o;

	start_server(&s, serve_redirect);
	fill(&o, s.port, "/");
	ask(&o);
	expect_outcome(&o, HTTP_ANSWERED);
	cr_expect_eq(o.r.status, 302);
	cr_expect_eq(s.requests, 1);
	http_request_release(&o.r);
	stop_client();
	client = NULL;
	stop_server(&s);
}

/* Retry-After in both forms, absurd, passed, and then none on the same handle. */
static void serve_retry_after(struct server *s, int fd)
{
	char date[64], text[256];
	struct tm tm;

	while (read_request(s, fd)) {
		const char *value = strstr(s->seen, "/seconds") ? "7" :
				    strstr(s->seen, "/absurd") ? "99999999999999999999" :
				    strstr(s->seen, "/past") ? "Fri, 31 Dec 1999 23:59:59 GMT" :
				    strstr(s->seen, "/nonsense") ? "soon" : NULL;

		if (strstr(s->seen, "/date")) {
			time_t at = time(NULL) + 30;

			strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm));
			value = date;
		}
		snprintf(text, sizeof(text), "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n%s%s\r\n\r\n",
			 value ? "Retry-After: " : "X: y", value ? value : "");
		say(fd, text);
	}
}

Test(http, retry_after_in_both_forms)
{
	static const struct {
		const char *path;
		int64_t least, most;
	} rows[] = {
		{"/seconds", 7000, 7000}, {"/none", -1, -1}, {"/date", 28000, 30000},
		{"/past", 0, 0}, {"/absurd", -1, 7 * 86400000LL}, {"/nonsense", -1, -1},
		{"/none", -1, -1},
	};
	struct server s;
	struct one o;

	start_server(&s, serve_retry_after);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fill(&o, s.port, rows[i].path);
		ask(&o);
		cr_expect_eq(o.r.status, 503);
		cr_expect(o.r.retry_after_ms >= rows[i].least && o.r.retry_after_ms <= rows[i].most,
			  "%s: %lld", rows[i].path, (long long)o.r.retry_after_ms);
		http_request_release(&o.r);
	}
	stop_client();
	client = NULL;
	stop_server(&s);
}

/* ---- what goes wrong ---- */

static void serve_by_path(struct server *s, int fd)
{
	struct linger reset = {1, 0};

	if (!read_request(s, fd))
		return;
	if (strstr(s->seen, "/reset")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
		usleep(20000);
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
			usleep(20000);
	} /* else closed without a word */
}

Test(http, what_goes_wrong_has_a_name)
{
	static const struct {
		const char *path;
		enum http_outcome outcome;
	} rows[] = {
		{"/silent", HTTP_BROKEN},   {"/reset", HTTP_BROKEN},      {"/short", HTTP_BROKEN},
		{"/garbage", HTTP_BROKEN},  {"/declared", HTTP_TOO_LARGE}, {"/endless", HTTP_TOO_LARGE},
		{"/headers", HTTP_TOO_LARGE}, {"/longheader", HTTP_TOO_LARGE}, {"/hang", HTTP_TIMEOUT},
		{"/drip", HTTP_TIMEOUT},
	};
	struct server s;
	struct one o;

	start_server(&s, serve_by_path);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int post = 0; post < 2; post++) {
			fill(&o, s.port, rows[i].path);
			o.r.timeout_ms = 300;
			if (post) {
				o.r.method = "POST";
				o.r.body = "x";
				o.r.body_len = 1;
			}
			ask(&o);
			cr_expect_eq(o.r.outcome, rows[i].outcome, "%s: outcome %d: %s", rows[i].path,
				     (int)o.r.outcome, o.r.error);
			cr_expect(o.r.error[0]);
			cr_expect_eq(o.r.status, 0);
			http_request_release(&o.r);
		}
	}
	cr_expect_eq(s.requests, 2 * (int)(sizeof(rows) / sizeof(rows[0])), "none is sent twice");
	stop_client();
	client = NULL;
	stop_server(&s);
}

Test(http, nobody_there)
{
	struct one o;
	uint16_t port;
	int fd = listen_anywhere(&port);

	close(fd);
	fill(&o, port, "/");
	ask(&o);
	expect_outcome(&o, HTTP_UNREACHABLE);
	http_request_release(&o.r);
	fill(&o, port, "/");
	o.r.url = "http://no-such-host.invalid/";
	ask(&o);
	expect_outcome(&o, HTTP_UNREACHABLE);
	http_request_release(&o.r);
}

/* A listener whose backlog is full drops what comes: no connection is ever made. */
Test(http, a_connection_that_is_never_made_is_unreachable)
{
	struct one o[64];
	uint16_t port;
	int fd = listen_anywhere(&port);
	int last = 63;

	cr_assert_eq(listen(fd, 0), 0);
	for (int i = 0; i <= last; i++) {
		fill(&o[i], port, "/");
		o[i].r.timeout_ms = 400;
		http_start(client, &o[i].r);
	}
	work(5000);
	expect_outcome(&o[last], HTTP_UNREACHABLE);
	for (int i = 0; i <= last; i++)
		http_request_release(&o[i].r);
	close(fd);
}

Test(http, tls_to_a_plain_port_is_unreachable)
{
	struct server s;
	struct one o;

	start_server(&s, serve_by_path);
	fill(&o, s.port, "/");
	snprintf(o.url, sizeof(o.url), "https://127.0.0.1:%u/", (unsigned)s.port);
	o.r.timeout_ms = 1000;
	http_start(client, &o.r);
	poll(NULL, 0, 50);
	stop_server(&s);
	work(3000);
	expect_outcome(&o, HTTP_UNREACHABLE);
	http_request_release(&o.r);
}

Test(http, what_is_no_request_is_not_sent)
{
	static const char *const urls[] = {"", "nonsense://x/", "ftp://127.0.0.1/", "file:///etc/passwd",
					   "http://127.0.0.1:99999/", "http://a b/", "http://a/\r\nX: y"};
	static const char *const headers[] = {"X: a\r\nY: b", "no colon", ": no name", "sp ace: x",
					      "X: \x01", "X: \x7f", "X: a\n", "X;"};
	char long_url[HTTP_URL_MAX + 10];
	struct one o;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		fill(&o, 1, "/");
		o.r.url = urls[i];
		ask(&o);
		cr_expect_eq(o.r.outcome, HTTP_BAD_REQUEST, "%s: %d", urls[i], (int)o.r.outcome);
		http_request_release(&o.r);
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		fill(&o, 1, "/");
		o.r.headers[0] = headers[i];
		http_start(client, &o.r);
		cr_expect_eq(o.done, 0, "not before http_work");
		cr_expect_eq(http_wait_ms(client), 0);
		http_work(client);
		cr_expect_eq(o.done, 1);
		expect_outcome(&o, HTTP_BAD_REQUEST);
		http_request_release(&o.r);
	}
	memset(long_url, 'x', sizeof(long_url) - 1);
	long_url[sizeof(long_url) - 1] = '\0';
	memcpy(long_url, "http://a/", 9);
	fill(&o, 1, "/");
	o.r.url = long_url;
	ask(&o);
	expect_outcome(&o, HTTP_BAD_REQUEST);
}

/* ---- a kept connection that the server has closed ---- */

static void serve_once(struct server *s, int fd)
{
	if (read_request(s, fd))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

Test(http, a_stale_connection_is_replaced)
{
	struct server s;
	struct one o;

	start_server(&s, serve_once);
	for (int i = 0; i < 6; i++) {
		fill(&o, s.port, "/");
		if (i % 2) {
			o.r.method = "POST";
			o.r.body = "x";
			o.r.body_len = 1;
		}
		ask(&o);
		expect_outcome(&o, HTTP_ANSWERED);
		http_request_release(&o.r);
		if (i < 3)
			poll(NULL, 0, 20); /* the close has come; later, it may cross the request */
	}
	stop_client();
	client = NULL;
	stop_server(&s);
}

/* Reads the second request on a connection, and only then closes it without an answer. */
static void serve_and_drop(struct server *s, int fd)
{
	if (!read_request(s, fd))
		return;
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	read_request(s, fd);
}

Test(http, dropped_on_a_kept_connection_it_is_asked_again)
{
	for (int post = 0; post < 2; post++) {
		struct server s;
		struct one o;

		start_server(&s, serve_and_drop);
		for (int i = 0; i < 2; i++) {
			fill(&o, s.port, "/");
			o.r.method = post ? "POST" : "GET";
			o.r.body = post ? "x" : NULL;
			o.r.body_len = (size_t)post;
			ask(&o);
			expect_outcome(&o, HTTP_ANSWERED);
			http_request_release(&o.r);
		}
		cr_expect_eq(s.requests, 3, "%d requests", s.requests);
		stop_client();
		start_client();
		stop_server(&s);
	}
}

/* ---- many ---- */

struct pollserver {
	struct pollfd fds[1100];
	int n;
};

/* All connections at once: each is answered when it has sent something, on one thread. */
static void *run_pollserver(void *arg)
{
	struct server *s = arg;
	struct pollserver *p = calloc(1, sizeof(*p));

	p->fds[p->n++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
	while (poll(p->fds, (nfds_t)p->n, 5000) > 0) {
		for (int i = p->n - 1; i > 0; i--) {
			if (!p->fds[i].revents)
				continue;
			if (recv(p->fds[i].fd, s->seen, sizeof(s->seen), 0) > 0) {
				say(p->fds[i].fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
				continue;
			}
			close(p->fds[i].fd);
			p->fds[i] = p->fds[--p->n];
		}
		if (p->fds[0].revents) {
			int fd = accept(s->fd, NULL, NULL);

			if (fd < 0)
				break;
			p->fds[p->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
	for (int i = 1; i < p->n; i++)
		close(p->fds[i].fd);
	free(p);
	return NULL;
}

static void start_pollserver(struct server *s)
{
	memset(s, 0, sizeof(*s));
	s->fd = listen_anywhere(&s->port);
	cr_assert_eq(pthread_create(&s->thread, NULL, run_pollserver, s), 0);
}

Test(http, a_thousand_at_once)
{
	enum { N = 1000 };
	struct one *all = calloc(N, sizeof(*all));
	struct server s;

	start_pollserver(&s);
	for (int i = 0; i < N; i++) {
		fill(&all[i], s.port, "/");
		all[i].r.timeout_ms = 20000;
		http_start(client, &all[i].r);
	}
	cr_assert_eq(http_in_flight(client), N);
	work(20000);
	for (int i = 0; i < N; i++) {
		cr_assert_eq(all[i].done, 1);
		expect_outcome(&all[i], HTTP_ANSWERED);
		cr_assert_str_eq(all[i].r.answer.buf, "ok");
		http_request_release(&all[i].r);
	}
	stop_client();
	client = NULL;
	stop_server(&s);
	free(all);
}

/* ---- cancelling ---- */

Test(http, cancelled_in_flight)
{
	struct server s;
	struct one a, b;

	start_server(&s, serve_by_path);
	fill(&a, s.port, "/hang");
	fill(&b, s.port, "/hang");
	http_start(client, &a.r);
	http_cancel(client, &a.r); /* before anything was done */
	http_start(client, &a.r);
	work(100);
	http_cancel(client, &a.r); /* waiting for an answer */
	cr_expect_eq(http_in_flight(client), 0);
	http_cancel(client, &a.r); /* is nothing */
	b.r.headers[0] = "bad\n";
	http_start(client, &b.r);
	http_cancel(client, &b.r); /* stillborn */
	http_work(client);
	cr_expect_eq(a.done + b.done, 0);
	http_start(client, &a.r); /* left in flight: http_free takes it */
	work(50);
	stop_client();
	client = NULL;
	stop_server(&s);
}

static struct one others[10];
static int finished;

/* The first that ends cancels the even ones, and starts itself again once. */
static void cancel_others(struct http_request *r)
{
	struct one *self = r->owner;

	if (finished++ == 0) {
		for (int i = 0; i < 10; i += 2) {
			if (&others[i] != self)
				http_cancel(client, &others[i].r);
		}
		http_request_release(r);
		http_start(client, r);
		return;
	}
	self->done++;
	http_request_release(r);
}

/* All answers are there before the first http_work, so that their messages stand in one queue. */
Test(http, done_may_start_and_cancel)
{
	struct server s;
	int done = 0;

	start_pollserver(&s);
	for (int round = 0; round < 20; round++) {
		finished = 0;
		done = 0;
		for (int i = 0; i < 10; i++) {
			fill(&others[i], s.port, "/");
			others[i].r.done = cancel_others;
			if (round % 2)
				others[i].r.headers[0] = "all are stillborn\n";
			http_start(client, &others[i].r);
		}
		if (round % 4 == 0) {
			http_work(client);
			poll(NULL, 0, 10);
		}
		work(5000);
		cr_assert_eq(http_in_flight(client), 0);
		for (int i = 0; i < 10; i++) {
			cr_assert_leq(others[i].done, 1);
			done += others[i].done;
		}
		cr_assert(done == 5 || done == 6, "%d done", done);
	}
	stop_client();
	client = NULL;
	stop_server(&s);
}

static void free_self(struct http_request *r)
{
	http_request_release(r);
	free(r->owner);
}

Test(http, done_may_free_its_request)
{
	struct one *o = malloc(sizeof(*o));
	struct server s;

	start_server(&s, serve_hello);
	fill(o, s.port, "/");
	o->r.done = free_self;
	http_start(client, &o->r);
	work(5000);
	stop_client();
	client = NULL;
	stop_server(&s);
}

/* ---- http_ask ---- */

Test(http, ask_waits)
{
	struct server s;
	struct strbuf answer;
	struct err e = {0};
	char url[64];
	int status;

	start_server(&s, serve_hello);
	strbuf_init(&answer, 100);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)s.port);
	cr_assert(http_ask("GET", url, NULL, 5000, &status, &answer, &e), "%s", e.text);
	cr_assert_eq(status, 200);
	cr_assert_str_eq(answer.buf, "hello");
	cr_assert(http_ask("POST", url, "{}", 5000, &status, &answer, &e), "%s", e.text);
	cr_assert_str_eq(answer.buf, "hellohello");
	cr_assert(strstr(s.seen, "Content-Type: application/json\r\n"));
	cr_assert_not(http_ask("GET", "http://127.0.0.1:1/", NULL, 5000, &status, &answer, &e));
	cr_assert_eq(e.class, ERR_LOST);
	cr_assert_not(http_ask("GET", "nonsense://", NULL, 5000, &status, &answer, &e));
	cr_assert_eq(e.class, ERR_USAGE);
	strbuf_release(&answer);
	stop_server(&s);
}
