/*
 * arena: memory that lives and dies together.
 *
 * A workflow in progress owns one; what it needs until it ends is taken from here and never freed
 * by itself. The first block is small (a waiting workflow must cost little) and each further one
 * doubles. Nothing is ever moved. arena_own() ties a foreign object (a json_object, a strbuf) to
 * the arena's life.
 *
 * An arena has no ceiling of its own: its user compares arena_size() with a limit once a step.
 * Under AddressSanitizer what is not handed out is poisoned. One owner at a time, no lock.
 */
#ifndef CPOA_ARENA_H
#define CPOA_ARENA_H

#include <stddef.h>

#include "cpoa/err.h"

struct arena_block;
struct arena_owned;

struct arena {
	struct arena_block *block;
	struct arena_owned *owned;
	size_t next_size; /* bytes of the next block */
	size_t size;	  /* bytes of all blocks */
};

/* `first`: bytes of the first block, taken at the first allocation. */
void arena_init(struct arena *a, size_t first);

/* Runs the destructors, the newest first, and frees every block. Leaves an empty, usable arena. */
void arena_release(struct arena *a);

/* Zeroed, aligned for any type, never NULL. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3)
	__attribute__((returns_nonnull));

/* `dtor(ptr)` is called at arena_release. */
void arena_own(struct arena *a, void *ptr, void (*dtor)(void *));

static inline size_t arena_size(const struct arena *a)
{
	return a->size;
}

#endif
