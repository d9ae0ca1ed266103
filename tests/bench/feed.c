/* feed: one connection for both directions. */
#include "feed.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/uuid.h"

#include "engine/topology.h"

enum { PUBLISH_MS = 60000, PREFETCH = 4096, ACK_MS = 100 };

/* As the ASF does: an event is here once the broker has it for good. */
static bool listen(struct feed *f, struct err *e)
{
	return mq_prefetch(f->mq, PREFETCH, e) &&
	       mq_consume(f->mq, QUEUE_EVENTS_ASF, "bench", false, e);
}

bool feed_open(struct feed *f, const struct settings *s, const char *type, struct err *e)
{
	struct mq_options o = settings_mq(s, "cpoa bench");
	char jobs[QUEUE_NAME_SIZE];

	*f = (struct feed){.type = type};
	f->mq = mq_open(&o, e);
	if (!f->mq)
		return false;
	topology_queue(jobs, type);
	/* Every run begins with empty queues. */
	return mq_delete_queue(f->mq, jobs, e) && mq_delete_queue(f->mq, QUEUE_EVENTS_ASF, e) &&
	       topology_apply(f->mq, e) && mq_confirm_select(f->mq, e) && listen(f, e);
}

void feed_close(struct feed *f)
{
	mq_close(f->mq);
	f->mq = NULL;
	free(f->times);
	f->times = NULL;
}

/* A task_id ends with the number of its job, so that its event tells which one has ended. */
static void task_id(int64_t number, char text[UUID_TEXT_SIZE])
{
	struct uuid id = uuid_new();

	for (int i = 0; i < 4; i++)
		id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
	uuid_to_text(&id, text);
}

static int64_t number_of(const char *body)
{
	static const char field[] = "\"task_id\":\"";
	const char *at = strstr(body, field);
	struct uuid id;
	char text[UUID_TEXT_SIZE];
	int64_t number = 0;

	if (!at)
		return -1;
	snprintf(text, sizeof(text), "%s", at + strlen(field));
	if (!uuid_from_text(&id, text))
		return -1;
	for (int i = 12; i < 16; i++)
		number = number << 8 | id.bytes[i];
	return number;
}

static bool publish(struct feed *f, struct err *e)
{
	bool podcast = strcmp(f->type, "podcast_generation") == 0;
	struct uuid message = uuid_new();
	char body[256], task[UUID_TEXT_SIZE], message_id[UUID_TEXT_SIZE];
	struct mq_publish p = {
		.exchange = EXCHANGE_JOBS,
		.routing_key = f->type,
		.content_type = "application/json",
		.message_id = message_id,
		.persistent = true,
		.mandatory = true,
		.body = body,
	};

	task_id(f->sent, task);
	uuid_to_text(&message, message_id);
	p.len = (size_t)snprintf(body, sizeof(body),
				 "{\"%s\":\"Sourdough bread\",\"task_id\":\"%s\","
				 "\"client_id\":\"bench\"}",
				 podcast ? "topic" : "query", task);
	if (f->sent < f->timed)
		f->times[f->sent].sent_us = clock_mono_us();
	f->sent++;
	return mq_publish(f->mq, &p, NULL, e);
}

static void on_message(struct feed *f, const struct mq_message *m)
{
	const char *kind = strrchr(m->routing_key, '.');
	bool completed = kind && strcmp(kind, ".completed") == 0;
	int64_t number;

	if (!completed && !(kind && strcmp(kind, ".failed") == 0))
		return;
	f->completed += completed;
	f->failed += !completed;
	f->last_end_us = clock_wall_us();
	number = f->timed ? number_of(m->body) : -1;
	if (number >= 0 && number < f->timed && f->times[number].end_us == 0)
		f->times[number].end_us = clock_mono_us();
}

/* Quorum queues confirm out of order. */
static void on_confirm(struct feed *f, int64_t seq, bool multiple)
{
	int64_t now = clock_mono_us();

	for (int64_t i = multiple ? f->settled + 1 : seq; i <= seq; i++) {
		if (!f->confirmed[i % FEED_WINDOW] && i <= f->timed)
			f->times[i - 1].in_us = now;
		f->confirmed[i % FEED_WINDOW] = true;
	}
	while (f->settled < f->sent && f->confirmed[(f->settled + 1) % FEED_WINDOW])
		f->confirmed[++f->settled % FEED_WINDOW] = false;
}

