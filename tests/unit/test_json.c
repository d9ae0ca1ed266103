#include "cpoa/json.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/strbuf.h"

#define FFFD "\xEF\xBF\xBD"

/* From memory of exactly that size, so that AddressSanitizer sees a read beyond. */
static enum json_verdict read_exactly(const char *text, size_t len, int depth, enum json_mode mode,
				      struct json_object **out, struct err *e)
{
	char *copy = malloc(len ? len : 1);
	enum json_verdict verdict;

	memcpy(copy, text, len);
	*e = (struct err){0};
	verdict = json_read(copy, len, depth, mode, out, e);
	free(copy);
	return verdict;
}

struct row {
	const char *text;
	enum json_verdict strict;
	const char *mended; /* NULL: not OK in the other mode either */
};

static void check_row(const struct row *row, const char *text, size_t len)
{
	for (int mode = JSON_STRICT; mode <= JSON_MEND; mode++) {
		enum json_verdict expected =
			mode == JSON_MEND && row->mended ? JSON_OK : row->strict;
		struct json_object *o;
		struct err e;
		enum json_verdict v =
			read_exactly(text, len, JSON_DEPTH_MAX, (enum json_mode)mode, &o, &e);

		cr_expect_eq(v, expected, "%s: %d, %s", text, v, e.text);
		if (v == JSON_OK) {
			char *again = json_text(o, NULL);

			cr_expect_str_eq(again, row->mended, "%s: %s", text, again);
			cr_expect_eq(e.class, ERR_NONE, "the error is untouched on success");
			free(again);
		} else {
			cr_expect_null(o);
			cr_expect_eq(e.class, ERR_REJECT);
			cr_expect(strstr(e.text, " at byte "), "%s", e.text);
		}
		json_put(&o);
	}
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t r = 0; r < n; r++)
		check_row(&rows[r], rows[r].text, strlen(rows[r].text));
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

Test(json, what_is_json)
{
	static const struct row rows[] = {
		{"null", JSON_OK, "null"},
		{" \t\r\n{ \"a\" : [ 1 , 2.50 , true, false,null ] } \r\n\t ", JSON_OK,
		 "{\"a\":[1,2.50,true,false,null]}"},
		{"\"\"", JSON_OK, "\"\""},
		{"1 \n", JSON_OK, "1"},
		{"\"a\"\r\n", JSON_OK, "\"a\""},
		{"\ttrue\t", JSON_OK, "true"},
		{"\n1.5e3\n", JSON_OK, "1.5e3"},
		{" 99999999999999999999 ", JSON_OK, "99999999999999999999e0"},
		{"[]", JSON_OK, "[]"},
		{"{}", JSON_OK, "{}"},
		{"{\"\":{}}", JSON_OK, "{\"\":{}}"},
		{"{\"a\":1,\"a\":2}", JSON_OK, "{\"a\":2}"},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e4\\u20AC\"", JSON_OK,
		 "\"\\\"\\\\/\\b\\f\\n\\r\\tA\xC3\xA4\xE2\x82\xAC\""},
		{"\"\\ud83d\\ude00\xF0\x9F\x98\x80\x7F\"", JSON_OK,
		 "\"\xF0\x9F\x98\x80\xF0\x9F\x98\x80\x7F\""},
		{"\"http://a/b?c='d'\"", JSON_OK, "\"http://a/b?c='d'\""},
	};

	CHECK_ROWS(rows);
}

