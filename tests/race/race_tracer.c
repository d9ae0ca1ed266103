/* links: cpoa_engine */
/*
 * Many threads add spans faster than a collector takes them, and one that is away takes none: no
 * more are held than may be, nobody waits, and each span is counted, as exported or as dropped.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/http.h"

#include "engine/stats.h"
#include "engine/tracer.h"

enum { THREADS = 4, TIMES = 10000, ALL = THREADS * TIMES, END_MS = 3000 };

static struct house house;

static void *add_all(void *arg)
{
	const struct trace trace = trace_new();
	struct span span;

	(void)arg;
	for (int i = 0; i < TIMES; i++) {
		span_begin(&span, SPAN_CLIENT, &trace, "race");
		span_number(&span, "i", i);
		tracer_add(house.tracer, &span);
	}
	return NULL;
}

/* A collector: reads each request to its end and says 200. One connection after another. */
static void *collect(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
	int listener = *(int *)arg, fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		char buf[65536] = "", *body = NULL;
		size_t have = 0, left = 0;
		ssize_t n;

		while ((n = recv(fd, buf + have, sizeof(buf) - 1 - have, 0)) > 0) {
			have += (size_t)n;
			buf[have] = '\0';
			if (!body && (body = strstr(buf, "\r\n\r\n"))) {
				const char *length = strstr(buf, "Content-Length: ");

				left = length ? strtoul(length + 16, NULL, 10) : 0;
				n = (ssize_t)(have - (size_t)(body + 4 - buf));
			}
			if (!body)
				continue;
			left -= (size_t)n < left ? (size_t)n : left;
			have = 0;
			if (left == 0) {
				body = NULL;
				if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
					break;
			}
		}
		close(fd);
	}
	return NULL;
}

/* Whether all is counted; *exported: how many arrived; *at_once: dropped before the end. */
static bool run(char *url, int64_t *exported, int64_t *at_once)
{
	static char none[] = "";
	struct settings settings = {.otlp_url = url,
				    .otlp_traces_url = none,
				    .otlp_headers = none,
				    .otlp_ca_file = none,
				    .otel_service = none,
				    .otel_resource = none,
				    .otlp_timeout_ms = 1000};
	pthread_t threads[THREADS];
	struct err e = {0};
	int64_t begun = clock_mono_ms(), dropped, took;

	memset(&house, 0, sizeof(house));
	house.settings = &settings;
	stats_setup(&house);
	if (!tracer_start(&house, &e) || !house.tracer) {
		fprintf(stderr, "no tracer: %s\n", e.text);
		return false;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, add_all, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	*at_once = metric_value(&m_spans_dropped, 0, 0);
	tracer_stop(house.tracer, END_MS);
	took = clock_mono_ms() - begun;
	tracer_free(house.tracer);
	*exported = metric_value(&m_spans_exported, 0, 0);
	dropped = metric_value(&m_spans_dropped, 0, 0);
	stats_release();
	fprintf(stderr, "%s: %lld exported, %lld dropped, %lld ms\n", url, (long long)*exported,
		(long long)dropped, (long long)took);
	return *exported + dropped == ALL;
}

int main(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char url[64], away[] = "http://127.0.0.1:1";
	int64_t exported, at_once;
	pthread_t thread;
	struct err e;
	bool good;

	if (!http_global_init(&e) || bind(listener, (struct sockaddr *)&at, len) != 0 ||
	    listen(listener, 8) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0)
		return 1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
	pthread_create(&thread, NULL, collect, &listener);
	good = run(url, &exported, &at_once) && exported > 0;
	good = run(away, &exported, &at_once) && exported == 0 &&
	       at_once >= ALL - TRACER_QUEUE_MAX && good;
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	return good ? 0 : 1;
}
