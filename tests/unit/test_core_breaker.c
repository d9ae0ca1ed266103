/* links: cpoa_core */
#include "core/breaker.h"

#include <criterion/criterion.h>
#include <signal.h>

enum { SECOND = 1000000, START = 50 * SECOND };

/* Twenty failures, ten seconds; a pause of exactly a millisecond. */
static const struct breaker_policy policy = {20, 10 * SECOND, 1, 1};
static struct rng rng;

static struct breaker breaker(const struct breaker_policy *p)
{
	struct breaker b;

	rng_seed(&rng, 7);
	breaker_init(&b, p, &rng);
	return b;
}

/* A request goes out and comes back at once. */
static void one(struct breaker *b, enum health health, uint64_t workflow, int64_t now_us)
{
	cr_assert(breaker_lets(b, now_us));
	breaker_hear(b, breaker_send(b), health, workflow, now_us);
}

/* One that is open since `now_us`. */
static struct breaker opened(const struct breaker_policy *p, int64_t now_us)
{
	struct breaker b = breaker(p);

	for (unsigned i = 0; i + 1 < p->failures; i++)
		one(&b, HEALTH_BAD, i, now_us - p->span_us);
	one(&b, HEALTH_BAD, 63, now_us);
	cr_assert_eq(b.state, BREAKER_OPEN);
	return b;
}

/* ---- when it opens ---- */

