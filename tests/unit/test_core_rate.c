/* links: cpoa_core */
#include "core/rate.h"

#include <criterion/criterion.h>
#include <signal.h>

enum { SECOND = 1000000, START = 77 * SECOND };

/* Takes all that may go at `now_us`. */
static int taken(struct rate *rate, int64_t now_us)
{
	int n = 0;

	while (n < 1000000 && rate_lets(rate, now_us)) {
		rate_take(rate, now_us);
		n++;
	}
	return n;
}

Test(core_rate, lets_so_many_at_once_and_in_a_second)
{
	static const struct {
		double per_second;
		int at_once; /* after a rest */
		int64_t interval_us;
	} rows[] = {
		{0.5, 1, 2000000}, {1, 1, 1000000},  {10, 1, 100000},	{19, 1, 52632},
		{20, 2, 50000},	   {100, 10, 10000}, {1000, 100, 1000}, {100000, 10000, 10},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t interval = rows[i].interval_us, now = START;
		struct rate rate;
		int n = 0;

		rate_init(&rate, rows[i].per_second);
		cr_expect_eq(taken(&rate, START), rows[i].at_once, "%g", rows[i].per_second);
		/* Then one an interval: not a microsecond before its time, and when it says. */
		cr_expect_eq(rate_free_us(&rate), START + interval, "%g", rows[i].per_second);
		cr_expect_eq(taken(&rate, START + interval - 1), 0, "%g", rows[i].per_second);
		cr_expect_eq(taken(&rate, START + interval), 1, "%g", rows[i].per_second);
		/* However often one asks: what ten seconds are worth, and no more. */
		rate_init(&rate, rows[i].per_second);
		taken(&rate, now);
		while (now < START + 10 * SECOND) {
			now += interval < 700 ? 700 : interval / 3 + 1;
			n += taken(&rate, now);
		}
		cr_expect_leq(n, 10 * rows[i].per_second + 1 + rows[i].at_once);
		cr_expect_geq(n, 9 * rows[i].per_second);
		/* It never saves up for more. */
		cr_expect_eq(taken(&rate, START + 1000 * (int64_t)SECOND), rows[i].at_once);
	}
}

/* Whoever looks a millisecond late, as a thread does that waits in milliseconds, loses nothing. */
Test(core_rate, being_late_costs_nothing_where_there_is_a_burst)
{
	struct rate rate;
	int n = 0;

	rate_init(&rate, 300);
	taken(&rate, START);
	for (int64_t now = START; now < START + 10 * SECOND; n += taken(&rate, now))
		now = (rate_free_us(&rate) + 999) / 1000 * 1000 + 1000;
	cr_expect_geq(n, 2990);
}

Test(core_rate, none_lets_everything)
{
	struct rate rate;

	rate_init(&rate, 0);
	cr_expect_eq(taken(&rate, 0), 1000000);
	cr_expect_eq(taken(&rate, START), 1000000);
	cr_expect(rate_lets(&rate, START));
}

Test(core_rate, taking_what_is_not_there_is_a_bug, .signal = SIGABRT)
{
	struct rate rate;

	rate_init(&rate, 1);
	rate_take(&rate, START);
	rate_take(&rate, START);
}
