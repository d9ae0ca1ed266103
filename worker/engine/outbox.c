/* outbox: publish, hear the confirm, strike out. */
#include "engine/outbox.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/ledger.h"
#include "engine/stats.h"
#include "engine/topology.h"

/* Unconfirmed publishings at once: enough to keep the broker busy, few enough to send again after a
 * break. */
enum { WINDOW_MAX = 2048, ROUTING_KEY_SIZE = 96 };

struct outbox {
	struct house *house;
	pthread_t thread;
	struct mailbox inbox; /* struct event */
	atomic_bool stop;
	_Atomic int64_t stop_at_us;
	_Atomic int64_t pending;

	struct mq *mq;		  /* NULL: no connection */
	bool blocked;		  /* the broker takes nothing now */
	struct mail_list waiting; /* to be published */
	struct mail_list sent;	  /* published and not confirmed, in the order of their numbers */
	size_t n_sent;
	struct backoff backoff;
	int64_t retry_at_us;
};

/* ---- the end of an event ---- */

static void drop(struct outbox *o, struct event *event)
{
	atomic_fetch_sub(&o->pending, 1);
	event_free(event);
}

/* Confirmed: its row goes by the ledger, which frees it. */
static void finish(struct outbox *o, struct event *event, struct mail_list *strikes)
{
	if (!event->stored || event->lease != atomic_load(&o->house->lease)) {
		drop(o, event);
		return;
	}
	atomic_fetch_sub(&o->pending, 1);
	mail_append(strikes, &event->mail);
}

/* Whether all publishings of an event (its own, and perhaps a reply) are confirmed now. */
static bool hears(struct event *event, uint64_t seq, bool multiple)
{
	event->first_ok |= multiple ? event->first_seq <= seq : event->first_seq == seq;
	event->last_ok |= multiple ? event->last_seq <= seq : event->last_seq == seq;
	return event->first_ok && event->last_ok;
}

static void confirmed(struct outbox *o, uint64_t seq, bool multiple)
{
	struct mail_list strikes = {0}, rest = {0};

	/* `sent` is in the order of numbers: what comes later than this one's is not meant. */
	while (o->sent.head && mail_of(o->sent.head, struct event, mail)->first_seq <= seq) {
		struct mail *mail = mail_shift(&o->sent);
		struct event *event = mail_of(mail, struct event, mail);

		if (!hears(event, seq, multiple)) {
			mail_append(&rest, mail);
			continue;
		}
		o->n_sent--;
		finish(o, event, &strikes);
	}
	mail_join(&rest, &o->sent);
	o->sent = rest;
	if (strikes.head)
		ledger_strike(o->house->ledger, &strikes);
}

/* ---- the connection ---- */

/* What was sent and not confirmed is sent again, before what waits; progress is not. */
static void connection_lost(struct outbox *o, const struct err *e)
{
	struct mail_list again = {0};
	struct mail *mail;

	log_warn("publishing connection lost", log_err(e), LOG_END);
	mq_close(o->mq);
	o->mq = NULL;
	o->blocked = false;
	o->n_sent = 0;
	atomic_store(&o->house->outbox_connected, false);
	o->retry_at_us = clock_mono_us() + backoff_next_ms(&o->backoff) * 1000;
	while ((mail = mail_shift(&o->sent))) {
		struct event *event = mail_of(mail, struct event, mail);

		if (event->stored)
			mail_append(&again, mail);
		else
			drop(o, event);
	}
	mail_join(&again, &o->waiting);
	o->waiting = again;
}

static void connect(struct outbox *o)
{
	struct mq_options options = settings_mq(o->house->settings, "cpoa outbox");
	struct err e = {0};

	o->mq = mq_open(&options, &e);
	if (!o->mq || (o->house->settings->declare_topology && !topology_apply(o->mq, &e)) ||
	    !mq_confirm_select(o->mq, &e)) {
		connection_lost(o, &e);
		return;
	}
	backoff_reset(&o->backoff);
	atomic_store(&o->house->outbox_connected, true);
	log_info("publishing connection open", LOG_END);
}

/* ---- publishing ---- */

static bool publish_reply(struct outbox *o, struct event *event, const struct mq_publish *p,
			  struct err *e)
{
	struct mq_publish reply = *p;

	/* Whoever waited may be gone: then the broker drops it, which is right. */
	reply.exchange = "";
	reply.routing_key = event->reply_to;
	reply.correlation_id = event->correlation_id;
	return mq_publish(o->mq, &reply, &event->last_seq, e);
}

static bool publish(struct outbox *o, struct event *event, struct err *e)
{
	char key[ROUTING_KEY_SIZE], id[UUID_TEXT_SIZE];
	struct mq_publish p = {
		.exchange = EXCHANGE_EVENTS,
		.routing_key = key,
		.content_type = "application/cloudevents+json",
		.message_id = id,
		.persistent = true,
		.timestamp = clock_wall_us() / 1000000,
		.body = event->body,
		.len = event->len,
	};

	snprintf(key, sizeof(key), "%s.%s", event->type, event_kind_name(event->kind));
	uuid_to_text(&event->id, id);
	event->first_ok = event->last_ok = false;
	if (!mq_publish(o->mq, &p, &event->first_seq, e))
		return false;
	event->last_seq = event->first_seq;
	return !event->reply_to || publish_reply(o, event, &p, e);
}

