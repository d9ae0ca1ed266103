/* feed: one connection for both directions. */
#include "feed.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/uuid.h"

#include "engine/topology.h"

enum { PUBLISH_MS = 60000 };

static bool listen(struct feed *f, struct err *e)
{
	char queue[MQ_SHORT_MAX + 1], completed[MQ_SHORT_MAX + 1], failed[MQ_SHORT_MAX + 1];

	snprintf(completed, sizeof(completed), "%s.completed", f->type);
	snprintf(failed, sizeof(failed), "%s.failed", f->type);
	return mq_declare_queue(f->mq, "", true, NULL, 0, queue, e) &&
	       mq_bind(f->mq, queue, EXCHANGE_EVENTS, completed, e) &&
	       mq_bind(f->mq, queue, EXCHANGE_EVENTS, failed, e) &&
	       mq_consume(f->mq, queue, "bench", true, e);
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
	free(f->us);
	f->us = NULL;
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
		f->us[f->sent] = -clock_mono_us();
	f->sent++;
	return mq_publish(f->mq, &p, NULL, e);
}

static void on_end(struct feed *f, const struct mq_message *m)
{
	const char *kind = strrchr(m->routing_key, '.');
	int64_t number = f->timed ? number_of(m->body) : -1;

	if (kind && strcmp(kind, ".completed") == 0)
		f->completed++;
	else
		f->failed++;
	f->last_end_us = clock_wall_us();
	if (number >= 0 && number < f->timed && f->us[number] < 0)
		f->us[number] += clock_mono_us();
}

/* Quorum queues confirm out of order. */
static void on_confirm(struct feed *f, int64_t seq, bool multiple)
{
	for (int64_t i = multiple ? f->settled + 1 : seq; i <= seq; i++)
		f->confirmed[i % FEED_WINDOW] = true;
	while (f->settled < f->sent && f->confirmed[(f->settled + 1) % FEED_WINDOW])
		f->confirmed[++f->settled % FEED_WINDOW] = false;
}

static bool on_event(struct feed *f, struct mq_event *ev, struct err *e)
{
	bool good = true;

	switch (ev->kind) {
	case MQ_DELIVERY:
		on_end(f, ev->message);
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

/* What has come; *any, whether something had. */
static bool drain(struct feed *f, bool *any, struct err *e)
{
	struct mq_event ev;

	*any = false;
	for (;;) {
		if (!mq_next(f->mq, &ev, 0, e) || !on_event(f, &ev, e))
			return false;
		if (ev.kind == MQ_NOTHING)
			return true;
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
	f->us = xcalloc((size_t)n, sizeof(*f->us));
	f->timed = n;
}

bool feed_one(struct feed *f, int64_t timeout_ms, struct err *e)
{
	int64_t number = f->sent, began = clock_mono_us();
	struct mq_event ev;

	if (!publish(f, e))
		return false;
	while (f->us[number] < 0) {
		if (!mq_next(f->mq, &ev, 100, e) || !on_event(f, &ev, e))
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
