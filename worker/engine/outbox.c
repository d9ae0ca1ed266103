/* outbox: publish an event, then the reply if somebody asked for one, then strike it out. */
#include "engine/outbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/lane.h"
#include "engine/ledger.h"

enum { HURRY_MS = 20 };

struct outbox {
	struct house *house;
	pthread_t thread;
	struct mailbox inbox; /* struct event */
	atomic_bool stop;
	_Atomic int64_t stop_at_us;
	_Atomic int64_t pending;
	struct lane events, replies;
	struct mail_list strikes; /* done; for the ledger */
};

/* ---- the way of an event ---- */

static void drop(void *ctx, struct event *event)
{
	struct outbox *o = ctx;

	atomic_fetch_sub(&o->pending, 1);
	event_free(event);
}

/* Its row goes by the ledger, which frees it. One of a lost lease has its row in other hands. */
static void finished(void *ctx, struct event *event)
{
	struct outbox *o = ctx;

	if (!event->stored || event->lease != atomic_load(&o->house->lease)) {
		drop(o, event);
		return;
	}
	atomic_fetch_sub(&o->pending, 1);
	mail_append(&o->strikes, &event->mail);
}

static void told(void *ctx, struct event *event)
{
	struct outbox *o = ctx;

	if (event->reply_to)
		lane_add(&o->replies, event);
	else
		finished(o, event);
}

static void collect(struct outbox *o)
{
	struct mail_list events = mailbox_take(&o->inbox);
	struct mail *mail;

	while ((mail = mail_shift(&events))) {
		struct event *event = mail_of(mail, struct event, mail);

		lane_add(event->reply_only ? &o->replies : &o->events, event);
	}
}

/* ---- the thread ---- */

static bool over(const struct outbox *o)
{
	bool empty = lane_empty(&o->events) && lane_empty(&o->replies);

	return atomic_load(&o->stop) && (empty || clock_mono_us() >= atomic_load(&o->stop_at_us));
}

static int wait_ms(const struct outbox *o)
{
	int64_t now = clock_mono_us();
	int ms = atomic_load(&o->stop) ? HURRY_MS : MQ_TICK_MS;

	if (lane_busy(&o->events) || lane_busy(&o->replies))
		return 0;
	return lane_wait_ms(&o->replies, now, lane_wait_ms(&o->events, now, ms));
}

static void *outbox_thread(void *arg)
{
	struct outbox *o = arg;

	log_thread_name("outbox");
	house_enter_thread(o->house);
	for (;;) {
		int64_t now = clock_mono_us();

		house_tick(o->house, THREAD_OUTBOX, now);
		collect(o);
		lane_turn(&o->events, now);
		lane_turn(&o->replies, now);
		if (o->strikes.head)
			ledger_strike(o->house->ledger, &o->strikes);
		if (over(o))
			return NULL;
		mailbox_wait(&o->inbox, o->events.mq ? mq_fd(o->events.mq) : -1, wait_ms(o));
	}
}

/* ---- the interface ---- */

struct outbox *outbox_start(struct house *house, struct err *e)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	int errnum;

	o->house = house;
	o->events = (struct lane){.house = house,
				  .name = "cpoa outbox",
				  .up = &house->outbox_connected,
				  .done = told,
				  .ctx = o};
	o->replies = (struct lane){.house = house,
				   .name = "cpoa replies",
				   .replies = true,
				   .done = finished,
				   .ctx = o};
	lane_init(&o->events);
	lane_init(&o->replies);
	if (!mailbox_init(&o->inbox, e))
		return NULL;
	errnum = pthread_create(&o->thread, NULL, outbox_thread, o);
	if (errnum) {
		err_errno(e, ERR_USAGE, errnum, "cannot start the outbox's thread");
		return NULL;
	}
	return o;
}

void outbox_stop(struct outbox *o, int64_t timeout_ms)
{
	atomic_store(&o->stop_at_us, clock_mono_us() + timeout_ms * 1000);
	atomic_store(&o->stop, true);
	mailbox_poke(&o->inbox);
	pthread_join(o->thread, NULL);
}

void outbox_free(struct outbox *o)
{
	if (!o)
		return;
	collect(o);
	lane_release(&o->events, drop);
	lane_release(&o->replies, drop);
	mailbox_destroy(&o->inbox);
	free(o);
}

void outbox_publish(struct outbox *o, struct mail_list *events)
{
	int64_t n = 0;

	for (struct mail *mail = events->head; mail; mail = mail->next)
		n++;
	atomic_fetch_add(&o->pending, n);
	mailbox_post_list(&o->inbox, events);
}

int64_t outbox_pending(const struct outbox *o)
{
	return atomic_load(&o->pending);
}
