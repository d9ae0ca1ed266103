/* tracer: the queue of spans, and the requests that carry them off. */
#include "engine/tracer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/json.h"
#include "cpoa/log.h"

#include "engine/otel.h"
#include "engine/stats.h"

enum {
	BATCH_MS = 1000,	 /* how long a span may wait for company */
	BATCH_BYTES = 8 << 20,	 /* of a request */
	ANSWER_BYTES = 64 << 10, /* of its answer */
	RETRY_MS = 500,
	RETRY_MAX_MS = 10000,
	LAST_TRY_MS = 1500, /* of a request when the worker ends */
};

_Static_assert((int)OTEL_HEADERS_MAX + 2 <= (int)HTTP_HEADERS_MAX, "a request holds the headers");

struct tracer {
	struct otel otel;
	int64_t timeout_ms;
	pthread_t thread;
	struct mailbox inbox; /* struct span; nobody waits on it: */
	struct mailbox pause; /* this one is poked when there is a batch, or the end */
	atomic_bool stop;
	_Atomic int64_t stop_at_us;
	atomic_int held; /* spans in the inbox, waiting and on their way */

	struct http *http;
	struct mail_list waiting;
	int n_waiting;
	int64_t due_us; /* when what waits goes, however little; 0: nothing waits */

	/* the batch that is on its way, or is to be sent again */
	struct strbuf body;
	int n_batch; /* 0: none */
	bool asking;
	unsigned tries;
	int64_t retry_at_us;
	struct rng rng;
	struct http_request request;
	bool trouble; /* and that has been said */
};

/* ---- the queue ---- */

static void dropped(struct tracer *t, int n)
{
	atomic_fetch_sub(&t->held, n);
	metric_add(&m_spans_dropped, 0, 0, n);
}

void tracer_add(struct tracer *t, const struct span *span)
{
	int before = atomic_fetch_add(&t->held, 1);
	struct span *copy;

	if (before >= TRACER_QUEUE_MAX) {
		dropped(t, 1);
		return;
	}
	copy = xmalloc(span_size(span));
	memcpy(copy, span, span_size(span));
	mailbox_post(&t->inbox, &copy->mail);
	if ((before + 1) % TRACER_BATCH == 0)
		mailbox_poke(&t->pause);
}

static void collect(struct tracer *t, int64_t now_us)
{
	struct mail_list list = mailbox_take(&t->inbox);

	for (struct mail *mail = list.head; mail; mail = mail->next)
		t->n_waiting++;
	mail_join(&t->waiting, &list);
	if (t->n_waiting && !t->due_us)
		t->due_us = now_us + (int64_t)BATCH_MS * 1000;
}

/* ---- a batch ---- */

static void write_batch(struct tracer *t)
{
	struct mail *mail;

	strbuf_reset(&t->body);
	strbuf_adds(&t->body, "{\"resourceSpans\":[{\"resource\":");
	strbuf_adds(&t->body, t->otel.resource);
	strbuf_adds(&t->body,
		    ",\"scopeSpans\":[{\"scope\":{\"name\":\"cpoa\",\"version\":\"" CPOA_VERSION
		    "\"},\"spans\":[");
	while (t->n_batch < TRACER_BATCH && (mail = mail_shift(&t->waiting))) {
		struct span *span = mail_of(mail, struct span, mail);

		if (t->n_batch++)
			strbuf_addc(&t->body, ',');
		span_json(&t->body, span);
		free(span);
	}
	strbuf_adds(&t->body, "]}]}]}");
	t->n_waiting -= t->n_batch;
	t->tries = 0;
	t->retry_at_us = 0;
}

/* The batch is done with: `taken` of it are where they should be. */
static void end_batch(struct tracer *t, int taken)
{
	metric_add(&m_spans_exported, 0, 0, taken);
	atomic_fetch_sub(&t->held, taken);
	dropped(t, t->n_batch - taken);
	t->n_batch = 0;
}

/* OTLP: a collector may take a part, and says how many it did not. */
static int rejected(struct tracer *t)
{
	struct json_object *answer = NULL;
	struct err e;
	int64_t n = 0;

	if (json_read(t->request.answer.buf, t->request.answer.len, JSON_DEPTH_MAX, JSON_MEND,
		      &answer, &e) == JSON_OK) {
		struct json_object *partial = json_obj(answer, "partialSuccess");
		const char *text = json_str(partial, "rejectedSpans");

		n = text ? strtoll(text, NULL, 10) : json_num(partial, "rejectedSpans", 0);
	}
	json_put(&answer);
	return n < 0 ? 0 : n > t->n_batch ? t->n_batch : (int)n;
}

/* Said once, until it works again. */
static void say_trouble(struct tracer *t)
{
	const struct http_request *r = &t->request;

	if (!t->trouble)
		log_warn("the trace collector takes no spans; work goes on, spans are dropped",
			 log_count("http.response.status_code", r->status),
			 log_str("error.message", r->error[0] ? r->error : NULL), LOG_END);
	t->trouble = true;
}

static void say_well(struct tracer *t)
{
	if (t->trouble)
		log_info("the trace collector takes spans again",
			 log_int("cpoa.spans_dropped", metric_value(&m_spans_dropped, 0, 0)),
			 LOG_END);
	t->trouble = false;
}

/* OTLP/HTTP: only these are worth another try. */
static bool may_pass(const struct http_request *r)
{
	if (r->outcome != HTTP_ANSWERED)
		return r->outcome != HTTP_BAD_REQUEST;
	return r->status == 429 || r->status == 502 || r->status == 503 || r->status == 504;
}

