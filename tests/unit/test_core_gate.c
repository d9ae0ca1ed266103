/* links: cpoa_core */
#include "core/gate.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { SECOND = 1000000, START = 50 * SECOND, MANY = 64 };

/* Any failure opens; a pause is exactly a millisecond. */
static const struct breaker_policy touchy = {1, 0, 1, 1};
static struct rng rng;
static struct turn turns[MANY];

static void setup(void)
{
	rng_seed(&rng, 7);
	for (int i = 0; i < MANY; i++)
		turns[i] = (struct turn){.patience_us = 600 * (int64_t)SECOND};
}

TestSuite(core_gate, .init = setup);

#define GATE(g, max, per_second) \
	struct gate g;           \
	gate_init(&g, max, per_second, &touchy, &rng)

static void queue(struct gate *g, int first, int last, int64_t now_us)
{
	for (int i = first; i <= last; i++)
		gate_queue(g, &turns[i], now_us);
}

/* Whose turn it is: their numbers. */
static const char *called(struct gate *g, int64_t now_us)
{
	static char text[256];
	struct turn *turn;
	size_t n = 0;

	text[0] = '\0';
	while ((turn = gate_next(g, now_us)))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", n ? " " : "",
				      (int)(turn - turns));
	return text;
}

static void done(struct gate *g, int i, enum health health, int64_t now_us)
{
	gate_done(g, &turns[i], health, (uint64_t)i, now_us);
}

/* Its breaker is open since `now_us`. */
static void open_gate(struct gate *g, int64_t now_us)
{
	struct turn t = {.patience_us = SECOND};

	gate_queue(g, &t, now_us);
	cr_assert_eq(gate_next(g, now_us), &t);
	gate_done(g, &t, HEALTH_BAD, 1, now_us);
	cr_assert_eq(g->breaker.state, BREAKER_OPEN);
}

/* ---- places ---- */

Test(core_gate, without_limits_everybody_is_called_at_once)
{
	GATE(g, 0, 0);

	queue(&g, 0, 9, START);
	cr_expect_str_eq(called(&g, START), "0 1 2 3 4 5 6 7 8 9");
	cr_expect_eq(g.asking, 10);
	cr_expect_not(gate_is_busy(&g));
	cr_expect_eq(gate_look_us(&g, START), INT64_MAX);
}

Test(core_gate, who_waits_for_a_place_is_called_in_order)
{
	GATE(g, 2, 0);

	queue(&g, 0, 4, START);
	turns[5].poll = true;
	queue(&g, 5, 6, START + 1);
	cr_expect_str_eq(called(&g, START), "0 1");
	cr_expect_eq(gate_keeper(&g, &turns[6], START), KEPT_BY_PLACES);
	cr_expect_eq(g.waiting, 5);
	done(&g, 1, HEALTH_GOOD, START + 2);
	cr_expect_str_eq(called(&g, START + 2), "2");
	gate_quit(&g, &turns[3]);
	gate_quit(&g, &turns[0]);
	cr_expect_str_eq(called(&g, START + 3), "4", "one that has gone is left out");
	done(&g, 2, HEALTH_GOOD, START + 4);
	cr_expect_str_eq(called(&g, START + 4), "5", "a poll waits for a place like a submit");
	done(&g, 4, HEALTH_GOOD, START + 5);
	cr_expect_str_eq(called(&g, START + 5), "6");
	done(&g, 5, HEALTH_GOOD, START + 6);
	done(&g, 6, HEALTH_GOOD, START + 6);
	cr_expect_eq(g.asking, 0);
	cr_expect_eq(g.waiting, 0);
	cr_expect_eq(turns[6].held_us, 0, "no breaker kept it");
}

/* ---- the rate ---- */

