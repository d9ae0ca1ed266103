/* links: cpoa_http */
/* Many requests, cancelled ones, and connections that are kept. */
#include "http_help.h"

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
