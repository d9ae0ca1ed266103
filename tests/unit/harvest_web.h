/*
 * harvest_web.h: a web made here, for test_harvest.c: names, servers that do what the web does and
 * those that mean harm, and a harvest from its start to its result.
 */
#ifndef HARVEST_WEB_H
#define HARVEST_WEB_H

#include "harvest/harvest.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"

/* ---- names ---- */

static atomic_int rebind_asked;

static const char *const *addresses_of(const char *name)
{
	static const char *const site[] = {"127.0.0.1", NULL},
				 *const private[] = {"10.0.0.1", NULL},
				 *const both[] = {"198.18.0.1", "127.0.0.1", "::1", NULL},
				 *const other[] = {"127.0.0.2", NULL},
				 *const two[] = {"127.0.0.1", "127.0.0.2", NULL},
				 *const public[] = {"192.0.2.1", NULL};

	if (strcmp(name, "site.test") == 0 || strcmp(name, "home.test") == 0)
		return site;
	if (strcmp(name, "private.test") == 0)
		return private;
	if (strcmp(name, "both.test") == 0)
		return both;
	/* For whoever looks before he connects, the first answer is harmless. */
	if (strcmp(name, "turn.test") == 0)
		return atomic_fetch_add(&rebind_asked, 1) == 0 ? other : site;
	if (strcmp(name, "two.test") == 0)
		return two;
	if (strcmp(name, "rebind.test") == 0)
		return atomic_fetch_add(&rebind_asked, 1) == 0 ? public : site;
	return NULL;
}

/* In place of the C library's, for libcurl too. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	const char *const *addresses = name ? addresses_of(name) : NULL;
	uint16_t port = (uint16_t)(service ? strtol(service, NULL, 10) : 0);
	struct addrinfo **last = out;

	(void)hints;
	*out = NULL;
	if (!addresses)
		return EAI_NONAME;
	for (; *addresses; addresses++) {
		struct sockaddr_storage *at = xcalloc(1, sizeof(*at));
		struct sockaddr_in *v4 = (struct sockaddr_in *)at;
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;
		struct addrinfo *info = xcalloc(1, sizeof(*info));

		info->ai_addr = (struct sockaddr *)at;
		info->ai_socktype = SOCK_STREAM;
		if (inet_pton(AF_INET, *addresses, &v4->sin_addr) == 1) {
			info->ai_family = v4->sin_family = AF_INET;
			info->ai_addrlen = sizeof(*v4);
			v4->sin_port = htons(port);
		} else {
			cr_assert_eq(inet_pton(AF_INET6, *addresses, &v6->sin6_addr), 1);
			info->ai_family = v6->sin6_family = AF_INET6;
			info->ai_addrlen = sizeof(*v6);
			v6->sin6_port = htons(port);
		}
		*last = info;
		last = &info->ai_next;
	}
	return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
	while (info) {
		struct addrinfo *next = info->ai_next;

		free(info->ai_addr);
		free(info);
		info = next;
	}
}

/* ---- servers ---- */

struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	void (*serve)(int fd, const char *path);
	atomic_int accepted;
};

struct visit {
	struct server *server;
	int fd;
};

static bool say(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool says(int fd, const char *text)
{
	return say(fd, text, strlen(text));
}

static void *serve_visit(void *arg)
{
	struct visit *v = arg;
	char request[8192] = "", path[4096] = "";
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(request) - 1 &&
	       (n = recv(v->fd, request + len, sizeof(request) - 1 - len, 0)) > 0) {
		len += (size_t)n;
		request[len] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	if (sscanf(request, "GET %4095s HTTP/1.1", path) == 1)
		v->server->serve(v->fd, path);
	shutdown(v->fd, SHUT_RDWR);
	close(v->fd);
	free(v);
	return NULL;
}

static void *accept_visits(void *arg)
{
	struct server *s = arg;

	for (;;) {
		struct visit *v = xcalloc(1, sizeof(*v));
		pthread_t thread;

		v->server = s;
		v->fd = accept(s->fd, NULL, NULL);
		if (v->fd < 0) {
			free(v);
			return NULL;
		}
		s->accepted++;
		cr_assert_eq(pthread_create(&thread, NULL, serve_visit, v), 0);
		pthread_detach(thread);
	}
}

/* On every address of this machine, of either family. */
static void start_server(struct server *s, void (*serve)(int fd, const char *path))
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6};
	struct sockaddr_in at4 = {.sin_family = AF_INET};
	socklen_t len = sizeof(at), len4 = sizeof(at4);
	int no = 0;

	s->serve = serve;
	s->fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd >= 0) {
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
		cr_assert_eq(bind(s->fd, (struct sockaddr *)&at, len), 0);
		cr_assert_eq(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
		s->port = ntohs(at.sin6_port);
	} else {
		s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_eq(bind(s->fd, (struct sockaddr *)&at4, len4), 0);
		cr_assert_eq(getsockname(s->fd, (struct sockaddr *)&at4, &len4), 0);
		s->port = ntohs(at4.sin_port);
	}
	cr_assert_eq(listen(s->fd, 500), 0);
	cr_assert_eq(pthread_create(&s->thread, NULL, accept_visits, s), 0);
}

