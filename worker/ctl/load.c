/* load: an open loop: jobs are due by the clock, whatever becomes of those before them. */
#include "ctl/load.h"

#include <poll.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "core/event.h"
#include "engine/topology.h"

enum { EVENT_BYTES = 16 << 20, EVENT_DEPTH = 64, BODY_ROOM = 4096 };

/* ---- publishing ---- */

static int64_t wanted_us(const struct load *l, int64_t n)
{
	return l->rate > 0 ? l->began_us + (int64_t)((double)n * 1e6 / l->rate) : l->began_us;
}

static uint64_t unconfirmed(const struct load *l)
{
	return (uint64_t)l->tally.n - l->settled;
}

static bool publish_next(struct load *l, int64_t now, struct err *e)
{
	int64_t n = l->tally.n, wanted = wanted_us(l, n);
	int type = mix_next(&l->mix);
	struct uuid id = tally_sent(&l->tally, type, wanted), message = uuid_new();
	char workflow[UUID_TEXT_SIZE], message_id[UUID_TEXT_SIZE];
	const struct mq_header header = {"X-Workflow-ID", workflow};
	struct mq_publish p = {
		.exchange = EXCHANGE_JOBS,
		.routing_key = workflow_types[type],
		.content_type = "application/json",
		.message_id = message_id,
		.persistent = true,
		.mandatory = true,
		.timestamp = clock_wall_us() / 1000000,
		.headers = &header,
		.n_headers = 1,
	};

	l->moved_us = now;
	if (now - wanted > l->late_us)
		l->late_us = now - wanted;
	uuid_to_text(&id, workflow);
	uuid_to_text(&message, message_id);
	strbuf_reset(&l->body);
	mix_arguments(&l->body, type, n, &id);
	p.body = l->body.buf;
	p.len = l->body.len;
	return mq_publish(l->jobs, &p, NULL, e);
}

static bool publish_due(struct load *l, struct err *e)
{
	int64_t now = clock_mono_us();
	bool good = true;

	mq_cork(l->jobs, true);
	while (good && l->tally.n < l->total && wanted_us(l, l->tally.n) <= now &&
	       unconfirmed(l) < LOAD_WINDOW - 1)
		good = publish_next(l, now, e);
	mq_cork(l->jobs, false);
	return good;
}

/* Confirms of different queues come in any order. */
static void on_confirm(struct load *l, uint64_t seq, bool multiple)
{
	l->moved_us = clock_mono_us();
	for (uint64_t i = multiple ? l->settled + 1 : seq; i <= seq; i++)
		l->taken[i % LOAD_WINDOW] = true;
	while (l->settled < (uint64_t)l->tally.n && l->taken[(l->settled + 1) % LOAD_WINDOW])
		l->taken[++l->settled % LOAD_WINDOW] = false;
}

static bool on_answer(struct load *l, struct mq_event *event, struct err *e)
{
	bool good = true;

	if (event->kind == MQ_CONFIRMED)
		on_confirm(l, event->seq, event->multiple);
	if (event->kind == MQ_RETURNED)
		good = err_set(e, ERR_REJECT, "no queue takes '%s'; run `cpoa topology apply`",
			       event->message->routing_key);
	if (event->kind == MQ_REFUSED)
		good = err_set(e, ERR_REJECT, "the broker refused a job; its log says why");
	mq_message_free(event->message);
	return good;
}

static bool hear_confirms(struct load *l, struct err *e)
{
	struct mq_event event;

	do {
		if (!mq_next(l->jobs, &event, 0, e) || !on_answer(l, &event, e))
			return false;
	} while (event.kind != MQ_NOTHING);
	return true;
}

/* ---- hearing ---- */

static enum tally_end end_of(enum event_kind kind, const char *status)
{
	if (kind == EVENT_COMPLETED)
		return status && strcmp(status, "completed_with_errors") == 0 ? TALLY_WITH_ERRORS
									      : TALLY_COMPLETED;
	return kind == EVENT_CANCELLED ? TALLY_CANCELLED : TALLY_FAILED;
}

static void on_event(struct load *l, const struct mq_message *m)
{
	AUTO(json_put) struct json_object *event = NULL;
	const char *dot = strrchr(m->routing_key, '.');
	enum event_kind kind;
	struct uuid id;
	struct err e = {0};

	if (!dot || !event_kind_from_name(dot + 1, &kind) || kind == EVENT_STARTED ||
	    kind == EVENT_PROGRESS ||
	    json_read(m->body, m->body_len, EVENT_DEPTH, JSON_MEND, &event, &e) != JSON_OK ||
	    !uuid_from_text(&id, json_str(event, "subject")))
		return;
	tally_ended(&l->tally, &id, end_of(kind, json_str(json_obj(event, "data"), "status")),
		    clock_mono_us());
}

static void hear_events(struct load *l)
{
	enum listener_news news;
	struct mq_message *m;
	struct err e = {0};

	do {
		news = listener_next(&l->events, 0, &m, &e);
		if (news == LISTENER_MESSAGE)
			on_event(l, m);
		mq_message_free(m);
	} while (news == LISTENER_MESSAGE);
}

/* ---- both ---- */

static int wait_ms(const struct load *l, int max_ms)
{
	int64_t left_us;

	if (l->tally.n == l->total || unconfirmed(l) >= LOAD_WINDOW - 1)
		return max_ms;
	left_us = wanted_us(l, l->tally.n) - clock_mono_us();
	if (left_us <= 0)
		return 0;
	return left_us / 1000 < max_ms ? (int)(left_us / 1000) : max_ms;
}

bool load_turn(struct load *l, int max_ms, struct err *e)
{
	struct pollfd fds[] = {
		{.fd = mq_fd(l->jobs), .events = POLLIN},
		{.fd = l->events.conn ? mq_fd(l->events.conn) : -1, .events = POLLIN},
	};

	poll(fds, sizeof(fds) / sizeof(*fds), wait_ms(l, max_ms));
	hear_events(l);
	return hear_confirms(l, e) && publish_due(l, e);
}

bool load_stands(const struct load *l, int64_t timeout_us)
{
	int64_t now = clock_mono_us();
	bool due = l->tally.n == l->total || wanted_us(l, l->tally.n) <= now;

	return due && now - l->moved_us >= timeout_us;
}

bool load_open(struct load *l, const struct settings *s, struct err *e)
{
	struct mq_options o = settings_mq(s, "cpoa bench");

	strbuf_init(&l->body, BODY_ROOM);
	l->jobs = mq_open(&o, e);
	if (!l->jobs || !mq_confirm_select(l->jobs, e))
		return false;
	o.body_max = EVENT_BYTES;
	l->events = (struct listener){.mq = o, .binding = "#"};
	if (!listener_open(&l->events, e))
		return false;
	l->began_us = l->moved_us = clock_mono_us();
	return true;
}

void load_close(struct load *l)
{
	listener_close(&l->events);
	mq_close_ptr(&l->jobs);
	strbuf_release(&l->body);
}
