/* json_private: eight bytes of text at a time, for json.c and json_text.c. */
#ifndef COMMON_JSON_PRIVATE_H
#define COMMON_JSON_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

#endif