Test(json, what_is_not)
{
	static const char *const rows[] = {
		"",
		" ",
		"{",
		"}",
		"[",
		"]",
		"[1",
		"[1}",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"[1,]",
		"[,1]",
		"[1,,2]",
		"{\"a\":1,}",
		"{,}",
		"{a:1}",
		"{1:2}",
		"{\"a\" 1}",
		"{\"a\":}",
		"{\"a\":1 \"b\":2}",
		"[\"a\":1]",
		"[1 2]",
		":",
		",",
		"1 2",
		"{} {}",
		"[1]x",
		"[]]",
		"'a'",
		"{'a':1}",
		"NaN",
		"nan",
		"-NaN",
		"[NaN]",
		"Infinity",
		"-Infinity",
		"True",
		"TRUE",
		"nul",
		"nulll",
		"truefalse",
		"true\"x\"",
		"tru",
		"undefined",
		"01",
		"-01",
		"00",
		"-",
		"--1",
		"+1",
		"1.",
		".5",
		"-.5",
		"1e",
		"1e+",
		"1e1.5",
		"1.e5",
		"0x10",
		"1_0",
		"1-2",
		"1a",
		"1\"a\"",
		"- 1",
		"\"",
		"\"a",
		"\"\\",
		"\"\\\"",
		"\"\\x\"",
		"\"\\a\"",
		"\"\\U0041\"",
		"\"\\u\"",
		"\"\\u12",
		"\"\\u12g4\"",
		"\"\\u 123\"",
		"\"\\u+123\"",
		"\"\\ud83d\\u12\"",
		"\"a\nb\"",
		"\"a\tb\"",
		"\"1234567\x01\"",
		"\"\x1f\"",
		"/**/1",
		"1//",
		"#1",
		"\xEF\xBB\xBF{}",
		"\v1",
		"\f1",
		"\xC2\xA0-",
		"\xFF",
		"\"a\" \xFF",
		"[\"\xFF\" 1]",
		"[\"\\u0000\" 1]",
		"{\"a\":1e999",
		"[1e999,]",
		"\\u0000",
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		check_row(&(struct row){rows[r], JSON_SYNTAX, NULL}, rows[r], strlen(rows[r]));
}

Test(json, a_nul_byte_is_no_json_anywhere)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {{"\0", 1},	     {"1\0", 2},  {"{}\0", 3},	     {"{\0}", 3},
		    {"\"a\0b\"", 5}, {"\0{}", 3}, {"{\"a\0\":1}", 8}};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		check_row(&(struct row){"", JSON_SYNTAX, NULL}, rows[r].text, rows[r].len);
}

Test(json, text_that_cannot_be_stored)
{
	static const struct row rows[] = {
		{"\"\\u0000\"", JSON_UNSTORABLE, "\"" FFFD "\""},
		{"\"a\\u0000b\\u0000\"", JSON_UNSTORABLE, "\"a" FFFD "b" FFFD "\""},
		{"\"\\\\u0000\"", JSON_OK, "\"\\\\u0000\""},
		{"\"\\\\\\u0000\"", JSON_UNSTORABLE, "\"\\\\" FFFD "\""},
		{"{\"k\\u0000\":[{\"l\\u0000\":1}]}", JSON_UNSTORABLE,
		 "{\"k" FFFD "\":[{\"l" FFFD "\":1}]}"},
		{"\"\\ud800\"", JSON_UNSTORABLE, "\"" FFFD "\""},
		{"\"\\uDBFFx\"", JSON_UNSTORABLE, "\"" FFFD "x\""},
		{"\"\\udc00\"", JSON_UNSTORABLE, "\"" FFFD "\""},
		{"\"\\ude00\\ud83d\"", JSON_UNSTORABLE, "\"" FFFD FFFD "\""},
		{"\"\\ud83d\\ud83d\\ude00\"", JSON_UNSTORABLE, "\"" FFFD "\xF0\x9F\x98\x80\""},
		{"\"\\ud83d\\n\"", JSON_UNSTORABLE, "\"" FFFD "\\n\""},
		{"\"\\ud83d\\u0000\"", JSON_UNSTORABLE, "\"" FFFD FFFD "\""},
		{"\"\xFF\"", JSON_UNSTORABLE, "\"" FFFD "\""},
		{"\"\xC3\"", JSON_UNSTORABLE, "\"" FFFD "\""},
		{"\"a\xE2\x82\"", JSON_UNSTORABLE, "\"a" FFFD FFFD "\""},
		{"\"\xC0\x80\"", JSON_UNSTORABLE, "\"" FFFD FFFD "\""},
		{"\"\xED\xA0\x80\"", JSON_UNSTORABLE, "\"" FFFD FFFD FFFD "\""},
		{"\"\xF4\x90\x80\x80\"", JSON_UNSTORABLE, "\"" FFFD FFFD FFFD FFFD "\""},
		{"{\"\xFF\":\"\\u0000\"}", JSON_UNSTORABLE, "{\"" FFFD "\":\"" FFFD "\"}"},
		{"\"\xF0\x9F\x98\"", JSON_UNSTORABLE, "\"" FFFD FFFD FFFD "\""},
	};

	CHECK_ROWS(rows);
}