static bool may_publish(const struct outbox *o)
{
	return o->mq && !o->blocked && o->waiting.head && o->n_sent < WINDOW_MAX;
}

static void publish_some(struct outbox *o)
{
	struct err e = {0};
	/* One alone goes at once; of many, whole packets go. */
	bool many = may_publish(o) && o->waiting.head != o->waiting.tail;

	if (many)
		mq_cork(o->mq, true);
	while (may_publish(o)) {
		struct mail *mail = mail_shift(&o->waiting);
		struct event *event = mail_of(mail, struct event, mail);

		/* An event of a lost lease has its row: whoever claims that sends it. */
		if (event->stored && event->lease != atomic_load(&o->house->lease)) {
			drop(o, event);
			continue;
		}
		mail_append(&o->sent, mail);
		o->n_sent++;
		if (!publish(o, event, &e))
			connection_lost(o, &e);
	}
	if (many && o->mq)
		mq_cork(o->mq, false);
}

static void on_event(struct outbox *o, struct mq_event *ev)
{
	struct err e = {0};

	switch (ev->kind) {
	case MQ_CONFIRMED:
		confirmed(o, ev->seq, ev->multiple);
		break;
	case MQ_REFUSED:
		/* The broker could not keep it. A new connection sends everything unconfirmed
		 * again, in order. */
		err_set(&e, ERR_LOST, "the broker refused an event (basic.nack)");
		connection_lost(o, &e);
		break;
	case MQ_BLOCKED:
		o->blocked = true;
		log_warn("the broker takes no events for now", log_str("error.message", ev->text),
			 LOG_END);
		break;
	case MQ_UNBLOCKED:
		o->blocked = false;
		log_info("the broker takes events again", LOG_END);
		break;
	case MQ_DELIVERY:
	case MQ_RETURNED:
		mq_message_free(ev->message);
		break;
	case MQ_NOTHING:
	case MQ_CANCELLED:
		break;
	}
}

static void hear(struct outbox *o)
{
	struct mq_event ev;
	struct err e = {0};

	while (o->mq) {
		if (!mq_next(o->mq, &ev, 0, &e)) {
			connection_lost(o, &e);
			return;
		}
		if (ev.kind == MQ_NOTHING)
			return;
		on_event(o, &ev);
	}
}

/* ---- the thread ---- */

static bool over(const struct outbox *o)
{
	bool empty = !o->waiting.head && !o->sent.head;

	return atomic_load(&o->stop) && (empty || clock_mono_us() >= atomic_load(&o->stop_at_us));
}

static void collect(struct outbox *o)
{
	struct mail_list events = mailbox_take(&o->inbox);

	mail_join(&o->waiting, &events);
}

static void *outbox_thread(void *arg)
{
	struct outbox *o = arg;

	log_thread_name("outbox");
	house_enter_thread(o->house);
	for (;;) {
		int64_t now = clock_mono_us();
		int wait = atomic_load(&o->stop) ? 20 : MQ_TICK_MS;

		house_tick(o->house, THREAD_OUTBOX, now);
		if (!o->mq && now >= o->retry_at_us)
			connect(o);
		if (!o->mq && o->retry_at_us - now < MQ_TICK_MS * 1000)
			wait = (int)((o->retry_at_us - now) / 1000) + 1;
		collect(o);
		publish_some(o);
		hear(o);
		if (over(o))
			return NULL;
		if (!may_publish(o))
			mailbox_wait(&o->inbox, o->mq ? mq_fd(o->mq) : -1, wait);
	}
}

/* ---- the interface ---- */

struct outbox *outbox_start(struct house *house, struct err *e)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	int errnum;

	o->house = house;
	backoff_init(&o->backoff, 50, 2000);
	if (!mailbox_init(&o->inbox, e))
		return NULL;
	errnum = pthread_create(&o->thread, NULL, outbox_thread, o);
	if (errnum) {
		err_errno(e, ERR_USAGE, errnum, "cannot start the outbox's thread");
		return NULL;
	}
	return o;
}

void outbox_stop(struct outbox *o, int64_t timeout_ms)
{
	atomic_store(&o->stop_at_us, clock_mono_us() + timeout_ms * 1000);
	atomic_store(&o->stop, true);
	mailbox_poke(&o->inbox);
	pthread_join(o->thread, NULL);
}

void outbox_free(struct outbox *o)
{
	struct mail *mail;

	if (!o)
		return;
	collect(o);
	while ((mail = mail_shift(&o->waiting)))
		drop(o, mail_of(mail, struct event, mail));
	while ((mail = mail_shift(&o->sent)))
		drop(o, mail_of(mail, struct event, mail));
	mq_close(o->mq);
	mailbox_destroy(&o->inbox);
	free(o);
}

void outbox_publish(struct outbox *o, struct mail_list *events)
{
	int64_t n = 0;

	for (struct mail *mail = events->head; mail; mail = mail->next)
		n++;
	atomic_fetch_add(&o->pending, n);
	mailbox_post_list(&o->inbox, events);
}

int64_t outbox_pending(const struct outbox *o)
{
	return atomic_load(&o->pending);
}
