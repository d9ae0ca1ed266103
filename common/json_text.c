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

void json_add_string(struct strbuf *sb, const char *s, size_t len)
{
	size_t n = plain(s, len);

	strbuf_addc(sb, '"');
	while (n < len) {
		strbuf_add(sb, s, n);
		escape(sb, (unsigned char)s[n]);
		s += n + 1;
		len -= n + 1;
		n = plain(s, len);
	}
	strbuf_add(sb, s, len);
	strbuf_addc(sb, '"');
}

/* A value ends in anything but these, so they tell whether one stands before. */
static void separate(struct strbuf *sb)
{
	char c = sb->len ? sb->buf[sb->len - 1] : '{';

	if (c != '{' && c != '[' && c != ':')
		strbuf_addc(sb, ',');
}

void json_add_key(struct strbuf *sb, const char *key)
{
	separate(sb);
	json_add_string(sb, key, strlen(key));
	strbuf_addc(sb, ':');
}

void json_add_str(struct strbuf *sb, const char *key, const char *s)
{
	json_add_key(sb, key);
	if (s)
		json_add_string(sb, s, strlen(s));
	else
		strbuf_add(sb, "null", 4);
}

static void add_array(struct strbuf *sb, struct json_object *o)
{
	size_t n = json_object_array_length(o);

	strbuf_addc(sb, '[');
	for (size_t i = 0; i < n; i++) {
		separate(sb);
		json_add_tree(sb, json_object_array_get_idx(o, i));
	}
	strbuf_addc(sb, ']');
}

static void add_object(struct strbuf *sb, struct json_object *o)
{
	strbuf_addc(sb, '{');
	json_object_object_foreach(o, key, value)
	{
		json_add_key(sb, key);
		json_add_tree(sb, value);
	}
	strbuf_addc(sb, '}');
}

static char raw_mark; /* the userdata of a value that is written as it is */

struct json_object *json_raw(const char *text, size_t len)
{
	struct json_object *o = json_object_new_string_len(text, (int)len);

	if (!o)
		BUG("out of memory for JSON");
	json_object_set_userdata(o, &raw_mark, NULL);
	return o;
}

static void add_text(struct strbuf *sb, struct json_object *o)
{
	const char *text = json_object_get_string(o);
	size_t len = (size_t)json_object_get_string_len(o);

	if (json_object_get_userdata(o) == &raw_mark)
		strbuf_add(sb, text, len);
	else
		json_add_string(sb, text, len);
}

void json_add_tree(struct strbuf *sb, struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_string:
		add_text(sb, o);
		break;
	case json_type_array:
		add_array(sb, o);
		break;
	case json_type_object:
		add_object(sb, o);
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
	json_add_tree(&sb, o);
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

bool json_member(const char *text, size_t len, const char *key, struct json_slice *out)
{
	const char *end = text + len, *s = json_skip_space(text, end);
	size_t n = strlen(key);
	bool found = false;

	if (*s != '{')
		return false;
	s = json_skip_space(s + 1, end);
	while (*s != '}') {
		const char *name = s + 1, *value;
		bool meant;

		s = json_skip_string(s, end);
		meant = (size_t)(s - 1 - name) == n && memcmp(name, key, n) == 0;
		s = json_skip_space(s, end) + 1; /* the colon */
		value = json_skip_space(s, end);
		s = skip_value(value, end);
		/* Of two members of one name the later one counts, as it does for json-c. */
		if (meant) {
			*out = (struct json_slice){value, (size_t)(s - value)};
			found = true;
		}
		s = json_skip_space(s, end);
		if (*s == ',')
			s = json_skip_space(s + 1, end);
	}
	return found;
}

struct json_slice json_string_start(const struct json_slice *string, size_t units)
{
	size_t at = 1;

	for (; units && at < string->len - 1; units--)
		at += string->text[at] != '\\' ? 1 : string->text[at + 1] == 'u' ? 6 : 2;
	return (struct json_slice){string->text, at};
}
