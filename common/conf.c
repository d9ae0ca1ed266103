/* conf: the table, loaded and listed. */
#include "cpoa/conf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/nearest.h"

#include "conf_private.h"

/* ---- loading ---- */

static bool is_set(const char *value)
{
	return value && *value;
}

/* *found: NAME_FILE is set and its content is in `content`. */
static bool read_secret_file(const struct conf_option *o, struct strbuf *content, bool *found,
			     struct err *e)
{
	char name[128];
	const char *path;
	int n = snprintf(name, sizeof(name), "%s_FILE", o->name);

	assert(n > 0 && (size_t)n < sizeof(name));
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up */
	path = getenv(name);
	*found = is_set(path);
	if (!*found)
		return true;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up */
	if (is_set(getenv(o->name)))
		return err_set(e, ERR_USAGE, "%s and %s are both set: unset one of them", o->name,
			       name);
	if (!conf_read_file(path, content, e))
		return err_wrap(e, "%s", name);
	if (content->len && content->buf[content->len - 1] == '\n')
		strbuf_cut(content, content->len - 1);
	if (content->len && content->buf[content->len - 1] == '\r')
		strbuf_cut(content, content->len - 1);
	if (strlen(content->buf) != content->len)
		return err_set(e, ERR_USAGE, "%s: there is a NUL byte in %s", name, path);
	return true;
}

static bool load_one(const struct conf_option *o, void *settings, struct err *e)
{
	AUTO(strbuf_release) struct strbuf content;
	const char *standard = o->standard ? o->standard : "";
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up */
	const char *value = getenv(o->name);
	enum conf_outcome outcome;
	bool from_file = false;

	/* Two bytes more for the line end. */
	strbuf_init(&content, CONF_FILE_MAX + 2);
	if (o->kind == CONF_SECRET && !read_secret_file(o, &content, &from_file, e))
		return false;
	if (content.len > CONF_FILE_MAX)
		return err_set(e, ERR_USAGE, "%s_FILE is longer than %d bytes", o->name,
			       CONF_FILE_MAX);
	if (from_file)
		value = content.buf;
	/* NAME= in a compose file means "not set" for what cannot be empty. */
	if (!value || (!*value && !conf_is_string(o)))
		value = standard;
	outcome = conf_read_value(o, value, settings);
	if (outcome == CONF_GOOD)
		return true;
	if (value == standard)
		BUG("the default of %s is not allowed: %s", o->name, standard);
	return conf_bad_value(o, value, outcome, e);
}

static bool is_known(const struct conf_option *table, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		size_t own = strlen(table[i].name);

		if (len < own || strncmp(name, table[i].name, own) != 0)
			continue;
		if (len == own)
			return true;
		if (table[i].kind == CONF_SECRET && len == own + 5 &&
		    memcmp(name + own, "_FILE", 5) == 0)
			return true;
	}
	return false;
}

static void warn_of_unknown(const struct conf_option *table, size_t n, const char *prefix,
			    struct strbuf *warnings)
{
	for (char **var = environ; *var; var++) {
		size_t len = strcspn(*var, "=");

		struct nearest meant = nearest_to(*var, len);

		if (strncmp(*var, prefix, strlen(prefix)) != 0 || is_known(table, n, *var, len))
			continue;
		for (size_t i = 0; i < n; i++)
			nearest_try(&meant, table[i].name);
		strbuf_addf(warnings, "%.*s is set, but there is no such option: it has no effect.",
			    (int)(len < CONF_SHOWN_MAX ? len : CONF_SHOWN_MAX), *var);
		if (meant.found)
			strbuf_addf(warnings, " Is %s meant?", meant.found);
		strbuf_addc(warnings, '\n');
	}
}

bool conf_load(const struct conf_option *table, size_t n, void *settings, const char *prefix,
	       struct strbuf *warnings, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (!load_one(&table[i], settings, e)) {
			conf_release(table, n, settings);
			return false;
		}
	}
	if (warnings)
		warn_of_unknown(table, n, prefix, warnings);
	return true;
}

void conf_forget(const struct conf_option *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct conf_option *o = &table[i];
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up */
		char *value = getenv(o->name);

		if (value &&
		    (o->kind == CONF_SECRET || (o->kind == CONF_URL && strchr(value, '@'))))
			explicit_bzero(value, strlen(value));
	}
}

void conf_release(const struct conf_option *table, size_t n, void *settings)
{
	for (size_t i = 0; i < n; i++) {
		char **place;

		if (!conf_is_string(&table[i]))
			continue;
		place = conf_place(&table[i], settings);
		free(*place);
		*place = NULL;
	}
}

void conf_each(const struct conf_option *table, size_t n,
	       void (*row)(void *ctx, const char *name, const char *standard, const char *bounds,
			   const char *help),
	       void *ctx)
{
	AUTO(strbuf_release) struct strbuf bounds;

	strbuf_init(&bounds, 4096);
	for (size_t i = 0; i < n; i++) {
		const struct conf_option *o = &table[i];

		strbuf_reset(&bounds);
		conf_put_bounds(&bounds, o);
		row(ctx, o->name, o->standard ? o->standard : "", bounds.buf, o->help);
	}
}

struct help {
	FILE *out;
	int width; /* of the longest name */
};

static void print_help(void *ctx, const char *name, const char *standard, const char *bounds,
		       const char *help)
{
	const struct help *h = ctx;

	fprintf(h->out, "%-*s  %-10s  %-16s  %s\n", h->width, name, *standard ? standard : "-",
		*bounds ? bounds : "-", help);
}

void conf_help(const struct conf_option *table, size_t n, FILE *out)
{
	struct help h = {.out = out};

	for (size_t i = 0; i < n; i++) {
		int len = (int)strlen(table[i].name);

		h.width = len > h.width ? len : h.width;
	}
	conf_each(table, n, print_help, &h);
}
