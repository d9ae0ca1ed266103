/* listener: subscribing, and doing it again. */
#include "client/listener.h"

#include <poll.h>

#include "cpoa/clock.h"

enum { RETRY_MS = 200, RETRY_MAX_MS = 5000 };

static const char exchange[] = "cpoa.events";

static bool subscribe(struct listener *l, struct err *e)
{
	char queue[MQ_SHORT_MAX + 1];

	return mq_declare_queue(l->conn, "", true, NULL, 0, queue, e) &&
	       mq_bind(l->conn, queue, exchange, l->binding, e) &&
	       mq_consume(l->conn, queue, "events", true, e);
}

static bool open_mq(struct listener *l, struct err *e)
{
	l->conn = mq_open(&l->mq, e);
	if (!l->conn)
		return false;
	if (subscribe(l, e))
		return true;
	if (e->class == ERR_REJECT)
		err_wrap(e, "run `cpoa topology apply`");
	mq_close_ptr(&l->conn);
	return false;
}

bool listener_open(struct listener *l, struct err *e)
{
	backoff_init(&l->backoff, RETRY_MS, RETRY_MAX_MS);
	return open_mq(l, e);
}

void listener_close(struct listener *l)
{
	mq_close_ptr(&l->conn);
}

int64_t listener_lost_ms(const struct listener *l)
{
	return l->conn ? 0 : clock_mono_ms() - l->lost_at_ms;
}

static void plan_retry(struct listener *l)
{
	l->retry_at_ms = clock_mono_ms() + backoff_next_ms(&l->backoff);
}

/* Whatever the broker says while it starts again, it is asked again. */
static enum listener_news reconnect(struct listener *l, int timeout_ms)
{
	struct err e = {0};
	int64_t wait = l->retry_at_ms - clock_mono_ms();

	if (wait > 0) {
		poll(NULL, 0, (int)(wait < timeout_ms ? wait : timeout_ms));
		return LISTENER_NOTHING;
	}
	if (!open_mq(l, &e)) {
		plan_retry(l);
		return LISTENER_NOTHING;
	}
	backoff_reset(&l->backoff);
	return LISTENER_BACK;
}

static enum listener_news lost(struct listener *l)
{
	mq_close_ptr(&l->conn);
	l->lost_at_ms = clock_mono_ms();
	plan_retry(l);
	return LISTENER_LOST;
}

enum listener_news listener_next(struct listener *l, int timeout_ms, struct mq_message **message,
				 struct err *e)
{
	struct mq_event news;

	*message = NULL;
	if (!l->conn)
		return reconnect(l, timeout_ms);
	if (!mq_next(l->conn, &news, timeout_ms, e))
		return lost(l);
	if (news.kind == MQ_CANCELLED) {
		err_set(e, ERR_LOST, "the broker has ended the subscription");
		return lost(l);
	}
	if (news.kind == MQ_DELIVERY) {
		*message = news.message;
		return LISTENER_MESSAGE;
	}
	mq_message_free(news.message);
	return LISTENER_NOTHING;
}
