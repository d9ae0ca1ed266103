/*
 * strbuf: a growing string with a ceiling.
 *
 * `buf` is always NUL-terminated and never NULL, `len` does not count the NUL, and embedded NULs
 * are allowed. There is no buffer without a ceiling: what would pass `max` is dropped whole, and so
 * is all that follows (what stands is a prefix of what was meant); `failed` is set and stays set
 * until reset or release, so that a builder need not check each append but looks once at the end.
 *
 * Owned by whoever initialised it; not shared between threads.
 */
#ifndef CPOA_STRBUF_H
#define CPOA_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "cpoa/err.h"

struct strbuf {
	char *buf;
	size_t len, cap;
	size_t max; /* bytes, without the NUL */
	bool failed;
};

/* Life cycle. init allocates nothing; release frees and leaves an empty, usable buffer with the
 * same ceiling. */
void strbuf_init(struct strbuf *sb, size_t max);
void strbuf_release(struct strbuf *sb);

/* Empties it and clears `failed`, keeping the memory. */
void strbuf_reset(struct strbuf *sb);

/* Hands the string over (free() it); the buffer is empty afterwards. Never NULL. */
char *strbuf_detach(struct strbuf *sb, size_t *len);

/* Makes room for `extra` bytes more; false (and failed) when that passes the ceiling. */
bool strbuf_grow(struct strbuf *sb, size_t extra);

/* Adding. Most appends find room; what has failed has none. */
static inline bool strbuf_has_room(const struct strbuf *sb, size_t extra)
{
	return extra < sb->cap - sb->len && sb->cap && !sb->failed;
}

static inline void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	if (len == 0 || (!strbuf_has_room(sb, len) && !strbuf_grow(sb, len)))
		return;
	memcpy(sb->buf + sb->len, data, len);
	sb->len += len;
	sb->buf[sb->len] = '\0';
}

static inline void strbuf_addc(struct strbuf *sb, char c)
{
	if (!strbuf_has_room(sb, 1) && !strbuf_grow(sb, 1))
		return;
	sb->buf[sb->len++] = c;
	sb->buf[sb->len] = '\0';
}

void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Shortens it to `len` bytes (at most the present length). */
void strbuf_cut(struct strbuf *sb, size_t len);

#endif
