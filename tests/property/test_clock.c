#include "cpoa/clock.h"

#include <criterion/criterion.h>
#include <string.h>

#include "cpoa/backoff.h"

Test(clock, text_is_read_back)
{
	struct rng rng;

	rng_seed(&rng, 61);
	for (int i = 0; i < 100000; i++) {
		int64_t us = rng_between(&rng, 0, INT64_C(253402300799999999)), again;
		char text[CLOCK_TEXT_SIZE];

		clock_text(text, us);
		cr_assert(clock_parse(text, &again), "%s", text);
		cr_assert_eq(again, us / 1000 * 1000, "%s", text);
	}
}

Test(clock, later_is_greater_text)
{
	struct rng rng;

	rng_seed(&rng, 62);
	for (int i = 0; i < 50000; i++) {
		int64_t a = rng_between(&rng, 0, INT64_C(253402300799000000));
		int64_t b = rng_between(&rng, a + 1000, INT64_C(253402300799999999));
		char earlier[CLOCK_TEXT_SIZE], later[CLOCK_TEXT_SIZE];

		clock_text(earlier, a);
		clock_text(later, b);
		cr_assert_lt(strcmp(earlier, later), 0);
	}
}

Test(clock, no_garbage_breaks_parse)
{
	static const char valid[] = "2025-06-14T09:30:00.123+02:00";
	struct rng rng;

	rng_seed(&rng, 63);
	for (int i = 0; i < 200000; i++) {
		char text[sizeof(valid)];
		int64_t us = 0;

		memcpy(text, valid, sizeof(valid));
		for (int k = 0; k < 2; k++)
			text[rng_between(&rng, 0, sizeof(valid) - 1)] =
				"0123456789-:+.TZ \xFF"[rng_between(&rng, 0, 17)];
		text[sizeof(text) - 1] = '\0';
		if (clock_parse(text, &us))
			cr_assert_neq(us, 0);
		clock_parse_duration(text, &us);
	}
}
