/* feed: one connection for both directions. */
#include "feed.h"

#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/uuid.h"

#include "engine/topology.h"

#define TYPE "podcast_generation"

enum { PUBLISH_MS = 60000 };

static bool listen(struct feed *f, struct err *e)
{
	char queue[MQ_SHORT_MAX + 1];

	return mq_declare_queue(f->mq, "", true, NULL, 0, queue, e) &&
	       mq_bind(f->mq, queue, EXCHANGE_EVENTS, TYPE ".completed", e) &&
	       mq_bind(f->mq, queue, EXCHANGE_EVENTS, TYPE ".failed", e) &&
	       mq_consume(f->mq, queue, "bench", true, e);
}

bool feed_open(struct feed *f, const struct settings *s, struct err *e)
{
	struct mq_options o = settings_mq(s, "cpoa bench");
	char jobs[QUEUE_NAME_SIZE];

	*f = (struct feed){0};
	f->mq = mq_open(&o, e);
	if (!f->mq)
		return false;
	topology_queue(jobs, TYPE);
	/* Every run begins with empty queues. */
	return mq_delete_queue(f->mq, jobs, e) && mq_delete_queue(f->mq, QUEUE_EVENTS_ASF, e) &&
	       topology_apply(f->mq, e) && mq_confirm_select(f->mq, e) && listen(f, e);
}

void feed_close(struct feed *f)
{
	mq_close(f->mq);
	f->mq = NULL;
}

static bool publish(struct feed *f, char task[UUID_TEXT_SIZE], struct err *e)
{
	struct uuid id = uuid_new(), message = uuid_new();
	char body[256], message_id[UUID_TEXT_SIZE];
	struct mq_publish p = {
		.exchange = EXCHANGE_JOBS,
		.routing_key = TYPE,
		.content_type = "application/json",
		.message_id = message_id,
		.persistent = true,
		.mandatory = true,
		.body = body,
	};

	uuid_to_text(&id, task);
	uuid_to_text(&message, message_id);
	p.len = (size_t)snprintf(body, sizeof(body),
				 "{\"topic\":\"Sourdough bread\",\"task_id\":\"%s\","
				 "\"client_id\":\"bench\"}",
				 task);
	f->sent++;
	return mq_publish(f->mq, &p, NULL, e);
}

static void on_end(struct feed *f, const struct mq_message *m)
{
	const char *kind = strrchr(m->routing_key, '.');

	if (kind && strcmp(kind, ".completed") == 0)
		f->completed++;
	else
		f->failed++;
	f->last_end_us = clock_wall_us();
	if (*f->awaited && strstr(m->body, f->awaited))
		f->heard = true;
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

bool feed_hear(struct feed *f, int timeout_ms, struct err *e)
{
	struct mq_event ev;

	do {
		if (!mq_next(f->mq, &ev, timeout_ms, e) || !on_event(f, &ev, e))
			return false;
		timeout_ms = 0;
	} while (ev.kind != MQ_NOTHING);
	return true;
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

bool feed_publish(struct feed *f, int64_t n, struct err *e)
{
	char task[UUID_TEXT_SIZE];

	for (int64_t i = 0; i < n; i++)
		if (!publish(f, task, e) || !await_confirms(f, FEED_WINDOW - 1, e))
			return false;
	return await_confirms(f, 0, e);
}

bool feed_one(struct feed *f, int64_t timeout_ms, int64_t *us, struct err *e)
{
	int64_t began = clock_mono_us();
	struct mq_event ev;

	f->heard = false;
	if (!publish(f, f->awaited, e))
		return false;
	while (!f->heard) {
		if (!mq_next(f->mq, &ev, 100, e) || !on_event(f, &ev, e))
			return false;
		if (clock_mono_us() - began > timeout_ms * 1000)
			return err_set(e, ERR_RETRY, "a podcast did not end within %lld ms",
				       (long long)timeout_ms);
	}
	*us = clock_mono_us() - began;
	return true;
}
