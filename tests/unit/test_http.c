/* links: cpoa_http */
/*
 * http against tiny servers made here: a thread that accepts connections and does to each what its
 * script says.
 */
#include "http_help.h"

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
	cr_expect(strstr(s.seen,
			 TERSE ? "User-Agent: test/1 HTTP/1.1\r\n" : "User-Agent: test/1\r\n"));
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
		const char *value = strstr(s->seen, "/seconds")	   ? "7"
				    : strstr(s->seen, "/absurd")   ? "99999999999999999999"
				    : strstr(s->seen, "/past")	   ? "Fri, 31 Dec 1999 23:59:59 GMT"
				    : strstr(s->seen, "/nonsense") ? "soon"
								   : NULL;

		if (strstr(s->seen, "/date")) {
			time_t at = time(NULL) + 30;

			strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
				 gmtime_r(&at, &tm));
			value = date;
		}
		snprintf(text, sizeof(text),
			 "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n%s%s\r\n\r\n",
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
		{"/seconds", 7000, 7000},
		{"/none", -1, -1},
		{"/date", 28000, 30000},
		{"/past", 0, 0},
		{"/absurd", -1, 7 * 86400000LL},
		{"/nonsense", -1, -1},
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

Test(http, what_goes_wrong_has_a_name)
{
	static const struct {
		const char *path;
		enum http_outcome outcome;
	} rows[] = {
		{"/silent", HTTP_BROKEN},      {"/reset", HTTP_BROKEN},
		{"/short", HTTP_BROKEN},       {"/garbage", HTTP_BROKEN},
		{"/declared", HTTP_TOO_LARGE}, {"/endless", HTTP_TOO_LARGE},
		{"/headers", HTTP_TOO_LARGE},  {"/longheader", HTTP_TOO_LARGE},
		{"/hang", HTTP_TIMEOUT},       {"/drip", HTTP_TIMEOUT},
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
			cr_expect_eq(o.r.outcome, rows[i].outcome, "%s: outcome %d: %s",
				     rows[i].path, (int)o.r.outcome, o.r.error);
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

static bool may_not(struct http_request *r)
{
	(void)r;
	return false;
}

static bool may(struct http_request *r)
{
	(void)r;
	return true;
}

/* Asked for each request anew, whether its connection is a new one or was kept. */
Test(http, what_may_not_be_sent_is_withheld)
{
	static bool (*const judges[])(struct http_request *) = {may_not, may, may_not, NULL};
	struct server s;
	struct one o;

	start_server(&s, serve_hello);
	for (size_t i = 0; i < sizeof(judges) / sizeof(*judges); i++) {
		fill(&o, s.port, "/");
		o.r.may_send = judges[i];
		ask(&o);
		expect_outcome(&o, judges[i] == may_not ? HTTP_WITHHELD : HTTP_ANSWERED);
		http_request_release(&o.r);
	}
	stop_client();
	client = NULL;
	stop_server(&s);
	cr_expect_eq(s.requests, 2, "%d", (int)s.requests);
}

Test(http, what_is_no_request_is_not_sent)
{
	static const char *const urls[] = {"",
					   "nonsense://x/",
					   "ftp://127.0.0.1/",
					   "file:///etc/passwd",
					   "http://127.0.0.1:99999/",
					   "http://a b/",
					   "http://a/\r\nX: y"};
	static const char *const headers[] = {"X: a\r\nY: b", "no colon", ": no name", "sp ace: x",
					      "X: \x01",      "X: \x7f",  "X: a\n",    "X;"};
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
