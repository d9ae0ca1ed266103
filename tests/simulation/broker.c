/* broker: connections and queues (in place of common/mq.c). */
#include "simulation/broker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/topology.h"
#include "simulation/sim.h"
#include "simulation/world.h"

enum { CONSUMERS_MAX = 64, FRAMES_MAX = 2048, UNACKED_MAX = 512, TRIP_MAX_US = 800 };

struct consumer {
	char tag[MQ_SHORT_MAX + 1];
	enum workflow_index type;
	int window, unacked;
	bool active;
};

struct unacked {
	uint64_t tag;
	struct message *message;
	int consumer;
};

struct mq {
	struct mq *next;
	struct worker *worker;
	int fd;
	bool up; /* false: the broker has ended it, and its client will see that when it reads */
	bool publishes, blocked;
	uint16_t prefetch;
	struct consumer consumers[CONSUMERS_MAX];
	int n_consumers;
	struct unacked unacked[UNACKED_MAX];
	int n_unacked;
	uint64_t next_tag, published, confirmed;
	struct mq_event frames[FRAMES_MAX]; /* on the way to the client, a ring */
	unsigned first, last;
	struct alarm confirm;
};

struct broker broker;

/* ---- frames ---- */

static struct mq_event *frame(struct mq *mq, enum mq_kind kind)
{
	struct mq_event *ev = &mq->frames[mq->last++ % FRAMES_MAX];

	assert(mq->last - mq->first <= FRAMES_MAX);
	*ev = (struct mq_event){.kind = kind};
	sim_fd_set(mq->fd, true);
	return ev;
}

/* A message as rabbitmq-c's wrapper would give it: all in one block. */
static struct mq_message *wire(const struct message *m, uint64_t tag, const char *consumer)
{
	static const char *const names[] = {"X-Idempotency-Key", "X-Workflow-ID"};
	const char *texts[] = {
		m->body,  m->message_id,	  m->key, m->workflow_id, m->reply_to,
		consumer, workflow_types[m->type]};
	enum { N = sizeof(texts) / sizeof(*texts) };
	const char *copies[N];
	struct mq_header *headers;
	size_t size = sizeof(struct mq_message) + 2 * sizeof(struct mq_header);
	struct mq_message *w;
	char *at;

	for (size_t i = 0; i < N; i++)
		size += texts[i] ? strlen(texts[i]) + 1 : 0;
	w = xcalloc(1, size);
	headers = (struct mq_header *)(void *)(w + 1);
	at = (char *)(headers + 2);
	for (size_t i = 0; i < N; i++) {
		copies[i] = NULL;
		if (!texts[i])
			continue;
		copies[i] = at;
		at = stpcpy(at, texts[i]) + 1;
	}
	*w = (struct mq_message){
		.tag = tag,
		.redelivered = m->redelivered,
		.consumer_tag = copies[5],
		.exchange = EXCHANGE_JOBS,
		.routing_key = copies[6],
		.content_type = "application/json",
		.message_id = copies[1],
		.reply_to = copies[4],
		.correlation_id = copies[4] ? "c-1" : NULL,
		.headers = headers,
		.body = copies[0],
		.body_len = strlen(m->body),
		.body_size = strlen(m->body),
	};
	for (size_t i = 0; i < 2; i++)
		if (copies[2 + i])
			headers[w->n_headers++] = (struct mq_header){names[i], copies[2 + i]};
	return w;
}

/* ---- queues ---- */

/* In the order of sending, whenever it comes back. */
static void enqueue(struct message *m)
{
	struct message **link = &broker.queue[m->type];

	while (*link && (*link)->number < m->number)
		link = &(*link)->next;
	m->next = *link;
	*link = m;
}

static void deliver(struct mq *mq, int consumer, struct message *m)
{
	struct consumer *c = &mq->consumers[consumer];

	assert(mq->n_unacked < UNACKED_MAX);
	c->unacked++;
	m->delivered_us = sim_now_us();
	mq->unacked[mq->n_unacked++] = (struct unacked){mq->next_tag, m, consumer};
	frame(mq, MQ_DELIVERY)->message = wire(m, mq->next_tag++, c->tag);
	sim_say("mq: message %d is delivered%s", m->number, m->redelivered ? " again" : "");
}

