/* otel: lists of name=value, and the address. */
#include "engine/otel.h"

#include <stdlib.h>
#include <string.h>

#include "cpoa/strbuf.h"

#include "engine/span.h"

enum { TEXT_BYTES = 64 << 10 };

struct pair {
	char *name, *value;
};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; a "%" that encodes nothing stands for itself. */
static void decode(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0 &&
		    (s[1] != '0' || s[2] != '0')) {
			*out++ = (char)(hex(s[1]) * 16 + hex(s[2]));
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static char *trimmed(const char *s, size_t len)
{
	while (len && strchr(" \t", *s)) {
		s++;
		len--;
	}
	while (len && strchr(" \t", s[len - 1]))
		len--;
	return xstrndup(s, len);
}

/* "name=value"; false: it is none. */
static bool read_pair(const char *s, size_t len, struct pair *pair)
{
	const char *equals = memchr(s, '=', len);

	if (!equals)
		return false;
	pair->name = trimmed(s, (size_t)(equals - s));
	pair->value = trimmed(equals + 1, len - (size_t)(equals + 1 - s));
	decode(pair->value);
	/* A name goes into a header or a JSON key as it stands. */
	for (const char *p = pair->name; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == ':' || *p == '"')
			return false;
	return *pair->name;
}

static void release_pairs(struct pair *pairs, int n)
{
	for (int i = 0; i < n; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
}

/* The pairs of a list, empty members skipped; their number, or -1. */
static int read_pairs(const char *variable, const char *text, struct pair *pairs, int max,
		      struct err *e)
{
	int n = 0;

	for (size_t len; *text; text += len + (text[len] == ',')) {
		bool good;

		len = strcspn(text, ",");
		if (strspn(text, " \t") >= len)
			continue;
		if (n == max) {
			release_pairs(pairs, n);
			err_set(e, ERR_USAGE, "%s has more than %d members", variable, max);
			return -1;
		}
		pairs[n] = (struct pair){NULL, NULL};
		good = read_pair(text, len, &pairs[n++]);
		if (good)
			continue;
		release_pairs(pairs, n);
		err_set(e, ERR_USAGE,
			"%s: member %d is not name=value; members are separated by commas, and a "
			"comma within a value is written %%2C",
			variable, n);
		return -1;
	}
	return n;
}

static bool given(const char *text)
{
	return text && *text;
}

static void set_url(struct otel *o, const struct settings *s)
{
	struct strbuf sb;
	size_t n;

	if (given(s->otlp_traces_url)) {
		o->url = xstrdup(s->otlp_traces_url);
		return;
	}
	if (!given(s->otlp_url))
		return;
	n = strlen(s->otlp_url);
	while (s->otlp_url[n - 1] == '/')
		n--;
	strbuf_init(&sb, TEXT_BYTES);
	strbuf_add(&sb, s->otlp_url, n);
	strbuf_adds(&sb, "/v1/traces");
	o->url = strbuf_detach(&sb, NULL);
}

static bool set_headers(struct otel *o, const struct settings *s, struct err *e)
{
	struct pair pairs[OTEL_HEADERS_MAX];
	struct strbuf sb;
	int n = read_pairs("OTEL_EXPORTER_OTLP_HEADERS", s->otlp_headers, pairs, OTEL_HEADERS_MAX,
			   e);

	if (n < 0)
		return false;
	for (; o->n_headers < n; o->n_headers++) {
		strbuf_init(&sb, TEXT_BYTES);
		strbuf_addf(&sb, "%s: %s", pairs[o->n_headers].name, pairs[o->n_headers].value);
		o->headers[o->n_headers] = strbuf_detach(&sb, NULL);
	}
	release_pairs(pairs, n);
	return true;
}

static void add_pair(struct strbuf *sb, const char *name, const char *value)
{
	if (sb->buf[sb->len - 1] != '[')
		strbuf_addc(sb, ',');
	span_pair(sb, name, value);
}

/* OTEL_SERVICE_NAME goes before a service.name of the list. */
static bool set_resource(struct otel *o, const struct settings *s, const char *worker_name,
			 struct err *e)
{
	struct pair pairs[OTEL_RESOURCE_MAX];
	const char *service = *s->otel_service ? s->otel_service : "cpoa";
	struct strbuf sb;
	int n = read_pairs("OTEL_RESOURCE_ATTRIBUTES", s->otel_resource, pairs, OTEL_RESOURCE_MAX,
			   e);

	if (n < 0)
		return false;
	strbuf_init(&sb, 16 * TEXT_BYTES);
	strbuf_adds(&sb, "{\"attributes\":[");
	for (int i = 0; i < n; i++) {
		if (strcmp(pairs[i].name, "service.name") != 0)
			add_pair(&sb, pairs[i].name, pairs[i].value);
		else if (!*s->otel_service)
			service = pairs[i].value;
	}
	add_pair(&sb, "service.name", service);
	add_pair(&sb, "service.version", CPOA_VERSION);
	add_pair(&sb, "service.instance.id", worker_name);
	strbuf_adds(&sb, "]}");
	o->resource = strbuf_detach(&sb, NULL);
	release_pairs(pairs, n);
	return true;
}

bool otel_setup(struct otel *o, const struct settings *s, const char *worker_name, struct err *e)
{
	*o = (struct otel){0};
	set_url(o, s);
	return !o->url || (set_headers(o, s, e) && set_resource(o, s, worker_name, e));
}

void otel_release(struct otel *o)
{
	free(o->url);
	for (int i = 0; i < o->n_headers; i++)
		free(o->headers[i]);
	free(o->resource);
	*o = (struct otel){0};
}