Test(core_gate, a_rate_keeps_submits_and_no_polls)
{
	GATE(g, 0, 20);

	turns[3].poll = turns[4].poll = true;
	queue(&g, 0, 4, START);
	cr_expect_str_eq(called(&g, START), "3 4 0 1", "polls, and a burst of two");
	cr_expect_eq(gate_keeper(&g, &turns[2], START), KEPT_BY_RATE);
	cr_expect_eq(gate_look_us(&g, START), START + 50000);
	cr_expect_str_eq(called(&g, START + 49999), "");
	cr_expect_str_eq(called(&g, START + 50000), "2");
	cr_expect_eq(gate_look_us(&g, START + 50000), INT64_MAX);
	cr_expect_null(gate_expired(&g, START + 9999 * (int64_t)SECOND));
}

/* ---- the breaker ---- */

Test(core_gate, polls_that_fail_open_nothing)
{
	GATE(g, 0, 0);

	turns[0].poll = true;
	queue(&g, 0, 0, START);
	cr_expect_str_eq(called(&g, START), "0");
	done(&g, 0, HEALTH_BAD, START);
	cr_expect_eq(g.breaker.state, BREAKER_CLOSED);
}

Test(core_gate, while_it_is_open_submits_wait_and_polls_go)
{
	GATE(g, 0, 0);

	open_gate(&g, START);
	turns[1].poll = true;
	queue(&g, 0, 2, START);
	cr_expect_str_eq(called(&g, START), "1");
	done(&g, 1, HEALTH_GOOD, START);
	cr_expect_eq(g.breaker.state, BREAKER_OPEN, "a poll says nothing of who submits");
	cr_expect_eq(gate_keeper(&g, &turns[0], START), KEPT_BY_BREAKER);
	cr_expect_eq(gate_keeper(&g, &turns[1], START), KEPT_BY_PLACES);
	cr_expect_eq(gate_look_us(&g, START), START + 1000);
	cr_expect_str_eq(called(&g, START + 999), "");
	cr_expect_str_eq(called(&g, START + 1000), "0");
	cr_expect_eq(turns[0].held_us, 1000);
	cr_expect_str_eq(called(&g, START + 10000), "", "one probe");
	done(&g, 0, HEALTH_BAD, START + 10000);
	cr_expect_str_eq(called(&g, START + 10999), "");
	cr_expect_str_eq(called(&g, START + 11000), "2");
	cr_expect_eq(turns[2].held_us, 11000);
}

Test(core_gate, the_probe_is_the_one_with_the_most_attempts_left)
{
	GATE(g, 0, 0);

	open_gate(&g, START);
	for (int i = 0; i < 6; i++)
		turns[i].failures = (unsigned[]){3, 2, 1, 1, 2, 3}[i];
	queue(&g, 0, 5, START);
	cr_expect_str_eq(called(&g, START + 1000), "2");
	done(&g, 2, HEALTH_BAD, START + 1000);
	cr_expect_str_eq(called(&g, START + 2000), "3");
	done(&g, 3, HEALTH_GOOD, START + 2000);
	cr_expect_str_eq(called(&g, START + 2000), "0 1", "and then it is in order again");
}

Test(core_gate, who_has_waited_goes_out_in_growing_numbers_and_in_order)
{
	GATE(g, 0, 0);

	open_gate(&g, START);
	queue(&g, 0, 9, START);
	cr_expect_str_eq(called(&g, START + 1000), "0");
	done(&g, 0, HEALTH_GOOD, START + 1000);
	cr_expect_str_eq(called(&g, START + 1000), "1 2");
	done(&g, 1, HEALTH_GOOD, START + 1100);
	cr_expect_str_eq(called(&g, START + 1100), "3 4");
	done(&g, 2, HEALTH_BAD, START + 1200);
	cr_expect_str_eq(called(&g, START + 1200), "", "room for one, and two are out");
	done(&g, 3, HEALTH_GOOD, START + 1300);
	done(&g, 4, HEALTH_GOOD, START + 1300);
	cr_expect_eq(g.breaker.state, BREAKER_HALF_OPEN);
	cr_expect_str_eq(called(&g, START + 1300), "5 6 7");
	for (int i = 5; i <= 7; i++)
		done(&g, i, HEALTH_GOOD, START + 1400);
	cr_expect_str_eq(called(&g, START + 1400), "8 9");
	cr_expect_eq(g.breaker.state, BREAKER_CLOSED, "there is room, and nobody waits");
	cr_expect_not(gate_is_busy(&g));
	queue(&g, 10, 40, START + 1500);
	called(&g, START + 1500);
	cr_expect_eq(g.waiting, 0);
}

