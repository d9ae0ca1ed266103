/*
 * json: JSON from strangers, over json-c.
 *
 * Parsing is strict (RFC 8259: one value, UTF-8, nothing behind it) with a ceiling on depth, and
 * tells apart what a refusal must tell apart: what is not JSON, and what is JSON that PostgreSQL
 * cannot store (NUL characters in strings, text that is not UTF-8, numbers beyond a double or with
 * more than 16383 places behind the point, or that are JSON_ZEROS_MAX longer when PostgreSQL's
 * jsonb writes them out: what came in as 1e-16383 comes back with all its zeros). Of other numbers
 * every digit is kept.
 *
 * A json_object belongs to one thread at a time: json-c's reference counts are not atomic.
 */
#ifndef CPOA_JSON_H
#define CPOA_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

enum {
	JSON_DEPTH_MAX = 32,
	JSON_VALUES_MAX = 50000,  /* keys, strings, numbers, lists and objects: a tree may take 300
				     bytes for 3 of text */
	JSON_LEVEL_VALUES = 16,	  /* more with each level that is allowed beyond JSON_DEPTH_MAX: our
				     own text around a stranger's */
	JSON_ZEROS_MAX = 1 << 20, /* that the exponents of a text may stand for, all together */
	JSON_TEXT_MAX = 1 << 30,  /* bytes of a text that is written */
};

enum json_verdict {
	JSON_OK,
	JSON_SYNTAX,	 /* not JSON */
	JSON_DEEP,	 /* nested deeper than allowed, or more than JSON_VALUES_MAX values */
	JSON_UNSTORABLE, /* JSON that PostgreSQL cannot keep */
};

/* What to do with text that PostgreSQL cannot keep. */
enum json_mode {
	JSON_STRICT, /* refuse it: JSON_UNSTORABLE */
	JSON_MEND,   /* replace NULs and broken bytes by U+FFFD, such numbers by null */
};

/*
 * Parses `len` bytes. On JSON_OK *out is a new reference (json_object_put it; NULL for the JSON
 * value null); else *out is NULL and e->text a sentence with the place.
 */
MUST_CHECK enum json_verdict json_read(const char *text, size_t len, int depth_max,
				       enum json_mode mode, struct json_object **out,
				       struct err *e);

/* json_read with JSON_MEND; *as_is says whether the text itself could be kept, nothing in it having
 * been mended. */
MUST_CHECK enum json_verdict json_read_as_is(const char *text, size_t len, int depth_max,
					     bool *as_is, struct json_object **out, struct err *e);

/* The compact text; free() it. `len` may be NULL. */
char *json_text(struct json_object *o, size_t *len);

/* JSON text that somebody else keeps. */
struct json_slice {
	const char *text; /* NULL: none */
	size_t len;
};

/*
 * Writing into a buffer: no tree is built that would only be printed. What a worker writes it
 * writes so, and trees are for reading.
 *
 *	struct strbuf sb;
 *
 *	json_begin(&sb);			{
 *	json_add_str(&sb, "topic", topic);	"topic":"Bees"
 *	json_open(&sb, "voice", '{');		,"voice":{
 *	json_add_num(&sb, "pitch", 2);		"pitch":2
 *	json_close(&sb, '}');			}
 *	text = json_end(&sb, NULL);		}
 *
 * A comma goes in wherever a value stands before. With `key` NULL the value alone is written, as in
 * a list. A key is the caller's own and is not escaped; a string is UTF-8, and is.
 * What a stranger has as keys goes through json_add_obj() and json_add_members().
 */
/* A new buffer, with an object in it that is open; the second has room for about so many bytes. */
void json_begin(struct strbuf *sb);
void json_begin_large(struct strbuf *sb, size_t room);
char *json_end(struct strbuf *sb, size_t *len) /* closes that; free() it; `len` may be NULL */
	__attribute__((returns_nonnull));
void json_open(struct strbuf *sb, const char *key, char bracket); /* '{' or '[' */
void json_close(struct strbuf *sb, char bracket);
void json_add_str(struct strbuf *sb, const char *key, const char *s); /* NULL: null */
/* A string of parts, the last one NULL. */
void json_add_joined(struct strbuf *sb, const char *key, const char *part, ...)
	__attribute__((sentinel));
void json_add_num(struct strbuf *sb, const char *key, int64_t n);
void json_add_bool(struct strbuf *sb, const char *key, bool b);
void json_add_text(struct strbuf *sb, const char *key, struct json_slice text); /* none: null */
void json_add_obj(struct strbuf *sb, const char *key, struct json_object *o);	/* NULL: null */
/* The members of an object (NULL: none), but for the one called `except` (NULL: all). */
void json_add_members(struct strbuf *sb, struct json_object *o, const char *except);

/*
 * The text of a member of the object in `text`, which json_read_as_is() has found good, and which
 * ends in a NUL. False when there is none of this name (which may hold nothing to be escaped).
 */
bool json_member(const char *text, size_t len, const char *key, struct json_slice *out);

/* Whether no name of the object's members is written with an escape, which json_member() would not
 * find: true for what is no object. The text as for json_member(). */
bool json_names_plain(const char *text, size_t len);

/* Of a string's text, its opening quote and as many characters (UTF-16 units where escaped, bytes
 * where not) as `units`; without the closing quote. */
struct json_slice json_string_start(const struct json_slice *string, size_t units);

/* Getters that take what they find: NULL or the default when `o` is NULL, no object, or has no such
 * member of the type. */
const char *json_str(struct json_object *o, const char *key);
struct json_object *json_obj(struct json_object *o, const char *key);
struct json_object *json_arr(struct json_object *o, const char *key);
struct json_object *json_any(struct json_object *o, const char *key);
int64_t json_num(struct json_object *o, const char *key, int64_t otherwise);

/* Setters: `o` is an object; they take over `v`. A NULL string becomes null. */
void json_set(struct json_object *o, const char *key, struct json_object *v);
void json_set_str(struct json_object *o, const char *key, const char *s);
void json_set_num(struct json_object *o, const char *key, int64_t n);
/* Adds a new reference to `v` (may be NULL: null). */
void json_set_ref(struct json_object *o, const char *key, struct json_object *v);

/* Drops the reference that the variable holds (NULL is fine), and nulls it. Also for
 * AUTO(json_put). */
void json_put(struct json_object **o);

/* Whether `len` bytes are UTF-8 as PostgreSQL takes it: no overlong forms, no surrogates, at most
 * U+10FFFF, no NUL. */
bool utf8_ok(const char *s, size_t len);

/* The length of the character that `len` bytes begin with (1 to 4), or 0 when there is none that
 * utf8_ok() takes. */
size_t utf8_char(const char *s, size_t len);

/*
 * The length of the longest prefix of at most `max` bytes that ends between characters, and between
 * words when there is a space or line end in its last 200 bytes.
 */
size_t utf8_cut(const char *s, size_t len, size_t max);

/* How many characters (code points) `len` bytes of UTF-8 hold. */
size_t utf8_count(const char *s, size_t len);

#endif
