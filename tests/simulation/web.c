/* web: requests on their way (in place of common/http.c). */
#include "simulation/web.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/agents.h"
#include "simulation/sim.h"
#include "simulation/world.h"

enum { TRIP_MAX_US = 4000, LONG_TRIP_US = 60000 };

/* A request lives on when its sender has lost interest: it was sent. */
struct exchange {
	struct alarm alarm; /* first, for the alarm is the exchange */
	struct exchange *next;
	struct http *http;
	struct http_request *r; /* NULL: nobody waits for it */
	int agent, task;	/* task -1: a submission */
	struct uuid workflow_id;
	char *key;
	bool arrived;
	int64_t due_us; /* its sender's patience ends */
	struct response response;
};

struct http {
	struct http *next;
	struct worker *worker;
	int fd;
	struct exchange *all;
};

struct web web;

static const char *const urls[AGENT_COUNT] = {
	"http://wcha/harvest", "http://pswa/weave",	    "http://vfa/forge",
	"http://sca/craft",    "http://iga/generate_image", "http://tda/discover",
};

const char *web_url(int agent)
{
	return urls[agent];
}

/* ---- the way of a request ---- */

static void unlink_exchange(struct exchange *x)
{
	struct exchange **link = &x->http->all;

	while (*link != x)
		link = &(*link)->next;
	*link = x->next;
}

static void exchange_free(struct exchange *x)
{
	sim_alarm_off(&x->alarm);
	unlink_exchange(x);
	free(x->key);
	free(x->response.body);
	free(x);
}

static int64_t trip_us(void)
{
	return sim_between(200, sim_chance(50) ? LONG_TRIP_US : TRIP_MAX_US);
}

static void answered(struct exchange *x)
{
	if (x->r)
		sim_fd_set(x->http->fd, true);
	else
		exchange_free(x);
}

/* It arrives at the agent; then its answer arrives, or the sender's patience ends. */
static void on_alarm(struct alarm *alarm)
{
	struct exchange *x = (struct exchange *)(void *)alarm;
	int64_t way = trip_us();

	if (x->arrived) {
		answered(x);
		return;
	}
	x->arrived = true;
	x->response = x->task < 0 ? agent_submitted(x->key) : agent_polled(x->key, x->task);
	if (x->response.outcome == HTTP_TIMEOUT || sim_now_us() + way > x->due_us) {
		free(x->response.body);
		x->response = (struct response){.outcome = HTTP_TIMEOUT, .retry_after_ms = -1};
		way = x->due_us > sim_now_us() ? x->due_us - sim_now_us() : 0;
	}
	sim_alarm(alarm, way);
}

static const char *header(const struct http_request *r, const char *name)
{
	size_t n = strlen(name);

	for (int i = 0; r->headers[i]; i++)
		if (strncmp(r->headers[i], name, n) == 0)
			return r->headers[i] + n;
	sim_fail("a request without %s", name);
}

static int agent_of(const char *url)
{
	for (int i = 0; i < AGENT_COUNT; i++)
		if (strncmp(url, urls[i], strcspn(urls[i] + 7, "/") + 8) == 0)
			return i;
	sim_fail("a request to %s, where no agent is", url);
}

void http_start(struct http *h, struct http_request *r)
{
	struct exchange *x = xcalloc(1, sizeof(*x));
	const char *task = strstr(r->url, "/tasks/");

	x->http = h;
	x->r = r;
	x->agent = agent_of(r->url);
	x->task = task ? (int)strtol(task + 7, NULL, 10) : -1;
	x->key = xstrdup(header(r, "X-Idempotency-Key: "));
	if (!uuid_from_text(&x->workflow_id, header(r, "X-Workflow-ID: ")))
		sim_fail("a request without a workflow's id");
	x->due_us = sim_now_us() + r->timeout_ms * 1000;
	x->alarm.fire = on_alarm;
	x->next = h->all;
	h->all = x;
	r->handle = x;
	strbuf_init(&r->answer, r->body_max);
	if (!worker_is_dead(h->worker)) {
		if (x->task < 0)
			world_submits(x->agent, &x->workflow_id, x->key, r->body, r->body_len);
		sim_alarm(&x->alarm, trip_us());
	}
}

void http_cancel(struct http *h, struct http_request *r)
{
	struct exchange *x = r->handle;

	(void)h;
	r->handle = NULL;
	x->r = NULL;
	/* What is on its way may arrive all the same. */
	if (x->arrived || !timer_is_set(&x->alarm.timer) || sim_chance(500))
		exchange_free(x);
}

void http_request_release(struct http_request *r)
{
	strbuf_release(&r->answer);
}

/* ---- the client ---- */

bool http_global_init(struct err *e)
{
	(void)e;
	return true;
}

struct http *http_new(const struct http_options *o, struct err *e)
{
	struct http *h = xcalloc(1, sizeof(*h));

	(void)o;
	(void)e;
	h->worker = sim_worker();
	h->fd = sim_fd_new();
	h->next = web.clients;
	web.clients = h;
	return h;
}

void http_free(struct http *h)
{
	struct http **link = &web.clients;

	while (h->all)
		exchange_free(h->all);
	while (*link != h)
		link = &(*link)->next;
	*link = h->next;
	sim_fd_free(h->fd);
	free(h);
}

int http_fd(const struct http *h)
{
	return h->fd;
}

int http_wait_ms(struct http *h)
{
	(void)h;
	return -1;
}

static struct exchange *next_answer(const struct http *h)
{
	for (struct exchange *x = h->all; x; x = x->next)
		if (x->r && x->arrived && !timer_is_set(&x->alarm.timer))
			return x;
	return NULL;
}

void http_work(struct http *h)
{
	struct exchange *x;

	sim_fd_set(h->fd, false);
	while (!worker_is_dead(h->worker) && (x = next_answer(h))) {
		struct http_request *r = x->r;

		r->outcome = x->response.outcome;
		r->status = x->response.status;
		r->retry_after_ms = x->response.retry_after_ms;
		r->took_us = 1;
		if (x->response.body)
			strbuf_adds(&r->answer, x->response.body);
		snprintf(r->error, sizeof(r->error), "simulated");
		r->handle = NULL;
		exchange_free(x);
		r->done(r);
	}
}

/* ---- a schedule ---- */

void web_begin(void)
{
	web = (struct web){0};
}

void web_end(void)
{
	assert(!web.clients);
	for (int i = 0; i < web.n_work; i++) {
		free(web.work[i].key);
		free(web.work[i].name);
		free(web.work[i].body);
		free(web.work[i].result);
	}
}
