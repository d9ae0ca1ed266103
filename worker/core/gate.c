#include "core/gate.h"

#include <assert.h>
#include <stddef.h>

enum { EXPIRY_LOOK_US = 500000 };

void gate_init(struct gate *g, int64_t max, double per_second, const struct breaker_policy *policy,
	       struct rng *rng)
{
	*g = (struct gate){.max = max};
	TAILQ_INIT(&g->polls);
	TAILQ_INIT(&g->submits);
	rate_init(&g->rate, per_second);
	breaker_init(&g->breaker, policy, rng);
}

static bool has_place(const struct gate *g)
{
	return g->max == 0 || g->asking < g->max;
}

static struct turns *queue_of(struct gate *g, const struct turn *turn)
{
	return turn->poll ? &g->polls : &g->submits;
}

void gate_queue(struct gate *g, struct turn *turn, int64_t now_us)
{
	struct turns *queue = queue_of(g, turn);

	assert(turn->place == TURN_NONE);
	turn->place = TURN_WAITS;
	turn->since_us = now_us;
	turn->held_us = 0;
	TAILQ_INSERT_TAIL(queue, turn, link);
	g->waiting++;
}

static void unqueue(struct gate *g, struct turn *turn)
{
	struct turns *queue = queue_of(g, turn);

	TAILQ_REMOVE(queue, turn, link);
	g->waiting--;
}

/* How long the breaker, which has been closed until since_us, has kept it. */
static int64_t held_us(const struct gate *g, const struct turn *turn, int64_t now_us)
{
	const struct breaker *b = &g->breaker;

	if (turn->poll || b->state == BREAKER_CLOSED)
		return 0;
	return now_us - (turn->since_us > b->since_us ? turn->since_us : b->since_us);
}

/* The first of those that have lost the fewest attempts. */
static struct turn *probe(struct gate *g)
{
	struct turn *best = TAILQ_FIRST(&g->submits), *turn;

	TAILQ_FOREACH(turn, &g->submits, link)
	if (turn->failures < best->failures)
		best = turn;
	return best;
}

static struct turn *next_submit(struct gate *g, int64_t now_us)
{
	if (TAILQ_EMPTY(&g->submits) || !rate_lets(&g->rate, now_us) ||
	    !breaker_lets(&g->breaker, now_us))
		return NULL;
	return breaker_probes(&g->breaker) ? probe(g) : TAILQ_FIRST(&g->submits);
}

struct turn *gate_next(struct gate *g, int64_t now_us)
{
	struct turn *poll = TAILQ_FIRST(&g->polls), *turn = next_submit(g, now_us);

	if (poll && (!turn || poll->since_us <= turn->since_us))
		turn = poll;
	if (!turn || !has_place(g)) {
		/* Whoever waits now waits for something else than the breaker. */
		if (breaker_lets(&g->breaker, now_us))
			breaker_settle(&g->breaker);
		return NULL;
	}
	unqueue(g, turn);
	turn->place = TURN_ASKS;
	turn->held_us = held_us(g, turn, now_us);
	g->asking++;
	if (!turn->poll) {
		rate_take(&g->rate, now_us);
		turn->ticket = breaker_send(&g->breaker);
	}
	return turn;
}

void gate_done(struct gate *g, struct turn *turn, enum health health, uint64_t workflow,
	       int64_t now_us)
{
	assert(turn->place == TURN_ASKS);
	turn->place = TURN_NONE;
	g->asking--;
	if (!turn->poll)
		breaker_hear(&g->breaker, turn->ticket, health, workflow, now_us);
}

void gate_quit(struct gate *g, struct turn *turn)
{
	if (turn->place == TURN_WAITS)
		unqueue(g, turn);
	if (turn->place == TURN_ASKS) {
		g->asking--;
		if (!turn->poll)
			breaker_unsend(&g->breaker, turn->ticket);
	}
	turn->place = TURN_NONE;
}

struct turn *gate_expired(struct gate *g, int64_t now_us)
{
	struct turn *turn;

	if (g->breaker.state == BREAKER_CLOSED)
		return NULL;
	TAILQ_FOREACH(turn, &g->submits, link)
	{
		int64_t held = held_us(g, turn, now_us);

		if (held < turn->patience_us)
			continue;
		unqueue(g, turn);
		turn->place = TURN_NONE;
		turn->held_us = held;
		return turn;
	}
	return NULL;
}

int64_t gate_look_us(const struct gate *g, int64_t now_us)
{
	const struct breaker *b = &g->breaker;
	int64_t look = INT64_MAX;

	if (TAILQ_EMPTY(&g->submits))
		return look;
	if (b->state != BREAKER_CLOSED)
		look = now_us + EXPIRY_LOOK_US;
	if (b->state == BREAKER_OPEN && b->until_us > now_us && b->until_us < look)
		look = b->until_us;
	if (!rate_lets(&g->rate, now_us) && rate_free_us(&g->rate) < look)
		look = rate_free_us(&g->rate);
	return look;
}

enum gate_keeper gate_keeper(const struct gate *g, const struct turn *turn, int64_t now_us)
{
	if (turn->poll)
		return KEPT_BY_PLACES;
	if (!breaker_lets(&g->breaker, now_us))
		return KEPT_BY_BREAKER;
	return rate_lets(&g->rate, now_us) ? KEPT_BY_PLACES : KEPT_BY_RATE;
}
