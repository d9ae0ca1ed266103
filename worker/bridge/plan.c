/* plan: gates, and whose turn it is. */
#include <assert.h>
#include <stdlib.h>

#include "bridge/plan_private.h"

/* ---- asking ---- */

static void wake_lines(struct plan *plan, int64_t now_us)
{
	struct timer *t;

	while ((t = timers_pop_due(&plan->timers, now_us)))
		line_place(plan, (struct line *)(void *)t, false);
}

static bool gate_open(const struct plan *plan, enum push_kind kind, int64_t now_us)
{
	const struct gate *gate = &plan->gate[kind];

	return gate->down ? gate->asking == 0 && now_us >= gate->retry_us
			  : gate->asking < plan->o.at_once[kind];
}

struct push *plan_next(struct plan *plan, enum push_kind kind, int64_t now_us)
{
	struct gate *gate = &plan->gate[kind];
	struct line *line;

	_Static_assert(offsetof(struct line, timer) == 0 && offsetof(struct entry, push) == 0,
		       "casts between them");
	wake_lines(plan, now_us);
	while (gate_open(plan, kind, now_us)) {
		struct entry *head;

		line = TAILQ_FIRST(&gate->ready);
		if (!line)
			line = TAILQ_FIRST(&gate->rebuild);
		if (!line)
			return NULL;
		head = TAILQ_FIRST(&line->entries);
		if (!entry_give_up(plan, head, now_us)) {
			head->asked = true;
			gate->asking++;
			line_unqueue(line);
			return &head->push;
		}
		line_place(plan, line, true);
	}
	return NULL;
}

/* ---- gates ---- */

static void gate_up(struct plan *plan, enum push_kind kind)
{
	struct gate *gate = &plan->gate[kind];

	if (gate->down && kind == PUSH_STREAM)
		plan->came_back = true;
	gate->down = false;
	backoff_reset(&gate->backoff);
}

static void gate_shut(struct plan *plan, enum push_kind kind, int64_t retry_after_ms,
		      int64_t now_us)
{
	struct gate *gate = &plan->gate[kind];
	int64_t ms;

	/* Of many that find nobody at the same time, the first is what counts. */
	if (gate->down && now_us < gate->retry_us)
		return;
	ms = backoff_next_ms(&gate->backoff);
	if (retry_after_ms > ms)
		ms = retry_after_ms < plan->o.retry_max_ms ? retry_after_ms : plan->o.retry_max_ms;
	gate->down = true;
	gate->retry_us = now_us + ms * 1000;
}

bool plan_gate_down(const struct plan *plan, enum push_kind kind)
{
	return plan->gate[kind].down;
}

void plan_gate_note(struct plan *plan, enum push_kind kind, bool somebody, int64_t now_us)
{
	if (somebody)
		gate_up(plan, kind);
	else
		gate_shut(plan, kind, -1, now_us);
}

bool plan_came_back(struct plan *plan)
{
	bool came = plan->came_back;

	plan->came_back = false;
	return came;
}

/* ---- answers ---- */

static void put_off(struct plan *plan, struct line *line, int64_t retry_after_ms, int64_t now_us)
{
	int64_t ms =
		backoff_ms(&plan->rng, plan->o.retry_ms, plan->o.retry_max_ms, line->failures++);

	if (retry_after_ms > ms)
		ms = retry_after_ms < plan->o.retry_max_ms ? retry_after_ms : plan->o.retry_max_ms;
	timers_set(&plan->timers, &line->timer, now_us + ms * 1000);
}

void plan_answer(struct plan *plan, struct push *push, enum push_answer answer,
		 int64_t retry_after_ms, int64_t now_us)
{
	struct entry *e = (struct entry *)(void *)push;
	struct line *line = e->line;
	bool nobody = answer == PUSH_NOBODY;

	assert(e->asked);
	e->asked = false;
	e->push.tries++;
	plan->gate[push->kind].asking--;
	if (nobody)
		gate_shut(plan, push->kind, retry_after_ms, now_us);
	else
		gate_up(plan, push->kind);
	if (answer == PUSH_TAKEN || answer == PUSH_REFUSED) {
		line->failures = 0;
		entry_end(plan, e, answer == PUSH_TAKEN ? END_TAKEN : END_REFUSED);
	} else {
		if (!e->receipt && TAILQ_NEXT(e, link))
			entry_end(plan, e, END_SUPERSEDED);
		else
			entry_give_up(plan, e, now_us);
		if (!nobody)
			put_off(plan, line, retry_after_ms, now_us);
	}
	line_place(plan, line, nobody);
}

/* ---- the rest ---- */

int plan_pending(const struct plan *plan, enum push_kind kind)
{
	return plan->gate[kind].pending;
}

int plan_rebuilding(const struct plan *plan)
{
	return plan->rebuilding;
}

int plan_wait_ms(const struct plan *plan, int64_t now_us, int max_ms)
{
	int ms = timers_wait_ms(&plan->timers, now_us, max_ms);

	for (int kind = 0; kind < PUSH_KINDS; kind++) {
		const struct gate *gate = &plan->gate[kind];
		int64_t left_ms = (gate->retry_us - now_us) / 1000 + 1;

		if (gate->down && gate->asking == 0 && left_ms < ms &&
		    (TAILQ_FIRST(&gate->ready) || TAILQ_FIRST(&gate->rebuild)))
			ms = left_ms > 0 ? (int)left_ms : 0;
	}
	return ms;
}

struct plan *plan_new(const struct plan_options *o)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));

	plan->o = *o;
	for (int kind = 0; kind < PUSH_KINDS; kind++) {
		struct gate *gate = &plan->gate[kind];

		TAILQ_INIT(&gate->ready);
		TAILQ_INIT(&gate->rebuild);
		backoff_init(&gate->backoff, o->retry_ms, o->look_max_ms);
	}
	TAILQ_INIT(&plan->all);
	STAILQ_INIT(&plan->settled);
	timers_init(&plan->timers);
	rng_seed(&plan->rng, o->seed);
	return plan;
}

static void forget_errand(struct push *push)
{
	push->errand = NULL;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	plan_forget(plan, true, forget_errand);
	plan_forget(plan, false, forget_errand);
	timers_release(&plan->timers);
	free(plan);
}
