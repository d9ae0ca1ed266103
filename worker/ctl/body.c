/* body: FILE, then each --arg over it. */
#include "ctl/body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "core/policy.h"

enum { NAME_SIZE = 128 };

/* ---- the file ---- */

static bool read_stream(FILE *in, const char *name, struct strbuf *text, struct err *e)
{
	char block[8192];
	size_t n;

	while ((n = fread(block, 1, sizeof(block), in)) > 0) {
		strbuf_add(text, block, n);
		if (text->failed)
			return err_set(e, ERR_USAGE,
				       "%s has more than %d bytes, which no job may have", name,
				       BODY_MAX);
	}
	return !ferror(in) || err_errno(e, ERR_USAGE, errno, "cannot read %s", name);
}

static bool read_file(const char *file, struct strbuf *text, struct err *e)
{
	FILE *in;
	bool ok;

	if (strcmp(file, "-") == 0)
		return read_stream(stdin, "stdin", text, e);
	in = fopen(file, "re");
	if (!in)
		return err_errno(e, ERR_USAGE, errno, "cannot open %s", file);
	ok = read_stream(in, file, text, e);
	fclose(in);
	return ok;
}

struct json_object *body_read(const char *file, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;
	struct json_object *body = NULL;
	const char *name = file && strcmp(file, "-") == 0 ? "stdin" : file;

	strbuf_init(&text, BODY_MAX);
	if (!file)
		return json_object_new_object();
	if (!read_file(file, &text, e))
		return NULL;
	if (json_read(text.buf, text.len, JSON_DEPTH_MAX, JSON_STRICT, &body, e) != JSON_OK) {
		err_wrap(e, "%s", name);
		e->class = ERR_USAGE;
		return NULL;
	}
	if (!json_object_is_type(body, json_type_object)) {
		json_put(&body);
		err_set(e, ERR_USAGE, "%s holds no JSON object", name);
	}
	return body;
}

/* ---- one argument ---- */

/* The object that the last name of "a.b.c" belongs to; *name becomes that last name. */
static bool descend(struct json_object **at, char *path, const char **name, const char *option,
		    struct err *e)
{
	char *dot;

	for (*name = path; (dot = strchr(path, '.')); *name = path = dot + 1) {
		struct json_object *next;

		*dot = '\0';
		if (!*path || !dot[1])
			return err_set(e, ERR_USAGE, "%s has an empty name beside a dot", option);
		if (!json_object_object_get_ex(*at, path, &next)) {
			next = json_object_new_object();
			json_set(*at, path, next);
		}
		if (!json_object_is_type(next, json_type_object))
			return err_set(e, ERR_USAGE,
				       "%s: '%s' is no object, so it has no member '%s'", option,
				       path, dot + 1);
		*at = next;
	}
	return **name || err_set(e, ERR_USAGE, "%s has no name before its '='", option);
}

static bool read_value(const char *text, bool json, struct json_object **value, struct err *e)
{
	if (!json) {
		*value = json_object_new_string(text);
		return utf8_ok(text, strlen(text)) ||
		       err_set(e, ERR_USAGE, "the text is not UTF-8");
	}
	if (json_read(text, strlen(text), JSON_DEPTH_MAX, JSON_STRICT, value, e) == JSON_OK)
		return true;
	e->class = ERR_USAGE;
	return false;
}

bool body_set(struct json_object *body, const char *option, const char *assignment, struct err *e)
{
	AUTO(json_put) struct json_object *value = NULL;
	const char *equals = strchr(assignment, '='), *name;
	char path[NAME_SIZE];
	bool json = equals && equals > assignment && equals[-1] == ':';
	size_t n = equals ? (size_t)(equals - assignment) - json : 0;

	if (!equals)
		return err_set(e, ERR_USAGE, "%s is '%.64s'; it must be name=text or name:=json",
			       option, assignment);
	if (n >= sizeof(path) || !utf8_ok(assignment, n))
		return err_set(e, ERR_USAGE, "%s has a name that is too long or not UTF-8", option);
	memcpy(path, assignment, n);
	path[n] = '\0';
	if (!read_value(equals + 1, json, &value, e))
		return err_wrap(e, "%s %s", option, path);
	if (!descend(&body, path, &name, option, e))
		return false;
	json_set_ref(body, name, value);
	return true;
}
