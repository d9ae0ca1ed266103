/* links: cpoa_harvest_text */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "harvest/charset.h"

/* A literal with its length: there are NULs in some. */
#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *what;
	const char *bytes;
	size_t len;
	const char *header;
	const char *name;
} sniffed[] = {
	/* clang-format off */
	{"nothing said, ASCII", BYTES("plain"), NULL, "UTF-8"},
	{"nothing said, valid UTF-8", BYTES("caf\xc3\xa9"), NULL, "UTF-8"},
	{"nothing said, not UTF-8", BYTES("caf\xe9 noir"), NULL, "WINDOWS-1252"},
	{"nothing said, cut within a character", BYTES("caf\xc3"), NULL, "UTF-8"},
	{"a mark before all", BYTES("\xef\xbb\xbf<meta charset=koi8-r>"), "iso-8859-5", "UTF-8"},
	{"UTF-16 by its mark", BYTES("\xff\xfe" "a\0"), "utf-8", "UTF-16LE"},
	{"UTF-16, the other end first", BYTES("\xfe\xff\0a"), NULL, "UTF-16BE"},
	{"the header before the meta", BYTES("<meta charset=koi8-r>"), "windows-1251", "windows-1251"},
	{"a whole header", BYTES("x"), "text/html; charset=\"EUC-JP\"; x=y", "EUC-JP"},
	{"a header without", BYTES("x\xe9 "), "text/html", "WINDOWS-1252"},
	{"a header nobody knows", BYTES("<meta charset='koi8-r'>"), "x-unheard-of", "koi8-r"},
	{"latin1 means 1252", BYTES("x"), "ISO-8859-1", "WINDOWS-1252"},
	{"meta", BYTES("<META  CharSet = \"Shift_JIS\" />"), NULL, "CP932"},
	{"old meta", BYTES("<meta http-equiv=Content-Type content='text/html; charset=gb2312'>"), NULL, "GB18030"},
	{"meta cannot say UTF-16", BYTES("<meta charset=utf-16>"), NULL, "UTF-8"},
	{"the second meta", BYTES("<meta name=x><meta charset=big5>"), NULL, "BIG5-HKSCS"},
	{"an unended meta", BYTES("<meta charset=big5"), NULL, "UTF-8"},
	{"charset without a value", BYTES("<meta charset>"), "charset", "UTF-8"},
	/* clang-format on */
};

Test(charset, is_sniffed_in_the_order_of_browsers)
{
	for (size_t i = 0; i < sizeof(sniffed) / sizeof(sniffed[0]); i++) {
		char name[CHARSET_NAME_MAX];
		size_t bom;
		charset_sniff(sniffed[i].bytes, sniffed[i].len, sniffed[i].header, name, &bom);
		cr_expect_str_eq(name, sniffed[i].name, "%s: %s", sniffed[i].what, name);
	}
}

static const struct {
	const char *what;
	const char *bytes;
	size_t len;
	const char *header;
	const char *utf8;
} turned[] = {
	/* clang-format off */
	{"empty", BYTES(""), NULL, ""},
	{"as it is", BYTES("na\xc3\xafve \xf0\x9f\x98\x80"), NULL, "na\xc3\xafve \xf0\x9f\x98\x80"},
	{"1252", BYTES("\x93quoted\x94 \x80"), "windows-1252", "\xe2\x80\x9cquoted\xe2\x80\x9d \xe2\x82\xac"},
	{"latin1 is 1252", BYTES("it\x92s"), "latin1", "it\xe2\x80\x99s"},
	{"koi8-r", BYTES("\xf0\xf2\xe9"), "koi8-r", "\xd0\x9f\xd0\xa0\xd0\x98"},
	{"shift_jis", BYTES("\x93\xfa\x96\x7b"), "shift_jis", "\xe6\x97\xa5\xe6\x9c\xac"},
	{"euc-kr", BYTES("\xc7\xd1\xb1\xdb"), "euc-kr", "\xed\x95\x9c\xea\xb8\x80"},
	{"gb2312", BYTES("\xd6\xd0\xce\xc4"), "gb2312", "\xe4\xb8\xad\xe6\x96\x87"},
	{"big5", BYTES("\xa4\xa4\xa4\xe5"), "big5", "\xe4\xb8\xad\xe6\x96\x87"},
	{"thai", BYTES("\xa1\xd2"), "tis-620", "\xe0\xb8\x81\xe0\xb8\xb2"},
	{"turkish", BYTES("\xfd"), "iso-8859-9", "\xc4\xb1"},
	{"UTF-16", BYTES("\xff\xfeh\0i\0\xe9\0"), NULL, "hi\xc3\xa9"},
	{"the mark is no text", BYTES("\xef\xbb\xbfhi"), NULL, "hi"},
	{"NULs go", BYTES("a\0b\0"), "utf-8", "ab"},
	{"a lone byte", BYTES("a\xff" "b"), "utf-8", "a\xef\xbf\xbd" "b"},
	{"cut at the end", BYTES("a\xe2\x82"), "utf-8", "a\xef\xbf\xbd\xef\xbf\xbd"},
	{"overlong", BYTES("\xc0\x80"), "utf-8", "\xef\xbf\xbd\xef\xbf\xbd"},
	{"a surrogate", BYTES("\xed\xa0\x80"), "utf-8", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"beyond Unicode", BYTES("\xf4\x90\x80\x80"), "utf-8", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"half a character of Shift_JIS", BYTES("a\x93"), "shift_jis", "a\xef\xbf\xbd"},
	{"half a unit of UTF-16", BYTES("\xff\xfe" "a\0b"), NULL, "a\xef\xbf\xbd"},
	/* clang-format on */
};

Test(charset, becomes_utf8)
{
	for (size_t i = 0; i < sizeof(turned) / sizeof(turned[0]); i++) {
		size_t len;
		char *utf8 =
			charset_to_utf8(turned[i].bytes, turned[i].len, turned[i].header, &len);
		cr_expect_str_eq(utf8, turned[i].utf8, "%s: \"%s\"", turned[i].what, utf8);
		cr_expect_eq(len, strlen(turned[i].utf8), "%s", turned[i].what);
		free(utf8);
	}
}

Test(charset, what_comes_out_is_utf8_whatever_goes_in)
{
	static const char *const names[] = {NULL,     "utf-8",	     "utf-16", "shift_jis",
					    "gb2312", "iso-2022-jp", "koi8-r", "euc-kr"};
	unsigned state = 1;
	char noise[4096];
	for (size_t round = 0; round < 64; round++) {
		for (size_t i = 0; i < sizeof(noise); i++) {
			state = state * 1103515245u + 12345u;
			noise[i] = (char)(state >> 16);
		}
		size_t len;
		char *utf8 = charset_to_utf8(noise, sizeof(noise), names[round % 8], &len);
		cr_assert_eq(strlen(utf8), len);
		for (size_t i = 0, n; i < len; i += n) {
			n = charset_sequence(utf8 + i, len - i);
			cr_assert_neq(n, 0, "broken at %zu", i);
		}
		free(utf8);
	}
}
