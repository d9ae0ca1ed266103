/*
 * The loop: curl tells which sockets and which time it waits for, epoll and the caller's poll(2)
 * wait for them.
 */
#include "cpoa/http.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "http_private.h"

enum {
	EVENTS_MAX = 256,
	CONNECTIONS_MIN = 16,
	IDLE_MAX = 512, /* easy handles kept for the next request, some 6 KiB each */
};

bool http_global_init(struct err *e)
{
	CURLcode code = http_memory_init();

	if (code != CURLE_OK)
		return err_set(e, ERR_USAGE, "libcurl: %s", curl_easy_strerror(code));
	return true;
}

/* ---- what curl waits for ---- */

void http_unwatch(struct http *h, int fd)
{
	if ((size_t)fd < h->n_watched)
		h->watched[fd] = 0;
}

static unsigned char *watched(struct http *h, int fd)
{
	size_t n = h->n_watched;

	if ((size_t)fd >= n) {
		n = 2 * (size_t)fd + 64;
		h->watched = xrealloc(h->watched, n);
		memset(h->watched + h->n_watched, 0, n - h->n_watched);
		h->n_watched = n;
	}
	return &h->watched[fd];
}

static bool watch(struct http *h, int fd, int what)
{
	unsigned char *w = watched(h, fd);
	int had = *w & CURL_POLL_INOUT;
	struct epoll_event ev = {.data.fd = fd};

	if (what & CURL_POLL_IN)
		ev.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		ev.events |= EPOLLOUT;
	if (what != had && epoll_ctl(h->epoll, had ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) != 0)
		return false;
	*w = (unsigned char)(what | WATCH_WANTED);
	return true;
}

static void drop_watch(struct http *h, int fd)
{
	epoll_ctl(h->epoll, EPOLL_CTL_DEL, fd, NULL);
	http_unwatch(h, fd);
}

/*
 * Whether the socket of a request that is over may stay in epoll: curl tells when it closes a
 * connection that stood (http_transfer_new), and of that one we know by its answer. One that never
 * stood, and the resolver's, are closed in silence, and their numbers come again.
 */
static bool may_stay(CURL *easy)
{
	struct transfer *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	return t && t->header_bytes > 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct http *h = ctx;

	(void)known;
	if (what != CURL_POLL_REMOVE)
		return watch(h, fd, what) ? 0 : -1;
	if (may_stay(easy))
		*watched(h, fd) &= (unsigned char)~WATCH_WANTED;
	else
		drop_watch(h, fd);
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	struct http *h = ctx;

	(void)multi;
	h->wake_ms = ms < 0 ? -1 : clock_mono_ms() + ms;
	return 0;
}

/* ---- life cycle ---- */

struct http *http_new(const struct http_options *o, struct err *e)
{
	struct http *h = xcalloc(1, sizeof(*h));
	long connections = CONNECTIONS_MIN;

	if (o->max_connections > connections)
		connections = o->max_connections < LONG_MAX ? (long)o->max_connections : LONG_MAX;
	LIST_INIT(&h->flying);
	LIST_INIT(&h->stillborn);
	LIST_INIT(&h->idle);
	h->wake_ms = -1;
	h->terse = o->terse;
	h->user_agent = xstrdup(o->user_agent ? o->user_agent : "cpoa");
	h->ca_file = o->ca_file && *o->ca_file ? xstrdup(o->ca_file) : NULL;
	h->multi = curl_multi_init();
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!h->multi || h->epoll < 0) {
		err_errno(e, ERR_RETRY, errno, "HTTP client");
		http_free(h);
		return NULL;
	}
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, connections);
	return h;
}

static void free_transfer(struct transfer *t)
{
	LIST_REMOVE(t, link);
	curl_easy_cleanup(t->easy);
	free(t);
}

void http_free(struct http *h)
{
	struct transfer *t;

	if (!h)
		return;
	while ((t = LIST_FIRST(&h->flying)) != NULL)
		http_cancel(h, t->request);
	while ((t = LIST_FIRST(&h->stillborn)) != NULL)
		http_cancel(h, t->request);
	while ((t = LIST_FIRST(&h->idle)) != NULL)
		free_transfer(t);
	curl_multi_cleanup(h->multi);
	if (h->epoll >= 0)
		close(h->epoll);
	http_release_origins(h);
	free(h->watched);
	free(h->user_agent);
	free(h->ca_file);
	free(h);
}

/* ---- transfers ---- */

static struct transfer *take_idle(struct http *h)
{
	struct transfer *t = LIST_FIRST(&h->idle);

	if (!t)
		return http_transfer_new(h);
	LIST_REMOVE(t, link);
	h->n_idle--;
	return t;
}

static void put_idle(struct http *h, struct transfer *t)
{
	t->request->handle = NULL;
	t->request = NULL;
	LIST_REMOVE(t, link);
	LIST_INSERT_HEAD(&h->idle, t, link);
	if (h->n_idle < IDLE_MAX)
		h->n_idle++;
	else
		free_transfer(t);
}

void http_start(struct http *h, struct http_request *r)
{
	struct transfer *t = take_idle(h);

	assert(r->done);
	r->handle = t;
	t->request = r;
	h->in_flight++;
	if (http_transfer_prepare(t) && curl_multi_add_handle(h->multi, t->easy) == CURLM_OK)
		LIST_INSERT_HEAD(&h->flying, t, link);
	else
		LIST_INSERT_HEAD(&h->stillborn, t, link);
}