static bool wants(const struct consumer *c, int type)
{
	return c->active && (int)c->type == type && c->unacked < c->window;
}

/* Hands one waiting message of a type to a consumer that has room, whichever. */
static bool deliver_one(int type)
{
	struct {
		struct mq *mq;
		int consumer;
	} found[64];
	struct message *m = broker.queue[type];
	int n = 0, i;

	for (struct mq *mq = broker.connections; m && mq; mq = mq->next)
		for (i = 0; mq->up && i < mq->n_consumers; i++)
			if (wants(&mq->consumers[i], type) && n < 64) {
				found[n].mq = mq;
				found[n++].consumer = i;
			}
	if (!n)
		return false;
	i = (int)sim_between(0, n - 1);
	broker.queue[type] = m->next;
	deliver(found[i].mq, found[i].consumer, m);
	return true;
}

static void pump(void)
{
	for (int type = 0; type < WORKFLOW_COUNT; type++)
		while (deliver_one(type))
			;
}

static void take_back(struct mq *mq, int i)
{
	struct message *m = mq->unacked[i].message;

	mq->consumers[mq->unacked[i].consumer].unacked--;
	m->redelivered = true;
	enqueue(m);
	mq->n_unacked--;
	memmove(&mq->unacked[i], &mq->unacked[i + 1],
		(size_t)(mq->n_unacked - i) * sizeof(mq->unacked[0]));
}

/* ---- the connection ---- */

static bool lost(struct err *e)
{
	return err_set(e, ERR_LOST, "the simulated connection is gone");
}

static void end_connection(struct mq *mq)
{
	if (!mq->up)
		return;
	sim_say("mq: a connection ends");
	mq->up = false;
	while (mq->n_unacked)
		take_back(mq, mq->n_unacked - 1);
	sim_alarm_off(&mq->confirm);
	sim_fd_set(mq->fd, true);
	pump();
}

static void confirm(struct alarm *alarm)
{
	struct mq *mq = (struct mq *)(void *)((char *)alarm - offsetof(struct mq, confirm));
	struct mq_event *ev = frame(mq, MQ_CONFIRMED);

	ev->multiple = sim_chance(500);
	mq->confirmed = ev->seq = ev->multiple ? mq->published : mq->confirmed + 1;
	if (mq->confirmed < mq->published)
		sim_alarm(alarm, sim_between(10, 2 * TRIP_MAX_US));
}

struct mq *mq_open(const struct mq_options *o, struct err *e)
{
	struct worker *worker = sim_worker();
	struct mq *mq;

	(void)o;
	sim_sleep(sim_between(20, TRIP_MAX_US));
	if (worker_is_dead(worker) || sim_now_us() < broker.down_until_us) {
		lost(e);
		return NULL;
	}
	mq = xcalloc(1, sizeof(*mq));
	mq->worker = worker;
	mq->fd = sim_fd_new();
	mq->up = true;
	mq->next_tag = 1;
	mq->confirm.fire = confirm;
	mq->next = broker.connections;
	broker.connections = mq;
	return mq;
}

void mq_close(struct mq *mq)
{
	struct mq **link = &broker.connections;

	if (!mq)
		return;
	end_connection(mq);
	while (mq->first != mq->last)
		mq_message_free(mq->frames[mq->first++ % FRAMES_MAX].message);
	while (*link != mq)
		link = &(*link)->next;
	*link = mq->next;
	sim_fd_free(mq->fd);
	free(mq);
}

bool mq_next(struct mq *mq, struct mq_event *event, int timeout_ms, struct err *e)
{
	assert(timeout_ms == 0);
	if (mq->first != mq->last) {
		*event = mq->frames[mq->first++ % FRAMES_MAX];
		if (mq->first == mq->last && mq->up)
			sim_fd_set(mq->fd, false);
		return true;
	}
	if (!mq->up)
		return lost(e);
	*event = (struct mq_event){.kind = MQ_NOTHING};
	return true;
}

