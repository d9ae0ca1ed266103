/* acks: a ring. */
#include "engine/acks.h"

#include <assert.h>
#include <string.h>

static struct unacked *at(struct acks *a, uint64_t number)
{
	return &a->ring[number % ACKS_MAX];
}

void acks_forget(struct acks *a)
{
	a->first = a->next = 0;
	memset(a->n, 0, sizeof(a->n));
}

void acks_add(struct acks *a, uint64_t tag, int consumer)
{
	struct unacked *u = at(a, a->next++);

	if (a->next - a->first > ACKS_MAX)
		BUG("the broker delivered more than the windows allow");
	*u = (struct unacked){.tag = tag, .consumer = consumer};
	a->n[consumer]++;
}

void acks_return_last(struct acks *a)
{
	at(a, a->next - 1)->fate = FATE_RETURN;
}

bool acks_settle(struct acks *a, uint64_t tag, bool ack)
{
	struct unacked *u;

	if (a->first == a->next)
		return false;
	u = at(a, a->first + (tag - at(a, a->first)->tag));
	assert(u->tag == tag);
	u->fate = ack ? FATE_ACK : FATE_RETURN;
	return true;
}

int acks_open_windows(const struct acks *a, int prefetch)
{
	int n = 0;

	for (int i = 0; i < CONSUMERS; i++)
		if (a->n[i])
			n += prefetch - a->n[i];
	return n;
}

static struct unacked *first_unacked(struct acks *a)
{
	return a->first < a->next ? at(a, a->first) : NULL;
}

static void forget_first(struct acks *a)
{
	a->n[at(a, a->first)->consumer]--;
	a->first++;
}

bool acks_send(struct acks *a, struct mq *mq, int64_t credit, bool *held_back, struct err *e)
{
	struct unacked *u;
	uint64_t last = 0;

	while ((u = first_unacked(a)) && u->fate != FATE_OPEN) {
		bool back = u->fate == FATE_RETURN;
		uint64_t tag = u->tag;

		if (u->fate == FATE_SENT) {
			forget_first(a);
			continue;
		}
		if (!back && credit-- <= 0)
			break;
		if (back && ((last && !mq_ack(mq, last, true, e)) || !mq_nack(mq, tag, true, e)))
			return false;
		last = back ? 0 : tag;
		forget_first(a);
	}
	*held_back = u && u->fate != FATE_OPEN;
	return !last || mq_ack(mq, last, true, e);
}

bool acks_send_singly(struct acks *a, struct mq *mq, struct err *e)
{
	for (uint64_t i = a->first; i < a->next; i++) {
		struct unacked *u = at(a, i);

		if (u->fate != FATE_ACK)
			continue;
		if (!mq_ack(mq, u->tag, false, e))
			return false;
		u->fate = FATE_SENT;
	}
	return true;
}
