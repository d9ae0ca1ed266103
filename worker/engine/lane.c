/* lane: publish, hear, publish again. */
#include "engine/lane.h"

#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/fault.h"
#include "engine/spans.h"
#include "engine/topology.h"

enum {
	WINDOW_MAX = 2048, /* unconfirmed at once: enough to keep the broker busy */
	TRIES_MAX = 3,	   /* of a reply */
	LISTEN_MS = 50,	   /* how often a lane that the thread does not poll is looked at while it
			      waits for confirms */
};

void lane_init(struct lane *lane)
{
	backoff_init(&lane->backoff, 50, 2000);
}

void lane_release(struct lane *lane, void (*drop)(void *ctx, struct event *event))
{
	struct mail *mail;

	mail_join(&lane->sent, &lane->waiting);
	while ((mail = mail_shift(&lane->sent)))
		drop(lane->ctx, mail_of(mail, struct event, mail));
	mq_close(lane->mq);
	lane->mq = NULL;
}

void lane_add(struct lane *lane, struct event *event)
{
	event->tries = 0;
	mail_append(&lane->waiting, &event->mail);
}

/* ---- the connection ---- */

static void tell_up(struct lane *lane, bool up)
{
	if (lane->up)
		atomic_store(lane->up, up);
}

/* One that was not confirmed: behind all others if it was alone, given up if it may be, else before
 * what waits. */
static void again(struct lane *lane, struct event *event, bool alone, struct mail_list *before)
{
	struct trace trace = {.flags = 0};
	struct uuid id;

	event->tries++;
	if (lane->replies ? event->tries >= TRIES_MAX : !event->stored) {
		if (lane->replies) {
			(void)spans_trace_of(event, &trace);
			memcpy(id.bytes, trace.trace_id, sizeof(id.bytes));
			log_warn("a reply was given up",
				 log_uuid("workflow.id", &event->workflow_id),
				 log_hex("trace.id", &id),
				 log_str("error.message",
					 "the broker closes the connection over its reply_to"),
				 LOG_END);
		}
		lane->done(lane->ctx, event);
	} else {
		mail_append(alone ? &lane->waiting : before, &event->mail);
	}
}

static void lost(struct lane *lane, const struct err *e)
{
	struct mail_list sent = lane->sent, before = {0};
	bool alone = lane->n_sent == 1;
	struct mail *mail;

	log_warn("publishing connection lost", log_str("cpoa.connection", lane->name), log_err(e),
		 LOG_END);
	mq_close(lane->mq);
	lane->mq = NULL;
	lane->blocked = false;
	if (lane->careful && alone) {
		lane->suspects--;
	} else if (lane->n_sent) {
		/* Lost twice over the same ones: from now on one at a time. */
		lane->careful = lane->suspects > 0;
		lane->suspects = lane->n_sent;
	}
	lane->n_sent = 0;
	lane->sent = (struct mail_list){0};
	tell_up(lane, false);
	lane->retry_at_us = clock_mono_us() + backoff_next_ms(&lane->backoff) * 1000;
	while ((mail = mail_shift(&sent)))
		again(lane, mail_of(mail, struct event, mail), alone, &before);
	mail_join(&before, &lane->waiting);
	lane->waiting = before;
}

static void connect(struct lane *lane)
{
	const struct settings *s = lane->house->settings;
	struct mq_options options = settings_mq(s, lane->name);
	struct err e = {0};

	lane->mq = mq_open(&options, &e);
	if (!lane->mq || (!lane->replies && s->declare_topology && !topology_apply(lane->mq, &e)) ||
	    !mq_confirm_select(lane->mq, &e)) {
		lost(lane, &e);
		return;
	}
	tell_up(lane, true);
	log_info("publishing connection open", log_str("cpoa.connection", lane->name), LOG_END);
}

/* ---- publishing ---- */

static bool publish(struct lane *lane, struct event *event, struct err *e)
{
	char key[EVENT_KEY_SIZE], id[UUID_TEXT_SIZE];
	int64_t now_us = clock_wall_us();
	struct mq_publish p = {
		.exchange = lane->replies ? "" : EXCHANGE_EVENTS,
		.routing_key = lane->replies ? event->reply_to : key,
		.correlation_id = lane->replies ? event->correlation_id : NULL,
		.content_type = "application/cloudevents+json",
		.message_id = id,
		.persistent = true,
		.timestamp = now_us / 1000000,
		.body = event->body,
		.len = event->len,
	};

	event_key(event, key);
	uuid_to_text(&event->id, id);
	event->published_us = now_us;
	/* Not mandatory: when nobody listens any more, the broker drops it, which is right. */
	return mq_publish(lane->mq, &p, &event->seq, e);
}

