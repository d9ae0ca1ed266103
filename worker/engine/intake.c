/* intake: the door. */
#include "engine/intake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/ledger.h"
#include "engine/pool.h"
#include "engine/stats.h"
#include "engine/topology.h"

/* Deliveries that each consumer may have unsettled: enough for one commit of all, few to hand back when the door closes. */
enum { PREFETCH_MAX = 256, BACKLOG_MAX = 4096 };

struct settlement {
	uint64_t epoch, tag;
	bool ack;
};

struct intake {
	struct house *house;
	pthread_t thread;
	atomic_bool stop;
	struct mailbox inbox; /* gets pokes alone */

	pthread_mutex_t lock; /* guards the settlements */
	struct settlement *settled;
	size_t n_settled, cap_settled;

	/* the thread's */
	struct mq *mq; /* NULL: no connection */
	uint64_t epoch;
	bool consuming;
	struct backoff backoff;
	int64_t retry_at_us;
};

/* ---- settlements ---- */

static void settle(struct intake *in, uint64_t epoch, uint64_t tag, bool ack)
{
	bool first;

	pthread_mutex_lock(&in->lock);
	if (in->n_settled == in->cap_settled) {
		in->cap_settled = in->cap_settled ? 2 * in->cap_settled : 64;
		in->settled = xrealloc(in->settled, in->cap_settled * sizeof(*in->settled));
	}
	first = in->n_settled == 0;
	in->settled[in->n_settled++] = (struct settlement){epoch, tag, ack};
	pthread_mutex_unlock(&in->lock);
	if (first)
		mailbox_poke(&in->inbox);
}

void intake_ack(struct intake *in, uint64_t epoch, uint64_t tag)
{
	settle(in, epoch, tag, true);
}

void intake_return(struct intake *in, uint64_t epoch, uint64_t tag)
{
	settle(in, epoch, tag, false);
}

void intake_poke(struct intake *in)
{
	mailbox_poke(&in->inbox);
}

/* ---- the connection ---- */

static void connection_lost(struct intake *in, const struct err *e)
{
	log_warn("consuming connection lost", log_err(e), LOG_END);
	mq_close(in->mq);
	in->mq = NULL;
	in->consuming = false;
	/* Tags of the old connection mean nothing on the next one; the broker delivers what was not acked again. */
	in->epoch++;
	atomic_store(&in->house->consuming, false);
	atomic_store(&in->house->intake_connected, false);
	in->retry_at_us = clock_mono_us() + backoff_next_ms(&in->backoff) * 1000;
}

static void connect(struct intake *in)
{
	struct mq_options o = settings_mq(in->house->settings, "cpoa intake");
	int64_t prefetch = in->house->settings->max_inflight;
	struct err e = {0};

	in->mq = mq_open(&o, &e);
	if (!in->mq || (in->house->settings->declare_topology && !topology_apply(in->mq, &e)) ||
	    !mq_prefetch(in->mq, (uint16_t)(prefetch < PREFETCH_MAX ? prefetch : PREFETCH_MAX), &e)) {
		connection_lost(in, &e);
		return;
	}
	backoff_reset(&in->backoff);
	atomic_store(&in->house->intake_connected, true);
	log_info("consuming connection open", LOG_END);
}

/* ---- open and closed ---- */

/* The consumer's tag is its type: a delivery tells by it what it is for. */
static bool open_door(struct intake *in, struct err *e)
{
	char queue[QUEUE_NAME_SIZE];

	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		topology_queue(queue, workflow_types[i]);
		if (in->house->settings->runs[i] && !mq_consume(in->mq, queue, workflow_types[i], false, e))
			return err_wrap(e, "queue %s", queue);
	}
	in->consuming = true;
	atomic_store(&in->house->consuming, true);
	return true;
}

static bool close_door(struct intake *in, struct err *e)
{
	for (int i = 0; i < WORKFLOW_COUNT; i++)
		if (in->house->settings->runs[i] && !mq_cancel(in->mq, workflow_types[i], e))
			return false;
	in->consuming = false;
	atomic_store(&in->house->consuming, false);
	return true;
}

static bool wanted(struct intake *in)
{
	struct house *house = in->house;
	int64_t max = house->settings->max_inflight, held = atomic_load(&house->inflight);

	if (atomic_load(&house->draining) || atomic_load(&house->stopping) || !atomic_load(&house->lease))
		return false;
	/* Closed when full, open again at three quarters: no flapping at the edge. */
	if (held > (in->consuming ? max - 1 : max - max / 4))
		return false;
	return ledger_backlog(house->ledger) < BACKLOG_MAX;
}

