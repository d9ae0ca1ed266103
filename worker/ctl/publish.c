/* publish: waiting for the broker's word. */
#include "ctl/publish.h"

#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

static const char not_found[] = "404"; /* AMQP's reply code */

enum { CONFIRM_MS = 10000, TRIES = 2 };

void publishing_refuse(struct publishing *p, const char *why)
{
	/* Between characters: it is stored in the audit. */
	size_t n = utf8_cut(why, strlen(why), sizeof(p->why) - 1);

	p->fate = FATE_REFUSED;
	memcpy(p->why, why, n);
	p->why[n] = '\0';
}

/* ---- one attempt ---- */

static bool same_bytes(const struct mq_publish *a, const struct mq_message *b)
{
	return a->len == b->body_len && memcmp(a->body, b->body, a->len) == 0 &&
	       strcmp(a->routing_key, b->routing_key) == 0 &&
	       (!a->message_id || (b->message_id && strcmp(a->message_id, b->message_id) == 0));
}

/* Its confirm is still to come; two that are the same are returned both. */
static void mark_returned(struct publishing *list, int n, const struct mq_message *m)
{
	for (int i = 0; i < n; i++)
		if (list[i].fate == FATE_OPEN && list[i].seq && same_bytes(&list[i].message, m))
			list[i].returned = true;
}

static void settle(struct publishing *p, enum mq_kind kind)
{
	char why[sizeof(p->why)];

	if (kind == MQ_REFUSED) {
		publishing_refuse(p, "the broker refused the message; its log says why");
	} else if (p->returned) {
		snprintf(why, sizeof(why),
			 "no queue takes '%.80s' from exchange '%.80s'; run `cpoa topology apply`",
			 p->message.routing_key, p->message.exchange);
		publishing_refuse(p, why);
	} else {
		p->fate = FATE_TAKEN;
	}
}

static void hear(struct publishing *list, int n, const struct mq_event *event)
{
	if (event->kind == MQ_RETURNED)
		mark_returned(list, n, event->message);
	if (event->kind == MQ_BLOCKED)
		say("the broker takes nothing for now: %s", event->text);
	if (event->kind != MQ_CONFIRMED && event->kind != MQ_REFUSED)
		return;
	for (int i = 0; i < n; i++) {
		bool meant =
			event->multiple ? list[i].seq <= event->seq : list[i].seq == event->seq;

		if (list[i].fate == FATE_OPEN && list[i].seq && meant)
			settle(&list[i], event->kind);
	}
}

static int count_open(const struct publishing *list, int n)
{
	int open = 0;

	for (int i = 0; i < n; i++)
		open += list[i].fate == FATE_OPEN;
	return open;
}

/* ERR_LOST: nobody knows whether the broker has those that are open. */
static bool await_confirms(struct mq *mq, struct publishing *list, int n, struct err *e)
{
	int64_t until = clock_mono_ms() + CONFIRM_MS;
	struct mq_event event;

	while (count_open(list, n)) {
		if (clock_mono_ms() >= until)
			return err_set(e, ERR_LOST, "the broker has not confirmed within %d s",
				       CONFIRM_MS / 1000);
		if (!mq_next(mq, &event, MQ_TICK_MS, e))
			return false;
		hear(list, n, &event);
		mq_message_free(event.message);
	}
	return true;
}

static bool attempt(struct mq *mq, struct publishing *list, int n, struct err *e)
{
	bool sent = true;

	for (int i = 0; i < n; i++) {
		list[i].seq = 0;
		list[i].returned = false;
	}
	mq_cork(mq, true);
	for (int i = 0; sent && i < n; i++) {
		if (list[i].fate != FATE_OPEN)
			continue;
		sent = mq_publish(mq, &list[i].message, &list[i].seq, e);
		/* Ours, before a byte was sent: the others are not concerned. */
		if (!sent && e->class == ERR_USAGE) {
			publishing_refuse(&list[i], e->text);
			sent = true;
		}
	}
	mq_cork(mq, false);
	if (sent && await_confirms(mq, list, n, e))
		return true;
	if (strcmp(e->code, not_found) == 0)
		err_wrap(e, "there is no such exchange; run `cpoa topology apply`");
	return false;
}

/* ---- until all is settled ---- */

static int connect_once(const struct settings *s, struct mq **mq)
{
	struct err e = {0};
	int code;

	if (*mq)
		return EXIT_DONE;
	code = connect_mq(s, mq);
	if (code != EXIT_DONE || mq_confirm_select(*mq, &e))
		return code;
	mq_close_ptr(mq);
	return complain(&e);
}

static int send_open(const struct settings *s, struct mq **mq, struct publishing *list, int n,
		     struct err *e)
{
	for (int i = 1;; i++) {
		int code = connect_once(s, mq);

		if (code != EXIT_DONE || attempt(*mq, list, n, e))
			return code;
		mq_close_ptr(mq);
		if (e->class != ERR_LOST || i == TRIES)
			return EXIT_NO_SERVER;
		say("%s; sending once more", e->text);
	}
}

int publish_all(const struct settings *s, struct mq **mq, struct publishing *list, int n)
{
	struct err e = {0};
	int code = send_open(s, mq, list, n, &e);

	/* One of them has cost the channel: each alone, and it is found. */
	for (int i = 0; code == EXIT_NO_SERVER && e.class == ERR_REJECT && i < n; i++) {
		struct err one = {0};

		if (list[i].fate != FATE_OPEN)
			continue;
		if (send_open(s, mq, &list[i], 1, &one) == EXIT_DONE)
			continue;
		if (one.class != ERR_REJECT) {
			e = one;
			break;
		}
		publishing_refuse(&list[i], one.text);
	}
	if (count_open(list, n) == 0)
		return EXIT_DONE;
	if (e.class != ERR_NONE)
		complain(&e);
	return code;
}
