#include "cpoa/json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"
#include "cpoa/strbuf.h"

static struct rng rng;

static int64_t roll(int64_t lo, int64_t hi)
{
	return rng_between(&rng, lo, hi);
}

static void seed(void)
{
	rng_seed(&rng, 41);
}

TestSuite(json, .init = seed);
TestSuite(utf8, .init = seed);

/* ---- UTF-8 against a decoder that computes the code point ---- */

static size_t slow_char(const unsigned char *s, size_t len)
{
	static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80		   ? 1
		   : (s[0] & 0xE0) == 0xC0 ? 2
		   : (s[0] & 0xF0) == 0xE0 ? 3
		   : (s[0] & 0xF8) == 0xF0 ? 4
					   : 0;
	uint32_t c;

	if (n == 0 || n > len)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0x7FU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3F);
	}
	return c >= least[n] && c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF) ? n : 0;
}

static bool slow_ok(const unsigned char *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = slow_char(s + at, len - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

Test(utf8, every_sequence_of_three_bytes)
{
	for (uint32_t x = 0; x < 1U << 24; x++) {
		const unsigned char s[3] = {(unsigned char)(x >> 16), (unsigned char)(x >> 8),
					    (unsigned char)x};

		if (utf8_char((const char *)s, 3) != slow_char(s, 3))
			cr_assert(false, "%06x", x);
	}
}

static size_t random_text(unsigned char *s, size_t max)
{
	static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
					      0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF,
					      0xF0, 0xF4, 0xF5, 0xFF, 'x'};
	size_t len = (size_t)roll(0, (int64_t)max);

	for (size_t i = 0; i < len; i++)
		s[i] = roll(0, 3) ? 'a' : edges[roll(0, sizeof(edges) - 1)];
	return len;
}

static size_t put_char(unsigned char *s)
{
	static const char *const characters[] = {
		"x", " ", "\n", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x7F"};
	const char *c = characters[roll(0, 6)];

	memcpy(s, c, strlen(c));
	return strlen(c);
}

Test(utf8, ok_agrees_with_the_slow_way)
{
	for (int i = 0; i < 300000; i++) {
		unsigned char *s = malloc(40);
		size_t len = random_text(s, 40);

		s = realloc(s, len ? len : 1);
		cr_assert_eq(utf8_ok((char *)s, len), slow_ok(s, len));
		free(s);
	}
	for (int i = 0; i < 100000; i++) {
		unsigned char s[80];
		size_t len = 0;

		while (len < 60)
			len += put_char(s + len);
		cr_assert(utf8_ok((char *)s, len));
		s[roll(0, (int64_t)len - 1)] ^= (unsigned char)(1U << roll(0, 7));
		cr_assert_eq(utf8_ok((char *)s, len), slow_ok(s, len));
	}
}

Test(utf8, cut_is_the_longest_that_fits)
{
	for (int i = 0; i < 100000; i++) {
		unsigned char s[600];
		const char *text = (char *)s;
		size_t len = 0, max, cut;
		bool words = roll(0, 1);

		while (len < 500) {
			size_t n = put_char(s + len);

			if (words || (s[len] != ' ' && s[len] != '\n'))
				len += n;
		}
		max = (size_t)roll(0, 520);
		cut = utf8_cut(text, len, max);
		cr_assert(cut <= max && cut <= len && utf8_ok(text, cut) &&
			  utf8_ok(text + cut, len - cut));
		if (len <= max)
			cr_assert_eq(cut, len);
		else if (!words)
			cr_assert_gt(cut + 4, max);
		else if (cut + 4 <= max)
			cr_assert_null(memchr(text + cut, ' ', max - cut),
				       "a later word would have fitted");
	}
}

/* Of longer texts than a vector's sums hold, from any place on. */
Test(utf8, count_agrees_with_one_at_a_time)
{
	enum { LONG = 9000 };
	unsigned char *s = malloc(LONG + 8);

	for (int i = 0; i < 3000; i++) {
		size_t len = 0, n = 0, most = (size_t)roll(0, roll(0, 3) ? 60 : LONG);
		bool wide = roll(0, 1);

		while (len < most) {
			if (wide)
				memcpy(s + len, "\xF0\x9F\x98\x80", 4);
			len += wide ? 4 : put_char(s + len);
		}
		for (size_t at = 0; at < len; n++)
			at += utf8_char((char *)s + at, len - at);
		cr_assert_eq(utf8_count((char *)s, len), n);
	}
	free(s);
}

/* ---- JSON ---- */

static struct json_object *random_tree(int depth)
{
	struct json_object *o;
	unsigned char text[100];
	size_t len = 0;
	double d;

	switch (roll(0, depth > 0 ? 7 : 5)) {
	case 0:
		return NULL;
	case 1:
		return json_object_new_boolean((int)roll(0, 1));
	case 2:
		return json_object_new_int64(roll(INT64_MIN, INT64_MAX));
	case 3:
		return json_object_new_uint64(rng_next(&rng));
	case 4:
		d = ldexp((double)roll(-1000000, 1000000), (int)roll(-900, 900));
		return json_object_new_double(d);
	case 5:
		while (len < (size_t)roll(0, 90))
			len += put_char(text + len);
		return json_object_new_string_len((char *)text, (int)len);
	case 6:
		o = json_object_new_array();
		for (int64_t n = roll(0, 4); n > 0; n--)
			json_object_array_add(o, random_tree(depth - 1));
		return o;
	default:
		o = json_object_new_object();
		for (int64_t n = roll(0, 4); n > 0; n--) {
			text[put_char(text)] = '\0';
			json_set(o, (char *)text, random_tree(depth - 1));
		}
		return o;
	}
}

/* ---- against json-c's own parser ---- */

static bool read_by_json_c(const char *text, size_t len, struct json_object **out)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
	bool good;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	*out = json_tokener_parse_ex(tok, text, (int)len);
	if (json_tokener_get_error(tok) == json_tokener_continue)
		*out = json_tokener_parse_ex(tok, "", 1); /* the end of a number */
	good = json_tokener_get_error(tok) == json_tokener_success;
	json_tokener_free(tok);
	return good;
}

static char *text_by_json_c(const char *text, size_t len)
{
	struct json_object *o;
	char *out = read_by_json_c(text, len, &o) ? json_text(o, NULL) : NULL;

	json_object_put(o);
	return out;
}

static void put_token(struct strbuf *sb)
{
	static const char *const tokens[] = {
		"{",
		"}",
		"[",
		"]",
		",",
		":",
		" ",
		"\n\t",
		"\"a\"",
		"\"b \\\\ \\\" \\/ \\b\\f\\n\\r\\t\"",
		"\"\"",
		"\"a\"",
		"\"\\u00E4\\u20ac\"",
		"\"\xC3\xA4\"",
		"\"x\\ud83d\\uDE00y\"",
		"0 ",
		"-0 ",
		"-17 ",
		"18446744073709551615 ",
		"-9223372036854775808 ",
		"1.50 ",
		"-2.5e3 ",
		"1E-2 ",
		"true",
		"false",
		"null",
		"{\"a\":",
		"\"b\":",
		",\"a\":",
		"[[",
	};

	strbuf_adds(sb, tokens[roll(0, sizeof(tokens) / sizeof(*tokens) - 1)]);
}

static void agrees_with_json_c(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1), *theirs = text_by_json_c(text, len), *ours = NULL;
	struct json_object *o;
	struct err e;

	memcpy(copy, text, len); /* nothing behind the text may be read */
	if (json_read(copy, len, JSON_DEPTH_MAX, JSON_STRICT, &o, &e) == JSON_OK) {
		ours = json_text(o, NULL);
		json_put(&o);
	}
	/* It takes some that are no JSON: -00, and bytes that are no UTF-8. */
	if (ours || (!strstr(e.text, "a malformed number") && !strstr(e.text, "UTF-8")))
		cr_assert_eq(!ours, !theirs, "'%s': %s, by json-c %s", text, ours ? ours : e.text,
			     theirs ? theirs : "refused");
	if (ours)
		cr_assert_str_eq(ours, theirs, "'%s'", text);
	free(copy);
	free(ours);
	free(theirs);
}

