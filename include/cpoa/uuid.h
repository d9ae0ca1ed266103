/*
 * uuid: 16 bytes and their text (RFC 4122). Over libuuid. Any thread.
 */
#ifndef CPOA_UUID_H
#define CPOA_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct uuid {
	uint8_t bytes[16];
};

enum { UUID_TEXT_SIZE = 37 }; /* 36 characters and the NUL */

struct uuid uuid_new(void); /* random, version 4 */

/* The same name in the same name space is always the same id (version 5, SHA-1). */
struct uuid uuid_named(const struct uuid *space, const void *name, size_t len);

/* The 36-character form in either case; false, and *out untouched, when it is none. `text` may be
 * NULL. */
bool uuid_from_text(struct uuid *out, const char *text);
void uuid_to_text(const struct uuid *id, char out[UUID_TEXT_SIZE]);

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool uuid_is_zero(const struct uuid *id)
{
	static const struct uuid zero;

	return uuid_equal(id, &zero);
}

#endif
