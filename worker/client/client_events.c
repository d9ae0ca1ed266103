/* client_events: what comes back. */
#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "client/client_private.h"

enum { TICK_MS = 500, EVENT_DEPTH = 64 };

static const char type_prefix[] = "aethercast.cpoa.";

/* ---- one event ---- */

void client_let_go(struct cpoa_client *c)
{
	json_put(&c->event);
	mq_message_free(c->message);
	c->message = NULL;
}

static const char *text_of(struct json_object *o, const char *key)
{
	const char *s = json_str(o, key);

	return s ? s : "";
}

/* The last part of the CloudEvents type, if it is one of ours. */
static const char *kind_of(struct json_object *event)
{
	const char *type = text_of(event, "type"), *dot = strrchr(type, '.');

	return strncmp(type, type_prefix, sizeof(type_prefix) - 1) == 0 ? dot + 1 : "";
}

static bool is_terminal(const char *kind)
{
	return strcmp(kind, "completed") == 0 || strcmp(kind, "failed") == 0 ||
	       strcmp(kind, "cancelled") == 0;
}

/* Takes the message over. Anybody may publish there: what is no JSON object is none of ours. */
static bool read_event(struct cpoa_client *c, struct mq_message *m, struct cpoa_client_event *event)
{
	struct json_object *data, *ui;
	struct err e = {0};

	client_let_go(c);
	c->message = m;
	if (m->body_size != m->body_len ||
	    json_read(m->body, m->body_len, EVENT_DEPTH, JSON_MEND, &c->event, &e) != JSON_OK ||
	    !json_object_is_type(c->event, json_type_object)) {
		client_let_go(c);
		return false;
	}
	data = json_obj(c->event, "data");
	ui = json_obj(json_obj(data, "ui"), "data");
	*event = (struct cpoa_client_event){
		.json = m->body,
		.len = m->body_len,
		.kind = kind_of(c->event),
		.workflow_id = text_of(c->event, "subject"),
		.workflow_type = text_of(data, "workflow_type"),
		.idempotency_key = text_of(data, "idempotency_key"),
		.status = text_of(data, "status"),
		.stage = text_of(ui, "stage"),
		.message = text_of(ui, "message"),
	};
	event->terminal = is_terminal(event->kind);
	return true;
}

/* ---- following ---- */

bool cpoa_client_follow(struct cpoa_client *c, const char *type, struct cpoa_client_error *error)
{
	struct err e = {0};

	if (c->follows)
		return client_fail(error, CPOA_CLIENT_USAGE, "this client follows events already");
	if (type && (!*type || strlen(type) > MQ_SHORT_MAX - 2))
		return client_fail(error, CPOA_CLIENT_USAGE, "a type is 1 to 253 bytes");
	c->listener = (struct listener){.mq = client_mq(c)};
	snprintf(c->listener.binding, sizeof(c->listener.binding), "%s%s#", type ? type : "",
		 type ? "." : "");
	c->follows = listener_open(&c->listener, &e);
	return c->follows || client_fail_err(error, &e);
}

enum cpoa_client_news cpoa_client_next(struct cpoa_client *c, int timeout_ms,
				       struct cpoa_client_event *event,
				       struct cpoa_client_error *error)
{
	struct mq_message *m;
	struct err e = {0};

	if (!c->follows)
		BUG("cpoa_client_next without cpoa_client_follow");
	switch (listener_next(&c->listener, timeout_ms, &m, &e)) {
	case LISTENER_MESSAGE:
		return read_event(c, m, event) ? CPOA_CLIENT_EVENT : CPOA_CLIENT_NOTHING;
	case LISTENER_LOST:
		client_fail_err(error, &e);
		return CPOA_CLIENT_GONE;
	case LISTENER_BACK:
		return CPOA_CLIENT_BACK;
	case LISTENER_NOTHING:
		break;
	}
	return CPOA_CLIENT_NOTHING;
}

int64_t cpoa_client_gone_ms(const struct cpoa_client *c)
{
	return c->follows ? listener_lost_ms(&c->listener) : 0;
}

