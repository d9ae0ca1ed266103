#include "cpoa/backoff.h"

#include <criterion/criterion.h>

Test(backoff, stays_in_its_upper_half)
{
	struct rng rng;

	rng_seed(&rng, 11);
	for (int i = 0; i < 200000; i++) {
		int64_t base = rng_between(&rng, 0, INT64_C(1) << rng_between(&rng, 0, 62));
		int64_t max = rng_between(&rng, 0, INT64_C(1) << rng_between(&rng, 0, 62));
		unsigned n = (unsigned)rng_between(&rng, 0, 70);
		int64_t ms = backoff_ms(&rng, base, max, n);
		double top = (double)base;

		for (unsigned k = 0; k < n && top < 1e30; k++)
			top *= 2;
		if (top > (double)max)
			top = (double)max;
		cr_assert((double)ms <= top && (double)ms >= top / 2 - 1e-9 * top && ms <= max,
			  "base %lld max %lld n %u: %lld", (long long)base, (long long)max, n,
			  (long long)ms);
	}
}

/* Each bucket of the upper half is met about equally often: a thousand clients scatter. */
Test(backoff, is_even)
{
	int bucket[10] = {0};
	struct rng rng;

	rng_seed(&rng, 12);
	for (int i = 0; i < 100000; i++)
		bucket[(backoff_ms(&rng, 2000, 1 << 20, 0) - 1000) * 10 / 1001]++;
	for (int i = 0; i < 10; i++)
		cr_expect(bucket[i] > 9500 && bucket[i] < 10500, "bucket %d: %d", i, bucket[i]);
}
