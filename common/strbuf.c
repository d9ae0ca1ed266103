#include "cpoa/strbuf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an empty buffer points to; shared by all, never written. */
static char nothing[1];

static void check(const struct strbuf *sb)
{
	assert(sb->buf && sb->len <= sb->max);
	assert(sb->cap ? sb->len < sb->cap : sb->buf == nothing);
}

void strbuf_init(struct strbuf *sb, size_t max)
{
	assert(max < SIZE_MAX / 2);
	*sb = (struct strbuf){.buf = nothing, .max = max};
}

void strbuf_release(struct strbuf *sb)
{
	check(sb);
	if (sb->cap)
		free(sb->buf);
	strbuf_init(sb, sb->max);
}

void strbuf_reset(struct strbuf *sb)
{
	strbuf_cut(sb, 0);
	sb->failed = false;
}

char *strbuf_detach(struct strbuf *sb, size_t *len)
{
	char *s = sb->cap ? sb->buf : xcalloc(1, 1);

	check(sb);
	if (len)
		*len = sb->len;
	sb->buf = nothing;
	sb->len = sb->cap = 0;
	return s;
}

bool strbuf_grow(struct strbuf *sb, size_t extra)
{
	enum { FIRST = 64 };
	size_t need, cap;

	check(sb);
	if (sb->failed || extra > sb->max - sb->len) {
		sb->failed = true;
		return false;
	}
	need = sb->len + extra + 1;
	if (need <= sb->cap)
		return true;
	cap = sb->cap ? sb->cap * 2 : FIRST;
	/* Behind much at once there mostly comes a little more. */
	if (cap < need)
		cap = need + need / 8;
	if (cap > sb->max + 1)
		cap = sb->max + 1;
	sb->buf = xrealloc(sb->cap ? sb->buf : NULL, cap);
	sb->cap = cap;
	sb->buf[sb->len] = '\0';
	return true;
}

void strbuf_adds(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(len >= 0);
	if (len == 0 || !strbuf_grow(sb, (size_t)len))
		return;
	vsnprintf(sb->buf + sb->len, (size_t)len + 1, fmt, ap);
	sb->len += (size_t)len;
}

void strbuf_cut(struct strbuf *sb, size_t len)
{
	check(sb);
	assert(len <= sb->len);
	sb->len = len;
	if (sb->cap)
		sb->buf[len] = '\0';
}