int mq_fd(const struct mq *mq)
{
	return mq->fd;
}

/* What waits for an answer notices the end; what is only sent does not. */
static bool ask(struct mq *mq, struct err *e)
{
	sim_sleep(sim_between(10, TRIP_MAX_US));
	return mq->up || lost(e);
}

bool mq_declare_exchange(struct mq *mq, const char *name, const char *kind, struct err *e)
{
	(void)name;
	(void)kind;
	return mq->up || lost(e);
}

bool mq_declare_queue(struct mq *mq, const char *name, bool exclusive,
		      const struct mq_argument *args, size_t n, char *made, struct err *e)
{
	(void)name;
	(void)exclusive;
	(void)args;
	(void)n;
	(void)made;
	return mq->up || lost(e);
}

bool mq_bind(struct mq *mq, const char *queue, const char *exchange, const char *routing_key,
	     struct err *e)
{
	(void)queue;
	(void)exchange;
	(void)routing_key;
	return ask(mq, e);
}

/* Everything is there. */
bool mq_inspect_exchange(struct mq *mq, const char *name, struct err *e)
{
	(void)name;
	return ask(mq, e);
}

bool mq_inspect_queue(struct mq *mq, const char *name, uint32_t *ready, uint32_t *consumers,
		      struct err *e)
{
	(void)name;
	(void)ready;
	(void)consumers;
	return ask(mq, e);
}

bool mq_prefetch(struct mq *mq, uint16_t prefetch, struct err *e)
{
	mq->prefetch = prefetch;
	return ask(mq, e);
}

/* The place of one that has ended and has nothing left unacked is used again. */
static struct consumer *consumer_place(struct mq *mq)
{
	for (int i = 0; i < mq->n_consumers; i++)
		if (!mq->consumers[i].active && !mq->consumers[i].unacked)
			return &mq->consumers[i];
	assert(mq->n_consumers < CONSUMERS_MAX);
	return &mq->consumers[mq->n_consumers++];
}

bool mq_consume(struct mq *mq, const char *queue, const char *tag, bool no_ack, struct err *e)
{
	/* The broker's own dead letters: there are none here. */
	bool dead = strcmp(queue, QUEUE_DEAD) == 0;
	const struct workflow *workflow =
		dead ? NULL : workflow_by_type(queue + strlen(EXCHANGE_JOBS "."));
	struct consumer *c;

	assert(!no_ack && (dead || workflow));
	if (!ask(mq, e))
		return false;
	c = consumer_place(mq);
	*c = (struct consumer){.type = dead ? WORKFLOW_COUNT : (enum workflow_index)workflow->index,
			       .window = mq->prefetch,
			       .active = true};
	snprintf(c->tag, sizeof(c->tag), "%s", tag);
	pump();
	return true;
}

bool mq_cancel(struct mq *mq, const char *tag, struct err *e)
{
	if (!ask(mq, e))
		return false;
	for (int i = 0; i < mq->n_consumers; i++)
		if (strcmp(mq->consumers[i].tag, tag) == 0)
			mq->consumers[i].active = false;
	return true;
}

/* ---- settling ---- */

static void acked(struct mq *mq, int i)
{
	struct message *m = mq->unacked[i].message;

	mq->consumers[mq->unacked[i].consumer].unacked--;
	world_acked(m);
	mq->n_unacked--;
	memmove(&mq->unacked[i], &mq->unacked[i + 1],
		(size_t)(mq->n_unacked - i) * sizeof(mq->unacked[0]));
}

bool mq_ack(struct mq *mq, uint64_t tag, bool multiple, struct err *e)
{
	bool found = false;

	(void)e;
	sim_yield();
	if (!mq->up || worker_is_dead(mq->worker))
		return true; /* into the void */
	for (int i = mq->n_unacked - 1; i >= 0; i--)
		if (mq->unacked[i].tag == tag || (multiple && mq->unacked[i].tag < tag)) {
			acked(mq, i);
			found = true;
		}
	if (!found)
		sim_fail("tag %llu was acked and is not open", (unsigned long long)tag);
	pump();
	return true;
}

