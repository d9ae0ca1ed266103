/* publisher: waiting for the broker's word. */
#include "client/publisher.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"

static const char not_found[] = "404"; /* AMQP's reply code */

enum { CONFIRM_MS = 10000, RETRY_MS = 100, RETRY_MAX_MS = 3000 };

void publisher_init(struct publisher *p)
{
	p->conn = NULL;
	p->hears = false;
	backoff_init(&p->backoff, RETRY_MS, RETRY_MAX_MS);
}

void publisher_release(struct publisher *p)
{
	mq_close_ptr(&p->conn);
}

static void close_it(struct publisher *p)
{
	mq_close_ptr(&p->conn);
	p->hears = false;
}

static void tell(struct publisher *p, const char *fmt, const char *what)
{
	char text[ERR_TEXT_MAX + 64];

	if (!p->notice)
		return;
	snprintf(text, sizeof(text), "%s%s", what, fmt);
	p->notice(p->ctx, text);
}

bool publisher_open(struct publisher *p, struct err *e)
{
	if (p->conn)
		return true;
	p->conn = mq_open(&p->mq, e);
	if (p->conn && mq_confirm_select(p->conn, e))
		return true;
	close_it(p);
	return false;
}

/* Whatever is no confirm. */
static void pass_on(struct publisher *p, struct mq_event *event)
{
	if (event->kind == MQ_DELIVERY && p->reply)
		p->reply(p->ctx, event->message);
	else
		mq_message_free(event->message);
	if (event->kind == MQ_BLOCKED)
		tell(p, event->text, "the broker takes nothing for now: ");
}

bool publisher_hear(struct publisher *p, int timeout_ms, struct err *e)
{
	struct mq_event event;

	if (!p->conn)
		return err_set(e, ERR_LOST, "there is no connection");
	do {
		if (!mq_next(p->conn, &event, timeout_ms, e)) {
			close_it(p);
			return false;
		}
		pass_on(p, &event);
		timeout_ms = 0;
	} while (event.kind != MQ_NOTHING);
	return true;
}

static enum publisher_fate await_confirm(struct publisher *p, const struct mq_publish *message,
					 uint64_t seq, int64_t until, struct err *e)
{
	bool returned = false;
	struct mq_event event;

	while (clock_mono_ms() < until) {
		if (!mq_next(p->conn, &event, MQ_TICK_MS, e))
			return PUBLISHER_UNKNOWN;
		returned |= event.kind == MQ_RETURNED;
		pass_on(p, &event);
		if (event.kind == MQ_REFUSED) {
			err_set(e, ERR_REJECT, "the broker refused the message; its log says why");
			return PUBLISHER_REFUSED;
		}
		if (event.kind != MQ_CONFIRMED || event.seq < seq)
			continue;
		if (!returned)
			return PUBLISHER_TAKEN;
		err_set(e, ERR_REJECT,
			"no queue takes '%s' from exchange %s; run `cpoa topology apply`",
			message->routing_key, message->exchange);
		return PUBLISHER_UNROUTABLE;
	}
	err_set(e, ERR_LOST, "the broker has not confirmed in time");
	return PUBLISHER_UNKNOWN;
}

static bool listen_for_replies(struct publisher *p, struct err *e)
{
	if (!p->hears)
		p->hears = mq_consume(p->conn, REPLY_QUEUE, "replies", true, e);
	return p->hears;
}

static enum publisher_fate send_once(struct publisher *p, const struct mq_publish *message,
				     bool reply, int64_t deadline_ms, struct err *e)
{
	int64_t until = clock_mono_ms() + CONFIRM_MS;
	uint64_t seq;

	/* A connection that was idle may be gone: nothing is sent before that is known. */
	if ((p->conn && !publisher_hear(p, 0, e)) || !publisher_open(p, e) ||
	    (reply && !listen_for_replies(p, e)))
		return e->class == ERR_REJECT ? PUBLISHER_REFUSED : PUBLISHER_UNSENT;
	if (!mq_publish(p->conn, message, &seq, e))
		return e->class == ERR_LOST ? PUBLISHER_UNKNOWN : PUBLISHER_UNSENT;
	return await_confirm(p, message, seq, until < deadline_ms ? until : deadline_ms, e);
}

/* There is no exchange: the broker closes the channel over it. */
static bool missing(const struct err *e)
{
	return strcmp(e->code, not_found) == 0;
}

enum publisher_fate publisher_send(struct publisher *p, const struct mq_publish *message,
				   bool reply, int64_t deadline_ms, struct err *e)
{
	bool unknown = false;

	for (;;) {
		enum publisher_fate fate;
		int64_t pause;

		*e = (struct err){0};
		fate = send_once(p, message, reply, deadline_ms, e);
		if (fate == PUBLISHER_TAKEN) {
			backoff_reset(&p->backoff);
			return fate;
		}
		if (fate != PUBLISHER_UNROUTABLE)
			close_it(p);
		if (missing(e)) {
			err_wrap(e, "there is no exchange %s; run `cpoa topology apply`",
				 message->exchange);
			return PUBLISHER_UNROUTABLE;
		}
		unknown |= fate == PUBLISHER_UNKNOWN;
		pause = backoff_next_ms(&p->backoff);
		if (e->class != ERR_LOST || clock_mono_ms() + pause >= deadline_ms)
			return fate == PUBLISHER_UNSENT && unknown ? PUBLISHER_UNKNOWN : fate;
		tell(p, "; sending it once more", e->text);
		poll(NULL, 0, (int)pause);
	}
}