static bool may_publish(const struct lane *lane)
{
	return lane->mq && !lane->blocked && lane->waiting.head &&
	       lane->n_sent < (lane->careful ? 1 : WINDOW_MAX);
}

static void publish_some(struct lane *lane)
{
	struct err e = {0};
	/* One alone goes at once; of many, whole packets go. */
	bool many = may_publish(lane) && !lane->careful && lane->waiting.head != lane->waiting.tail;
	bool any = false;

	if (many)
		mq_cork(lane->mq, true);
	while (may_publish(lane)) {
		struct mail *mail = mail_shift(&lane->waiting);
		struct event *event = mail_of(mail, struct event, mail);

		/* An event of a lost lease has its row: whoever claims that sends it. */
		if (event->stored && event->lease != atomic_load(&lane->house->lease)) {
			lane->done(lane->ctx, event);
			continue;
		}
		mail_append(&lane->sent, mail);
		lane->n_sent++;
		any = true;
		if (!publish(lane, event, &e))
			lost(lane, &e);
	}
	if (many && lane->mq)
		mq_cork(lane->mq, false);
	FAULT_WHEN(any && !lane->replies, published);
}

/* ---- hearing ---- */

static void confirmed(struct lane *lane, uint64_t seq, bool multiple)
{
	struct mail_list rest = {0};

	/* `sent` is in the order of numbers: what comes later than this one is not meant. */
	while (lane->sent.head && mail_of(lane->sent.head, struct event, mail)->seq <= seq) {
		struct mail *mail = mail_shift(&lane->sent);
		struct event *event = mail_of(mail, struct event, mail);

		if (!multiple && event->seq != seq) {
			mail_append(&rest, mail);
			continue;
		}
		lane->n_sent--;
		FAULT_WHEN(!lane->replies, confirmed);
		if (lane->suspects && --lane->suspects == 0)
			lane->careful = false;
		if (!lane->replies)
			spans_event(lane->house, event);
		lane->done(lane->ctx, event);
	}
	mail_join(&rest, &lane->sent);
	lane->sent = rest;
	backoff_reset(&lane->backoff);
}

static void on_event(struct lane *lane, struct mq_event *ev)
{
	struct err e = {0};

	switch (ev->kind) {
	case MQ_CONFIRMED:
		confirmed(lane, ev->seq, ev->multiple);
		break;
	case MQ_REFUSED:
		/* The broker could not keep it. A new connection sends everything unconfirmed
		 * again. */
		err_set(&e, ERR_LOST, "the broker refused an event (basic.nack)");
		lost(lane, &e);
		break;
	case MQ_BLOCKED:
		lane->blocked = true;
		log_warn("the broker takes no events for now", log_str("error.message", ev->text),
			 LOG_END);
		break;
	case MQ_UNBLOCKED:
		lane->blocked = false;
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

static void hear(struct lane *lane)
{
	struct mq_event ev;
	struct err e = {0};

	while (lane->mq) {
		if (!mq_next(lane->mq, &ev, 0, &e)) {
			lost(lane, &e);
			return;
		}
		if (ev.kind == MQ_NOTHING)
			return;
		on_event(lane, &ev);
	}
}

/* ---- the interface ---- */

void lane_turn(struct lane *lane, int64_t now_us)
{
	if (!lane->mq && now_us >= lane->retry_at_us && (!lane->replies || lane->waiting.head))
		connect(lane);
	publish_some(lane);
	hear(lane);
}

bool lane_busy(const struct lane *lane)
{
	return may_publish(lane);
}

bool lane_empty(const struct lane *lane)
{
	return !lane->waiting.head && !lane->sent.head;
}

int lane_wait_ms(const struct lane *lane, int64_t now_us, int max_ms)
{
	int64_t left_ms = (lane->retry_at_us - now_us) / 1000 + 1;

	if (!lane->mq && (!lane->replies || lane->waiting.head) && left_ms < max_ms)
		return left_ms > 0 ? (int)left_ms : 0;
	return lane->replies && lane->sent.head && max_ms > LISTEN_MS ? LISTEN_MS : max_ms;
}
