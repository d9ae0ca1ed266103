#include "cpoa/json.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/strbuf.h"

#include "json_private.h"

/* More than anybody may ask for; json_tree() calls itself as often. */
enum { PARSER_DEPTH = 256 };

/* ---- UTF-8 ---- */

static bool is_tail(const char *s)
{
	return ((unsigned char)*s & 0xC0) == 0x80;
}

size_t utf8_char(const char *s, size_t len)
{
	unsigned char a, b;

	if (len == 0)
		return 0;
	a = (unsigned char)s[0];
	if (a < 0x80)
		return a != 0;
	if (a < 0xC2 || a > 0xF4 || len < 2 || !is_tail(s + 1))
		return 0;
	if (a < 0xE0)
		return 2;
	b = (unsigned char)s[1];
	if (len < 3 || !is_tail(s + 2) || (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F))
		return 0;
	if (a < 0xF0)
		return 3;
	if (len < 4 || !is_tail(s + 3) || (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F))
		return 0;
	return 4;
}

bool utf8_ok(const char *s, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n;

		/* Eight bytes of ASCII without a NUL, by far the most common, in one step. */
		while (len - at >= 8) {
			uint64_t x = json_load8(s + at);

			if (((x - JSON_ONES) | x) & JSON_TOPS)
				break;
			at += 8;
		}
		if (at == len)
			break;
		n = utf8_char(s + at, len - at);
		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

size_t utf8_cut(const char *s, size_t len, size_t max)
{
	enum { WORD_MAX = 200 };
	size_t end = max;

	if (len <= max)
		return len;
	while (end > 0 && max - end < 3 && is_tail(s + end))
		end--;
	if (is_space(s[end]))
		return end;
	for (size_t i = end; i > 0 && end - i < WORD_MAX; i--) {
		if (is_space(s[i - 1]))
			return i;
	}
	return end;
}

size_t utf8_count(const char *s, size_t len)
{
	enum { SUMS_MAX = 127 }; /* that a byte holds */
	size_t n = len, at = 0;

	while (len - at >= sizeof(json_block)) {
		json_block tails = {0};

		for (int i = 0; i < SUMS_MAX && len - at >= sizeof(json_block); i++) {
			tails -= json_load16(s + at) < -64; /* 10xxxxxx */
			at += sizeof(json_block);
		}
		for (size_t i = 0; i < sizeof(json_block); i++)
			n -= (size_t)tails[i];
	}
	for (; at < len; at++)
		n -= is_tail(s + at);
	return n;
}

/* ---- reading ---- */

/*
 * json_tree() judges how tokens follow each other; the tokens themselves are judged here first. One
 * pass looks; only when it found something that PostgreSQL does not take does a second one, the
 * same code, write a mended copy.
 */
struct scan {
	const char *s;
	size_t len, at;
	int depth, depth_max;
	int values, values_max; /* json-c takes hundreds of bytes for each */
	size_t zeros;		/* that exponents stand for */
	const char *wrong;	/* what is not JSON, at `at`; NULL when it is only too deep */
	const char *flaw;	/* the first thing that PostgreSQL cannot keep */
	size_t flaw_at;
	size_t replaced;
	struct strbuf *mended; /* NULL: only look */
	size_t copied;
};

static bool not_json(struct scan *sc, const char *wrong)
{
	sc->wrong = wrong;
	return false;
}

/* `with` stands for what lies between `from` and the present place. `flaw` NULL: a harmless
 * rewording. */
static void replace(struct scan *sc, size_t from, const char *with, const char *flaw)
{
	if (flaw && !sc->flaw) {
		sc->flaw = flaw;
		sc->flaw_at = from;
	}
	sc->replaced++;
	if (!sc->mended)
		return;
	strbuf_add(sc->mended, sc->s + sc->copied, from - sc->copied);
	strbuf_adds(sc->mended, with);
	sc->copied = sc->at;
}

static bool at_digit(const struct scan *sc)
{
	return sc->at < sc->len && sc->s[sc->at] >= '0' && sc->s[sc->at] <= '9';
}

static size_t scan_digits(struct scan *sc)
{
	size_t from = sc->at;

	while (at_digit(sc))
		sc->at++;
	return sc->at - from;
}

static bool at_any(const struct scan *sc, char a, char b)
{
	return sc->at < sc->len && (sc->s[sc->at] == a || sc->s[sc->at] == b);
}

/* Whether json-c holds the integer exactly: from INT64_MIN to UINT64_MAX. */
static bool integer_fits(const char *digits, size_t n, bool negative)
{
	const char *limit = negative ? "9223372036854775808" : "18446744073709551615";
	size_t most = strlen(limit);

	return n < most || (n == most && memcmp(digits, limit, most) <= 0);
}

/*
 * A number that is infinite as a double, or has more places behind the point than numeric's 16383
 * (PostgreSQL manual 8.1.2), cannot be kept.
 */
static bool number_fits(const char *s, size_t len, size_t places, const char *exponent,
			size_t *zeros)
{
	enum { PLACES_MAX = 16383 };
	char small[64];
	char *text = small;
	bool finite;
	long exp = 0;

	if (len >= sizeof(small))
		text = xmalloc(len + 1);
	memcpy(text, s, len);
	text[len] = '\0';
	finite = isfinite(strtod(text, NULL));
	if (exponent)
		exp = strtol(text + (exponent - s), NULL, 10);
	if (text != small)
		free(text);
	if (!finite || exp < -PLACES_MAX || exp > PLACES_MAX || (long)places - exp > PLACES_MAX)
		return false;
	*zeros += (size_t)labs(exp);
	return true;
}

static bool scan_number(struct scan *sc)
{
	enum { LONGEST_SURE = 300 }; /* so many digits are finite in any case */
	const size_t zeros = sc->zeros;
	const char *exponent = NULL;
	size_t from = sc->at, digits_at, digits, places = 0;
	bool whole = true;

	if (sc->s[sc->at] == '-')
		sc->at++;
	digits_at = sc->at;
	digits = scan_digits(sc);
	if (digits == 0 || (digits > 1 && sc->s[digits_at] == '0'))
		return not_json(sc, "a malformed number");
	if (at_any(sc, '.', '.')) {
		whole = false;
		sc->at++;
		places = scan_digits(sc);
		if (places == 0)
			return not_json(sc, "a malformed number");
	}
	if (at_any(sc, 'e', 'E')) {
		whole = false;
		sc->at++;
		exponent = sc->s + sc->at;
		if (at_any(sc, '+', '-'))
			sc->at++;
		if (scan_digits(sc) == 0)
			return not_json(sc, "a malformed number");
	}
	if ((exponent || sc->at - from > LONGEST_SURE) &&
	    !number_fits(sc->s + from, sc->at - from, places, exponent, &sc->zeros)) {
		replace(sc, from, "null", "a number beyond the range of a double");
	} else if (sc->zeros > JSON_ZEROS_MAX) {
		sc->zeros = zeros;
		replace(sc, from, "null", "numbers that are too long when they are written out");
	} else if (whole && !integer_fits(sc->s + digits_at, digits, digits_at > from)) {
		/* With an exponent it is a double, and of doubles json-c keeps the text. */
		replace(sc, sc->at, "e0", NULL);
	}
	return true;
}

static bool scan_word(struct scan *sc)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if (sc->len - sc->at >= n && memcmp(sc->s + sc->at, words[i], n) == 0) {
			sc->at += n;
			return true;
		}
	}
	return not_json(sc, "an unexpected character");
}

