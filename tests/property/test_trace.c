#include "cpoa/trace.h"

#include <criterion/criterion.h>
#include <string.h>

#include "cpoa/backoff.h"

Test(trace, what_is_written_is_read_back)
{
	for (int i = 0; i < 2000; i++) {
		struct trace t = trace_new(), again;
		char text[TRACE_PARENT_SIZE];

		t = trace_child(&t);
		trace_text(&t, text);
		cr_assert_eq(strlen(text), TRACE_PARENT_SIZE - 1);
		cr_assert(trace_parse(&again, text));
		cr_assert_arr_eq(again.trace_id, t.trace_id, 16);
		cr_assert_arr_eq(again.span_id, t.span_id, 8);
		cr_assert_eq(again.flags, t.flags);
	}
}

/* Of version 00 there is one spelling for each value: what is accepted is what would be written. */
Test(trace, a_changed_byte_is_refused_or_another_parent)
{
	struct rng rng;

	rng_seed(&rng, 21);
	for (int i = 0; i < 200000; i++) {
		char text[TRACE_PARENT_SIZE] =
			"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
		char again[TRACE_PARENT_SIZE];
		size_t at = (size_t)rng_between(&rng, 0, TRACE_PARENT_SIZE - 2);
		struct trace t;

		text[at] = (char)rng_next(&rng);
		if (!trace_parse(&t, text))
			continue;
		trace_text(&t, again);
		/* Not the version, which is ours, nor the flags, of which we know one. */
		cr_assert_arr_eq(again + 2, text + 2, 51);
	}
}