Test(json, numbers)
{
	static const struct row rows[] = {
		{"0", JSON_OK, "0"},
		{"-1", JSON_OK, "-1"},
		{"9223372036854775807", JSON_OK, "9223372036854775807"},
		{"18446744073709551615", JSON_OK, "18446744073709551615"},
		{"-9223372036854775808", JSON_OK, "-9223372036854775808"},
		/* Beyond: every digit is kept, in a spelling that json-c does not round. */
		{"18446744073709551616", JSON_OK, "18446744073709551616e0"},
		{"[-9223372036854775809,1]", JSON_OK, "[-9223372036854775809e0,1]"},
		{"123456789012345678901234567890", JSON_OK, "123456789012345678901234567890e0"},
		{"1.10", JSON_OK, "1.10"},
		{"0.1000000000000000055511151231257827", JSON_OK,
		 "0.1000000000000000055511151231257827"},
		{"1E5", JSON_OK, "1E5"},
		{"1e-5", JSON_OK, "1e-5"},
		{"-2.5e+3", JSON_OK, "-2.5e+3"},
		{"1e308", JSON_OK, "1e308"},
		{"1e-400", JSON_OK, "1e-400"},
		{"1e400", JSON_UNSTORABLE, "null"},
		{"-1e400", JSON_UNSTORABLE, "null"},
		{"{\"a\":[1e309,2]}", JSON_UNSTORABLE, "{\"a\":[null,2]}"},
		{"1e99999999999999999999", JSON_UNSTORABLE, "null"},
		{"1e-20000", JSON_UNSTORABLE, "null"},
		{"1e-16383", JSON_OK, "1e-16383"},
		{"1.5e-16383", JSON_UNSTORABLE, "null"},
		{"0e99999999999", JSON_UNSTORABLE, "null"},
		{"\"1e400\"", JSON_OK, "\"1e400\""},
	};

	CHECK_ROWS(rows);
}

Test(json, numbers_of_many_digits)
{
	static const struct {
		const char *before;
		int digits;
		enum json_verdict strict;
	} rows[] = {
		{"", 300, JSON_OK},
		{"", 308, JSON_OK},
		{"", 310, JSON_UNSTORABLE},
		{"-", 50000, JSON_UNSTORABLE},
		{"0.", 1000, JSON_OK},
		{"0.", 16383, JSON_OK},
		{"0.", 16384, JSON_UNSTORABLE},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		AUTO(strbuf_release) struct strbuf text;
		struct json_object *o;
		struct err e;

		strbuf_init(&text, 1 << 20);
		strbuf_adds(&text, rows[r].before);
		for (int i = 0; i < rows[r].digits; i++)
			strbuf_addc(&text, '9');
		cr_expect_eq(read_exactly(text.buf, text.len, 1, JSON_STRICT, &o, &e),
			     rows[r].strict, "row %zu: %s", r, e.text);
		json_put(&o);
		cr_expect_eq(read_exactly(text.buf, text.len, 1, JSON_MEND, &o, &e), JSON_OK);
		json_put(&o);
	}
}

/* jsonb writes 1e-16383 with all its zeros, so 8 bytes of a job would come back as 16 KiB. */
Test(json, exponents_stand_for_so_many_zeros_all_together)
{
	static const struct {
		const char *number;
		int n;
		enum json_verdict strict;
	} rows[] = {
		{"1e-16383", 64, JSON_OK},	   {"1e-16383", 65, JSON_UNSTORABLE},
		{"0e-16383", 65, JSON_UNSTORABLE}, {"1e300", 3495, JSON_OK},
		{"1e300", 3496, JSON_UNSTORABLE},  {"1.5e0", 40000, JSON_OK},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		AUTO(strbuf_release) struct strbuf text;
		AUTO(free_ptr) char *mended = NULL;
		struct json_object *o;
		struct err e;

		strbuf_init(&text, 1 << 20);
		strbuf_addc(&text, '[');
		for (int i = 0; i < rows[r].n; i++)
			strbuf_addf(&text, "%s,", rows[r].number);
		strbuf_adds(&text, "1]");
		cr_expect_eq(read_exactly(text.buf, text.len, 1, JSON_STRICT, &o, &e),
			     rows[r].strict, "row %zu: %s", r, e.text);
		json_put(&o);
		cr_expect_eq(read_exactly(text.buf, text.len, 1, JSON_MEND, &o, &e), JSON_OK);
		mended = json_text(o, NULL);
		cr_expect_eq(strstr(mended, "null") == NULL, rows[r].strict == JSON_OK, "row %zu",
			     r);
		cr_expect(strstr(mended, ",1]"), "row %zu: what follows stays", r);
		json_put(&o);
	}
}

