#include "cpoa/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cpoa/nearest.h"

enum { FILE_MAX = 64 * 1024, US_PER_S = 1000000, SHOWN_MAX = 100 };

/* ---- files ---- */

static bool read_file(const char *path, struct strbuf *sb, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int errnum = 0;
	char part[4096];
	ssize_t n;

	if (fd < 0)
		return err_errno(e, ERR_USAGE, errno, "cannot open %s", path);
	while ((n = read(fd, part, sizeof(part))) != 0 && !sb->failed) {
		if (n > 0)
			strbuf_add(sb, part, (size_t)n);
		else if (errno != EINTR)
			break;
	}
	if (n < 0)
		errnum = errno;
	close(fd);
	if (errnum)
		return err_errno(e, ERR_USAGE, errnum, "cannot read %s", path);
	if (sb->failed)
		return err_set(e, ERR_USAGE, "%s is longer than %d bytes", path, FILE_MAX);
	return true;
}

/* ---- .env ---- */

/* What is left of one line. */
struct rest {
	const char *s, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct rest *r)
{
	while (r->s < r->end && is_blank(*r->s))
		r->s++;
}

static bool at_end(const struct rest *r)
{
	return r->s == r->end || *r->s == '#';
}

static bool is_name_char(char c, bool first)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (!first && c >= '0' && c <= '9');
}

static bool read_name(struct rest *r, struct strbuf *name)
{
	static const char export[] = "export";
	size_t n = sizeof(export) - 1;

	if ((size_t)(r->end - r->s) > n && memcmp(r->s, export, n) == 0 && is_blank(r->s[n])) {
		r->s += n;
		skip_blanks(r);
	}
	while (r->s < r->end && is_name_char(*r->s, name->len == 0))
		strbuf_addc(name, *r->s++);
	skip_blanks(r);
	if (name->len == 0 || r->s == r->end || *r->s != '=')
		return false;
	r->s++;
	skip_blanks(r);
	return true;
}

/* In single quotes everything stands for itself; in double quotes \n \t \" \\ \$ are read. */
static bool read_quoted(struct rest *r, struct strbuf *value)
{
	char quote = *r->s++;

	while (r->s < r->end && *r->s != quote) {
		char c = *r->s++;

		if (c == '\\' && quote == '"' && r->s < r->end && strchr("nt\"\\$", *r->s)) {
			c = *r->s++;
			c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
		}
		strbuf_addc(value, c);
	}
	if (r->s == r->end)
		return false;
	r->s++;
	skip_blanks(r);
	return at_end(r);
}

/* Up to the end, or to a # behind a space; a # within a word belongs to it. */
static void read_bare(struct rest *r, struct strbuf *value)
{
	const char *from = r->s, *end = r->s;

	for (; r->s < r->end && !(*r->s == '#' && (r->s == from || is_blank(r->s[-1]))); r->s++) {
		if (!is_blank(*r->s))
			end = r->s + 1;
	}
	strbuf_add(value, from, (size_t)(end - from));
}

bool conf_dotenv_parse(const char *text, size_t len,
		       void (*set)(void *ctx, const char *name, const char *value), void *ctx,
		       struct err *e)
{
	AUTO(strbuf_release) struct strbuf name, value;
	const char *end = text + len;
	int number = 0;

	strbuf_init(&name, FILE_MAX);
	strbuf_init(&value, FILE_MAX);
	if (len > FILE_MAX)
		return err_set(e, ERR_USAGE, "it is longer than %d bytes", FILE_MAX);
	if (len && memchr(text, '\0', len))
		return err_set(e, ERR_USAGE, "it is no text: there is a NUL byte in it");
	for (const char *next = text; next < end;) {
		const char *stop = memchr(next, '\n', (size_t)(end - next));
		struct rest r = {next, stop ? stop : end};

		number++;
		next = stop ? stop + 1 : end;
		strbuf_reset(&name);
		strbuf_reset(&value);
		skip_blanks(&r);
		if (at_end(&r))
			continue;
		if (!read_name(&r, &name))
			return err_set(e, ERR_USAGE, "line %d is not NAME=value", number);
		if (r.s < r.end && (*r.s == '"' || *r.s == '\'')) {
			if (!read_quoted(&r, &value))
				return err_set(
					e, ERR_USAGE,
					"line %d: the quotes around the value of %.*s do not "
					"close at its end",
					number, SHOWN_MAX, name.buf);
		} else {
			read_bare(&r, &value);
		}
		set(ctx, name.buf, value.buf);
	}
	return true;
}

static void set_if_absent(void *ctx, const char *name, const char *value)
{
	(void)ctx;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up */
	if (setenv(name, value, 0) != 0)
		BUG("cannot set an environment variable");
}

