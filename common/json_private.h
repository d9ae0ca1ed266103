/* json_private: what json.c, json_text.c and json_tree.c share; eight bytes of text at a time. */
#ifndef COMMON_JSON_PRIVATE_H
#define COMMON_JSON_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpoa/json.h"

#define JSON_ONES UINT64_C(0x0101010101010101)
#define JSON_TOPS UINT64_C(0x8080808080808080)

static inline uint64_t json_load8(const char *s)
{
	uint64_t x;

	memcpy(&x, s, sizeof(x));
	return x;
}

/*
 * The top bits of those of eight bytes that are a quote, a backslash or a control character; bytes
 * beyond ASCII do not count. The lowest bit that is set is right, those above it may be wrong.
 */
static inline uint64_t json_escapes(uint64_t x)
{
	uint64_t quote = x ^ (JSON_ONES * '"'), backslash = x ^ (JSON_ONES * '\\');

	return (((quote - JSON_ONES) & ~quote) | ((backslash - JSON_ONES) & ~backslash) |
		((x - JSON_ONES * 0x20) & ~x)) &
	       JSON_TOPS;
}

/* How many bytes stand before the first one with its top bit set; on this machine's byte order. */
static inline size_t json_before(uint64_t tops)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (size_t)__builtin_ctzll(tops) / 8;
#else
	return 0; /* one byte at a time will do */
#endif
}

/* Sixteen bytes at a time, where no more than that is to be known of them. The compiler makes
 * vectors of it, or does without. A comparison gives -1 where it holds. */
typedef signed char json_block __attribute__((vector_size(16)));

static inline json_block json_load16(const char *s)
{
	json_block x;

	memcpy(&x, s, sizeof(x));
	return x;
}

static inline bool json_holds(json_block x)
{
	uint64_t halves[2];

	memcpy(halves, &x, sizeof(halves));
	return halves[0] | halves[1];
}

static inline const char *json_skip_space(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r'))
		s++;
	return s;
}

/* Behind the closing quote of a string that is known to be whole, and begins at `s`: the first
 * quote with no backslash before it that stands for itself. */
static inline const char *json_skip_string(const char *s, const char *end)
{
	const char *from = s + 1, *quote = s;

	for (;;) {
		const char *before;

		quote = memchr(quote + 1, '"', (size_t)(end - quote - 1));
		for (before = quote; before > from && before[-1] == '\\'; before--)
			;
		if ((quote - before) % 2 == 0)
			return quote + 1;
	}
}

/*
 * The tree of a text whose tokens json.c has judged and mended: integers fit, strings are UTF-8
 * without NULs and end, halves of surrogate pairs have their other half; and it is nested no deeper
 * than this may call itself. *wrong is NULL, or (the tree too) where something unexpected stands:
 * text + len when the text ends too early.
 */
struct json_object *json_tree(const char *text, size_t len, const char **wrong);

#endif