static enum json_verdict read_nested(int depth, const char *open, const char *inner,
				     const char *close, int max)
{
	AUTO(strbuf_release) struct strbuf text;
	enum json_verdict verdict;
	struct json_object *o;
	struct err e;

	strbuf_init(&text, 1 << 24);
	for (int i = 0; i < depth; i++)
		strbuf_adds(&text, open);
	strbuf_adds(&text, inner);
	for (int i = 0; i < depth; i++)
		strbuf_adds(&text, close);
	verdict = read_exactly(text.buf, text.len, max, JSON_STRICT, &o, &e);
	json_put(&o);
	return verdict;
}

Test(json, depth)
{
	static const char *const shapes[][3] = {{"[", "", "]"},
						{"[", "1", "]"},
						{"{\"a\":", "1", "}"},
						{"{\"a\":", "null", "}"},
						{"[0,", "\"[[[[\"", ",0]"}};

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		const char *const *sh = shapes[s];

		for (int max = 1; max <= 34; max++) {
			cr_expect_eq(read_nested(max, sh[0], sh[1], sh[2], max), JSON_OK,
				     "shape %zu depth %d", s, max);
			cr_expect_eq(read_nested(max + 1, sh[0], sh[1], sh[2], max), JSON_DEEP,
				     "shape %zu depth %d", s, max);
		}
	}
	cr_expect_eq(read_nested(0, "", "1", "", 0), JSON_OK);
	cr_expect_eq(read_nested(1, "[", "", "]", 0), JSON_DEEP);
	cr_expect_eq(read_nested(1000000, "[", "", "]", 32), JSON_DEEP);
	cr_expect_eq(read_nested(1000000, "[{},", "", "", 32), JSON_DEEP);
	cr_expect_eq(read_nested(1000, "[],", "", "", 32), JSON_SYNTAX, "side by side is not deep");
	cr_expect_eq(read_nested(1000, "]", "[", "", 32), JSON_SYNTAX);
}

Test(json, the_place_is_told)
{
	struct json_object *o;
	struct err e;

	read_exactly("[1,\n x]", 7, 9, JSON_STRICT, &o, &e);
	cr_expect_str_eq(e.text, "not JSON: an unexpected character at byte 5");
	read_exactly("[\"ab\\u0000\"]", 12, 9, JSON_STRICT, &o, &e);
	cr_expect_str_eq(e.text, "JSON that cannot be stored: a NUL character at byte 4");
	read_exactly("[[1]]", 5, 1, JSON_STRICT, &o, &e);
	cr_expect_str_eq(e.text, "JSON that is nested too deep or has too many parts: "
				 "one array or object too many at byte 1");
}

Test(json, getters_take_what_they_find)
{
	static const char text[] =
		"{\"s\":\"x\",\"n\":-5,\"d\":5.0,\"f\":5.5,\"h\":1e300,\"o\":{\"k\":1},\"a\":[1],"
		"\"z\":null,\"b\":true,\"u\":18446744073709551615}";
	struct json_object *o;
	struct err e;

	cr_assert_eq(read_exactly(text, strlen(text), 9, JSON_STRICT, &o, &e), JSON_OK);
	cr_expect_str_eq(json_str(o, "s"), "x");
	cr_expect_null(json_str(o, "n"));
	cr_expect_null(json_str(o, "z"));
	cr_expect_null(json_str(o, "missing"));
	cr_expect_null(json_str(NULL, "s"));
	cr_expect_null(json_str(json_arr(o, "a"), "s"));
	cr_expect_eq(json_num(o, "n", 7), -5);
	cr_expect_eq(json_num(o, "d", 7), 5, "5.0 is a whole number");
	cr_expect_eq(json_num(o, "f", 7), 7);
	cr_expect_eq(json_num(o, "h", 7), 7);
	cr_expect_eq(json_num(o, "s", 7), 7);
	cr_expect_eq(json_num(o, "b", 7), 7);
	cr_expect_eq(json_num(o, "u", 7), INT64_MAX);
	cr_expect_eq(json_num(NULL, "n", 7), 7);
	cr_expect_eq(json_num(json_obj(o, "o"), "k", 7), 1);
	cr_expect_null(json_obj(o, "a"));
	cr_expect_null(json_arr(o, "o"));
	cr_expect_null(json_obj(o, "z"));
	cr_expect_not_null(json_any(o, "b"));
	cr_expect_null(json_any(o, "z"));
	json_put(&o);
}

