/*
 * intake: the door.
 *
 * Two things keep a worker from holding more than it may. As long as work goes through quickly, an
 * ack is a credit: one more delivery may follow it, so acks are held back when there is no room,
 * and the prefetch window closes by itself, without a word to the broker. When it stays full, or
 * jobs of several types come at once, the consumers are cancelled; then all acks go out, and no
 * broker's timeout bounds how long a workflow takes.
 */
#include "engine/intake.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/acks.h"
#include "engine/fault.h"
#include "engine/outbox.h"
#include "engine/pool.h"
#include "engine/stats.h"
#include "engine/suspects.h"
#include "engine/topology.h"

enum {
	WINDOWS = 4,		    /* a consumer's window is this part of CPOA_MAX_INFLIGHT */
	OUTBOX_MAX = 10000,	    /* events in hand beyond which nothing new is taken */
	HELD_BACK_MAX_US = 1000000, /* how long an ack may be held back before the door closes */
	DRAIN_PAUSE_S = 60,	    /* at first, after the dead letters' queue has failed us */
	DRAIN_PAUSE_MAX_S = 3600,
};

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
	unsigned generation; /* of consumer tags */
	bool draining_dead;  /* the dead letters' queue is among those that are consumed */
	int64_t drain_from_us, drain_pause_s; /* monotonic: not before; 0: it has not failed */
	int prefetch;
	struct acks acks;
	struct suspects suspects;
	bool overfull;	      /* more came than there is room for: the door is to be closed */
	int64_t held_back_us; /* since when an ack is held back; 0: none is */
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
	/* Tags of the old connection mean nothing on the next one; the broker delivers what was not
	 * acked again. */
	in->epoch++;
	suspects_drop(&in->suspects, in->house);
	acks_forget(&in->acks);
	in->held_back_us = 0;
	atomic_store(&in->house->consuming, false);
	atomic_store(&in->house->intake_connected, false);
	in->retry_at_us = clock_mono_us() + backoff_next_ms(&in->backoff) * 1000;
}

static void connect(struct intake *in)
{
	struct mq_options o = settings_mq(in->house->settings, "cpoa intake");
	int64_t max = in->house->settings->max_inflight;
	struct err e = {0};

	/* A window that is a part of the whole: what the broker may send at any time counts against
	 * the room, and a window as wide as the room would leave none for an ack. */
	in->prefetch = (int)(max / WINDOWS < 1 ? 1 : max / WINDOWS);
	if (in->prefetch > PREFETCH_MAX)
		in->prefetch = PREFETCH_MAX;
	in->mq = mq_open(&o, &e);
	if (!in->mq || (in->house->settings->declare_topology && !topology_apply(in->mq, &e)) ||
	    !mq_prefetch(in->mq, (uint16_t)in->prefetch, &e)) {
		connection_lost(in, &e);
		return;
	}
	backoff_reset(&in->backoff);
	atomic_store(&in->house->intake_connected, true);
	log_info("consuming connection open", LOG_END);
}

/* ---- open and closed ---- */

static const char *consumer_name(int consumer)
{
	return consumer == CONSUMER_DEAD ? "dead" : workflow_types[consumer];
}

/*
 * A consumer's tag begins with its name: a delivery tells by it what it is for. It is never used
 * twice: RabbitMQ 3.10 keeps a cancelled consumer of a quorum queue as long as it has unacked
 * messages, and its channel crashes when a new one of the same name goes on counting where that one
 * stood.
 */
static void consumer_tag(const struct intake *in, int consumer, char out[MQ_SHORT_MAX + 1])
{
	snprintf(out, MQ_SHORT_MAX + 1, "%s.%u", consumer_name(consumer), in->generation);
}

static bool consumes(const struct intake *in, int consumer)
{
	return consumer == CONSUMER_DEAD ? in->draining_dead : in->house->settings->runs[consumer];
}

/*
 * Every worker drains the dead letters, whatever it runs; but not at the price of its jobs. A
 * broker that was killed may have forgotten a queue that was declared minutes before (RabbitMQ 3.10
 * writes names.dets at its end), and then never answers who wants to consume it; the channel hangs
 * for a minute and keeps what its other consumers get. So this comes before any of them, and after
 * a failure not for a while.
 */