static void stop_server(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* ---- the web ---- */

static struct server web, trap;
static char found[64][128]; /* what a search finds */
static int n_found;
static atomic_int searches;

static void trapped(int fd, const char *path)
{
	(void)path;
	says(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>a secret</p>");
}

/* What is sent to be harvested: `body` with its type. */
static void page(int fd, const char *type, const void *body, size_t len)
{
	char head[256];

	snprintf(head, sizeof(head),
		 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s%s%sConnection: close\r\n\r\n", len,
		 type ? "Content-Type: " : "", type ? type : "", type ? "\r\n" : "");
	says(fd, head);
	say(fd, body, len);
}

#define SENTENCE \
	"This is a sentence that somebody wrote about a lighthouse, its keeper and the sea."
#define PARAGRAPHS(word)                                                                           \
	"<html><body><article><p>" SENTENCE " " word ". " SENTENCE " " SENTENCE "</p><p>" SENTENCE \
	" " SENTENCE "</p></article></body></html>"

static void article(int fd, const char *type, const char *text)
{
	page(fd, type, text, strlen(text));
}

static void redirect(int fd, const char *to)
{
	char head[4096];

	snprintf(head, sizeof(head),
		 "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: "
		 "close\r\n\r\n",
		 to);
	says(fd, head);
}

static void search_page(int fd)
{
	AUTO(strbuf_release) struct strbuf sb;

	strbuf_init(&sb, 1 << 20);
	strbuf_adds(&sb, "<div id=\"links\">");
	for (int i = 0; i < n_found; i++)
		strbuf_addf(&sb, "<a class=\"result__a\" href=\"%s\">x</a>", found[i]);
	page(fd, "text/html", sb.buf, sb.len);
}

/* Fixed Huffman codes: an "a", then for ever "258 bytes as the last one" (13 bits). */
static void bomb(int fd)
{
	static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
	/* The block's start and the literal, then 1100 0101 0000 0, the first bit the lowest. */
	static const char start[] = "11010010001", match[] = "1100010100000";
	unsigned char out[13 * 1024] = {0};
	size_t bit = 0;

	says(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n");
	say(fd, head, sizeof(head));
	for (const char *p = start; *p; p++, bit++)
		out[bit / 8] |= (unsigned char)((*p - '0') << bit % 8);
	for (size_t m = 0; bit < sizeof(out) * 8; bit++, m++)
		out[bit / 8] |= (unsigned char)((match[m % 13] - '0') << bit % 8);
	say(fd, out, sizeof(out));
	/* From here on the period is that of 13 bytes, shifted as the start has left it. */
	for (int i = 0; i < 10 * 1024 * 1024 / (13 * 1024 - 13); i++)
		if (!say(fd, out + 13, sizeof(out) - 13))
			return;
}

static void endless(int fd)
{
	static const char block[] = "<p>" SENTENCE "</p>";

	says(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><body>");
	while (says(fd, block))
		;
}

static void drip(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	says(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
	while (says(fd, "x"))
		if (poll(&p, 1, 20) == 1)
			return;
}

static void flood_of_headers(int fd)
{
	says(fd, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 2000; i++)
		if (!says(fd,
			  "X-Header: 012345678901234567890123456789012345678901234567890123\r\n"))
			return;
	says(fd, "\r\n");
}

static void elsewhere(int fd, const char *path)
{
	char to[256];
	int n = 0;

	if (sscanf(path, "/chain/%d", &n) == 1 && n > 0) {
		snprintf(to, sizeof(to), "/chain/%d", n - 1);
		redirect(fd, n == 1 ? "article?end" : to); /* relative to /chain/ */
	} else if (strncmp(path, "/chain/article", 14) == 0) {
		article(fd, "text/html", PARAGRAPHS("Redirected"));
	} else if (strncmp(path, "/to/", 4) == 0) {
		snprintf(to, sizeof(to), "http://%s:%d/", path + 4, trap.port);
		redirect(fd, to);
	} else if (strcmp(path, "/to-file") == 0) {
		redirect(fd, "file:///etc/passwd");
	} else if (strcmp(path, "/nowhere") == 0) {
		says(fd, "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n");
	} else if (strcmp(path, "/close") != 0) {
		says(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	}
}

static void odd_page(int fd, const char *path)
{
	static const struct {
		const char *path;
		void (*serve)(int fd);
	} rows[] = {{"/bomb", bomb},
		    {"/endless", endless},
		    {"/drip", drip},
		    {"/headers", flood_of_headers}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (strcmp(path, rows[i].path) == 0) {
			rows[i].serve(fd);
			return;
		}
	}
	elsewhere(fd, path);
}

static void serve_web(int fd, const char *path)
{
	static const char latin[] = PARAGRAPHS("Caf\xE9"), sjis[] = PARAGRAPHS("\x93\x94\x91\xE4"),
			  broken[] = PARAGRAPHS("\xC3(\xFF"),
			  meta[] = "<meta charset=\"windows-1251\">" PARAGRAPHS("\xCC\xE0\xFF\xEA");

	if (strncmp(path, "/search", 7) == 0) {
		int n = ++searches;

		if (strncmp(path, "/search/flaky", 13) == 0 && n < 3)
			says(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
		else if (strncmp(path, "/search/refuses", 15) == 0)
			says(fd, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
		else if (strncmp(path, "/search/later", 13) == 0)
			says(fd,
			     "HTTP/1.1 429 No\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n");
		else if (strncmp(path, "/search/robot", 13) == 0)
			article(fd, "text/html", "<div class=\"anomaly-modal\">");
		else
			search_page(fd);
	} else if (strncmp(path, "/article", 8) == 0) {
		article(fd, "text/html; charset=utf-8", PARAGRAPHS("Plain"));
	} else if (strcmp(path, "/latin") == 0) {
		article(fd, "text/html; charset=ISO-8859-1", latin);
	} else if (strcmp(path, "/sjis") == 0) {
		article(fd, "text/html;charset=Shift_JIS", sjis);
	} else if (strcmp(path, "/meta") == 0) {
		article(fd, "text/html", meta);
	} else if (strcmp(path, "/broken") == 0) {
		article(fd, "text/html; charset=utf-8", broken);
	} else if (strcmp(path, "/untyped") == 0) {
		article(fd, NULL, PARAGRAPHS("Untyped"));
	} else if (strcmp(path, "/xhtml") == 0) {
		article(fd, "Application/XHTML+XML; charset=utf-8", PARAGRAPHS("Extensible"));
	} else if (strcmp(path, "/pdf") == 0) {
		article(fd, "application/pdf", PARAGRAPHS("Portable"));
	} else if (strcmp(path, "/plain") == 0) {
		article(fd, "text/plain", PARAGRAPHS("Unmarked"));
	} else if (strcmp(path, "/short") == 0) {
		article(fd, "text/html", "<p>Too little to say.</p>");
	} else if (strcmp(path, "/empty") == 0) {
		article(fd, "text/html", "");
	} else {
		odd_page(fd, path);
	}
}

/* ---- harvesting ---- */

static char search_template[128], allowed[128];

static struct harvest_options options(void)
{
	snprintf(search_template, sizeof(search_template), "http://127.0.0.1:%d/search?q={query}",
		 web.port);
	snprintf(allowed, sizeof(allowed), "127.0.0.1:%d, home.test:%d", web.port, web.port);
	return (struct harvest_options){
		.search_url = search_template,
		.user_agent = "test",
		.allow_hosts = allowed,
		.max_results = 20,
		.timeout_ms = 10000,
		.body_max = 256 << 10,
		.content_min = 150,
		.content_max = 50000,
		.retries = 3,
		.backoff_ms = 1,
	};
}

static void on_done(struct harvest *h, void *owner)
{
	struct json_object **result = owner;

	cr_assert_null(*result, "done twice");
	*result = harvest_result(h);
}

static struct json_object *harvest_with(const struct harvest_options *o, const char *what)
{
	struct err e = {0};
	struct harvests *all = harvests_new(o, &e);
	struct json_object *result = NULL;
	struct harvest *h;

	cr_assert(all, "%s", e.text);
	h = harvest_start(all, what, strstr(what, "://") ? what : NULL, on_done, &result);
	while (!result) {
		struct pollfd p = {.fd = harvests_fd(all), .events = POLLIN};

		poll(&p, 1, harvests_wait_ms(all, 1000));
		harvests_work(all);
	}
	harvest_free(h);
	harvests_free(all);
	return result;
}

static struct json_object *harvest(const char *what)
{
	struct harvest_options o = options();

	return harvest_with(&o, what);
}

static const char *url(const char *path)
{
	static char text[256];

	snprintf(text, sizeof(text), "http://127.0.0.1:%d%s", web.port, path);
	return text;
}

static void find(const char *path)
{
	cr_assert_lt(n_found, 64);
	snprintf(found[n_found++], sizeof(found[0]), "%.120s", url(path));
}

static struct json_object *source(struct json_object *result, size_t i)
{
	return json_object_array_get_idx(json_arr(result, "sources"), i);
}

static void expect_outcome(struct json_object *result, size_t i, const char *outcome,
			   const char *message)
{
	struct json_object *s = source(result, i);

	cr_assert(s);
	cr_expect_str_eq(json_str(s, "outcome"), outcome, "%s: %s", json_str(s, "url"),
			 json_str(s, "message"));
	cr_expect(strstr(json_str(s, "message"), message), "'%s' is not in: %s", message,
		  json_str(s, "message"));
}

#endif
