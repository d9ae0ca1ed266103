#include "cpoa/backoff.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(rng, a_seed_repeats_and_zero_does_not)
{
	struct rng a, b, c, d;
	int same = 0;

	rng_seed(&a, 42);
	rng_seed(&b, 42);
	rng_seed(&c, 0);
	rng_seed(&d, 0);
	for (int i = 0; i < 100; i++) {
		cr_expect_eq(rng_next(&a), rng_next(&b));
		same += rng_next(&c) == rng_next(&d);
	}
	cr_expect_eq(same, 0);
}

Test(rng, between_reaches_both_ends_evenly)
{
	struct rng rng;
	int seen[10] = {0};

	rng_seed(&rng, 1);
	for (int i = 0; i < 100000; i++) {
		int64_t n = rng_between(&rng, -5, 4);

		cr_assert(n >= -5 && n <= 4);
		seen[n + 5]++;
	}
	for (int i = 0; i < 10; i++)
		cr_expect(seen[i] > 9500 && seen[i] < 10500, "%d came %d times", i - 5, seen[i]);
	cr_expect_eq(rng_between(&rng, 7, 7), 7);
	for (int i = 0; i < 100; i++) {
		int64_t n = rng_between(&rng, INT64_MIN, INT64_MAX);

		cr_expect_leq(rng_between(&rng, INT64_MIN, n), n);
		cr_expect_geq(rng_between(&rng, n, INT64_MAX), n);
	}
}

Test(rng, an_empty_span_is_a_bug, .signal = SIGABRT)
{
	struct rng rng;

	rng_seed(&rng, 1);
	rng_between(&rng, 1, 0);
}

Test(backoff, doubles_within_its_bounds)
{
	static const struct {
		int64_t base, max;
		unsigned n;
		int64_t lo, hi;
	} rows[] = {
		{500, 60000, 0, 250, 500},
		{500, 60000, 1, 500, 1000},
		{500, 60000, 6, 16000, 32000},
		{500, 60000, 7, 30000, 60000},
		{500, 60000, 63, 30000, 60000},
		{500, 60000, 4000000000U, 30000, 60000},
		{0, 60000, 5, 0, 0},
		{0, 60000, 100, 0, 0},
		{1, 1, 0, 1, 1},
		{3, 1000, 0, 2, 3},
		{500, 100, 0, 50, 100},
		{500, 0, 3, 0, 0},
		{1, INT64_MAX, 62, INT64_MAX / 4 + 1, INT64_MAX / 2 + 1},
		{INT64_MAX, INT64_MAX, 1, INT64_MAX / 2 + 1, INT64_MAX},
	};
	struct rng rng;

	rng_seed(&rng, 3);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		for (int i = 0; i < 200; i++) {
			int64_t ms = backoff_ms(&rng, rows[r].base, rows[r].max, rows[r].n);

			cr_assert(ms >= rows[r].lo && ms <= rows[r].hi, "row %zu: %lld", r,
				  (long long)ms);
		}
	}
}

Test(backoff, counts_and_starts_again)
{
	struct backoff b;

	backoff_init(&b, 100, 1000);
	for (int round = 0; round < 2; round++) {
		int64_t top = 100;

		for (int i = 0; i < 100; i++) {
			int64_t ms = backoff_next_ms(&b);

			cr_expect(ms >= top / 2 && ms <= top);
			top = top * 2 > 1000 ? 1000 : top * 2;
		}
		backoff_reset(&b);
	}
}
