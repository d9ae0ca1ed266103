#include "cpoa/timers.h"

#include <criterion/criterion.h>
#include <limits.h>

Test(timers, come_out_in_order_of_time_then_of_setting)
{
	struct timer timer[6] = {0};
	static const int64_t due[] = {30, 10, 20, 10, 30, 10};
	static const int expected[] = {1, 3, 5, 2, 0, 4};
	struct timers t;

	timers_init(&t);
	for (int i = 0; i < 6; i++)
		timers_set(&t, &timer[i], due[i]);
	cr_expect_null(timers_pop_due(&t, 9));
	for (int i = 0; i < 6; i++) {
		struct timer *first = timers_pop_due(&t, 100);

		cr_expect_eq(first, &timer[expected[i]]);
		cr_expect_not(timer_is_set(first));
	}
	cr_expect_null(timers_pop_due(&t, 100));
	timers_release(&t);
}

Test(timers, move_and_cancel)
{
	struct timer a = {0}, b = {0}, c = {0};
	struct timers t;

	timers_init(&t);
	timers_cancel(&t, &a);
	timers_set(&t, &a, 10);
	timers_set(&t, &b, 20);
	timers_set(&t, &c, 30);
	timers_set(&t, &a, 40);
	timers_set(&t, &c, 5);
	timers_cancel(&t, &b);
	timers_cancel(&t, &b);
	cr_expect_not(timer_is_set(&b));
	cr_expect_eq(timers_pop_due(&t, 39), &c);
	cr_expect_null(timers_pop_due(&t, 39));
	cr_expect_eq(timers_pop_due(&t, 40), &a, "due at this very moment is due");
	timers_set(&t, &b, 1);
	cr_expect_eq(timers_pop_due(&t, 1), &b, "may be set again");
	timers_release(&t);
	timers_release(&t);
}

Test(timers, wait_is_rounded_up_and_bounded)
{
	static const struct {
		int64_t due, now;
		int max, wait;
	} rows[] = {
		{1000, 0, 500, 1},
		{1001, 0, 500, 2},
		{1, 0, 500, 1},
		{0, 0, 500, 0},
		{-5, 0, 500, 0},
		{5, 10, 500, 0},
		{500000, 0, 500, 500},
		{500001, 0, 500, 500},
		{INT64_MAX, 0, 500, 500},
		{INT64_MAX, -5, 500, 500},
		{INT64_MIN, INT64_MAX, 500, 0},
		{5000, 0, 0, 0},
		{INT64_C(5000000000000), 0, INT_MAX, INT_MAX},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct timer timer = {0};
		struct timers t;

		timers_init(&t);
		cr_expect_eq(timers_wait_ms(&t, rows[r].now, rows[r].max), rows[r].max);
		timers_set(&t, &timer, rows[r].due);
		cr_expect_eq(timers_wait_ms(&t, rows[r].now, rows[r].max), rows[r].wait, "row %zu",
			     r);
		timers_release(&t);
	}
}
