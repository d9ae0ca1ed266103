/* links: cpoa_ctl */
/* Sums of a load, and what it is made of (worker/ctl/tally.h, mix.h). */
#include "ctl/tally.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ctl/mix.h"

Test(ctl_tally, percentiles_are_by_nearest_rank_and_from_the_wanted_time)
{
	static const struct {
		int64_t n, p50, p90, p99, max;
	} rows[] = {
		{0, 0, 0, 0, 0},
		{1, 1, 1, 1, 1},
		{2, 1, 2, 2, 2},
		{10, 5, 9, 10, 10},
		{100, 50, 90, 99, 100},
		{101, 51, 91, 100, 101},
		{1000, 500, 900, 990, 1000},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		struct uuid mark = uuid_new(), id;
		struct tally_sum sum;
		struct tally t;

		tally_init(&t, rows[r].n + 1, &mark);
		id = tally_sent(&t, 3, 0); /* of another type, and never ended */
		for (int64_t i = 0; i < rows[r].n; i++) {
			/* 7 and 1000 are coprime: an order that is none */
			id = tally_sent(&t, 1, 5000);
			cr_assert(tally_ended(&t, &id, TALLY_COMPLETED,
					      5000 + (rows[r].n == 1000 ? i * 7 % 1000 : i) + 1));
			cr_assert(!tally_ended(&t, &id, TALLY_FAILED, 1), "once");
		}
		tally_sum(&t, 1, &sum);
		cr_expect_eq(sum.sent, rows[r].n);
		cr_expect_eq(sum.end[TALLY_COMPLETED], rows[r].n);
		cr_expect_eq(sum.p50_us, rows[r].p50, "row %zu: %lld", r, (long long)sum.p50_us);
		cr_expect_eq(sum.p90_us, rows[r].p90, "row %zu: %lld", r, (long long)sum.p90_us);
		cr_expect_eq(sum.p99_us, rows[r].p99, "row %zu: %lld", r, (long long)sum.p99_us);
		cr_expect_eq(sum.max_us, rows[r].max, "row %zu: %lld", r, (long long)sum.max_us);
		tally_sum(&t, -1, &sum);
		cr_expect_eq(sum.sent, rows[r].n + 1);
		cr_expect_eq(sum.end[TALLY_OPEN], 1);
		cr_expect_eq(t.ended, rows[r].n);
		tally_release(&t);
	}
}

Test(ctl_tally, an_event_of_somebody_elses_workflow_is_none)
{
	struct uuid mark = uuid_new(), other = uuid_new(), id;
	struct tally t;

	tally_init(&t, 2, &mark);
	id = tally_sent(&t, 0, 0);
	cr_assert(!tally_ended(&t, &other, TALLY_COMPLETED, 1));
	id.bytes[15] = 1; /* of this load, but not sent */
	cr_assert(!tally_ended(&t, &id, TALLY_COMPLETED, 1));
	id.bytes[10] = 0xff;
	cr_assert(!tally_ended(&t, &id, TALLY_COMPLETED, 1));
	cr_assert_eq(t.ended, 0);
	tally_release(&t);
}

Test(ctl_mix, each_type_has_its_share_evenly_spread)
{
	int n[WORKFLOW_COUNT] = {0}, in_a_row = 0;
	struct err e = {0};
	struct mix m;

	cr_assert(mix_read(&m, "podcast_generation=8,search_results_generation=2", &e));
	for (int i = 0; i < 1000; i++) {
		int type = mix_next(&m);

		n[type]++;
		in_a_row = type == WORKFLOW_PODCAST ? in_a_row + 1 : 0;
		cr_assert_leq(in_a_row, 5);
	}
	cr_assert_eq(n[WORKFLOW_PODCAST], 800);
	cr_assert_eq(n[WORKFLOW_SEARCH], 200);
	cr_assert(mix_read(&m, "popular_categories", &e));
	cr_assert_eq(mix_next(&m), WORKFLOW_CATEGORIES);
}

Test(ctl_mix, what_is_no_mix_is_told)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "no type of job"},
		{"bogus=1", "'bogus' is no type of job; there are podcast_generation,"},
		{"podcast_generation=0", "podcast_generation the weight '0'; it must be"},
		{"podcast_generation=", "the weight ''"},
		{"podcast_generation=1x", "the weight '1x'"},
		{"podcast_generation=1001", "from 1 to 1000"},
		{"podcast_generation=1,podcast_generation=2", "twice"},
		{"podcast_generation=1,", "no type of job"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		struct err e = {0};
		struct mix m;

		cr_expect(!mix_read(&m, rows[r].text, &e), "%s", rows[r].text);
		cr_expect(e.class == ERR_USAGE && strstr(e.text, rows[r].says), "%s", e.text);
		cr_expect(strstr(e.text, "--mix"), "%s", e.text);
	}
}
