/* follow: subscribing, and doing it again. */
#include "ctl/follow.h"

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/interrupt.h"
#include "engine/topology.h"

enum {
	EVENT_BYTES = 16 << 20, /* a longer event is passed over: its row has it */
	EVENT_DEPTH = 64,
	RETRY_MS = 200,
	RETRY_MAX_MS = 5000,
};

static bool subscribe(struct mq *mq, const char *binding, struct err *e)
{
	char queue[MQ_SHORT_MAX + 1];

	return mq_declare_queue(mq, "", true, NULL, 0, queue, e) &&
	       mq_bind(mq, queue, EXCHANGE_EVENTS, binding, e) &&
	       mq_consume(mq, queue, "events", true, e);
}

static bool open_mq(struct follow *f, struct err *e)
{
	struct mq_options o = settings_mq(f->settings, "cpoa events");

	o.body_max = EVENT_BYTES;
	f->mq = mq_open(&o, e);
	if (!f->mq)
		return false;
	if (subscribe(f->mq, f->binding, e))
		return true;
	if (e->class == ERR_REJECT)
		err_wrap(e, "run `cpoa topology apply`");
	mq_close_ptr(&f->mq);
	return false;
}

bool follow_open(struct follow *f, const struct settings *s, const char *binding, struct err *e)
{
	*f = (struct follow){.settings = s, .binding = binding};
	backoff_init(&f->backoff, RETRY_MS, RETRY_MAX_MS);
	return open_mq(f, e);
}

void follow_close(struct follow *f)
{
	mq_close_ptr(&f->mq);
}

int64_t follow_lost_ms(const struct follow *f)
{
	return f->mq ? 0 : clock_mono_ms() - f->lost_at_ms;
}

static void plan_retry(struct follow *f)
{
	f->retry_at_ms = clock_mono_ms() + backoff_next_ms(&f->backoff);
}

/* Whatever the broker says while it starts again, it is asked again. */
static enum follow_news reconnect(struct follow *f, int timeout_ms)
{
	struct err e = {0};
	int64_t wait = f->retry_at_ms - clock_mono_ms();

	if (wait > 0) {
		interruptible_wait((int)(wait < timeout_ms ? wait : timeout_ms));
		return FOLLOW_NOTHING;
	}
	if (!open_mq(f, &e)) {
		plan_retry(f);
		return FOLLOW_NOTHING;
	}
	backoff_reset(&f->backoff);
	return FOLLOW_BACK;
}

static enum follow_news lost(struct follow *f)
{
	mq_close_ptr(&f->mq);
	f->lost_at_ms = clock_mono_ms();
	plan_retry(f);
	return FOLLOW_LOST;
}

/* Anybody may publish there: what is no JSON object is none of ours. */
static struct json_object *read_event(const struct mq_message *m)
{
	struct json_object *event = NULL;
	struct err e = {0};

	if (m->body_size != m->body_len ||
	    json_read(m->body, m->body_len, EVENT_DEPTH, JSON_MEND, &event, &e) != JSON_OK)
		return NULL;
	if (!json_object_is_type(event, json_type_object))
		json_put(&event);
	return event;
}

enum follow_news follow_next(struct follow *f, int timeout_ms, struct json_object **event,
			     struct err *e)
{
	struct mq_event news;

	*event = NULL;
	if (!f->mq)
		return reconnect(f, timeout_ms);
	if (!mq_next(f->mq, &news, timeout_ms, e))
		return lost(f);
	if (news.kind == MQ_CANCELLED) {
		err_set(e, ERR_LOST, "the broker has ended the subscription");
		return lost(f);
	}
	if (news.kind == MQ_DELIVERY)
		*event = read_event(news.message);
	mq_message_free(news.message);
	return *event ? FOLLOW_EVENT : FOLLOW_NOTHING;
}
