/* bridge: the thread between a queue, a plan and an ASF. */
#include "bridge/bridge.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/log.h"

#include "bridge/asker.h"
#include "bridge/rebuild.h"
#include "bridge/stats.h"

enum {
	STALE_S = 30,
	SWEEP_MS = 1000,
	RECONNECT_MS = 50,
	RECONNECT_MAX_MS = 2000,
};

static const char consumer[] = "asf-bridge";

struct bridge {
	struct bridge_options o;
	pthread_t thread;
	struct mailbox inbox; /* struct page */
	atomic_bool drain, stop, consuming, idle;
	_Atomic int64_t tick_us;

	/* the thread's */
	struct plan *plan;
	struct asker *asker;
	struct mq *mq;	/* NULL: no connection */
	bool cancelled; /* takes nothing new on this connection */
	struct backoff backoff;
	int64_t retry_at_us, sweep_at_us;
	struct rebuild *rebuild; /* NULL: streams are not given again */
	unsigned pass;
	bool page_wanted; /* none is on its way, and the pass is not over */
	int64_t given;	  /* streams, in this pass */
};

/* ---- the queue ---- */

static void lost(struct bridge *b, const struct err *e)
{
	log_warn("consuming connection lost", log_err(e), LOG_END);
	mq_close(b->mq);
	b->mq = NULL;
	/* Whatever was not acked is delivered again. */
	plan_forget(b->plan, false, asker_cancel);
	atomic_store(&b->consuming, false);
	metric_set(&mb_amqp, 0, 0, 0);
	b->retry_at_us = clock_mono_us() + backoff_next_ms(&b->backoff) * 1000;
}

static void connect(struct bridge *b)
{
	struct err e = {0};

	b->mq = mq_open(&b->o.mq, &e);
	if (!b->mq || (b->o.declare && !b->o.declare(b->mq, &e)) ||
	    !mq_prefetch(b->mq, BRIDGE_PREFETCH, &e) ||
	    !mq_consume(b->mq, b->o.queue, consumer, false, &e)) {
		lost(b, &e);
		return;
	}
	backoff_reset(&b->backoff);
	atomic_store(&b->consuming, true);
	metric_set(&mb_amqp, 0, 0, 1);
	log_info("consuming connection open", LOG_END);
}

/* How old an event is by the clocks of both; what comes from the future is new. */
static int64_t age_of(const struct news *news)
{
	int64_t age = news->time_us ? clock_wall_us() - news->time_us : 0;

	return age > 0 ? age : 0;
}

static enum event_fate read_event(const struct mq_message *m, struct news *news)
{
	struct err e = {0};

	if (m->body_len != m->body_size)
		err_set(&e, ERR_REJECT, "it has %llu bytes", (unsigned long long)m->body_size);
	else if (news_read(news, m->body, m->body_len, &e))
		return news->stream.body || news->ui.body ? EVENT_PASSED_ON : EVENT_NOTHING;
	log_warn("an event, or a part of it, cannot be passed on",
		 log_str("event.id", m->message_id), log_str("workflow.id", news->workflow),
		 log_err(&e), LOG_END);
	return EVENT_UNREADABLE;
}

static void on_delivery(struct bridge *b, const struct mq_message *m)
{
	struct news news = {0};

	if (b->cancelled)
		return;
	metric_add(&mb_events, read_event(m, &news), 0, 1);
	plan_event(b->plan, m->tag, &news, age_of(&news), clock_mono_us());
	news_release(&news);
}

static void hear(struct bridge *b)
{
	struct mq_event ev;
	struct err e = {0};

	while (b->mq) {
		if (!mq_next(b->mq, &ev, 0, &e)) {
			lost(b, &e);
			return;
		}
		if (ev.kind == MQ_NOTHING)
			return;
		if (ev.kind == MQ_DELIVERY)
			on_delivery(b, ev.message);
		mq_message_free(ev.message);
		if (ev.kind == MQ_CANCELLED) {
			err_set(&e, ERR_LOST,
				"the broker cancelled the consumer: its queue is gone");
			lost(b, &e);
		}
	}
}