Test(json, setters_and_text)
{
	struct json_object *o = json_object_new_object(),
			   *shared = json_object_new_string("s/\xC3\xA4");
	size_t len;
	char *text;

	json_set_str(o, "a", "x\n");
	json_set_str(o, "b", NULL);
	json_set_num(o, "c", INT64_MIN);
	json_set(o, "d", json_object_new_array());
	json_set_ref(o, "e", shared);
	json_set_ref(o, "f", NULL);
	json_set_num(o, "a", 1);
	json_put(&shared);
	text = json_text(o, &len);
	cr_expect_str_eq(text, "{\"a\":1,\"b\":null,\"c\":-9223372036854775808,\"d\":[],\"e\":\"s/"
			       "\xC3\xA4\",\"f\":null}");
	cr_expect_eq(len, strlen(text));
	free(text);
	json_put(&o);
	text = json_text(NULL, &len);
	cr_expect_str_eq(text, "null");
	free(text);
}

Test(utf8, ok)
{
	static const struct {
		const char *s;
		bool ok;
	} rows[] = {
		{"", true},
		{"plain ASCII of more than eight bytes\x7F", true},
		{"\xC2\x80", true},
		{"\xDF\xBF", true},
		{"\xE0\xA0\x80", true},
		{"\xED\x9F\xBF", true},
		{"\xEE\x80\x80", true},
		{"\xEF\xBF\xBF", true},
		{"\xF0\x90\x80\x80", true},
		{"\xF4\x8F\xBF\xBF", true},
		{"12345678\xC3\xA4"
		 "12345678\xE2\x82\xAC",
		 true},
		{"\x80", false},
		{"\xBF", false},
		{"\xC0\x80", false},
		{"\xC1\xBF", false},
		{"\xC2", false},
		{"\xC2 ", false},
		{"\xE0\x9F\xBF", false},
		{"\xE2\x82", false},
		{"\xE2\x82 ", false},
		{"\xED\xA0\x80", false},
		{"\xED\xBF\xBF", false},
		{"\xF0\x8F\xBF\xBF", false},
		{"\xF0\x9F\x98", false},
		{"\xF4\x90\x80\x80", false},
		{"\xF5\x80\x80\x80", false},
		{"\xFE", false},
		{"\xFF", false},
		{"1234567\xFF", false},
		{"12345678\xFF", false},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		cr_expect_eq(utf8_ok(rows[r].s, strlen(rows[r].s)), rows[r].ok, "row %zu", r);
	for (size_t at = 0; at < 20; at++) {
		char text[20];

		memset(text, 'x', sizeof(text));
		text[at] = '\0';
		cr_expect_not(utf8_ok(text, sizeof(text)), "a NUL at %zu", at);
	}
	cr_expect_eq(utf8_char("\xE2\x82\xACx", 4), 3);
	cr_expect_eq(utf8_char("\xE2\x82\xACx", 2), 0);
	cr_expect_eq(utf8_char("", 0), 0);
	cr_expect_eq(utf8_char("", 1), 0);
}

Test(utf8, cut)
{
	static const struct {
		const char *s;
		size_t max, cut;
	} rows[] = {
		{"", 0, 0},
		{"abc", 3, 3},
		{"abc", 4, 3},
		{"abc", 2, 2},
		{"abc", 0, 0},
		{"one two three", 13, 13},
		{"one two three", 12, 8},
		{"one two three", 8, 8},
		{"one two three", 7, 7},
		{"one two three", 6, 4},
		{"one\ntwo", 5, 4},
		{" abcdef", 5, 1},
		{"\xC3\xA4\xC3\xA4", 3, 2},
		{"\xC3\xA4\xC3\xA4", 1, 0},
		{"\xE2\x82\xAC\xE2\x82\xAC", 5, 3},
		{"\xF0\x9F\x98\x80x\xF0\x9F\x98\x80", 8, 5},
		{"\xF0\x9F\x98\x80", 3, 0},
		{"x \xF0\x9F\x98\x80y", 4, 2},
	};
	char text[1000];

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		cr_expect_eq(utf8_cut(rows[r].s, strlen(rows[r].s), rows[r].max), rows[r].cut,
			     "row %zu", r);
	memset(text, 'x', sizeof(text));
	text[300] = ' ';
	cr_expect_eq(utf8_cut(text, sizeof(text), 500), 301);
	cr_expect_eq(utf8_cut(text, sizeof(text), 501), 501,
		     "a space further back than 200 bytes does not count");
	memset(text, '\x80', sizeof(text));
	cr_expect_geq(utf8_cut(text, sizeof(text), 500), 497, "broken text is cut, too");
}

Test(utf8, count)
{
	cr_expect_eq(utf8_count("", 0), 0);
	cr_expect_eq(utf8_count("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 10), 4);
}
