#include "cpoa/strbuf.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

Test(strbuf, empty_is_a_string)
{
	struct strbuf sb;

	strbuf_init(&sb, 10);
	cr_expect_str_eq(sb.buf, "");
	cr_expect_eq(sb.len, 0);
	strbuf_reset(&sb);
	strbuf_cut(&sb, 0);
	strbuf_add(&sb, NULL, 0);
	strbuf_addf(&sb, "%s", "");
	cr_expect_eq(sb.cap, 0, "nothing is allocated for nothing");
	strbuf_release(&sb);
	strbuf_release(&sb);
	cr_expect_str_eq(sb.buf, "");
}

Test(strbuf, adds_in_every_way)
{
	AUTO(strbuf_release) struct strbuf sb;

	strbuf_init(&sb, 1000);
	strbuf_adds(&sb, "one");
	strbuf_addc(&sb, ' ');
	strbuf_add(&sb, "t\0o", 3);
	strbuf_addf(&sb, " %d %s", 3, "four");
	cr_expect_eq(sb.len, 14);
	cr_expect_arr_eq(sb.buf, "one t\0o 3 four", 15);
	strbuf_cut(&sb, 3);
	cr_expect_str_eq(sb.buf, "one");
	cr_expect_not(sb.failed);
}

Test(strbuf, the_ceiling_is_exact_and_what_passes_it_is_dropped_whole)
{
	AUTO(strbuf_release) struct strbuf sb;

	strbuf_init(&sb, 5);
	strbuf_adds(&sb, "12345");
	cr_expect_not(sb.failed);
	cr_expect_str_eq(sb.buf, "12345");
	strbuf_cut(&sb, 3);
	strbuf_addf(&sb, "%s", "abc");
	cr_expect(sb.failed);
	cr_expect_str_eq(sb.buf, "123");
	strbuf_addc(&sb, 'x');
	cr_expect_str_eq(sb.buf, "123", "after a failure a prefix stands");
	strbuf_cut(&sb, 0);
	cr_expect(sb.failed, "a cut forgives nothing");
	strbuf_reset(&sb);
	cr_expect_not(sb.failed);
	strbuf_adds(&sb, "again");
	cr_expect_str_eq(sb.buf, "again");
	cr_expect_not(strbuf_grow(&sb, (size_t)-1), "no overflow");
	strbuf_release(&sb);
	cr_expect_not(sb.failed);
	cr_expect_eq(sb.max, 5);
}

Test(strbuf, a_ceiling_of_zero)
{
	AUTO(strbuf_release) struct strbuf sb;

	strbuf_init(&sb, 0);
	cr_expect(strbuf_grow(&sb, 0));
	strbuf_addc(&sb, 'x');
	cr_expect(sb.failed);
	cr_expect_str_eq(sb.buf, "");
}

Test(strbuf, detach_hands_over)
{
	struct strbuf sb;
	size_t len = 9;
	char *s;

	strbuf_init(&sb, 100);
	s = strbuf_detach(&sb, &len);
	cr_expect_str_eq(s, "");
	cr_expect_eq(len, 0);
	free(s);
	strbuf_adds(&sb, "mine");
	s = strbuf_detach(&sb, NULL);
	cr_expect_str_eq(s, "mine");
	cr_expect_str_eq(sb.buf, "");
	free(s);
	strbuf_adds(&sb, "next");
	cr_expect_str_eq(sb.buf, "next");
	strbuf_release(&sb);
}

Test(strbuf, grow_makes_room_once)
{
	AUTO(strbuf_release) struct strbuf sb;
	const char *before;

	strbuf_init(&sb, 1 << 20);
	cr_expect(strbuf_grow(&sb, 5000));
	before = sb.buf;
	for (int i = 0; i < 5000; i++)
		strbuf_addc(&sb, 'x');
	cr_expect_eq(sb.buf, before);
}

Test(strbuf, cut_beyond_the_end_is_a_bug, .signal = SIGABRT)
{
	struct strbuf sb;

	strbuf_init(&sb, 10);
	strbuf_cut(&sb, 1);
}