static bool on_event(struct feed *f, struct mq_event *ev, struct err *e)
{
	bool good = true;

	switch (ev->kind) {
	case MQ_DELIVERY:
		on_message(f, ev->message);
		f->unacked = ev->message->tag;
		mq_message_free(ev->message);
		break;
	case MQ_CONFIRMED:
		on_confirm(f, (int64_t)ev->seq, ev->multiple);
		break;
	case MQ_RETURNED:
		mq_message_free(ev->message);
		good = err_set(e, ERR_REJECT, "a job was returned: no queue takes it");
		break;
	case MQ_REFUSED:
	case MQ_BLOCKED:
	case MQ_CANCELLED:
		good = err_set(e, ERR_RETRY, "the broker takes no more: %s", ev->text);
		break;
	case MQ_NOTHING:
	case MQ_UNBLOCKED:
		break;
	}
	return good;
}

/* All that was heard, at once; not for every few, for each ack is an entry in the broker's log. */
static bool ack(struct feed *f, struct err *e)
{
	int64_t now = clock_mono_ms();
	uint64_t tag = f->unacked;

	if (tag == 0 || now < f->next_ack_ms)
		return true;
	f->next_ack_ms = now + ACK_MS;
	f->unacked = 0;
	return mq_ack(f->mq, tag, true, e);
}

/* What has come; *any, whether something had. */
static bool drain(struct feed *f, bool *any, struct err *e)
{
	struct mq_event ev;

	*any = false;
	for (;;) {
		if (!mq_next(f->mq, &ev, 0, e) || !on_event(f, &ev, e))
			return false;
		if (ev.kind == MQ_NOTHING)
			return ack(f, e);
		*any = true;
	}
}

/* The waiting is ours: rabbitmq-c rounds a millisecond down to none, and would spin. */
bool feed_hear(struct feed *f, int timeout_ms, struct err *e)
{
	struct pollfd fd = {.fd = mq_fd(f->mq), .events = POLLIN};
	bool any;

	if (!drain(f, &any, e))
		return false;
	if (any || timeout_ms <= 0)
		return true;
	(void)poll(&fd, 1, timeout_ms);
	return drain(f, &any, e);
}

/* Until at most `left` publishings are unconfirmed. */
static bool await_confirms(struct feed *f, int64_t left, struct err *e)
{
	int64_t until = clock_mono_ms() + PUBLISH_MS;

	while (f->sent - f->settled > left) {
		if (!feed_hear(f, 100, e))
			return false;
		if (clock_mono_ms() > until)
			return err_set(e, ERR_RETRY, "the broker does not confirm");
	}
	return true;
}

bool feed_send(struct feed *f, struct err *e)
{
	return publish(f, e) && await_confirms(f, FEED_WINDOW - 1, e);
}

bool feed_publish(struct feed *f, int64_t n, struct err *e)
{
	while (n-- > 0)
		if (!feed_send(f, e))
			return false;
	return await_confirms(f, 0, e);
}

void feed_time(struct feed *f, int64_t n)
{
	f->times = xcalloc((size_t)n, sizeof(*f->times));
	f->timed = n;
}

bool feed_one(struct feed *f, int64_t timeout_ms, struct err *e)
{
	int64_t number = f->sent, began = clock_mono_us();

	if (!publish(f, e))
		return false;
	while (!f->times[number].end_us || !f->times[number].in_us) {
		if (!feed_hear(f, 100, e))
			return false;
		if (clock_mono_us() - began > timeout_ms * 1000)
			return err_set(e, ERR_RETRY, "a podcast did not end within %lld ms",
				       (long long)timeout_ms);
	}
	return true;
}

bool feed_wait(struct feed *f, int64_t ms, struct err *e)
{
	int64_t until = clock_mono_ms() + ms, left;

	while ((left = until - clock_mono_ms()) > 0)
		if (!feed_hear(f, left > 1000 ? 1000 : (int)left, e))
			return false;
	return true;
}