Test(core_breaker, opens_after_so_many_failures_of_so_many_workflows_in_so_long)
{
	static const struct {
		const char *label;
		unsigned failures, workflows;
		int64_t first_to_last;
		bool opens;
	} rows[] = {
		{"enough of all", 20, 5, 10 * SECOND, true},
		{"more of all", 200, 64, 100 * SECOND, true},
		{"a failure too few", 19, 5, 10 * SECOND, false},
		{"a workflow too few", 20, 4, 10 * SECOND, false},
		{"a microsecond too short", 20, 5, 10 * SECOND - 1, false},
		{"a lone workflow, however long", 100000, 1, 86400 * (int64_t)SECOND, false},
		{"a storm that is over soon", 50000, 64, 3 * SECOND, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct breaker b = breaker(&policy);

		for (unsigned n = 0; n < rows[i].failures; n++) {
			bool last = n + 1 == rows[i].failures;

			cr_assert_eq(b.state, BREAKER_CLOSED, "%s: %u", rows[i].label, n);
			one(&b, HEALTH_BAD, n % rows[i].workflows,
			    last ? START + rows[i].first_to_last : START);
		}
		cr_expect_eq(b.state, rows[i].opens ? BREAKER_OPEN : BREAKER_CLOSED, "%s",
			     rows[i].label);
	}
}

Test(core_breaker, one_success_ends_a_run_and_one_that_asks_for_less_does_not)
{
	struct breaker b = breaker(&policy);

	for (unsigned n = 0; n < 19; n++)
		one(&b, HEALTH_BAD, n, START);
	one(&b, HEALTH_LATER, 1, START + 60 * SECOND);
	cr_expect_eq(b.state, BREAKER_CLOSED, "asking for less is no failure");
	one(&b, HEALTH_GOOD, 1, START + 60 * SECOND);
	/* All over again: number, time and workflows. */
	for (unsigned n = 0; n < 19; n++)
		one(&b, HEALTH_BAD, n, START + 61 * SECOND);
	one(&b, HEALTH_BAD, 1, START + 70 * SECOND);
	cr_expect_eq(b.state, BREAKER_CLOSED, "nine seconds");
	one(&b, HEALTH_LATER, 1, START + 71 * SECOND);
	cr_expect_eq(b.state, BREAKER_CLOSED);
	one(&b, HEALTH_BAD, 1, START + 71 * SECOND);
	cr_expect_eq(b.state, BREAKER_OPEN, "twenty-one failures in ten seconds");

	b = breaker(&policy);
	for (unsigned n = 0; n < 10; n++)
		one(&b, HEALTH_BAD, n, START);
	one(&b, HEALTH_GOOD, 1, START);
	for (unsigned n = 0; n < 40; n++)
		one(&b, HEALTH_BAD, n % 4, START + n * SECOND);
	cr_expect_eq(b.state, BREAKER_CLOSED, "the workflows of the run before do not count");
}

Test(core_breaker, without_a_number_it_never_opens)
{
	static const struct breaker_policy none = {0, 0, 1, 1};
	struct breaker b = breaker(&none);

	for (unsigned n = 0; n < 100000; n++)
		one(&b, HEALTH_BAD, n, START + n);
	cr_expect_eq(b.state, BREAKER_CLOSED);
}

Test(core_breaker, fewer_failures_than_workflows_are_enough_by_themselves)
{
	static const struct breaker_policy two = {2, 0, 1, 1};
	struct breaker b = breaker(&two);

	one(&b, HEALTH_BAD, 1, START);
	one(&b, HEALTH_BAD, 1, START);
	cr_expect_eq(b.state, BREAKER_CLOSED);
	one(&b, HEALTH_BAD, 2, START);
	cr_expect_eq(b.state, BREAKER_OPEN);
}

/* ---- open ---- */

Test(core_breaker, lets_nobody_until_its_pause_is_over_and_then_one)
{
	struct breaker b = opened(&policy, START);
	unsigned ticket;

	cr_expect_eq(b.until_us, START + 1000);
	cr_expect_not(breaker_lets(&b, START));
	cr_expect_not(breaker_lets(&b, START + 999));
	cr_assert(breaker_lets(&b, START + 1000));
	cr_expect(breaker_probes(&b));
	ticket = breaker_send(&b);
	cr_expect_eq(b.state, BREAKER_HALF_OPEN);
	cr_expect_not(breaker_lets(&b, START + 1000000000), "one probe, however long it takes");
	breaker_hear(&b, ticket, HEALTH_BAD, 1, START + 5000);
	cr_expect_eq(b.state, BREAKER_OPEN);
	cr_expect_eq(b.until_us, START + 6000);
	cr_expect_eq(b.since_us, START, "it has not been closed since");
}

Test(core_breaker, pauses_double_up_to_the_longest_and_begin_anew_after_a_success)
{
	static const struct breaker_policy p = {5, 0, 1000, 30000};
	static const int64_t tops[] = {1, 2, 4, 8, 16, 30, 30, 30};
	struct breaker b = opened(&p, START);
	int64_t now = START, sum = 0;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
			int64_t pause = b.until_us - now;

			cr_expect_leq(pause, tops[i] * SECOND, "%zu", i);
			cr_expect_geq(pause, tops[i] * SECOND / 2, "%zu", i);
			sum += pause;
			now = b.until_us;
			if (i + 1 < sizeof(tops) / sizeof(*tops))
				one(&b, HEALTH_BAD, 1, now);
		}
		one(&b, HEALTH_GOOD, 1, now);
		one(&b, HEALTH_BAD, 1, now);
		one(&b, HEALTH_BAD, 1, now);
	}
	cr_expect_neq(sum % SECOND, 0, "they are drawn, not fixed");
}

/* An agent may take long: what was asked before it opened says nothing about now. */
Test(core_breaker, what_went_out_before_it_opened_has_no_say)
{
	struct breaker b = breaker(&policy);
	unsigned early = breaker_send(&b), late, probe;

	for (unsigned i = 0; i < 19; i++)
		one(&b, HEALTH_BAD, i, START);
	late = breaker_send(&b);
	one(&b, HEALTH_BAD, 1, START + 10 * SECOND);
	breaker_hear(&b, early, HEALTH_GOOD, 1, START + 10 * SECOND);
	cr_expect_eq(b.state, BREAKER_OPEN);
	probe = breaker_send(&b);
	breaker_hear(&b, late, HEALTH_BAD, 1, START + 11 * SECOND);
	cr_expect_eq(b.state, BREAKER_HALF_OPEN);
	breaker_unsend(&b, late);
	cr_expect_eq(b.out, 1);
	breaker_hear(&b, probe, HEALTH_GOOD, 1, START + 11 * SECOND);
	cr_expect_eq(b.room, 2);
}