/* ---- replies ---- */

void client_keep_reply(void *ctx, struct mq_message *m)
{
	struct cpoa_client *c = ctx;
	struct mq_message **end = &c->replies;

	if (c->n_replies == REPLIES_MAX) {
		struct mq_message *oldest = c->replies;

		c->replies = oldest->next;
		mq_message_free(oldest);
		c->n_replies--;
	}
	while (*end)
		end = &(*end)->next;
	m->next = NULL;
	*end = m;
	c->n_replies++;
}

static struct mq_message *take_reply(struct cpoa_client *c, const char *correlation_id)
{
	for (struct mq_message **at = &c->replies; *at; at = &(*at)->next) {
		struct mq_message *m = *at;

		if (!m->correlation_id || strcmp(m->correlation_id, correlation_id) != 0)
			continue;
		*at = m->next;
		c->n_replies--;
		return m;
	}
	return NULL;
}

/* ---- waiting ---- */

struct waiting {
	const struct cpoa_client_ticket *ticket;
	int64_t until_ms;
	bool (*on_event)(void *ctx, const struct cpoa_client_event *event);
	void *ctx;
};

static int tick_ms(const struct waiting *w)
{
	int64_t left = w->until_ms - clock_mono_ms();

	return left < TICK_MS ? left < 0 ? 0 : (int)left : TICK_MS;
}

static bool out_of_time(struct cpoa_client_error *error)
{
	return client_fail(error, CPOA_CLIENT_TIMEOUT, "it has not ended in time; it goes on");
}

static bool wait_for_reply(struct cpoa_client *c, const struct waiting *w,
			   struct cpoa_client_event *end, struct cpoa_client_error *error)
{
	struct mq_message *m;
	struct err e = {0};

	while (!(m = take_reply(c, w->ticket->message_id))) {
		if (clock_mono_ms() >= w->until_ms)
			return out_of_time(error);
		if (!publisher_hear(&c->publisher, tick_ms(w), &e)) {
			err_wrap(&e, "the reply's connection is lost");
			return client_fail(error, CPOA_CLIENT_REPLY_LOST, e.text);
		}
	}
	return read_event(c, m, end) ||
	       client_fail(error, CPOA_CLIENT_REFUSED, "the reply is no event");
}

/* A job that was there already under this key has another workflow id. */
static bool is_of(const struct cpoa_client_ticket *t, const struct cpoa_client_event *event)
{
	const char *key = *t->idempotency_key ? t->idempotency_key : t->message_id;

	return strcasecmp(event->workflow_id, t->workflow_id) == 0 ||
	       (strcmp(event->idempotency_key, key) == 0 &&
		strcmp(event->workflow_type, t->type) == 0);
}

static bool wait_for_event(struct cpoa_client *c, const struct waiting *w,
			   struct cpoa_client_event *end, struct cpoa_client_error *error)
{
	for (;;) {
		if (clock_mono_ms() >= w->until_ms)
			return out_of_time(error);
		if (cpoa_client_next(c, tick_ms(w), end, error) != CPOA_CLIENT_EVENT ||
		    !is_of(w->ticket, end))
			continue;
		if (end->terminal)
			return true;
		if (w->on_event && !w->on_event(w->ctx, end))
			return client_fail(error, CPOA_CLIENT_TIMEOUT,
					   "the waiting was ended; it goes on");
	}
}

bool cpoa_client_wait(struct cpoa_client *c, const struct cpoa_client_ticket *ticket,
		      int64_t timeout_ms,
		      bool (*on_event)(void *ctx, const struct cpoa_client_event *event), void *ctx,
		      struct cpoa_client_event *end, struct cpoa_client_error *error)
{
	struct waiting w = {ticket, clock_mono_ms() + timeout_ms, on_event, ctx};

	if (ticket->reply)
		return wait_for_reply(c, &w, end, error);
	if (!c->follows)
		return client_fail(error, CPOA_CLIENT_USAGE,
				   "neither was a reply asked for, nor are events followed");
	return wait_for_event(c, &w, end, error);
}
