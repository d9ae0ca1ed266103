#include <json.h>
#include <libxml/HTMLparser.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/err.h"
#include "harvest/extract_parts.h"

enum {
	ENTITY_MAX = 12,	   /* bytes between & and ; */
	BODY_MAX_LEN = 1024 * 1024 /* bytes of an articleBody, as it stands in the page */
};

static void add_code(struct text *out, unsigned long code)
{
	char s[4];
	if (code < 0x80) {
		s[0] = (char)code;
		text_add(out, s, 1);
	} else if (code < 0x800) {
		s[0] = (char)(0xc0 | code >> 6);
		s[1] = (char)(0x80 | (code & 0x3f));
		text_add(out, s, 2);
	} else if (code < 0x10000) {
		s[0] = (char)(0xe0 | code >> 12);
		s[1] = (char)(0x80 | (code >> 6 & 0x3f));
		s[2] = (char)(0x80 | (code & 0x3f));
		text_add(out, s, 3);
	} else if (code < 0x110000) {
		s[0] = (char)(0xf0 | code >> 18);
		s[1] = (char)(0x80 | (code >> 12 & 0x3f));
		s[2] = (char)(0x80 | (code >> 6 & 0x3f));
		s[3] = (char)(0x80 | (code & 0x3f));
		text_add(out, s, 4);
	}
}

/* Adds what the reference at `s`, an "&", means; returns how long it is, 0 if it is none. */
static size_t add_reference(struct text *out, const char *s, size_t len)
{
	char name[ENTITY_MAX + 1];
	size_t n = 1;
	while (n < len && n <= ENTITY_MAX && s[n] != ';')
		n++;
	if (n == len || s[n] != ';' || n == 1)
		return 0;
	memcpy(name, s + 1, n - 1);
	name[n - 1] = '\0';
	if (name[0] == '#') {
		bool hex = name[1] == 'x' || name[1] == 'X';
		add_code(out, strtoul(name + (hex ? 2 : 1), NULL, hex ? 16 : 10));
		return n + 1;
	}
	const htmlEntityDesc *entity = htmlEntityLookup((const xmlChar *)name);
	if (entity == NULL)
		return 0;
	add_code(out, entity->value);
	return n + 1;
}

static void add_encoded(struct text *out, struct slice from)
{
	for (size_t i = 0; i < from.len;) {
		const char *amp = memchr(from.s + i, '&', from.len - i);
		size_t plain = (amp != NULL ? (size_t)(amp - from.s) : from.len) - i;
		text_add(out, from.s + i, plain);
		i += plain;
		if (amp == NULL)
			break;
		size_t n = add_reference(out, amp, from.len - i);
		if (n == 0) {
			text_add(out, "&", 1);
			n = 1;
		}
		i += n;
	}
}

void head_title(const struct strip *page, struct text *out)
{
	add_encoded(out, page->headline.len > 0 ? page->headline : page->title);
}

/* The JSON string that is the value of "articleBody" in `data`, quotes included. */
static struct slice find_body(struct slice data)
{
	static const char key[] = "\"articleBody\"";
	struct slice none = {NULL, 0};
	const char *end = data.s + data.len;
	const char *at = memmem(data.s, data.len, key, sizeof(key) - 1);
	if (at == NULL)
		return none;
	for (at += sizeof(key) - 1; at < end && strchr(" \t\r\n:", *at) != NULL;)
		at++;
	if (at == end || *at != '"')
		return none;
	for (const char *s = at + 1; s < end && s - at < BODY_MAX_LEN; s++) {
		if (*s == '\\')
			s++;
		else if (*s == '"')
			return (struct slice){at, (size_t)(s + 1 - at)};
	}
	return none;
}

static void add_lines(struct text *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		const char *line = memchr(s + i, '\n', len - i);
		size_t n = (line != NULL ? (size_t)(line - s) : len) - i;
		add_encoded(out, (struct slice){s + i, n});
		text_break(out);
		i += n + 1;
	}
}

void head_body(const struct strip *page, struct text *out)
{
	struct slice longest = {NULL, 0};
	for (size_t i = 0; i < page->jsonld_n; i++) {
		struct slice body = find_body(page->jsonld[i]);
		if (body.len > longest.len)
			longest = body;
	}
	if (longest.len == 0)
		return;
	struct json_tokener *tok = json_tokener_new();
	if (tok == NULL)
		return;
	struct json_object *string = json_tokener_parse_ex(tok, longest.s, (int)longest.len);
	/* With markup in it, it is a page and no text. */
	if (json_object_is_type(string, json_type_string) &&
	    strchr(json_object_get_string(string), '<') == NULL)
		add_lines(out, json_object_get_string(string),
			  (size_t)json_object_get_string_len(string));
	json_object_put(string);
	json_tokener_free(tok);
}
