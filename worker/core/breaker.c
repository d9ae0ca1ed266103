#include "core/breaker.h"

#include <assert.h>

void breaker_init(struct breaker *b, const struct breaker_policy *policy, struct rng *rng)
{
	*b = (struct breaker){.policy = policy, .rng = rng};
}

static void open_it(struct breaker *b, int64_t now_us)
{
	const struct breaker_policy *p = b->policy;

	if (b->state == BREAKER_CLOSED) {
		b->since_us = now_us;
		b->pauses = 0;
	}
	b->state = BREAKER_OPEN;
	b->until_us = now_us + 1000 * backoff_ms(b->rng, p->pause_ms, p->pause_max_ms, b->pauses++);
	b->generation++;
}

unsigned breaker_send(struct breaker *b)
{
	if (b->state == BREAKER_OPEN) {
		b->state = BREAKER_HALF_OPEN;
		b->room = 1;
		b->out = 0;
	}
	if (b->state == BREAKER_HALF_OPEN) {
		assert(b->out < b->room);
		b->out++;
	}
	return b->generation;
}

/* Failures in a row, long enough, of enough workflows. */
static bool is_enough(const struct breaker *b, int64_t now_us)
{
	const struct breaker_policy *p = b->policy;
	unsigned workflows = (unsigned)__builtin_popcountll(b->run_of);

	return p->failures > 0 && b->run >= p->failures && now_us - b->run_since_us >= p->span_us &&
	       (workflows >= BREAKER_WORKFLOWS || workflows >= p->failures);
}

static void hear_closed(struct breaker *b, enum health health, uint64_t workflow, int64_t now_us)
{
	if (health == HEALTH_GOOD)
		b->run = 0;
	if (health != HEALTH_BAD)
		return;
	if (b->run == 0) {
		b->run_since_us = now_us;
		b->run_of = 0;
	}
	b->run += b->run < UINT32_MAX;
	b->run_of |= UINT64_C(1) << (workflow % 64);
	if (is_enough(b, now_us))
		open_it(b, now_us);
}

void breaker_hear(struct breaker *b, unsigned ticket, enum health health, uint64_t workflow,
		  int64_t now_us)
{
	if (ticket != b->generation)
		return;
	if (b->state == BREAKER_CLOSED) {
		hear_closed(b, health, workflow, now_us);
		return;
	}
	assert(b->state == BREAKER_HALF_OPEN && b->out > 0);
	b->out--;
	if (health == HEALTH_GOOD) {
		b->pauses = 0;
		b->room++;
	} else if (b->room > 1) {
		b->room /= 2;
	} else {
		open_it(b, now_us);
	}
}

void breaker_unsend(struct breaker *b, unsigned ticket)
{
	if (ticket == b->generation && b->state == BREAKER_HALF_OPEN)
		b->out--;
}

void breaker_settle(struct breaker *b)
{
	if (b->state != BREAKER_HALF_OPEN || b->room == 1)
		return;
	b->state = BREAKER_CLOSED;
	b->run = 0;
}