static void move_door(struct intake *in)
{
	bool want = wanted(in);
	struct err e = {0};

	if (!in->mq || want == in->consuming)
		return;
	if (!(want ? open_door(in, &e) : close_door(in, &e)))
		connection_lost(in, &e);
}

/* ---- messages ---- */

/* Its exchange and key say what a job is; one that came by another way is what its queue is for. */
static const struct workflow *type_of(const struct mq_message *m)
{
	return workflow_by_type(strcmp(m->exchange, EXCHANGE_JOBS) == 0 ? m->routing_key : m->consumer_tag);
}

static void take(struct intake *in, struct mq_message *m)
{
	struct run *run = run_new(&in->house->policy);

	run->message = m;
	run->epoch = in->epoch;
	run->job.workflow = type_of(m);
	house_enter(in->house, run);
	pool_put(in->house->pool, run);
}

static void on_delivery(struct intake *in, struct mq_message *m)
{
	struct err e = {0};

	if (in->consuming && wanted(in)) {
		take(in, m);
		return;
	}
	if (!mq_nack(in->mq, m->tag, true, &e))
		connection_lost(in, &e);
	mq_message_free(m);
}

static void hear(struct intake *in)
{
	struct mq_event ev;
	struct err e = {0};

	while (in->mq) {
		if (!mq_next(in->mq, &ev, 0, &e)) {
			connection_lost(in, &e);
			return;
		}
		if (ev.kind == MQ_NOTHING)
			return;
		if (ev.kind == MQ_DELIVERY) {
			on_delivery(in, ev.message);
		} else if (ev.kind == MQ_RETURNED) {
			mq_message_free(ev.message);
		} else if (ev.kind == MQ_CANCELLED) {
			/* Its queue is gone, perhaps to be made anew: so do we. */
			err_set(&e, ERR_LOST, "the broker cancelled the consumer of %s", ev.text);
			connection_lost(in, &e);
		}
	}
}

/* Acks in a row of neighbours could be one frame; the broker tells us apart from others by nothing else. */
static void send_settlements(struct intake *in)
{
	struct settlement *list;
	size_t n;
	struct err e = {0};

	pthread_mutex_lock(&in->lock);
	list = in->settled;
	n = in->n_settled;
	in->settled = NULL;
	in->n_settled = in->cap_settled = 0;
	pthread_mutex_unlock(&in->lock);
	for (size_t i = 0; i < n && in->mq; i++) {
		if (list[i].epoch != in->epoch)
			continue;
		if (!(list[i].ack ? mq_ack(in->mq, list[i].tag, false, &e) : mq_nack(in->mq, list[i].tag, true, &e)))
			connection_lost(in, &e);
	}
	free(list);
}

/* ---- the thread ---- */

static void *intake_thread(void *arg)
{
	struct intake *in = arg;
	struct err e = {0};

	log_thread_name("intake");
	house_enter_thread(in->house);
	while (!atomic_load(&in->stop)) {
		int64_t now = clock_mono_us();
		int wait = MQ_TICK_MS;

		house_tick(in->house, THREAD_INTAKE, now);
		if (!in->mq && now >= in->retry_at_us)
			connect(in);
		if (!in->mq && in->retry_at_us - now < MQ_TICK_MS * 1000)
			wait = (int)((in->retry_at_us - now) / 1000) + 1;
		send_settlements(in);
		move_door(in);
		hear(in);
		mailbox_wait(&in->inbox, in->mq ? mq_fd(in->mq) : -1, wait < 0 ? 0 : wait);
		(void)mailbox_take(&in->inbox);
	}
	if (in->mq && in->consuming && !close_door(in, &e))
		connection_lost(in, &e);
	hear(in);
	send_settlements(in);
	return NULL;
}

/* ---- the interface ---- */

struct intake *intake_start(struct house *house, struct err *e)
{
	struct intake *in = xcalloc(1, sizeof(*in));
	int errnum;

	in->house = house;
	in->epoch = 1;
	backoff_init(&in->backoff, 50, 2000);
	pthread_mutex_init(&in->lock, NULL);
	if (!mailbox_init(&in->inbox, e))
		return NULL;
	errnum = pthread_create(&in->thread, NULL, intake_thread, in);
	if (errnum) {
		err_errno(e, ERR_USAGE, errnum, "cannot start the intake's thread");
		return NULL;
	}
	return in;
}

void intake_stop(struct intake *in)
{
	atomic_store(&in->stop, true);
	mailbox_poke(&in->inbox);
	pthread_join(in->thread, NULL);
}

void intake_free(struct intake *in)
{
	if (!in)
		return;
	mq_close(in->mq);
	mailbox_destroy(&in->inbox);
	pthread_mutex_destroy(&in->lock);
	free(in->settled);
	free(in);
}
