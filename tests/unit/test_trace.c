#include "cpoa/trace.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define SPAN_ID	 "b7ad6b7169203331"

Test(trace, a_parent_goes_in_and_out)
{
	struct trace t;
	char text[TRACE_PARENT_SIZE];

	cr_assert(trace_parse(&t, "00-" TRACE_ID "-" SPAN_ID "-01"));
	trace_text(&t, text);
	cr_expect_str_eq(text, "00-" TRACE_ID "-" SPAN_ID "-01");
}

Test(trace, what_a_parent_is)
{
	static const struct {
		const char *text;
		int flags; /* -1: refused */
	} rows[] = {
		{"00-" TRACE_ID "-" SPAN_ID "-00", 0},
		{"00-" TRACE_ID "-" SPAN_ID "-01", 1},
		{"00-" TRACE_ID "-" SPAN_ID "-ff", 1},
		{"00-" TRACE_ID "-" SPAN_ID "-fe", 0},
		{"01-" TRACE_ID "-" SPAN_ID "-01", 1},
		{"cc-" TRACE_ID "-" SPAN_ID "-01-what-the-future-brings", 1},
		{"cc-" TRACE_ID "-" SPAN_ID "-01-", 1},
		{"cc-" TRACE_ID "-" SPAN_ID "-01.x", -1},
		{"cc-" TRACE_ID "-" SPAN_ID "-011", -1},
		{"00-" TRACE_ID "-" SPAN_ID "-01-x", -1},
		{"00-" TRACE_ID "-" SPAN_ID "-01 ", -1},
		{"00-" TRACE_ID "-" SPAN_ID "-1", -1},
		{"00-" TRACE_ID "-" SPAN_ID, -1},
		{"ff-" TRACE_ID "-" SPAN_ID "-01", -1},
		{"0-" TRACE_ID "-" SPAN_ID "-01", -1},
		{"00-00000000000000000000000000000000-" SPAN_ID "-01", -1},
		{"00-" TRACE_ID "-0000000000000000-01", -1},
		{"00-0AF7651916CD43DD8448EB211C80319C-" SPAN_ID "-01", -1},
		{"00-0gf7651916cd43dd8448eb211c80319c-" SPAN_ID "-01", -1},
		{"00_" TRACE_ID "-" SPAN_ID "-01", -1},
		{"00-" TRACE_ID "_" SPAN_ID "-01", -1},
		{"00-" TRACE_ID "-" SPAN_ID "_01", -1},
		{"00-" TRACE_ID "-" SPAN_ID "-0x", -1},
		{" 00-" TRACE_ID "-" SPAN_ID "-01", -1},
		{"", -1},
		{NULL, -1},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct trace t = {.flags = 99};
		bool ok = trace_parse(&t, rows[r].text);

		cr_expect_eq(ok, rows[r].flags >= 0, "%s", rows[r].text ? rows[r].text : "NULL");
		cr_expect_eq(t.flags, ok ? rows[r].flags : 99, "row %zu", r);
	}
}

Test(trace, text_that_ends_early_is_not_read_beyond)
{
	static const char whole[] = "00-" TRACE_ID "-" SPAN_ID "-01";

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		char *part = strndup(whole, len);
		struct trace t;

		cr_expect_not(trace_parse(&t, part));
		free(part);
	}
}

Test(trace, new_and_child)
{
	struct trace a = trace_new(), b = trace_new();
	struct trace child = trace_child(&a);

	cr_expect_eq(a.flags, 1);
	cr_expect_arr_neq(a.trace_id, b.trace_id, 16);
	cr_expect_arr_neq(a.span_id, b.span_id, 8);
	cr_expect_arr_eq(child.trace_id, a.trace_id, 16);
	cr_expect_arr_neq(child.span_id, a.span_id, 8);
	a.flags = 0;
	cr_expect_eq(trace_child(&a).flags, 0);
}

Test(trace, state_is_printable_and_short)
{
	char text[TRACE_STATE_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[TRACE_STATE_MAX] = '\0';
	cr_expect(trace_state_ok(text));
	text[TRACE_STATE_MAX] = 'x';
	text[TRACE_STATE_MAX + 1] = '\0';
	cr_expect_not(trace_state_ok(text));
	cr_expect(trace_state_ok("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
	cr_expect(trace_state_ok(" ~"));
	cr_expect_not(trace_state_ok(""));
	cr_expect_not(trace_state_ok(NULL));
	cr_expect_not(trace_state_ok("a=b\r\nX-Evil: 1"));
	cr_expect_not(trace_state_ok("a=\xC3\xA4"));
	cr_expect_not(trace_state_ok("a=\x7F"));
}