Test(core_breaker, a_probe_that_was_taken_back_makes_room_for_another)
{
	struct breaker b = opened(&policy, START);

	breaker_unsend(&b, breaker_send(&b));
	cr_expect_eq(b.state, BREAKER_HALF_OPEN);
	cr_assert(breaker_lets(&b, START));
	cr_expect(breaker_probes(&b));
	breaker_settle(&b);
	cr_expect_eq(b.state, BREAKER_HALF_OPEN, "nothing has succeeded yet");
	one(&b, HEALTH_LATER, 1, START);
	cr_expect_eq(b.state, BREAKER_OPEN, "asking for less is no success either");
}

/* ---- the way back ---- */

/* As many as it lets, all of which come to the same; how many. */
static unsigned wave(struct breaker *b, enum health health)
{
	unsigned tickets[4096], n = 0;

	while (breaker_lets(b, b->until_us)) {
		cr_assert_lt(n, 4096);
		tickets[n++] = breaker_send(b);
	}
	for (unsigned i = 0; i < n; i++)
		breaker_hear(b, tickets[i], health, i, START + 1000);
	return n;
}

Test(core_breaker, each_success_makes_room_for_one_more)
{
	struct breaker b = opened(&policy, START);

	for (unsigned expected = 1; expected <= 1024; expected *= 2) {
		cr_expect_eq(wave(&b, HEALTH_GOOD), expected);
		cr_expect_eq(b.state, BREAKER_HALF_OPEN);
	}
	cr_expect_not(breaker_probes(&b));
	breaker_settle(&b);
	cr_expect_eq(b.state, BREAKER_CLOSED);
	/* The old run is forgotten. */
	one(&b, HEALTH_BAD, 1, START + 100 * SECOND);
	cr_expect_eq(b.state, BREAKER_CLOSED);
}

Test(core_breaker, failures_on_the_way_back_halve_the_room_and_at_last_open_it)
{
	struct breaker b = opened(&policy, START);

	for (int i = 0; i < 4; i++)
		wave(&b, HEALTH_GOOD);
	cr_expect_eq(b.room, 16);
	one(&b, HEALTH_BAD, 1, START + 1000);
	cr_expect_eq(b.room, 8);
	one(&b, HEALTH_GOOD, 1, START + 1000);
	cr_expect_eq(b.room, 9);
	for (int i = 0; i < 3; i++)
		one(&b, HEALTH_BAD, 1, START + 1000);
	cr_expect_eq(b.room, 1);
	cr_expect_eq(b.state, BREAKER_HALF_OPEN);
	one(&b, HEALTH_BAD, 1, START + 1000);
	cr_expect_eq(b.state, BREAKER_OPEN);
}

/* It dies once more with many out: they all come back, and only the present ones count. */
Test(core_breaker, a_wave_that_fails_opens_it_once)
{
	struct breaker b = opened(&policy, START);
	unsigned generation;

	for (int i = 0; i < 6; i++)
		wave(&b, HEALTH_GOOD);
	generation = b.generation;
	cr_expect_eq(wave(&b, HEALTH_BAD), 64);
	cr_expect_eq(b.state, BREAKER_OPEN);
	cr_expect_eq(b.generation, generation + 1);
	cr_expect_eq(b.pauses, 1);
}

Test(core_breaker, sending_when_it_does_not_let_is_a_bug, .signal = SIGABRT)
{
	struct breaker b = opened(&policy, START);

	(void)breaker_send(&b);
	(void)breaker_send(&b);
}
