/*
 * A tree of json-c's objects from text. json-c's own parser walks its state machine for each
 * character, and took a quarter of the pool's time: here strings are copied whole.
 */
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "json_private.h"

/* json_scan() has judged the tokens and the depth; what remains is how tokens follow each other. */
struct reader {
	const char *at, *end;
	struct strbuf scratch; /* of a string with escapes */
	bool failed;	       /* at `at` */
};

static struct json_object *read_value(struct reader *r);

static bool is_next(struct reader *r, char c)
{
	r->at = json_skip_space(r->at, r->end);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static struct json_object *made(struct json_object *o)
{
	if (!o)
		BUG("out of memory for JSON");
	return o;
}

/* ---- strings ---- */

static unsigned hex4(const char *s)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)s[i];

		value = value * 16 + (c <= '9' ? c - 0x30U : (c | 0x20U) - 0x61U + 10);
	}
	return value;
}

static void add_utf8(struct strbuf *sb, unsigned c)
{
	char out[4] = {(char)c};
	size_t n = 1;

	if (c >= 0x10000) {
		out[0] = (char)(0xF0 | c >> 18);
		out[n++] = (char)(0x80 | (c >> 12 & 0x3F));
		out[n++] = (char)(0x80 | (c >> 6 & 0x3F));
	} else if (c >= 0x800) {
		out[0] = (char)(0xE0 | c >> 12);
		out[n++] = (char)(0x80 | (c >> 6 & 0x3F));
	} else if (c >= 0x80) {
		out[0] = (char)(0xC0 | c >> 6);
	}
	if (c >= 0x80)
		out[n++] = (char)(0x80 | (c & 0x3F));
	strbuf_add(sb, out, n);
}

/* From behind "\u"; returns what lies behind the escape. A high half has its low half behind it:
 * others were mended. */
static const char *read_unit(struct strbuf *sb, const char *s)
{
	unsigned c = hex4(s);

	s += 4;
	if (c >= 0xD800 && c <= 0xDBFF) {
		c = 0x10000 + ((c - 0xD800) << 10) + (hex4(s + 2) - 0xDC00);
		s += 6;
	}
	add_utf8(sb, c);
	return s;
}

static void unescape(struct strbuf *sb, const char *s, const char *end)
{
	static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";

	strbuf_reset(sb);
	while (s < end) {
		const char *backslash = memchr(s, '\\', (size_t)(end - s));

		if (!backslash) {
			strbuf_add(sb, s, (size_t)(end - s));
			return;
		}
		strbuf_add(sb, s, (size_t)(backslash - s));
		s = backslash + 2;
		if (backslash[1] == 'u')
			s = read_unit(sb, s);
		else
			strbuf_addc(sb, meant[strchr(plain, backslash[1]) - plain]);
	}
}

/* The string that begins at r->at, without quotes and escapes: in the text, or in the scratch. */
static struct json_slice read_string(struct reader *r)
{
	const char *s = r->at + 1, *end = json_skip_string(r->at, r->end) - 1;

	r->at = end + 1;
	if (!memchr(s, '\\', (size_t)(end - s)))
		return (struct json_slice){s, (size_t)(end - s)};
	unescape(&r->scratch, s, end);
	return (struct json_slice){r->scratch.buf, r->scratch.len};
}

/* ---- numbers and words ---- */

static struct json_object *read_double(const char *s, size_t len)
{
	char small[64], *text = len < sizeof(small) ? small : xmalloc(len + 1);
	struct json_object *o;

	memcpy(text, s, len);
	text[len] = '\0';
	o = made(json_object_new_double_s(strtod(text, NULL), text));
	if (text != small)
		free(text);
	return o;
}

/* It fits: json_scan() has made a double of what does not. */
static struct json_object *read_integer(const char *s, size_t len)
{
	bool negative = *s == '-';
	uint64_t n = 0;

	for (size_t i = negative; i < len; i++)
		n = n * 10 + (uint64_t)(s[i] - '0');
	if (negative)
		return made(json_object_new_int64((int64_t)-n));
	return made(n <= INT64_MAX ? json_object_new_int64((int64_t)n) : json_object_new_uint64(n));
}

static struct json_object *read_number(struct reader *r)
{
	const char *from = r->at;
	bool whole = true;

	for (; r->at < r->end; r->at++) {
		char c = *r->at;

		if (c == '.' || (c | 0x20) == 'e')
			whole = false;
		else if (c != '-' && c != '+' && (c < '0' || c > '9'))
			break;
	}
	return whole ? read_integer(from, (size_t)(r->at - from))
		     : read_double(from, (size_t)(r->at - from));
}

/* ---- lists and objects ---- */

static struct json_object *read_array(struct reader *r)
{
	struct json_object *array = made(json_object_new_array());

	if (is_next(r, ']'))
		return array;
	do {
		struct json_object *value = read_value(r);

		if (json_object_array_add(array, value) != 0)
			BUG("out of memory for JSON");
	} while (!r->failed && is_next(r, ','));
	if (!r->failed && !is_next(r, ']'))
		r->failed = true;
	return array;
}

/* "key": value */
static void read_member(struct reader *r, struct json_object *object)
{
	enum { KEY_SIZE = 128 };
	char small[KEY_SIZE], *key = small;
	struct json_slice name;

	r->at = json_skip_space(r->at, r->end);
	if (r->at == r->end || *r->at != '"') {
		r->failed = true;
		return;
	}
	name = read_string(r);
	if (!is_next(r, ':')) {
		r->failed = true;
		return;
	}
	/* Copied before the value takes the scratch. */
	if (name.len >= sizeof(small))
		key = xmalloc(name.len + 1);
	memcpy(key, name.text, name.len);
	key[name.len] = '\0';
	json_set(object, key, read_value(r));
	if (key != small)
		free(key);
}

static struct json_object *read_object(struct reader *r)
{
	struct json_object *object = made(json_object_new_object());

	if (is_next(r, '}'))
		return object;
	do {
		read_member(r, object);
	} while (!r->failed && is_next(r, ','));
	if (!r->failed && !is_next(r, '}'))
		r->failed = true;
	return object;
}

/* NULL for null, and for what failed. */
static struct json_object *read_value(struct reader *r)
{
	struct json_slice string;

	r->at = json_skip_space(r->at, r->end);
	switch (r->at == r->end ? '\0' : *r->at) {
	case '{':
		r->at++;
		return read_object(r);
	case '[':
		r->at++;
		return read_array(r);
	case '"':
		string = read_string(r);
		return made(json_object_new_string_len(string.text, (int)string.len));
	case 't':
		r->at += 4;
		return made(json_object_new_boolean(1));
	case 'f':
		r->at += 5;
		return made(json_object_new_boolean(0));
	case 'n':
		r->at += 4;
		return NULL;
	case '\0':
	case ']':
	case '}':
	case ',':
	case ':':
		r->failed = true;
		return NULL;
	default: /* as the tokens were judged, no other is left */
		return read_number(r);
	}
}

/* ---- the interface ---- */

struct json_object *json_tree(const char *text, size_t len, const char **wrong)
{
	struct reader r = {.at = text, .end = text + len};
	struct json_object *o;

	strbuf_init(&r.scratch, len + 1);
	o = read_value(&r);
	if (!r.failed) {
		r.at = json_skip_space(r.at, r.end);
		r.failed = r.at != r.end;
	}
	strbuf_release(&r.scratch);
	*wrong = r.failed ? r.at : NULL;
	if (r.failed)
		json_put(&o);
	return o;
}