static bool drain_dead(struct intake *in, struct err *e)
{
	char tag[MQ_SHORT_MAX + 1];

	consumer_tag(in, CONSUMER_DEAD, tag);
	in->draining_dead = mq_consume(in->mq, QUEUE_DEAD, tag, false, e);
	if (in->draining_dead) {
		in->drain_pause_s = 0;
		return true;
	}
	in->drain_pause_s = in->drain_pause_s ? 2 * in->drain_pause_s : DRAIN_PAUSE_S;
	if (in->drain_pause_s > DRAIN_PAUSE_MAX_S)
		in->drain_pause_s = DRAIN_PAUSE_MAX_S;
	in->drain_from_us = clock_mono_us() + in->drain_pause_s * 1000000;
	return err_wrap(e, "queue %s is left alone for %" PRId64 " s", QUEUE_DEAD,
			in->drain_pause_s);
}

static bool may_drain_dead(const struct intake *in)
{
	return in->drain_pause_s == 0 || clock_mono_us() >= in->drain_from_us;
}

static bool open_door(struct intake *in, struct err *e)
{
	char queue[QUEUE_NAME_SIZE], tag[MQ_SHORT_MAX + 1];

	in->generation++;
	in->overfull = false; /* what came after the last closing has been handed back */
	in->draining_dead = false;
	if (may_drain_dead(in) && !drain_dead(in, e))
		return false;
	for (int i = 0; i < CONSUMER_DEAD; i++) {
		topology_queue(queue, workflow_types[i]);
		consumer_tag(in, i, tag);
		if (consumes(in, i) && !mq_consume(in->mq, queue, tag, false, e))
			return err_wrap(e, "queue %s", queue);
	}
	in->consuming = true;
	atomic_store(&in->house->consuming, true);
	return true;
}

static bool close_door(struct intake *in, struct err *e)
{
	char tag[MQ_SHORT_MAX + 1];

	in->consuming = in->overfull = false;
	atomic_store(&in->house->consuming, false);
	for (int i = 0; i < CONSUMERS; i++) {
		consumer_tag(in, i, tag);
		if (consumes(in, i) && !mq_cancel(in->mq, tag, e))
			return false;
	}
	return true;
}

static bool full(const struct intake *in)
{
	return atomic_load(&in->house->inflight) >= in->house->settings->max_inflight;
}

/* Nothing can be taken in now, whatever the room. */
static bool leaving(const struct intake *in)
{
	const struct house *house = in->house;

	return atomic_load(&house->draining) || atomic_load(&house->stopping) ||
	       !atomic_load(&house->lease);
}

static bool wanted(struct intake *in)
{
	struct house *house = in->house;
	int64_t max = house->settings->max_inflight;

	if (leaving(in))
		return false;
	/* The broker takes no events: what would be done now could not be told. */
	if (outbox_pending(house->outbox) > OUTBOX_MAX)
		return false;
	if (in->consuming)
		return !in->overfull &&
		       (!in->held_back_us || clock_mono_us() - in->held_back_us < HELD_BACK_MAX_US);
	/* Open again at three quarters: no flapping at the edge. */
	return atomic_load(&house->inflight) <= max - (max + 3) / 4;
}

static void move_door(struct intake *in)
{
	bool want = wanted(in);
	struct err e = {0};

	if (!in->mq || want == in->consuming)
		return;
	/* Told before the door closes and taken back once it is open: nobody sees it closed for no
	 * reason. */
	if (!want)
		atomic_store(&in->house->full, (in->held_back_us || in->overfull) &&
						       atomic_load(&in->house->lease) &&
						       !atomic_load(&in->house->draining));
	if (!(want ? open_door(in, &e) : close_door(in, &e))) {
		connection_lost(in, &e);
		return;
	}
	if (want)
		atomic_store(&in->house->full, false);
}

/* ---- messages ---- */

/* Which consumer it came to. */
static int consumer_of(const struct mq_message *m)
{
	size_t n = strcspn(m->consumer_tag, ".");

	for (int i = 0; i < CONSUMERS; i++)
		if (strlen(consumer_name(i)) == n &&
		    strncmp(m->consumer_tag, consumer_name(i), n) == 0)
			return i;
	BUG("a delivery for a consumer that was never started");
}