bool mq_nack(struct mq *mq, uint64_t tag, bool requeue, struct err *e)
{
	(void)e;
	assert(requeue);
	sim_yield();
	if (!mq->up || worker_is_dead(mq->worker))
		return true;
	for (int i = 0; i < mq->n_unacked; i++)
		if (mq->unacked[i].tag == tag) {
			take_back(mq, i);
			pump();
			return true;
		}
	sim_fail("tag %llu was handed back and is not open", (unsigned long long)tag);
}

/* ---- publishing ---- */

bool mq_confirm_select(struct mq *mq, struct err *e)
{
	mq->publishes = true;
	return ask(mq, e);
}

bool mq_publish(struct mq *mq, const struct mq_publish *p, uint64_t *seq, struct err *e)
{
	(void)e;
	sim_yield();
	*seq = ++mq->published;
	if (!mq->up || worker_is_dead(mq->worker))
		return true; /* into the void */
	if (!*p->exchange && strcmp(p->routing_key, BROKER_CRASH) == 0) {
		end_connection(mq);
		return true;
	}
	world_told(p);
	if (!mq->blocked && !timer_is_set(&mq->confirm.timer))
		sim_alarm(&mq->confirm, sim_between(10, 2 * TRIP_MAX_US));
	return true;
}

void mq_cork(struct mq *mq, bool on)
{
	(void)mq;
	(void)on;
}

/* ---- what may happen to it ---- */

void broker_cut(const struct worker *worker)
{
	for (struct mq *mq = broker.connections; mq; mq = mq->next)
		if (!worker || mq->worker == worker)
			end_connection(mq);
}

void broker_restart(int64_t down_us)
{
	broker.down_until_us = sim_now_us() + down_us;
	broker_cut(NULL);
}

void broker_block(bool block)
{
	for (struct mq *mq = broker.connections; mq; mq = mq->next) {
		if (!mq->up || !mq->publishes || mq->blocked == block)
			continue;
		mq->blocked = block;
		if (block)
			sim_alarm_off(&mq->confirm);
		else if (mq->confirmed < mq->published)
			sim_alarm(&mq->confirm, TRIP_MAX_US);
		frame(mq, block ? MQ_BLOCKED : MQ_UNBLOCKED);
	}
}

void broker_refuse_one(void)
{
	for (struct mq *mq = broker.connections; mq; mq = mq->next)
		if (mq->up && mq->publishes && mq->confirmed < mq->published && !mq->blocked) {
			frame(mq, MQ_REFUSED)->seq = ++mq->confirmed;
			if (mq->confirmed == mq->published)
				sim_alarm_off(&mq->confirm);
			return;
		}
}

void broker_cancel_one(void)
{
	for (struct mq *mq = broker.connections; mq; mq = mq->next)
		for (int i = 0; mq->up && i < mq->n_consumers; i++)
			if (mq->consumers[i].active) {
				mq->consumers[i].active = false;
				snprintf(frame(mq, MQ_CANCELLED)->text, MQ_SHORT_MAX, "%s",
					 mq->consumers[i].tag);
				return;
			}
}

/* ---- a schedule ---- */

void broker_begin(void)
{
	broker = (struct broker){0};
}

void broker_end(void)
{
	assert(!broker.connections);
	for (int i = 0; i < broker.n_told; i++)
		free(broker.told[i].body);
}

void broker_send(struct message *m)
{
	enqueue(m);
	pump();
}

bool broker_idle(void)
{
	for (int type = 0; type < WORKFLOW_COUNT; type++)
		if (broker.queue[type])
			return false;
	for (const struct mq *mq = broker.connections; mq; mq = mq->next)
		if (mq->n_unacked)
			return false;
	return true;
}

struct told *broker_told(const struct uuid *id)
{
	for (int i = 0; i < broker.n_told; i++)
		if (uuid_equal(&broker.told[i].id, id))
			return &broker.told[i];
	return NULL;
}