Test(json, the_same_trees_as_json_c)
{
	struct strbuf sb;

	strbuf_init(&sb, 1 << 20);
	for (int i = 0; i < 200000; i++) {
		int64_t n = roll(1, 9);

		strbuf_reset(&sb);
		while (n--)
			put_token(&sb);
		agrees_with_json_c(sb.buf, sb.len);
	}
	strbuf_release(&sb);
	for (int i = 0; i < 20000; i++) {
		struct json_object *o = random_tree(4);
		size_t len;
		char *text = json_text(o, &len);

		agrees_with_json_c(text, len);
		/* One of its own characters in another place. */
		if (len > 1)
			text[roll(0, (int64_t)len - 1)] = "{}[],:\""[roll(0, 6)];
		agrees_with_json_c(text, len);
		free(text);
		json_put(&o);
	}
}

/* ---- the writer: the same values into a text and into a tree of json-c's ---- */

static void keep(struct json_object *in, const char *key, struct json_object *value)
{
	if (key)
		json_object_object_add(in, key, value);
	else
		json_object_array_add(in, value);
}

/* Any bytes but NUL, whether or not they are UTF-8. */
static void write_string(struct strbuf *sb, struct json_object *in, const char *key)
{
	static const unsigned char edges[] = {0x01, 0x1F, 0x20, '"',  '\\', '/',  0x7F, 0x80,
					      0xC2, 0xE2, 0xED, 0xF4, 0xFF, '\n', 'a',	'b'};
	char text[80];
	size_t len = (size_t)roll(0, 79);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(roll(0, 2) ? 'a' : edges[roll(0, sizeof(edges) - 1)]);
	text[len] = '\0';
	json_add_str(sb, key, text);
	keep(in, key, json_object_new_string(text));
}

