/* links: cpoa_ctl */
/*
 * Texts as they reach a terminal, and what is laid out of them: tables and the timeline's bars.
 */
#include "ctl/output.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/table.h"
#include "ctl/timeline.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define FFFD	 "\xef\xbf\xbd"
#define FULL	 "\xe2\x96\x88"
#define THIN	 "\xe2\x96\x8f"

Test(ctl_output, text_is_cleaned_and_cut_by_columns)
{
	static const struct {
		const char *in;
		int columns;
		const char *out;
	} rows[] = {
		{"plain", 0, "plain"},
		{"exact", 5, "exact"},
		{"exactly", 5, "exac" ELLIPSIS},
		{"a\033[31mb\r\n\tc\x7f", 0, "a [31mb   c "},
		{"a\xc2\x9b"
		 "31mb",
		 0, "a 31mb"},
		{"broken \xff\xc3", 0, "broken   "},
		{"x\xe2\x80\xaeyz", 0, "x" FFFD "yz"},
		{"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 6, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
		{"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, "\xe6\x97\xa5\xe6\x9c\xac" ELLIPSIS},
		{"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, "\xe6\x97\xa5" ELLIPSIS},
		{"e\xcc\x81te\xcc\x81", 3, "e\xcc\x81te\xcc\x81"},
		{"", 3, ""},
		{NULL, 3, ""},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		AUTO(strbuf_release) struct strbuf sb;

		strbuf_init(&sb, 1000);
		text_clean(&sb, rows[r].in, rows[r].columns);
		cr_expect_str_eq(sb.buf, rows[r].out, "row %zu: '%s'", r, sb.buf);
		cr_expect(!rows[r].columns || text_columns(sb.buf) <= rows[r].columns, "row %zu",
			  r);
	}
}

Test(ctl_output, text_is_appended_and_bounded)
{
	AUTO(strbuf_release) struct strbuf sb;
	char *long_text = xmalloc(TEXT_CLEAN_MAX + 100);

	memset(long_text, 'x', TEXT_CLEAN_MAX + 99);
	long_text[TEXT_CLEAN_MAX + 99] = '\0';
	strbuf_init(&sb, 4 * TEXT_CLEAN_MAX);
	strbuf_adds(&sb, "before: ");
	text_clean(&sb, long_text, 4);
	cr_expect_str_eq(sb.buf, "before: xxx" ELLIPSIS);
	strbuf_reset(&sb);
	text_clean(&sb, long_text, 0);
	cr_expect_eq(sb.len, TEXT_CLEAN_MAX);
	free(long_text);
}

Test(ctl_output, width_comes_from_columns_within_bounds)
{
	setenv("COLUMNS", "123", 1);
	cr_expect_eq(output_width(), 123);
	setenv("COLUMNS", "1", 1);
	cr_expect_eq(output_width(), 40);
	setenv("COLUMNS", "99999999", 1);
	cr_expect_eq(output_width(), 1000);
}

Test(ctl_output, times)
{
	struct json_object *o = json_object_new_object();
	char text[TIME_TEXT_SIZE];

	cr_expect_str_eq(time_text(text, 0), "");
	cr_expect_str_eq(took_text(text, 1000000, 2500000), "1.5 s");
	cr_expect_str_eq(took_text(text, 0, 2500000), "");
	cr_expect_str_eq(took_text(text, 2500000, 0), "");
	cr_expect_str_eq(took_text(text, 2500000, 1000000), "", "clocks may jump");
	json_set_time(o, "at", INT64_C(1749893400123000));
	json_set_time(o, "never", 0);
	cr_expect_str_eq(json_str(o, "at"), "2025-06-14T09:30:00.123Z");
	cr_expect_null(json_str(o, "never"));
	cr_expect(json_object_object_get_ex(o, "never", NULL));
	json_put(&o);
}

static void print_into(const struct table *t, int width, char *out, size_t size)
{
	FILE *f = fmemopen(out, size, "w");

	cr_assert(f);
	table_print(t, f, width);
	fclose(f);
}

Test(ctl_output, a_table_pads_cuts_and_leaves_out)
{
	static const struct table_column columns[] = {
		{"NAME"}, {"N", .right = true}, {"ERROR", .gives = true}};
	char out[1000];
	struct table t;

	table_init(&t, columns, 3);
	table_add(&t, (const char *const[]){"one", "1", NULL});
	table_add(&t, (const char *const[]){"second", "12345", "it broke\nin two"});
	table_note(&t, "a note beneath");
	cr_expect_eq(table_width(&t), 6 + 2 + 5 + 2 + 15);
	print_into(&t, 0, out, sizeof(out));
	cr_expect_str_eq(out, "NAME        N  ERROR\n"
			      "one         1\n"
			      "second  12345  it broke in two\n"
			      "    a note beneath\n");
	print_into(&t, 24, out, sizeof(out));
	cr_expect_str_eq(out, "NAME        N  ERROR\n"
			      "one         1\n"
			      "second  12345  it broke" ELLIPSIS "\n"
			      "    a note beneath\n");
	print_into(&t, 16, out, sizeof(out));
	cr_expect_str_eq(out, "NAME        N\n"
			      "one         1\n"
			      "second  12345\n"
			      "    a note bene" ELLIPSIS "\n");
	table_set(&t, 0, 2, "set");
	print_into(&t, 0, out, sizeof(out));
	cr_expect(strstr(out, "one         1  set\n"), "%s", out);
	table_release(&t);
}

Test(ctl_output, bars_are_drawn_to_scale)
{
	static const struct {
		int64_t start, end, from, to;
		int columns;
		const char *bar;
	} rows[] = {
		{100, 200, 100, 200, 4, FULL FULL FULL FULL},
		{100, 150, 100, 200, 4, FULL FULL},
		{150, 200, 100, 200, 4, "  " FULL FULL},
		{150, 150, 100, 200, 4, "  " THIN},
		{200, 200, 100, 200, 4, "   " FULL},
		{0, 200, 100, 200, 4, ""},
		{50, 900, 100, 200, 2, FULL FULL},
		{100, 200, 100, 100, 4, THIN},
		{100, 200, 100, 200, 0, ""},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		AUTO(strbuf_release) struct strbuf sb;

		strbuf_init(&sb, 100);
		timeline_bar(&sb, rows[r].start, rows[r].end, rows[r].from, rows[r].to,
			     rows[r].columns);
		cr_expect_str_eq(sb.buf, rows[r].bar, "row %zu: '%s'", r, sb.buf);
	}
}