/* Its exchange and key say what a job is; one that came by another way is what its queue is for. */
static const struct workflow *type_of(const struct mq_message *m, int consumer)
{
	static const char jobs[] = "cpoa.jobs.";
	const char *queue = mq_header(m, "x-first-death-queue");

	if (consumer == CONSUMER_DEAD && queue && strncmp(queue, jobs, sizeof(jobs) - 1) == 0)
		return workflow_by_type(queue + sizeof(jobs) - 1);
	return strcmp(m->exchange, EXCHANGE_JOBS) == 0 || consumer == CONSUMER_DEAD
		       ? workflow_by_type(m->routing_key)
		       : workflows[consumer];
}

static void on_delivery(struct intake *in, struct mq_message *m)
{
	int consumer = consumer_of(m);
	struct run *run;

	acks_add(&in->acks, m->tag, consumer);
	if (!in->consuming || full(in) || !wanted(in)) {
		/* More than there is room for: back with it, and the door closes, or it would come
		 * again at once. One that has been handed back too often already waits here. */
		in->overfull = true;
		if (leaving(in) || !is_worn(in->house, m)) {
			acks_return_last(&in->acks);
			mq_message_free(m);
			return;
		}
	}
	run = run_new(&in->house->policy);
	run->message = m;
	run->epoch = in->epoch;
	run->job.workflow = type_of(m, consumer);
	run->given_up = consumer == CONSUMER_DEAD;
	house_enter(in->house, run);
	if (is_suspect(m))
		suspects_add(&in->suspects, run);
	else
		pool_put(in->house->pool, run);
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

/* ---- acks ---- */

/* Notes what others have settled. */
static void collect_settlements(struct intake *in)
{
	struct settlement *list;
	size_t n;

	pthread_mutex_lock(&in->lock);
	list = in->settled;
	n = in->n_settled;
	in->settled = NULL;
	in->n_settled = in->cap_settled = 0;
	pthread_mutex_unlock(&in->lock);
	for (size_t i = 0; i < n; i++)
		if (list[i].epoch == in->epoch && acks_settle(&in->acks, list[i].tag, list[i].ack))
			suspects_settled(&in->suspects, list[i].tag);
	free(list);
}

/*
 * How many deliveries there is room for beyond those that the broker may send already: the open
 * part of the window of every consumer that is in use. A type that has nothing waiting takes no
 * room; if it suddenly has, the door closes.
 */
static int64_t credit(const struct intake *in)
{
	int64_t room = in->house->settings->max_inflight - atomic_load(&in->house->inflight);

	return in->consuming ? room - acks_open_windows(&in->acks, in->prefetch) : ACKS_MAX;
}

static bool send_acks(struct intake *in, struct err *e)
{
	bool held_back = false;

	/* Behind one that may kill us nobody waits for its ack, or it would go down with us once
	 * more. */
	if (suspects_any(&in->suspects) && !acks_send_singly(&in->acks, in->mq, e))
		return false;
	if (!acks_send(&in->acks, in->mq, credit(in), &held_back, e))
		return false;
	if (!held_back)
		in->held_back_us = 0;
	else if (!in->held_back_us)
		in->held_back_us = clock_mono_us();
	return true;
}

static void send_settlements(struct intake *in)
{
	const uint64_t first = in->acks.first;
	struct err e = {0};

	collect_settlements(in);
	if (in->mq && !send_acks(in, &e))
		connection_lost(in, &e);
	FAULT_WHEN(first < in->acks.first, acked);
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
		move_door(in);
		if (in->suspects.n && leaving(in))
			suspects_drop(&in->suspects, in->house);
		hear(in);
		send_settlements(in);
		suspects_turn(&in->suspects, in->house);
		if (in->held_back_us || !in->consuming) {
			atomic_store(&in->house->room_wanted, true);
			/* Whoever left before that has woken nobody. */
			if (in->mq && (in->held_back_us ? credit(in) > 0 : wanted(in)))
				continue;
		}
		/* After all was heard: they may have come in this very turn. */
		if (in->suspects.n && wait > SUSPECTS_QUIET_MS)
			wait = SUSPECTS_QUIET_MS;
		mailbox_wait(&in->inbox, in->mq ? mq_fd(in->mq) : -1, wait < 0 ? 0 : wait);
		(void)mailbox_take(&in->inbox);
	}
	if (in->mq && in->consuming && !close_door(in, &e))
		connection_lost(in, &e);
	suspects_drop(&in->suspects, in->house);
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
	rng_seed(&in->suspects.rng, 0);
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