/* The value of the four digits of an escape, or -1. */
static int hex4(const struct scan *sc, size_t at)
{
	int value = 0;

	if (sc->len < 4 || at > sc->len - 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char c = sc->s[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

static bool scan_unicode_escape(struct scan *sc)
{
	size_t from = sc->at;
	int unit = hex4(sc, from + 2);

	if (unit < 0)
		return not_json(sc, "a malformed \\u escape");
	sc->at += 6;
	if (unit == 0) {
		replace(sc, from, "\\ufffd", "a NUL character");
	} else if (unit >= 0xD800 && unit <= 0xDBFF) {
		bool escape =
			sc->len - sc->at >= 2 && sc->s[sc->at] == '\\' && sc->s[sc->at + 1] == 'u';
		int low = escape ? hex4(sc, sc->at + 2) : -1;

		if (low >= 0xDC00 && low <= 0xDFFF)
			sc->at += 6;
		else
			replace(sc, from, "\\ufffd", "half a surrogate pair");
	} else if (unit >= 0xDC00 && unit <= 0xDFFF) {
		replace(sc, from, "\\ufffd", "half a surrogate pair");
	}
	return true;
}

static bool scan_escape(struct scan *sc)
{
	char c = '\0';

	if (sc->at + 1 < sc->len)
		c = sc->s[sc->at + 1];
	if (c == 'u')
		return scan_unicode_escape(sc);
	if (!c || !strchr("\"\\/bfnrt", c))
		return not_json(sc, "an unknown escape");
	sc->at += 2;
	return true;
}

static uint64_t special8(const char *s)
{
	uint64_t x = json_load8(s);

	return (x & JSON_TOPS) | json_escapes(x);
}

/* Beyond ASCII is below zero. */
static bool special16(const char *s)
{
	json_block x = json_load16(s);

	return json_holds((x < 0x20) | (x == '"') | (x == '\\'));
}

/* How many bytes are within a string and stand for themselves; of the text's last seven, none. */
static size_t skip_ascii(const char *s, size_t len)
{
	uint64_t special = len >= 8 ? special8(s) : 0; /* most strings are short */
	size_t at = 0;

	if (special)
		return json_before(special);
	while (len - at >= 16 && !special16(s + at))
		at += 16;
	for (; len - at >= 8; at += 8) {
		special = special8(s + at);
		if (special)
			return at + json_before(special);
	}
	return at;
}

/* Whole characters, one at least; what is none is a flaw. */
static void scan_characters(struct scan *sc)
{
	do {
		size_t n = utf8_char(sc->s + sc->at, sc->len - sc->at);

		sc->at += n ? n : 1;
		if (n == 0)
			replace(sc, sc->at - 1, "\xEF\xBF\xBD", "text that is not UTF-8");
	} while (sc->at < sc->len && (unsigned char)sc->s[sc->at] >= 0x80);
}

static bool scan_string(struct scan *sc)
{
	sc->at++;
	for (;;) {
		unsigned char c;

		sc->at += skip_ascii(sc->s + sc->at, sc->len - sc->at);
		if (sc->at == sc->len)
			return not_json(sc, "the end of the text within a string");
		c = (unsigned char)sc->s[sc->at];
		if (c == '"') {
			sc->at++;
			return true;
		}
		if (c < 0x20)
			return not_json(sc, "a control character in a string");
		if (c == '\\') {
			if (!scan_escape(sc))
				return false;
			continue;
		}
		scan_characters(sc);
	}
}

static bool scan_scalar(struct scan *sc)
{
	char c = sc->s[sc->at];

	if (c == '"')
		return scan_string(sc);
	if (!(c == '-' || at_digit(sc) ? scan_number(sc) : scan_word(sc)))
		return false;
	/* json-c would read 1-2 and nulltrue as one token. */
	if (sc->at < sc->len && !is_space(sc->s[sc->at]) && !strchr("}],:", sc->s[sc->at]))
		return not_json(sc, "an unexpected character");
	return true;
}

static bool scan_tokens(struct scan *sc)
{
	sc->values = 0;
	sc->zeros = 0;
	while (sc->at < sc->len) {
		switch (sc->s[sc->at]) {
		case '{':
		case '[':
			if (++sc->depth > sc->depth_max || ++sc->values > sc->values_max)
				return false;
			sc->at++;
			break;
		case '}':
		case ']':
			sc->depth--;
			sc->at++;
			break;
		case ',':
		case ':':
		case ' ':
		case '\t':
		case '\n':
		case '\r':
			sc->at++;
			break;
		default:
			if (++sc->values > sc->values_max || !scan_scalar(sc))
				return false;
		}
	}
	return true;
}

static enum json_verdict refuse(struct err *e, enum json_verdict verdict, const char *what,
				size_t at)
{
	static const char *const words[] = {
		[JSON_SYNTAX] = "not JSON",
		[JSON_DEEP] = "JSON that is nested too deep or has too many parts",
		[JSON_UNSTORABLE] = "JSON that cannot be stored",
	};

	err_set(e, ERR_REJECT, "%s: %s at byte %zu", words[verdict], what, at);
	return verdict;
}

static enum json_verdict parse(const char *text, size_t len, struct json_object **out,
			       struct err *e)
{
	const char *wrong;

	*out = json_tree(text, len, &wrong);
	if (!wrong)
		return JSON_OK;
	return refuse(e, JSON_SYNTAX,
		      wrong == text + len ? "the text ends too early" : "something unexpected",
		      (size_t)(wrong - text));
}

static enum json_verdict read_text(const char *text, size_t len, int depth_max, enum json_mode mode,
				   bool *as_is, struct json_object **out, struct err *e)
{
	struct scan sc = {
		.s = text, .len = len, .depth_max = depth_max, .values_max = JSON_VALUES_MAX};
	AUTO(strbuf_release) struct strbuf mended;
	enum json_verdict verdict;

	assert(depth_max >= 0 && depth_max < PARSER_DEPTH);
	if (depth_max > JSON_DEPTH_MAX)
		sc.values_max += (depth_max - JSON_DEPTH_MAX) * JSON_LEVEL_VALUES;
	*out = NULL;
	strbuf_init(&mended, INT_MAX - 1);
	if (len >= INT_MAX / 3)
		return refuse(e, JSON_UNSTORABLE, "more text than can be read", len);
	if (!scan_tokens(&sc))
		return sc.wrong ? refuse(e, JSON_SYNTAX, sc.wrong, sc.at)
				: refuse(e, JSON_DEEP,
					 sc.values > sc.values_max ? "more values than are read"
								   : "one array or object too many",
					 sc.at);
	if (!sc.replaced)
		return parse(text, sc.len, out, e);

	/* Parsed even when it will be refused: what is not JSON at all is to be called that. */
	*as_is = false;
	sc.at = 0;
	sc.depth = 0;
	sc.mended = &mended;
	if (!scan_tokens(&sc))
		BUG("a second look at the same text differs");
	strbuf_add(&mended, text + sc.copied, sc.len - sc.copied);
	verdict = parse(mended.buf, mended.len, out, e);
	if (verdict == JSON_OK && sc.flaw && mode == JSON_STRICT) {
		json_put(out);
		return refuse(e, JSON_UNSTORABLE, sc.flaw, sc.flaw_at);
	}
	return verdict;
}

enum json_verdict json_read_as_is(const char *text, size_t len, int depth_max, bool *as_is,
				  struct json_object **out, struct err *e)
{
	*as_is = true;
	return read_text(text, len, depth_max, JSON_MEND, as_is, out, e);
}

enum json_verdict json_read(const char *text, size_t len, int depth_max, enum json_mode mode,
			    struct json_object **out, struct err *e)
{
	bool as_is;

	return read_text(text, len, depth_max, mode, &as_is, out, e);
}

/* ---- members ---- */

struct json_object *json_any(struct json_object *o, const char *key)
{
	if (!json_object_is_type(o, json_type_object))
		return NULL;
	return json_object_object_get(o, key);
}

static struct json_object *member(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v = json_any(o, key);

	return v && json_object_is_type(v, type) ? v : NULL;
}

const char *json_str(struct json_object *o, const char *key)
{
	struct json_object *v = member(o, key, json_type_string);

	return v ? json_object_get_string(v) : NULL;
}

struct json_object *json_obj(struct json_object *o, const char *key)
{
	return member(o, key, json_type_object);
}

struct json_object *json_arr(struct json_object *o, const char *key)
{
	return member(o, key, json_type_array);
}

int64_t json_num(struct json_object *o, const char *key, int64_t otherwise)
{
	static const double exact = 9007199254740992.0; /* 2^53 */
	struct json_object *v = json_any(o, key);
	double d;

	if (v && json_object_is_type(v, json_type_int))
		return json_object_get_int64(v);
	if (!v || !json_object_is_type(v, json_type_double))
		return otherwise;
	/* Some write every number with a point: 5.0 is 5. */
	d = json_object_get_double(v);
	return d >= -exact && d <= exact && trunc(d) >= d && trunc(d) <= d ? (int64_t)d : otherwise;
}

void json_set(struct json_object *o, const char *key, struct json_object *v)
{
	assert(json_object_is_type(o, json_type_object));
	if (json_object_object_add(o, key, v) != 0)
		BUG("out of memory for JSON");
}

void json_set_str(struct json_object *o, const char *key, const char *s)
{
	json_set(o, key, s ? json_object_new_string(s) : NULL);
}

void json_set_num(struct json_object *o, const char *key, int64_t n)
{
	json_set(o, key, json_object_new_int64(n));
}

void json_set_ref(struct json_object *o, const char *key, struct json_object *v)
{
	json_set(o, key, json_object_get(v));
}

void json_put(struct json_object **o)
{
	json_object_put(*o);
	*o = NULL;
}
