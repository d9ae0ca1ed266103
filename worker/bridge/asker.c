/* asker: requests to the ASF. */
#include "bridge/asker.h"

#include <stdlib.h>

#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/json.h"
#include "cpoa/log.h"

#include "bridge/bridge.h"
#include "bridge/stats.h"

enum {
	ANSWER_MAX = 64 << 10,
	ANSWER_DEPTH = 16,
	TRIES_TOLD = 5, /* a push that has failed so often is worth a line in the log */
};

/* A request on its way; a look has no push. */
struct errand {
	struct http_request http;
	struct asker *asker;
	struct push *push;
};

struct asker {
	struct plan *plan;
	const char *url[PUSH_KINDS];
	struct http *http;
	struct errand *look; /* NULL: none is on its way */
	bool told_down[PUSH_KINDS];
};

static const char *const kind_names[PUSH_KINDS] = {"stream", "ui"};

/* ---- what an answer means ---- */

static bool asf_says_so(const struct http_request *r)
{
	AUTO(json_put) struct json_object *body = NULL;
	struct err e = {0};

	return json_read(r->answer.buf, r->answer.len, ANSWER_DEPTH, JSON_MEND, &body, &e) ==
		       JSON_OK &&
	       json_str(body, "error_code");
}

static enum push_answer answer_of(const struct http_request *r)
{
	if (r->outcome == HTTP_UNREACHABLE)
		return PUSH_NOBODY;
	if (r->outcome != HTTP_ANSWERED)
		return PUSH_LATER;
	if (r->status >= 200 && r->status < 300)
		return PUSH_TAKEN;
	if (r->status >= 502 && r->status <= 504)
		return PUSH_NOBODY;
	return r->status == 400 && asf_says_so(r) ? PUSH_REFUSED : PUSH_LATER;
}

static void log_failure(const struct push *push, const struct http_request *r, const char *message)
{
	log_line(LOG_WARN, message, log_str("cpoa.push.kind", kind_names[push->kind]),
		 log_str("cpoa.push.key", push->key), log_int("cpoa.push.tries", push->tries + 1),
		 log_int("http.response.status_code", r->status),
		 log_str("error.message", r->outcome == HTTP_ANSWERED ? r->answer.buf : r->error),
		 LOG_END);
}

/* Once when an endpoint goes, once when it comes back. */
static void tell_gate(struct asker *a, enum push_kind kind, const struct http_request *r)
{
	bool down = plan_gate_down(a->plan, kind);

	if (down == a->told_down[kind])
		return;
	a->told_down[kind] = down;
	metric_set(&mb_asf_up, kind, 0, !down);
	if (down)
		log_warn("nobody answers at the ASF", log_str("cpoa.push.kind", kind_names[kind]),
			 log_int("http.response.status_code", r->status),
			 log_str("error.message", r->error), LOG_END);
	else
		log_info("the ASF answers again", log_str("cpoa.push.kind", kind_names[kind]),
			 LOG_END);
}

static void on_answer(struct http_request *r)
{
	struct errand *errand = r->owner;
	struct asker *a = errand->asker;
	struct push *push = errand->push;
	enum push_kind kind = push->kind;
	enum push_answer answer = answer_of(r);

	bridge_stats_asked(push, r);
	if (answer == PUSH_REFUSED)
		log_failure(push, r, "the ASF refuses it for good");
	else if (answer == PUSH_LATER && push->tries + 1 == TRIES_TOLD)
		log_failure(push, r, "the ASF does not take it; it is tried again");
	push->errand = NULL;
	plan_answer(a->plan, push, answer, r->retry_after_ms, clock_mono_us());
	tell_gate(a, kind, r);
	http_request_release(r);
	free(errand);
}

/* Any answer shows that somebody is there. */
static void on_look(struct http_request *r)
{
	struct errand *errand = r->owner;
	struct asker *a = errand->asker;

	plan_gate_note(a->plan, PUSH_STREAM, answer_of(r) != PUSH_NOBODY, clock_mono_us());
	tell_gate(a, PUSH_STREAM, r);
	a->look = NULL;
	http_request_release(r);
	free(errand);
}

/* ---- asking ---- */

static struct errand *start(struct asker *a, enum push_kind kind, struct push *push)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	errand->asker = a;
	errand->push = push;
	errand->http = (struct http_request){
		.method = push ? "POST" : "GET",
		.url = a->url[kind],
		.headers = {"Content-Type: application/json"},
		.body = push ? push->body : NULL,
		.body_len = push ? push->len : 0,
		.timeout_ms = BRIDGE_TIMEOUT_MS,
		.body_max = ANSWER_MAX,
		.done = push ? on_answer : on_look,
		.owner = errand,
	};
	http_start(a->http, &errand->http);
	return errand;
}

void asker_ask(struct asker *a)
{
	int64_t now = clock_mono_us();
	struct push *push;

	for (int kind = 0; kind < PUSH_KINDS; kind++)
		while ((push = plan_next(a->plan, (enum push_kind)kind, now)))
			push->errand = start(a, (enum push_kind)kind, push);
}

void asker_probe(struct asker *a)
{
	if (!a->look)
		a->look = start(a, PUSH_STREAM, NULL);
}

static void drop(struct errand *errand)
{
	http_cancel(errand->asker->http, &errand->http);
	http_request_release(&errand->http);
	free(errand);
}

void asker_cancel(struct push *push)
{
	if (push->errand)
		drop(push->errand);
	push->errand = NULL;
}

void asker_ended(void *ctx, const struct push *push, enum push_end end)
{
	(void)ctx;
	metric_add(&mb_pushes, stats_kind(push), end, 1);
	if (end == END_TAKEN)
		metric_observe(&mb_seconds, stats_kind(push), 0, clock_mono_us() - push->came_us);
}

/* ---- the rest ---- */

void asker_work(struct asker *a)
{
	http_work(a->http);
}

bool asker_idle(const struct asker *a)
{
	return http_in_flight(a->http) == (a->look ? 1 : 0);
}

int asker_fd(const struct asker *a)
{
	return http_fd(a->http);
}

int asker_wait_ms(struct asker *a, int max_ms)
{
	int ms = http_wait_ms(a->http);

	return ms >= 0 && ms < max_ms ? ms : max_ms;
}

static bool check_urls(const char *const urls[PUSH_KINDS], struct err *e)
{
	static const char *const names[PUSH_KINDS] = {"ASF_NOTIFICATION_URL",
						      "CPOA_ASF_SEND_UI_UPDATE_URL"};
	struct http_url url;

	for (int kind = 0; kind < PUSH_KINDS; kind++)
		if (!http_url_read(&url, urls[kind], e))
			return err_wrap(e, "%s", names[kind]);
	return true;
}

struct asker *asker_new(struct plan *plan, const char *const urls[PUSH_KINDS], const char *ca_file,
			struct err *e)
{
	const struct http_options o = {.user_agent = "cpoa-asf-bridge/" CPOA_VERSION,
				       .ca_file = ca_file,
				       .max_connections = (int64_t)2 * BRIDGE_AT_ONCE};
	struct asker *a;
	struct http *http;

	if (!check_urls(urls, e))
		return NULL;
	http = http_new(&o, e);
	if (!http)
		return NULL;
	a = xcalloc(1, sizeof(*a));
	a->plan = plan;
	a->http = http;
	for (int kind = 0; kind < PUSH_KINDS; kind++)
		a->url[kind] = urls[kind];
	return a;
}

void asker_free(struct asker *a)
{
	if (!a)
		return;
	if (a->look)
		drop(a->look);
	http_free(a->http);
	free(a);
}