static void try_again_later(struct tracer *t)
{
	int64_t wait = backoff_ms(&t->rng, RETRY_MS, RETRY_MAX_MS, t->tries - 1);

	if (t->request.retry_after_ms > wait)
		wait = t->request.retry_after_ms < RETRY_MAX_MS ? t->request.retry_after_ms
								: RETRY_MAX_MS;
	t->retry_at_us = clock_mono_us() + wait * 1000;
}

static void on_done(struct http_request *r)
{
	struct tracer *t = r->owner;

	t->asking = false;
	if (r->outcome == HTTP_ANSWERED && r->status / 100 == 2) {
		say_well(t);
		end_batch(t, t->n_batch - rejected(t));
	} else {
		say_trouble(t);
		if (may_pass(r) && t->tries < TRACER_TRIES && !atomic_load(&t->stop))
			try_again_later(t);
		else
			end_batch(t, 0);
	}
	http_request_release(r);
}

static void ask(struct tracer *t)
{
	bool stop = atomic_load(&t->stop);

	t->request = (struct http_request){
		.method = "POST",
		.url = t->otel.url,
		.body = t->body.buf,
		.body_len = t->body.len,
		.timeout_ms = stop && t->timeout_ms > LAST_TRY_MS ? LAST_TRY_MS : t->timeout_ms,
		.body_max = ANSWER_BYTES,
		.done = on_done,
		.owner = t,
	};
	t->request.headers[0] = "Content-Type: application/json";
	for (int i = 0; i < t->otel.n_headers; i++)
		t->request.headers[i + 1] = t->otel.headers[i];
	t->asking = true;
	t->tries++;
	http_start(t->http, &t->request);
}

/* ---- the thread ---- */

static void turn(struct tracer *t, int64_t now_us)
{
	bool stop = atomic_load(&t->stop);

	if (t->asking || (!stop && now_us < t->retry_at_us))
		return;
	if (!t->n_batch && t->n_waiting &&
	    (stop || t->n_waiting >= TRACER_BATCH || now_us >= t->due_us)) {
		write_batch(t);
		t->due_us = t->n_waiting ? now_us + (int64_t)BATCH_MS * 1000 : 0;
	}
	if (t->n_batch)
		ask(t);
}

static bool over(struct tracer *t, int64_t now_us)
{
	bool empty = !t->n_batch && !t->n_waiting;

	return atomic_load(&t->stop) && (empty || now_us >= atomic_load(&t->stop_at_us));
}

static int wait_ms(struct tracer *t, int64_t now_us)
{
	int64_t wait = BATCH_MS, due = t->n_batch ? t->retry_at_us : t->due_us;
	int http = http_wait_ms(t->http);

	if (t->asking && atomic_load(&t->stop))
		due = atomic_load(&t->stop_at_us);
	if ((!t->asking || atomic_load(&t->stop)) && due && (due - now_us) / 1000 + 1 < wait)
		wait = (due - now_us) / 1000 + 1;
	if (http >= 0 && http < wait)
		wait = http;
	return wait > 0 ? (int)wait : 0;
}

static void *tracer_thread(void *arg)
{
	struct tracer *t = arg;

	log_thread_name("tracer");
	for (;;) {
		int64_t now = clock_mono_us();

		collect(t, now);
		turn(t, now);
		if (over(t, now))
			return NULL;
		mailbox_wait(&t->pause, http_fd(t->http), wait_ms(t, now));
		(void)mailbox_take(&t->pause);
		http_work(t->http);
	}
}

/* ---- the interface ---- */

bool tracer_start(struct house *house, struct err *e)
{
	const struct settings *s = house->settings;
	struct http_options o = {.user_agent = "cpoa/" CPOA_VERSION,
				 .ca_file = s->otlp_ca_file,
				 .max_connections = 16};
	struct tracer *t;
	struct otel otel;
	int errnum;

	if (!otel_setup(&otel, s, house->worker_name, e) || !otel.url) {
		otel_release(&otel);
		return e->class == ERR_NONE;
	}
	t = xcalloc(1, sizeof(*t));
	t->otel = otel;
	t->timeout_ms = s->otlp_timeout_ms;
	strbuf_init(&t->body, BATCH_BYTES);
	rng_seed(&t->rng, 0);
	if (!mailbox_init(&t->inbox, e) || !mailbox_init(&t->pause, e) ||
	    !(t->http = http_new(&o, e)))
		return false;
	errnum = pthread_create(&t->thread, NULL, tracer_thread, t);
	if (errnum)
		return err_errno(e, ERR_USAGE, errnum, "cannot start the tracer's thread");
	house->tracer = t;
	return true;
}

void tracer_stop(struct tracer *t, int64_t timeout_ms)
{
	atomic_store(&t->stop_at_us, clock_mono_us() + timeout_ms * 1000);
	atomic_store(&t->stop, true);
	mailbox_poke(&t->pause);
	pthread_join(t->thread, NULL);
	collect(t, 0);
	if (t->n_batch + t->n_waiting)
		log_warn("the worker ends with spans that nobody has taken",
			 log_int("cpoa.spans_dropped", t->n_batch + t->n_waiting), LOG_END);
}

void tracer_free(struct tracer *t)
{
	struct mail *mail;

	if (!t)
		return;
	http_free(t->http);
	while ((mail = mail_shift(&t->waiting)))
		free(mail_of(mail, struct span, mail));
	mailbox_destroy(&t->inbox);
	mailbox_destroy(&t->pause);
	strbuf_release(&t->body);
	otel_release(&t->otel);
	free(t);
}
