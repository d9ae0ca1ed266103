#include "cpoa/timers.h"

#include <criterion/criterion.h>

#include "cpoa/backoff.h"

/* Against the plainest thing that could work: an array that is searched whole. */
enum { TIMERS = 60, STEPS = 20000 };

struct model {
	bool set;
	int64_t due_us;
	uint64_t order;
};

static int first_of(const struct model model[TIMERS])
{
	int first = -1;

	for (int i = 0; i < TIMERS; i++) {
		if (!model[i].set)
			continue;
		if (first < 0 || model[i].due_us < model[first].due_us ||
		    (model[i].due_us == model[first].due_us && model[i].order < model[first].order))
			first = i;
	}
	return first;
}

static void check_pop(struct timers *t, struct timer timer[TIMERS], struct model model[TIMERS],
		      int64_t now)
{
	int first = first_of(model);
	const struct timer *popped = timers_pop_due(t, now);

	if (first >= 0 && model[first].due_us > now)
		first = -1;
	cr_assert_eq(popped, first < 0 ? NULL : &timer[first]);
	if (first >= 0)
		model[first].set = false;
}

static void check_wait(const struct timers *t, const struct model model[TIMERS], int64_t now)
{
	int first = first_of(model);
	int64_t expected = 50;

	if (first >= 0)
		expected =
			model[first].due_us <= now ? 0 : (model[first].due_us - now + 999) / 1000;
	cr_assert_eq(timers_wait_ms(t, now, 50), expected < 50 ? expected : 50);
}

static void run_against_model(uint64_t seed)
{
	struct timer timer[TIMERS] = {0};
	struct model model[TIMERS] = {0};
	struct timers t;
	struct rng rng;
	uint64_t order = 0;
	int64_t now = 0;

	rng_seed(&rng, seed);
	timers_init(&t);
	for (int step = 0; step < STEPS; step++) {
		size_t i = (size_t)rng_between(&rng, 0, TIMERS - 1);

		switch (rng_between(&rng, 0, 4)) {
		case 0:
		case 1:
			model[i] = (struct model){true, now + rng_between(&rng, -5, 60) * 700,
						  order++};
			timers_set(&t, &timer[i], model[i].due_us);
			break;
		case 2:
			model[i].set = false;
			timers_cancel(&t, &timer[i]);
			break;
		case 3:
			check_pop(&t, timer, model, now);
			break;
		default:
			now += rng_between(&rng, 0, 1500);
		}
		cr_assert_eq(timer_is_set(&timer[i]), model[i].set);
		check_wait(&t, model, now);
	}
	while (t.n)
		check_pop(&t, timer, model, INT64_MAX);
	cr_expect_eq(first_of(model), -1);
	timers_release(&t);
}

Test(timers, behave_as_a_list_that_is_searched)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		run_against_model(seed);
}