bool conf_dotenv(const char *path, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;

	strbuf_init(&text, FILE_MAX);
	if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return true;
	if (!read_file(path, &text, e))
		return false;
	if (!conf_dotenv_parse(text.buf, text.len, set_if_absent, NULL, e))
		return err_wrap(e, "%s", path);
	return true;
}

/* ---- values ---- */

/* What came of reading a value. */
enum outcome { GOOD, MALFORMED, OUT_OF_BOUNDS };

/* All digits, at least one; stops at the first other character. Saturates. */
static const char *read_whole(const char *s, int64_t *n)
{
	*n = 0;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, *s - '0', n))
			*n = INT64_MAX;
	}
	return s;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool within(const struct conf_option *o, double n)
{
	return n >= o->min && n <= o->max;
}

static enum outcome read_int(const struct conf_option *o, const char *s, int64_t *out)
{
	bool negative = *s == '-';
	int64_t n;

	s += negative;
	if (!is_digit(*s) || *read_whole(s, &n))
		return MALFORMED;
	*out = negative ? -n : n;
	return n < INT64_MAX && within(o, (double)*out) ? GOOD : OUT_OF_BOUNDS;
}

static enum outcome read_seconds(const struct conf_option *o, const char *s, int64_t *out)
{
	bool negative = *s == '-';
	int64_t whole, us, weight = US_PER_S / 10;

	s += negative;
	if (!is_digit(*s))
		return MALFORMED;
	s = read_whole(s, &whole);
	if (__builtin_mul_overflow(whole, US_PER_S, &us))
		us = INT64_MAX - US_PER_S;
	if (*s == '.') {
		if (!is_digit(*++s))
			return MALFORMED;
		for (; is_digit(*s); s++, weight /= 10)
			us += (*s - '0') * weight;
	}
	if (*s)
		return MALFORMED;
	*out = negative ? -us : us;
	return (double)*out >= o->min * US_PER_S && (double)*out <= o->max * US_PER_S
		       ? GOOD
		       : OUT_OF_BOUNDS;
}

static enum outcome read_bytes(const struct conf_option *o, const char *s, int64_t *out)
{
	static const struct {
		const char *name;
		int64_t bytes;
	} units[] = {{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

	if (!is_digit(*s))
		return MALFORMED;
	s = read_whole(s, out);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(s, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(*out, units[i].bytes, out))
			return OUT_OF_BOUNDS;
		return within(o, (double)*out) ? GOOD : OUT_OF_BOUNDS;
	}
	return MALFORMED;
}

static enum outcome read_float(const struct conf_option *o, const char *s, double *out)
{
	char *end;

	/* Else strtod() takes spaces, hexadecimal, nan and inf. */
	if (!*s || strspn(s, "0123456789.eE+-") != strlen(s))
		return MALFORMED;
	*out = strtod(s, &end);
	if (*end)
		return MALFORMED;
	return within(o, *out) ? GOOD : OUT_OF_BOUNDS;
}

static enum outcome read_bool(const char *s, bool *out)
{
	static const char *const words[][2] = {
		{"false", "true"}, {"0", "1"}, {"no", "yes"}, {"off", "on"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int yes = 0; yes < 2; yes++) {
			if (strcasecmp(s, words[i][yes]) == 0) {
				*out = yes;
				return GOOD;
			}
		}
	}
	return MALFORMED;
}

static enum outcome read_enum(const struct conf_option *o, const char *s, int *out)
{
	for (int i = 0; o->choices[i]; i++) {
		if (strcasecmp(s, o->choices[i]) == 0) {
			*out = i;
			return GOOD;
		}
	}
	return MALFORMED;
}

static bool is_url(const char *s)
{
	const char *host, *at;
	size_t len;

	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p <= 0x20 || *p == 0x7F)
			return false;
	}
	if (strncasecmp(s, "http://", 7) == 0)
		host = s + 7;
	else if (strncasecmp(s, "https://", 8) == 0)
		host = s + 8;
	else
		return false;
	len = strcspn(host, "/?#");
	at = memrchr(host, '@', len);
	if (at) {
		len -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	return len > 0 && *host != ':';
}

static enum outcome read_string(const struct conf_option *o, const char *s, char **out)
{
	if (o->kind == CONF_URL && *s && !is_url(s))
		return MALFORMED;
	*out = xstrdup(s);
	return GOOD;
}

static void *place_of(const struct conf_option *o, void *settings)
{
	return (char *)settings + o->offset;
}

static enum outcome read_value(const struct conf_option *o, const char *s, void *settings)
{
	void *place = place_of(o, settings);