static void write_joined(struct strbuf *sb, struct json_object *in, const char *key)
{
	static const char *const parts[] = {"", "\"", "a\n", "\xC3\xA4", "\\", "b", NULL};
	const char *a = parts[roll(0, 5)], *b = parts[roll(0, 6)], *c = b ? parts[roll(0, 6)] : b;
	char whole[16];

	snprintf(whole, sizeof(whole), "%s%s%s", a, b ? b : "", c ? c : "");
	json_add_joined(sb, key, a, b, c, NULL);
	keep(in, key, json_object_new_string(whole));
}

static void write_number(struct strbuf *sb, struct json_object *in, const char *key)
{
	static const int64_t edges[] = {0, 1, -1, 9, 10, -10, INT64_MAX, INT64_MIN, INT32_MIN};
	int64_t n = roll(0, 1) ? edges[roll(0, 8)] : roll(INT64_MIN, INT64_MAX) >> roll(0, 63);

	json_add_num(sb, key, n);
	keep(in, key, json_object_new_int64(n));
}

/* A tree of strangers: as it is, as its text, or its members one by one. */
static void write_tree(struct strbuf *sb, struct json_object *in, const char *key)
{
	struct json_object *o = random_tree(2);
	size_t len;
	char *text = json_text(o, &len);

	if (roll(0, 1)) {
		json_add_text(sb, key, (struct json_slice){o ? text : NULL, len});
	} else if (json_object_is_type(o, json_type_object)) {
		json_open(sb, key, '{');
		json_add_members(sb, o, "x");
		json_close(sb, '}');
		json_object_object_del(o, "x");
	} else {
		json_add_obj(sb, key, o);
	}
	keep(in, key, o);
	free(text);
}

static void write_some(struct strbuf *sb, struct json_object *in, int depth)
{
	bool list = json_object_is_type(in, json_type_array), flag;
	char name[16];

	for (int64_t n = roll(0, 5); n > 0; n--) {
		const char *key = list ? NULL : name;
		struct json_object *inner;

		snprintf(name, sizeof(name), "key %d", (int)n);
		switch (roll(0, depth > 0 ? 7 : 5)) {
		case 0:
			json_add_str(sb, key, NULL);
			keep(in, key, NULL);
			break;
		case 1:
			flag = roll(0, 1);
			json_add_bool(sb, key, flag);
			keep(in, key, json_object_new_boolean(flag));
			break;
		case 2:
			write_string(sb, in, key);
			break;
		case 3:
			write_number(sb, in, key);
			break;
		case 4:
			write_tree(sb, in, key);
			break;
		case 5:
			write_joined(sb, in, key);
			break;
		default:
			flag = roll(0, 1);
			inner = flag ? json_object_new_object() : json_object_new_array();
			json_open(sb, key, flag ? '{' : '[');
			write_some(sb, inner, depth - 1);
			json_close(sb, flag ? '}' : ']');
			keep(in, key, inner);
		}
	}
}

Test(json, what_the_writer_writes_json_c_reads)
{
	for (int i = 0; i < 50000; i++) {
		struct json_object *meant = json_object_new_object(), *read;
		struct strbuf sb;
		size_t len;
		char *text;

		json_begin(&sb);
		write_some(&sb, meant, 3);
		text = json_end(&sb, &len);
		cr_assert_eq(len, strlen(text));
		cr_assert(read_by_json_c(text, len, &read), "'%s'", text);
		cr_assert(json_object_equal(read, meant), "'%s' is not '%s'", text,
			  json_object_to_json_string(meant));
		json_object_put(read);
		json_object_put(meant);
		free(text);
	}
}

