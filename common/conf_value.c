/* conf: one value, read and explained. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_private.h"

enum { US_PER_S = 1000000 };

/* ---- values ---- */

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

static enum conf_outcome read_int(const struct conf_option *o, const char *s, int64_t *out)
{
	bool negative = *s == '-';
	int64_t n;

	s += negative;
	if (!is_digit(*s) || *read_whole(s, &n))
		return CONF_MALFORMED;
	*out = negative ? -n : n;
	return n < INT64_MAX && within(o, (double)*out) ? CONF_GOOD : CONF_OUT_OF_BOUNDS;
}

static enum conf_outcome read_seconds(const struct conf_option *o, const char *s, int64_t *out)
{
	bool negative = *s == '-';
	int64_t whole, us, weight = US_PER_S / 10;

	s += negative;
	if (!is_digit(*s))
		return CONF_MALFORMED;
	s = read_whole(s, &whole);
	if (__builtin_mul_overflow(whole, US_PER_S, &us))
		us = INT64_MAX - US_PER_S;
	if (*s == '.') {
		if (!is_digit(*++s))
			return CONF_MALFORMED;
		for (; is_digit(*s); s++, weight /= 10)
			us += (*s - '0') * weight;
	}
	if (*s)
		return CONF_MALFORMED;
	*out = negative ? -us : us;
	return (double)*out >= o->min * US_PER_S && (double)*out <= o->max * US_PER_S
		       ? CONF_GOOD
		       : CONF_OUT_OF_BOUNDS;
}

static enum conf_outcome read_bytes(const struct conf_option *o, const char *s, int64_t *out)
{
	static const struct {
		const char *name;
		int64_t bytes;
	} units[] = {{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

	if (!is_digit(*s))
		return CONF_MALFORMED;
	s = read_whole(s, out);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(s, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(*out, units[i].bytes, out))
			return CONF_OUT_OF_BOUNDS;
		return within(o, (double)*out) ? CONF_GOOD : CONF_OUT_OF_BOUNDS;
	}
	return CONF_MALFORMED;
}

static enum conf_outcome read_float(const struct conf_option *o, const char *s, double *out)
{
	char *end;

	/* Else strtod() takes spaces, hexadecimal, nan and inf. */
	if (!*s || strspn(s, "0123456789.eE+-") != strlen(s))
		return CONF_MALFORMED;
	*out = strtod(s, &end);
	if (*end)
		return CONF_MALFORMED;
	return within(o, *out) ? CONF_GOOD : CONF_OUT_OF_BOUNDS;
}

static enum conf_outcome read_bool(const char *s, bool *out)
{
	static const char *const words[][2] = {
		{"false", "true"}, {"0", "1"}, {"no", "yes"}, {"off", "on"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int yes = 0; yes < 2; yes++) {
			if (strcasecmp(s, words[i][yes]) == 0) {
				*out = yes;
				return CONF_GOOD;
			}
		}
	}
	return CONF_MALFORMED;
}

static enum conf_outcome read_enum(const struct conf_option *o, const char *s, int *out)
{
	for (int i = 0; o->choices[i]; i++) {
		if (strcasecmp(s, o->choices[i]) == 0) {
			*out = i;
			return CONF_GOOD;
		}
	}
	return CONF_MALFORMED;
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

static enum conf_outcome read_string(const struct conf_option *o, const char *s, char **out)
{
	if (o->kind == CONF_URL && *s && !is_url(s))
		return CONF_MALFORMED;
	*out = xstrdup(s);
	return CONF_GOOD;
}

bool conf_is_string(const struct conf_option *o)
{
	return o->kind == CONF_TEXT || o->kind == CONF_SECRET || o->kind == CONF_URL;
}

void *conf_place(const struct conf_option *o, void *settings)
{
	return (char *)settings + o->offset;
}

enum conf_outcome conf_read_value(const struct conf_option *o, const char *s, void *settings)
{
	void *place = conf_place(o, settings);

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

static void put_range(struct strbuf *sb, const struct conf_option *o)
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

void conf_put_bounds(struct strbuf *sb, const struct conf_option *o)
{
	if (o->kind == CONF_ENUM)
		put_choices(sb, o);
	else if (o->kind == CONF_BOOL)
		strbuf_adds(sb, "true, false");
	else if (!conf_is_string(o))
		put_range(sb, o);
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
		put_range(sb, o);
		break;
	case CONF_SECONDS:
		strbuf_adds(sb, "a number of seconds from ");
		put_range(sb, o);
		break;
	case CONF_BYTES:
		strbuf_adds(sb, "a number of bytes (4194304, 64KiB, 4MiB) from ");
		put_range(sb, o);
		break;
	case CONF_FLOAT:
		strbuf_adds(sb, "a number from ");
		put_range(sb, o);
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

bool conf_bad_value(const struct conf_option *o, const char *s, enum conf_outcome outcome,
		    struct err *e)
{
	AUTO(strbuf_release) struct strbuf rule;

	strbuf_init(&rule, ERR_TEXT_MAX);
	put_rule(&rule, o);
	/* A password may stand before the @ of a URL. */
	if (o->kind == CONF_URL && strchr(s, '@'))
		return err_set(e, ERR_USAGE, "%s is malformed: it must be %s", o->name, rule.buf);
	if (outcome == CONF_OUT_OF_BOUNDS)
		return err_set(e, ERR_USAGE, "%s is %.*s, which is out of bounds: it must be %s",
			       o->name, CONF_SHOWN_MAX, s, rule.buf);
	return err_set(e, ERR_USAGE, "%s is \"%.*s\": it must be %s", o->name, CONF_SHOWN_MAX, s,
		       rule.buf);
}
