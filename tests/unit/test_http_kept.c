/* links: cpoa_http */
/* Connections that are kept between requests, and requests that are told in one text. */
#include "http_help.h"

/* ---- closed by the server while nobody asks ---- */

static void serve_once(struct server *s, int fd)
{
	if (read_request(s, fd))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static bool is_readable(int wait_ms)
{
	struct pollfd p = {.fd = http_fd(client), .events = POLLIN};

	return poll(&p, 1, wait_ms) > 0;
}

Test(http, a_close_between_requests_keeps_nobody_awake)
{
	struct server s;
	struct one o;

	start_server(&s, serve_once);
	for (int i = 0; i < 20; i++) {
		fill(&o, s.port, "/");
		ask(&o);
		expect_outcome(&o, HTTP_ANSWERED);
		http_request_release(&o.r);
		is_readable(50); /* the close */
		http_work(client);
		cr_expect_not(is_readable(0));
		cr_expect_eq(http_wait_ms(client), -1);
	}
	cr_expect_eq(s.connections, 20);
	stop_client();
	client = NULL;
	stop_server(&s);
}

static void serve_and_close(struct server *s, int fd)
{
	if (read_request(s, fd))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void serve_nothing(struct server *s, int fd)
{
	recv(fd, s->seen, 1, 0);
}

/* Descriptors' numbers come again, as other connections and as the resolver's. */
Test(http, numbers_that_come_again_are_watched_anew)
{
	struct server once, kept, none;
	struct one o[4];

	start_server(&once, serve_and_close);
	start_server(&kept, serve_hello);
	start_server(&none, serve_nothing);
	for (int i = 0; i < 10; i++) {
		fill(&o[0], once.port, "/");
		fill(&o[1], kept.port, "/");
		fill(&o[2], kept.port, "/");
		fill(&o[3], kept.port, "/");
		snprintf(o[2].url, sizeof(o[2].url), "http://no-such-host-%d.invalid/", i);
		snprintf(o[3].url, sizeof(o[3].url), "https://127.0.0.1:%u/", none.port);
		for (int j = 0; j < 4; j++)
			http_start(client, &o[j].r);
		work(10000);
		expect_outcome(&o[0], HTTP_ANSWERED);
		expect_outcome(&o[1], HTTP_ANSWERED);
		expect_outcome(&o[2], HTTP_UNREACHABLE);
		expect_outcome(&o[3], HTTP_UNREACHABLE);
		for (int j = 0; j < 4; j++) {
			cr_expect_lt(o[j].r.took_us, 3000000, "%d", j);
			http_request_release(&o[j].r);
		}
	}
	stop_client();
	client = NULL;
	stop_server(&once);
	stop_server(&kept);
	stop_server(&none);
}

/* ---- terse ---- */

static void start_terse_client(void)
{
	struct err e;

	http_free(client);
	client = http_new(&(struct http_options){.user_agent = "test/1", .terse = true}, &e);
	cr_assert(client, "%s", e.text);
}

Test(http, terse_requests_say_what_they_are_given)
{
	struct server s;
	struct one o;
	char text[512];

	start_terse_client();
	start_server(&s, serve_hello);
	fill(&o, s.port, "/a/b?q=1");
	o.r.method = "POST";
	o.r.headers[0] = "X-Idempotency-Key: abc";
	o.r.headers[1] = "Content-Type: application/json";
	o.r.body = "{}";
	o.r.body_len = 2;
	ask(&o);
	expect_outcome(&o, HTTP_ANSWERED);
	cr_expect_str_eq(o.r.answer.buf, "hello");
	http_request_release(&o.r);
	snprintf(text, sizeof(text),
		 "POST /a/b?q=1 HTTP/1.1\r\nX-Idempotency-Key: abc\r\n"
		 "Content-Type: application/json\r\nHost: 127.0.0.1:%u\r\n"
		 "User-Agent: test/1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
		 s.port);
	cr_expect_str_eq(s.seen, text);
	fill(&o, s.port, "/c"); /* nothing of it is left on the handle */
	ask(&o);
	expect_outcome(&o, HTTP_ANSWERED);
	http_request_release(&o.r);
	snprintf(text, sizeof(text),
		 "GET /c HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: test/1 HTTP/1.1\r\n\r\n",
		 s.port);
	cr_expect_str_eq(s.seen, text);
	cr_expect_eq(s.connections, 1);
	stop_client();
	client = NULL;
	stop_server(&s);
}

/* Every URL is asked for as without it. */
Test(http, terse_targets_are_those_of_curl)
{
	static const char *const paths[] = {
		"",	 "/",	  "/a/b", "/a/../b",   "/./a",	    "/a?b=/../c#d",
		"/a#b",	 "?x=/y", "#/y",  "/%20a/%2e", "/a//b?c?d", "/\xc3\xa4?b",
		"/a/..", "/a?",	  "/.a",  "/a;b,c",    "/[a]",	    "/a\\b"};
	struct server s;
	struct one o;
	char plain[sizeof(s.seen)];

	start_server(&s, serve_hello);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char *end;

		for (int terse = 0; terse < 2; terse++) {
			stop_client();
			start_client();
			if (terse)
				start_terse_client();
			fill(&o, s.port, paths[i]);
			ask(&o);
			expect_outcome(&o, HTTP_ANSWERED);
			http_request_release(&o.r);
			end = strstr(s.seen, "\r\n");
			cr_assert(end);
			*end = '\0';
			if (!terse)
				memcpy(plain, s.seen, sizeof(plain));
		}
		cr_expect_str_eq(s.seen, plain, "%s: \"%s\" for \"%s\"", paths[i], s.seen, plain);
	}
	stop_client();
	client = NULL;
	stop_server(&s);
}

Test(http, terse_requests_that_are_none_are_not_sent)
{
	static const char *const urls[] = {"", "nonsense://x/", "http://127.0.0.1:99999/",
					   "http://"};
	struct one o;

	start_terse_client();
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		fill(&o, 1, "/");
		o.r.url = urls[i];
		ask(&o);
		cr_expect_eq(o.r.outcome, HTTP_BAD_REQUEST, "%s: %d", urls[i], (int)o.r.outcome);
		http_request_release(&o.r);
	}
	fill(&o, 1, "/");
	o.r.headers[0] = "X: a\r\nY: b";
	ask(&o);
	expect_outcome(&o, HTTP_BAD_REQUEST);
	http_request_release(&o.r);
}