/* What does not fit is dropped, and what stands is the beginning of what was meant. */
Test(json, the_writer_keeps_the_ceiling)
{
	for (int i = 0; i < 20000; i++) {
		struct json_object *meant = json_object_new_object();
		struct strbuf whole, part;
		struct rng then = rng;

		strbuf_init(&whole, 1 << 20);
		write_some(&whole, meant, 2);
		json_object_put(meant);
		strbuf_init(&part, (size_t)roll(0, (int64_t)whole.len + 4));
		rng = then;
		meant = json_object_new_object();
		write_some(&part, meant, 2);
		json_object_put(meant);
		cr_assert_eq(part.failed, part.max < whole.len);
		cr_assert(part.len <= part.max && memcmp(part.buf, whole.buf, part.len) == 0);
		strbuf_release(&whole);
		strbuf_release(&part);
	}
}

Test(json, what_is_written_is_read_back)
{
	for (int i = 0; i < 20000; i++) {
		struct json_object *o = random_tree(5), *again;
		size_t len, len_again;
		char *text = json_text(o, &len), *text_again;
		struct err e;

		for (int mode = JSON_STRICT; mode <= JSON_MEND; mode++) {
			cr_assert_eq(json_read(text, len, JSON_DEPTH_MAX, (enum json_mode)mode,
					       &again, &e),
				     JSON_OK, "%s: %s", e.text, text);
			text_again = json_text(again, &len_again);
			cr_assert(len == len_again && memcmp(text, text_again, len) == 0,
				  "%s became %s", text, text_again);
			free(text_again);
			json_put(&again);
		}
		free(text);
		json_put(&o);
	}
}

/* What comes out OK is always storable, strict or mended, and strict OK means the same value as
 * mended. */
static void check_any_text(const char *text, size_t len)
{
	struct json_object *strict, *mended, *again;
	struct err e;
	enum json_verdict a = json_read(text, len, 4, JSON_STRICT, &strict, &e);
	enum json_verdict b = json_read(text, len, 4, JSON_MEND, &mended, &e);

	cr_assert(a == b || (a == JSON_UNSTORABLE && b == JSON_OK), "%.*s: %d, %d", (int)len, text,
		  a, b);
	if (b == JSON_OK) {
		size_t n;
		char *out = json_text(mended, &n);

		cr_assert(utf8_ok(out, n));
		cr_assert_eq(json_read(out, n, 4, JSON_STRICT, &again, &e), JSON_OK, "%s: %s",
			     e.text, out);
		json_put(&again);
		if (a == JSON_OK)
			cr_assert_str_eq(out,
					 json_object_to_json_string_ext(
						 strict, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
		free(out);
	}
	json_put(&strict);
	json_put(&mended);
}

Test(json, pieces_in_any_order)
{
	static const char *const pieces[] = {
		"{",
		"}",
		"[",
		"]",
		",",
		":",
		"\"",
		"\"a\"",
		"\"a\":",
		"1",
		"-",
		"0",
		".",
		"e",
		"1e400",
		"99999999999999999999",
		"true",
		"false",
		"null",
		"\\u0000",
		"\"\\u0000\"",
		"\\ud83d",
		"\\ude00",
		"\"\xFF\"",
		"\xC3\xA4",
		"\\",
		" ",
		"\n",
		"\"\\ud83d\\ude00\"",
		"[1]",
		"{\"k\":2}",
		"NaN",
	};

	for (int i = 0; i < 300000; i++) {
		char text[256];
		char *copy;
		size_t len = 0;

		for (int64_t n = roll(1, 7); n > 0; n--) {
			const char *piece = pieces[roll(0, sizeof(pieces) / sizeof(pieces[0]) - 1)];

			memcpy(text + len, piece, strlen(piece));
			len += strlen(piece);
		}
		copy = malloc(len);
		memcpy(copy, text, len);
		check_any_text(copy, len);
		free(copy);
	}
}

Test(json, a_changed_byte)
{
	static const char whole[] =
		"{\"topic\":\"K\xC3\xA4se "
		"\\ud83d\\ude00\",\"n\":[1,-2.5e3,18446744073709551615,null,true],"
		"\"o\":{\"\\u00e4\":\"\\\"\\\\\"}}";

	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)(roll(0, 3) ? (int64_t)sizeof(whole) - 1
						 : roll(0, sizeof(whole) - 1));
		char *copy = malloc(len ? len : 1);

		memcpy(copy, whole, len);
		if (len)
			copy[roll(0, (int64_t)len - 1)] = (char)roll(0, 255);
		check_any_text(copy, len);
		free(copy);
	}
}