	switch (o->kind) {
	case CONF_TEXT:
	case CONF_SECRET:
	case CONF_URL:
		return read_string(o, s, place);
	case CONF_INT:
		return read_int(o, s, place);
	case CONF_SECONDS:
		return read_seconds(o, s, place);
	case CONF_BYTES:
		return read_bytes(o, s, place);
	case CONF_FLOAT:
		return read_float(o, s, place);
	case CONF_BOOL:
		return read_bool(s, place);
	case CONF_ENUM:
		return read_enum(o, s, place);
	}
	BUG("%s is of no kind", o->name);
}

/* ---- what is allowed, in words ---- */

static void put_size(struct strbuf *sb, double bytes)
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB"};
	size_t unit = 0;

	while (unit < 3 && bytes >= 1024 && fmod(bytes, 1024) < 0.5) {
		bytes /= 1024;
		unit++;
	}
	strbuf_addf(sb, "%.15g%s", bytes, units[unit]);
}

static void put_bounds(struct strbuf *sb, const struct conf_option *o)
{
	if (o->kind == CONF_BYTES) {
		put_size(sb, o->min);
		strbuf_adds(sb, " to ");
		put_size(sb, o->max);
	} else {
		strbuf_addf(sb, "%.15g to %.15g", o->min, o->max);
	}
}

static void put_choices(struct strbuf *sb, const struct conf_option *o)
{
	for (size_t i = 0; o->choices[i]; i++)
		strbuf_addf(sb, "%s%s", i ? ", " : "", o->choices[i]);
}

/* Behind "it must be ". */
static void put_rule(struct strbuf *sb, const struct conf_option *o)
{
	switch (o->kind) {
	case CONF_TEXT:
	case CONF_SECRET:
		break;
	case CONF_URL:
		strbuf_adds(sb, "empty or http:// or https:// with a host, without spaces");
		break;
	case CONF_INT:
		strbuf_adds(sb, "a whole number from ");
		put_bounds(sb, o);
		break;
	case CONF_SECONDS:
		strbuf_adds(sb, "a number of seconds from ");
		put_bounds(sb, o);
		break;
	case CONF_BYTES:
		strbuf_adds(sb, "a number of bytes (4194304, 64KiB, 4MiB) from ");
		put_bounds(sb, o);
		break;
	case CONF_FLOAT:
		strbuf_adds(sb, "a number from ");
		put_bounds(sb, o);
		break;
	case CONF_BOOL:
		strbuf_adds(sb, "true or false");
		break;
	case CONF_ENUM:
		strbuf_adds(sb, "one of ");
		put_choices(sb, o);
		break;
	}
}

static bool bad_value(const struct conf_option *o, const char *s, enum outcome outcome,
		      struct err *e)
{
	AUTO(strbuf_release) struct strbuf rule;

	strbuf_init(&rule, ERR_TEXT_MAX);
	put_rule(&rule, o);
	/* A password may stand before the @ of a URL. */
	if (o->kind == CONF_URL && strchr(s, '@'))
		return err_set(e, ERR_USAGE, "%s is malformed: it must be %s", o->name, rule.buf);
	if (outcome == OUT_OF_BOUNDS)
		return err_set(e, ERR_USAGE, "%s is %.*s, which is out of bounds: it must be %s",
			       o->name, SHOWN_MAX, s, rule.buf);
	return err_set(e, ERR_USAGE, "%s is \"%.*s\": it must be %s", o->name, SHOWN_MAX, s,
		       rule.buf);
}

/* ---- loading ---- */

static bool is_string(const struct conf_option *o)
{
	return o->kind == CONF_TEXT || o->kind == CONF_SECRET || o->kind == CONF_URL;
}

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
	if (!read_file(path, content, e))
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
	enum outcome outcome;
	bool from_file = false;

	/* Two bytes more for the line end. */
	strbuf_init(&content, FILE_MAX + 2);
	if (o->kind == CONF_SECRET && !read_secret_file(o, &content, &from_file, e))
		return false;
	if (content.len > FILE_MAX)
		return err_set(e, ERR_USAGE, "%s_FILE is longer than %d bytes", o->name, FILE_MAX);
	if (from_file)
		value = content.buf;
	/* NAME= in a compose file means "not set" for what cannot be empty. */
	if (!value || (!*value && !is_string(o)))
		value = standard;
	outcome = read_value(o, value, settings);
	if (outcome == GOOD)
		return true;
	if (value == standard)
		BUG("the default of %s is not allowed: %s", o->name, standard);
	return bad_value(o, value, outcome, e);
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
			    (int)(len < SHOWN_MAX ? len : SHOWN_MAX), *var);
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

		if (!is_string(&table[i]))
			continue;
		place = place_of(&table[i], settings);
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
		if (o->kind == CONF_ENUM)
			put_choices(&bounds, o);
		else if (o->kind == CONF_BOOL)
			strbuf_adds(&bounds, "true, false");
		else if (!is_string(o))
			put_bounds(&bounds, o);
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
