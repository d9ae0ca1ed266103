/* links: cpoa_ctl */
/* How long workflows have been seen (worker/ctl/elapsed.h). */
#include "ctl/elapsed.h"

#include <criterion/criterion.h>
#include <stdio.h>

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
	char id[UUID_TEXT_SIZE];
	int remembered = 0;

	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < 2 * ELAPSED_PLACES; i++) {
			int64_t seen;

			snprintf(id, sizeof(id), "66914173-c1e8-4a47-9d2e-%012x", (unsigned)i);
			seen = elapsed_since(&e, id, 1000 + pass);
			cr_assert(seen == 0 || (pass == 1 && seen == 1));
			remembered += seen == 1;
			cr_assert_eq(elapsed_since(&e, id, 1500), 500 - (seen == 1 ? 0 : pass));
		}
	/* Of twice as many as there are places, some are known still, and not all. */
	cr_assert(remembered > 0 && remembered < ELAPSED_PLACES, "%d", remembered);
}
