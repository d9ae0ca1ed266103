/*
 * Writing JSON, and finding a member in text without reading the rest of it. json-c can print too,
 * a character at a time: with replies of some kilobytes that alone was a fifth of a worker's time.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "json_private.h"

/* ---- writing ---- */

static void escape(struct strbuf *sb, unsigned char c)
{
	static const char *const short_ones[0x20] = {
		['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r",
	};

	if (c == '"')
		strbuf_add(sb, "\\\"", 2);
	else if (c == '\\')
		strbuf_add(sb, "\\\\", 2);
	else if (short_ones[c])
		strbuf_add(sb, short_ones[c], 2);
	else
		strbuf_addf(sb, "\\u%04x", c);
}

/* How many bytes go in as they are. */
static size_t plain(const char *s, size_t len)
{
	size_t at = 0;

	for (; len - at >= 8; at += 8) {
		uint64_t escapes = json_escapes(json_load8(s + at));

		if (escapes) {
			at += json_before(escapes);
			break;
		}
	}
	while (at < len && (unsigned char)s[at] >= 0x20 && s[at] != '"' && s[at] != '\\')
		at++;
	return at;
}

/* Without its quotes. */
static void add_characters(struct strbuf *sb, const char *s, size_t len)
{
	size_t n = plain(s, len);

	while (n < len) {
		strbuf_add(sb, s, n);
		escape(sb, (unsigned char)s[n]);
		s += n + 1;
		len -= n + 1;
		n = plain(s, len);
	}
	strbuf_add(sb, s, len);
}

static void add_string(struct strbuf *sb, const char *s, size_t len)
{
	strbuf_grow(sb, len + 2); /* for all of it at once, but for what escapes add */
	strbuf_addc(sb, '"');
	add_characters(sb, s, len);
	strbuf_addc(sb, '"');
}

/* Room for `n` bytes that the caller writes one by one, and sets sb->len behind; NULL: none. */
static char *room(struct strbuf *sb, size_t n)
{
	return strbuf_has_room(sb, n) || strbuf_grow(sb, n) ? sb->buf + sb->len : NULL;
}

static void wrote(struct strbuf *sb, char *end)
{
	*end = '\0';
	sb->len = (size_t)(end - sb->buf);
}

/* Whether a value stands before: it ends in anything but these. */
static bool follows(const struct strbuf *sb)
{
	char c = sb->len ? sb->buf[sb->len - 1] : '{';

	return c != '{' && c != '[' && c != ':';
}

/* The comma, and the key if there is one. */
static void place(struct strbuf *sb, const char *key)
{
	size_t n = key ? strlen(key) : 0, comma = follows(sb);
	char *p;

	if (!key && !comma)
		return;
	p = room(sb, comma + (key ? n + 3 : 0));
	if (!p)
		return;
	if (comma)
		*p++ = ',';
	if (key) {
		*p++ = '"';
		p = mempcpy(p, key, n);
		*p++ = '"';
		*p++ = ':';
	}
	wrote(sb, p);
}

void json_begin(struct strbuf *sb)
{
	enum { USUAL = 255 }; /* bytes: most objects are smaller */

	json_begin_large(sb, USUAL);
}

void json_begin_large(struct strbuf *sb, size_t room)
{
	strbuf_init(sb, JSON_TEXT_MAX);
	strbuf_grow(sb, room);
	strbuf_addc(sb, '{');
}

char *json_end(struct strbuf *sb, size_t *len)
{
	strbuf_addc(sb, '}');
	if (sb->failed)
		BUG("a JSON text of more than %d bytes", JSON_TEXT_MAX);
	return strbuf_detach(sb, len);
}

void json_open(struct strbuf *sb, const char *key, char bracket)
{
	place(sb, key);
	strbuf_addc(sb, bracket);
}

void json_close(struct strbuf *sb, char bracket)
{
	strbuf_addc(sb, bracket);
}

void json_add_str(struct strbuf *sb, const char *key, const char *s)
{
	place(sb, key);
	if (s)
		add_string(sb, s, strlen(s));
	else
		strbuf_add(sb, "null", 4);
}

void json_add_joined(struct strbuf *sb, const char *key, const char *part, ...)
{
	va_list ap;

	place(sb, key);
	strbuf_addc(sb, '"');
	va_start(ap, part);
	for (; part; part = va_arg(ap, const char *))
		add_characters(sb, part, strlen(part));
	va_end(ap);
	strbuf_addc(sb, '"');
}

void json_add_num(struct strbuf *sb, const char *key, int64_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char digits[20], *first = digits + sizeof(digits);

	place(sb, key);
	do {
		*--first = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (n < 0)
		strbuf_addc(sb, '-');
	strbuf_add(sb, first, (size_t)(digits + sizeof(digits) - first));
}

void json_add_bool(struct strbuf *sb, const char *key, bool b)
{
	place(sb, key);
	strbuf_add(sb, b ? "true" : "false", b ? 4 : 5);
}

void json_add_text(struct strbuf *sb, const char *key, struct json_slice text)
{
	place(sb, key);
	strbuf_add(sb, text.text ? text.text : "null", text.text ? text.len : 4);
}

static void add_tree(struct strbuf *sb, struct json_object *o);

void json_add_obj(struct strbuf *sb, const char *key, struct json_object *o)
{
	place(sb, key);
	add_tree(sb, o);
}

void json_add_members(struct strbuf *sb, struct json_object *o, const char *except)
{
	if (!o)
		return;
	json_object_object_foreach(o, key, value)
	{
		if (except && strcmp(key, except) == 0)
			continue;
		place(sb, NULL);
		add_string(sb, key, strlen(key));
		strbuf_addc(sb, ':');
		add_tree(sb, value);
	}
}

static void add_array(struct strbuf *sb, struct json_object *o)
{
	size_t n = json_object_array_length(o);

	strbuf_addc(sb, '[');
	for (size_t i = 0; i < n; i++)
		json_add_obj(sb, NULL, json_object_array_get_idx(o, i));
	strbuf_addc(sb, ']');
}

static void add_tree(struct strbuf *sb, struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_string:
		add_string(sb, json_object_get_string(o), (size_t)json_object_get_string_len(o));
		break;
	case json_type_array:
		add_array(sb, o);
		break;
	case json_type_object:
		strbuf_addc(sb, '{');
		json_add_members(sb, o, NULL);
		strbuf_addc(sb, '}');
		break;
	case json_type_null:
		strbuf_add(sb, "null", 4);
		break;
	case json_type_boolean:
	case json_type_int:
	case json_type_double: /* which keeps the text that it was read from */
		strbuf_adds(sb, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		break;
	}
}

char *json_text(struct json_object *o, size_t *len)
{
	struct strbuf sb;

	strbuf_init(&sb, JSON_TEXT_MAX);
	add_tree(&sb, o);
	if (sb.failed)
		BUG("a JSON text of more than %d bytes", JSON_TEXT_MAX);
	return strbuf_detach(&sb, len);
}

/* ---- finding ---- */

static const char *skip_value(const char *s, const char *end)
{
	int depth = 0;

	do {
		switch (*s) {
		case '"':
			s = json_skip_string(s, end);
			break;
		case '{':
		case '[':
			depth++;
			s++;
			break;
		case '}':
		case ']':
			depth--;
			s++;
			break;
		case ',':
		case ':':
		case ' ':
		case '\t':
		case '\n':
		case '\r':
			s++;
			break;
		default:
			s += strcspn(s, ",:]} \t\n\r");
		}
	} while (depth > 0);
	return s;
}

struct members {
	const char *at, *end; /* `at`: the next name, or what ends the object */
};

static bool members_begin(struct members *m, const char *text, size_t len)
{
	m->end = text + len;
	m->at = json_skip_space(text, m->end);
	if (*m->at != '{')
		return false;
	m->at = json_skip_space(m->at + 1, m->end);
	return true;
}

/* The next name, without its quotes and with its escapes, and its value. */
static bool members_next(struct members *m, struct json_slice *name, struct json_slice *value)
{
	const char *s = m->at;

	if (*s == '}')
		return false;
	name->text = s + 1;
	s = json_skip_string(s, m->end);
	name->len = (size_t)(s - 1 - name->text);
	s = json_skip_space(s, m->end) + 1; /* the colon */
	value->text = json_skip_space(s, m->end);
	s = skip_value(value->text, m->end);
	value->len = (size_t)(s - value->text);
	s = json_skip_space(s, m->end);
	m->at = *s == ',' ? json_skip_space(s + 1, m->end) : s;
	return true;
}

bool json_member(const char *text, size_t len, const char *key, struct json_slice *out)
{
	struct json_slice name, value;
	size_t n = strlen(key);
	struct members m;
	bool found = false;

	if (!members_begin(&m, text, len))
		return false;
	while (members_next(&m, &name, &value)) {
		/* Of two members of one name the later one counts, as it does for json-c. */
		if (name.len == n && memcmp(name.text, key, n) == 0) {
			*out = value;
			found = true;
		}
	}
	return found;
}

bool json_names_plain(const char *text, size_t len)
{
	struct json_slice name, value;
	struct members m;

	if (!members_begin(&m, text, len))
		return true;
	while (members_next(&m, &name, &value))
		if (memchr(name.text, '\\', name.len))
			return false;
	return true;
}

struct json_slice json_string_start(const struct json_slice *string, size_t units)
{
	size_t at = 1, most = units < string->len - 2 ? units : string->len - 2;

	if (!memchr(string->text + 1, '\\', most))
		return (struct json_slice){string->text, 1 + most};
	for (; units && at < string->len - 1; units--)
		at += string->text[at] != '\\' ? 1 : string->text[at + 1] == 'u' ? 6 : 2;
	return (struct json_slice){string->text, at};
}
