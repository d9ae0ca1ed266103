/* links: cpoa_ctl */
/* How long workflows have been seen (worker/ctl/elapsed.h). */
#include "ctl/elapsed.h"

#include <criterion/criterion.h>

Test(ctl_elapsed, each_workflow_has_its_own_beginning)
{
	static struct elapsed e;
	const char *a = "00000000-0000-4000-8000-000000000001";
	const char *b = "01000000-0000-4000-8000-000000000001";

	cr_assert_eq(elapsed_since(&e, a, 1000), 0);
	cr_assert_eq(elapsed_since(&e, b, 1500), 0);
	cr_assert_eq(elapsed_since(&e, a, 1700), 700);
	cr_assert_eq(elapsed_since(&e, b, 1700), 200);
	/* Clocks of workers differ: what is before the beginning is the beginning. */
	cr_assert_eq(elapsed_since(&e, b, 1000), 0);
	cr_assert_eq(elapsed_since(&e, b, 1200), 200);
	cr_assert_eq(elapsed_since(&e, "", 1), -1);
	cr_assert_eq(elapsed_since(&e, "7", 1), -1);
}

Test(ctl_elapsed, a_newer_one_takes_an_older_ones_place)
{
	static struct elapsed e;
	const char *a = "00000000-0000-4000-8000-000000000001";
	const char *b = "00000000-0000-4000-8000-000000000002";

	cr_assert_eq(elapsed_since(&e, a, 1000), 0);
	cr_assert_eq(elapsed_since(&e, b, 2000), 0);
	cr_assert_eq(elapsed_since(&e, b, 2500), 500);
	cr_assert_eq(elapsed_since(&e, a, 3000), 0);
}
