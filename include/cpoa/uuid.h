/*
 * uuid: 16 bytes and their text (RFC 9562). Any thread; but no id is drawn in the child of
 * a fork(), which would draw its parent's.
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

/* A new one, version 7: those of one time stand together in an index, however long the history. */
struct uuid uuid_new(void);

/* The same name in the same name space is always the same id (version 5, SHA-1). */
struct uuid uuid_named(const struct uuid *space, const void *name, size_t len);

/* The same for a part of something: the id (version 8) begins as the whole's does, so that the rows
 * of one workflow stand together in an index too. */
struct uuid uuid_part(const struct uuid *whole, const void *name, size_t len);

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