/* What waits for a place or a token does not keep the breaker from closing. */
Test(core_gate, it_closes_when_others_keep_those_who_wait)
{
	GATE(places, 1, 0);
	GATE(rate, 0, 1);

	open_gate(&places, START);
	queue(&places, 0, 4, START);
	cr_expect_str_eq(called(&places, START + 1000), "0");
	done(&places, 0, HEALTH_GOOD, START + 1000);
	cr_expect_str_eq(called(&places, START + 1000), "1");
	cr_expect_eq(places.breaker.state, BREAKER_CLOSED);

	open_gate(&rate, START);
	queue(&rate, 10, 14, START);
	cr_expect_str_eq(called(&rate, START + 1000), "", "no token");
	cr_expect_eq(gate_look_us(&rate, START + 1000), START + 501000, "but its patience counts");
	cr_expect_eq(gate_look_us(&rate, START + 900000), START + SECOND);
	cr_expect_str_eq(called(&rate, START + SECOND), "10");
	done(&rate, 10, HEALTH_GOOD, START + SECOND);
	cr_expect_str_eq(called(&rate, START + SECOND), "");
	cr_expect_eq(rate.breaker.state, BREAKER_CLOSED);
}

Test(core_gate, a_probe_that_goes_without_an_answer_is_followed_by_the_next)
{
	GATE(g, 0, 0);

	open_gate(&g, START);
	queue(&g, 0, 2, START);
	cr_expect_str_eq(called(&g, START + 1000), "0");
	gate_quit(&g, &turns[0]);
	cr_expect_str_eq(called(&g, START + 1000), "1");
	gate_quit(&g, &turns[1]);
	gate_quit(&g, &turns[2]);
	cr_expect_eq(g.asking, 0);
	cr_expect_str_eq(called(&g, START + 1000), "");
	cr_expect_eq(g.breaker.state, BREAKER_HALF_OPEN);
	cr_expect_eq(gate_look_us(&g, START + 1000), INT64_MAX, "until somebody comes");
}

Test(core_gate, patience_with_a_breaker_ends)
{
	GATE(g, 2, 0);

	queue(&g, 0, 1, START - 100 * SECOND);
	cr_expect_str_eq(called(&g, START - 100 * SECOND), "0 1");
	turns[2].patience_us = 3 * SECOND;
	turns[3].patience_us = 2 * SECOND;
	turns[4].patience_us = 3 * SECOND;
	turns[5].patience_us = SECOND;
	turns[5].poll = true;
	/* The time before it opens is not its doing. */
	queue(&g, 2, 3, START - 90 * SECOND);
	done(&g, 0, HEALTH_BAD, START);
	g.breaker.until_us = START + 60 * SECOND;
	queue(&g, 6, 6, START);
	gate_quit(&g, &turns[6]);
	queue(&g, 4, 4, START + 500);
	/* No place is free for it. */
	g.asking++;
	queue(&g, 5, 5, START + 500);
	cr_expect_str_eq(called(&g, START + 500), "");
	cr_expect_null(gate_expired(&g, START + 2 * SECOND - 1));
	cr_expect_eq(gate_expired(&g, START + 2 * SECOND), &turns[3]);
	cr_expect_eq(turns[3].held_us, 2 * SECOND);
	cr_expect_eq(turns[3].place, TURN_NONE);
	cr_expect_null(gate_expired(&g, START + 2 * SECOND));
	cr_expect_eq(gate_look_us(&g, START + 2 * SECOND), START + 2500000);
	cr_expect_eq(gate_expired(&g, START + 3 * SECOND), &turns[2]);
	cr_expect_null(gate_expired(&g, START + 3 * SECOND));
	cr_expect_eq(gate_expired(&g, START + 3 * SECOND + 500), &turns[4]);
	cr_expect_null(gate_expired(&g, START + 99 * SECOND), "polls are not kept by it");
	cr_expect_eq(g.waiting, 1);
}