static void ack(struct bridge *b)
{
	struct err e = {0};
	uint64_t tag;

	while (b->mq && plan_settled(b->plan, &tag))
		if (!mq_ack(b->mq, tag, false, &e))
			lost(b, &e);
}

/* ---- giving streams again ---- */

static void begin_pass(struct bridge *b)
{
	plan_forget(b->plan, true, asker_cancel);
	b->pass = rebuild_begin(b->rebuild);
	b->page_wanted = false;
	b->given = 0;
	metric_add(&mb_rebuilds, 0, 0, 1);
	log_info("giving streams to the ASF again", LOG_END);
}

static void take_page(struct bridge *b, struct page *page)
{
	int64_t now = clock_mono_us();

	if (page->pass == b->pass) {
		for (int i = 0; i < page->n; i++)
			plan_rebuild(b->plan, &page->news[i], now);
		b->given += page->n;
		b->page_wanted = !page->last;
		if (page->last)
			log_info("all streams have been read for the ASF",
				 log_int("cpoa.streams", b->given), LOG_END);
	}
	page_free(page);
}

static void rebuild_turn(struct bridge *b)
{
	struct mail_list pages = mailbox_take(&b->inbox);
	struct mail *mail;

	while ((mail = mail_shift(&pages)))
		take_page(b, mail_of(mail, struct page, mail));
	if (!b->rebuild)
		return;
	if (plan_came_back(b->plan))
		begin_pass(b);
	if (b->page_wanted && plan_rebuilding(b->plan) == 0) {
		b->page_wanted = false;
		rebuild_more(b->rebuild);
	}
}

/* ---- the thread ---- */

static void show(struct bridge *b)
{
	for (int kind = 0; kind < PUSH_KINDS; kind++)
		metric_set(&mb_pending, (size_t)kind, 0,
			   plan_pending(b->plan, (enum push_kind)kind));
	metric_set(&mb_pending, BRIDGE_REBUILD, 0, plan_rebuilding(b->plan));
}

static void sweep(struct bridge *b, int64_t now)
{
	if (now < b->sweep_at_us)
		return;
	b->sweep_at_us = now + (int64_t)SWEEP_MS * 1000;
	plan_sweep(b->plan, now);
	if (b->rebuild)
		asker_probe(b->asker);
}

static void stop_taking(struct bridge *b)
{
	struct err e = {0};

	if (b->cancelled)
		return;
	b->cancelled = true;
	if (b->mq && !mq_cancel(b->mq, consumer, &e))
		lost(b, &e);
	atomic_store(&b->consuming, false);
}

static void turn(struct bridge *b, int64_t now)
{
	bool draining = atomic_load(&b->drain);

	if (draining)
		stop_taking(b);
	else if (!b->mq && now >= b->retry_at_us)
		connect(b);
	hear(b);
	asker_work(b->asker);
	sweep(b, now);
	if (!draining) {
		rebuild_turn(b);
		asker_ask(b->asker);
	}
	ack(b);
	show(b);
	atomic_store(&b->idle, draining && asker_idle(b->asker));
}

static void wait_for_work(struct bridge *b)
{
	int64_t now = clock_mono_us();
	int ms = plan_wait_ms(b->plan, now, SWEEP_MS);
	int64_t reconnect_ms = (b->retry_at_us - now) / 1000 + 1;
	struct pollfd fds[] = {
		{.fd = mailbox_fd(&b->inbox), .events = POLLIN},
		{.fd = asker_fd(b->asker), .events = POLLIN},
		{.fd = b->mq ? mq_fd(b->mq) : -1, .events = POLLIN},
	};

	if (!b->mq && reconnect_ms < ms)
		ms = reconnect_ms > 0 ? (int)reconnect_ms : 0;
	poll(fds, sizeof(fds) / sizeof(*fds), asker_wait_ms(b->asker, ms));
}