void http_cancel(struct http *h, struct http_request *r)
{
	struct transfer *t = r->handle;

	if (!t)
		return;
	assert(t->request == r);
	curl_multi_remove_handle(h->multi, t->easy); /* does nothing for one never added */
	put_idle(h, t);
	h->in_flight--;
	http_request_release(r);
}

void http_request_release(struct http_request *r)
{
	assert(!r->handle);
	if (r->answer.buf) /* a zeroed one was never started */
		strbuf_release(&r->answer);
	free(r->location);
	r->location = NULL;
}

size_t http_in_flight(const struct http *h)
{
	return h->in_flight;
}

/* ---- work ---- */

/* Nothing is touched after `done`: the request may be gone, and others started or cancelled. */
static void end(struct http *h, struct transfer *t)
{
	struct http_request *r = t->request;

	put_idle(h, t);
	h->in_flight--;
	r->done(r);
}

static void end_finished(struct http *h)
{
	CURLMsg *msg;
	int left;

	/* One message at a time: curl drops those of requests that `done` cancels. */
	while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
		CURLcode code = msg->data.result; /* removing the handle frees the message */
		CURL *easy = msg->easy_handle;
		struct transfer *t;

		assert(msg->msg == CURLMSG_DONE);
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
		assert(t->easy == easy);
		http_transfer_finish(t, code);
		curl_multi_remove_handle(h->multi, easy);
		end(h, t);
	}
}

/* Those that were there at the start: what `done` starts anew waits for the next time. */
static void end_stillborn(struct http *h)
{
	struct transfer *t;
	size_t n = 0;

	for (t = LIST_FIRST(&h->stillborn); t; t = LIST_NEXT(t, link))
		n++;
	for (; n > 0 && (t = LIST_FIRST(&h->stillborn)) != NULL; n--)
		end(h, t);
}

static void serve_sockets(struct http *h)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(h->epoll, events, EVENTS_MAX, 0), running;

	for (int i = 0; i < n; i++) {
		int mask = 0, fd = events[i].data.fd;

		/* Nobody waits for it: its server has closed it, which curl finds out when it wants
		 * it again. */
		if (!(*watched(h, fd) & WATCH_WANTED)) {
			drop_watch(h, fd);
			continue;
		}
		if (events[i].events & (EPOLLIN | EPOLLHUP))
			mask |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			mask |= CURL_CSELECT_OUT;
		if (events[i].events & EPOLLERR)
			mask |= CURL_CSELECT_ERR;
		/* A socket that curl has closed meanwhile is unknown to it, and passed over. */
		curl_multi_socket_action(h->multi, fd, mask, &running);
	}
}

/*
 * A time that has come is forgotten before curl is told of it: curl sets the next one by its
 * callback, and when there is none left it calls nobody, so that an old one would be due for ever.
 */
static void serve_timers(struct http *h)
{
	int running;

	if (h->wake_ms < 0 || clock_mono_ms() < h->wake_ms)
		return;
	h->wake_ms = -1;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

void http_work(struct http *h)
{
	end_stillborn(h);
	serve_sockets(h);
	serve_timers(h);
	end_finished(h);
}

int http_fd(const struct http *h)
{
	return h->epoll;
}

int http_wait_ms(struct http *h)
{
	int64_t left;

	if (!LIST_EMPTY(&h->stillborn))
		return 0;
	if (h->wake_ms < 0)
		return -1;
	left = h->wake_ms - clock_mono_ms();
	if (left <= 0)
		return 0;
	return left < INT_MAX ? (int)left : INT_MAX;
}

/* ---- one request, waiting ---- */

static void note_done(struct http_request *r)
{
	bool *done = r->owner;

	*done = true;
}

static enum err_class outcome_class(enum http_outcome outcome)
{
	if (outcome == HTTP_BAD_REQUEST)
		return ERR_USAGE;
	return outcome == HTTP_TOO_LARGE ? ERR_REJECT : ERR_LOST;
}

bool http_ask(const char *method, const char *url, const char *body, int64_t timeout_ms,
	      int *status, struct strbuf *answer, struct err *e)
{
	bool done = false;
	struct http_options options = {.user_agent = "cpoa"};
	struct http_request r = {.method = method,
				 .url = url,
				 .body = body,
				 .body_len = body ? strlen(body) : 0,
				 .timeout_ms = timeout_ms,
				 .body_max = answer->max,
				 .done = note_done,
				 .owner = &done};
	struct http *h = http_new(&options, e);

	if (!h)
		return false;
	if (body)
		r.headers[0] = "Content-Type: application/json";
	http_start(h, &r);
	while (!done) {
		struct pollfd p = {.fd = http_fd(h), .events = POLLIN};

		poll(&p, 1, http_wait_ms(h));
		http_work(h);
	}
	http_free(h);
	*status = r.status;
	strbuf_add(answer, r.answer.buf, r.answer.len);
	if (r.outcome != HTTP_ANSWERED)
		err_set(e, outcome_class(r.outcome), "%s %s: %s", method, url, r.error);
	http_request_release(&r);
	return r.outcome == HTTP_ANSWERED;
}
