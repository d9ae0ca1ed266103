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

void json_add_string(struct strbuf *sb, const char *s, size_t len)
{
	size_t at = 0, from = 0;

	strbuf_addc(sb, '"');
	for (;;) {
		unsigned char c;

		while (len - at >= 8) {
			uint64_t escapes = json_escapes(json_load8(s + at));

			if (escapes) {
				at += json_before(escapes);
				break;
			}
			at += 8;
		}
		if (at == len)
			break;
		c = (unsigned char)s[at];
		if (c >= 0x20 && c != '"' && c != '\\') {
			at++;
			continue;
		}
		strbuf_add(sb, s + from, at - from);
		escape(sb, c);
		from = ++at;
	}
	strbuf_add(sb, s + from, at - from);
	strbuf_addc(sb, '"');
}

/* A value ends in anything but these, so they tell whether one stands before. */
static void separate(struct strbuf *sb)
{
	if (sb->len && !strchr("{[:", sb->buf[sb->len - 1]))
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

void json_add_tree(struct strbuf *sb, struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_string:
		json_add_string(sb, json_object_get_string(o),
				(size_t)json_object_get_string_len(o));
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

static const char *skip_string(const char *s, const char *end)
{
	s++;
	for (;;) {
		while (end - s >= 8) {
			uint64_t escapes = json_escapes(json_load8(s));

			if (escapes) {
				s += json_before(escapes);
				break;
			}
			s += 8;
		}
		if (*s == '"')
			return s + 1;
		s += *s == '\\' ? 2 : 1;
	}
}

static const char *skip_space(const char *s)
{
	while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
		s++;
	return s;
}

static const char *skip_value(const char *s, const char *end)
{
	int depth = 0;

	do {
		switch (*s) {
		case '"':
			s = skip_string(s, end);
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
	const char *s = skip_space(text), *end = text + len;
	size_t n = strlen(key);
	bool found = false;

	if (*s != '{')
		return false;
	s = skip_space(s + 1);
	while (*s != '}') {
		const char *name = s + 1, *value;
		bool meant;

		s = skip_string(s, end);
		meant = (size_t)(s - 1 - name) == n && memcmp(name, key, n) == 0;
		s = skip_space(s) + 1; /* the colon */
		value = skip_space(s);
		s = skip_value(value, end);
		/* Of two members of one name the later one counts, as it does for json-c. */
		if (meant) {
			*out = (struct json_slice){value, (size_t)(s - value)};
			found = true;
		}
		s = skip_space(s);
		if (*s == ',')
			s = skip_space(s + 1);
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