static void *bridge_thread(void *arg)
{
	struct bridge *b = arg;

	log_thread_name("bridge");
	if (b->rebuild)
		begin_pass(b);
	while (!atomic_load(&b->stop)) {
		int64_t now = clock_mono_us();

		atomic_store(&b->tick_us, now);
		turn(b, now);
		wait_for_work(b);
	}
	return NULL;
}

/* ---- the interface ---- */

bool bridge_alive(const struct bridge *b)
{
	return clock_mono_us() - atomic_load(&b->tick_us) < (int64_t)STALE_S * 1000000;
}

bool bridge_consuming(const struct bridge *b)
{
	return atomic_load(&b->consuming);
}

bool bridge_draining(const struct bridge *b)
{
	return atomic_load(&b->drain);
}

bool bridge_idle(const struct bridge *b)
{
	return atomic_load(&b->idle);
}

void bridge_drain(struct bridge *b)
{
	atomic_store(&b->drain, true);
	metric_set(&mb_draining, 0, 0, 1);
	mailbox_poke(&b->inbox);
}

static void free_bridge(struct bridge *b)
{
	struct mail_list pages = mailbox_take(&b->inbox);
	struct mail *mail;

	while ((mail = mail_shift(&pages)))
		page_free(mail_of(mail, struct page, mail));
	if (b->plan) {
		plan_forget(b->plan, true, asker_cancel);
		plan_forget(b->plan, false, asker_cancel);
	}
	asker_free(b->asker);
	plan_free(b->plan);
	mq_close(b->mq);
	mailbox_destroy(&b->inbox);
	bridge_stats_release();
	free(b);
}

static bool start_parts(struct bridge *b, struct err *e)
{
	const struct plan_options o = {
		.ui_age_us = (int64_t)BRIDGE_UI_AGE_S * 1000000,
		.line_max = BRIDGE_UI_LINE,
		.at_once = {BRIDGE_AT_ONCE, BRIDGE_AT_ONCE},
		.retry_ms = BRIDGE_RETRY_MS,
		.retry_max_ms = BRIDGE_RETRY_MAX_MS,
		.look_max_ms = BRIDGE_LOOK_MAX_MS,
		.ended = asker_ended,
	};
	const char *const urls[PUSH_KINDS] = {b->o.stream_url, b->o.ui_url};

	b->plan = plan_new(&o);
	b->asker = asker_new(b->plan, urls, b->o.ca_file, e);
	if (!b->asker)
		return false;
	if (b->o.rebuild_since_us)
		b->rebuild = rebuild_start(&b->o.db, b->o.rebuild_since_us, &b->inbox, e);
	return !b->o.rebuild_since_us || b->rebuild;
}

struct bridge *bridge_start(const struct bridge_options *o, struct err *e)
{
	struct bridge *b = xcalloc(1, sizeof(*b));
	int errnum;

	b->o = *o;
	b->o.mq.body_max = NEWS_EVENT_MAX;
	backoff_init(&b->backoff, RECONNECT_MS, RECONNECT_MAX_MS);
	atomic_store(&b->tick_us, clock_mono_us());
	bridge_stats_setup();
	if (!mailbox_init(&b->inbox, e) || !start_parts(b, e)) {
		free_bridge(b);
		return NULL;
	}
	errnum = pthread_create(&b->thread, NULL, bridge_thread, b);
	if (errnum == 0)
		return b;
	err_errno(e, ERR_USAGE, errnum, "cannot start the bridge's thread");
	rebuild_stop(b->rebuild);
	free_bridge(b);
	return NULL;
}

void bridge_stop(struct bridge *b)
{
	if (!b)
		return;
	atomic_store(&b->stop, true);
	mailbox_poke(&b->inbox);
	pthread_join(b->thread, NULL);
	rebuild_stop(b->rebuild);
	free_bridge(b);
}
