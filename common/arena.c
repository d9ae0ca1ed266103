#include "cpoa/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
/* Room that is never handed out behind each allocation, so that running over its end is seen. */
enum { RED_ZONE = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n)	  ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

enum { ALIGN = alignof(max_align_t) };

struct arena_block {
	struct arena_block *older;
	size_t first_size; /* the arena's next_size before this block */
	size_t size, used;
	alignas(max_align_t) char data[];
};

struct arena_owned {
	struct arena_owned *older;
	void *ptr;
	void (*dtor)(void *);
};

void arena_init(struct arena *a, size_t first)
{
	assert(first > 0 && first < SIZE_MAX / 2);
	*a = (struct arena){.next_size = first};
}

static void block_free(struct arena_block *block)
{
	ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
	free(block);
}

void arena_release(struct arena *a)
{
	while (a->owned) {
		struct arena_owned *owned = a->owned;

		a->owned = owned->older;
		owned->dtor(owned->ptr);
	}
	while (a->block) {
		struct arena_block *block = a->block;

		a->block = block->older;
		a->next_size = block->first_size;
		block_free(block);
	}
	a->size = 0;
}

static struct arena_block *block_new(struct arena *a, size_t size)
{
	struct arena_block *block = xcalloc(1, sizeof(*block) + size);

	block->size = size;
	block->first_size = a->next_size;
	a->size += sizeof(*block) + size;
	ASAN_POISON_MEMORY_REGION(block->data, size);
	return block;
}

/*
 * A block with room for `need` bytes. What is too large for the next ordinary block gets one of its
 * own behind the current one, so that a single large reply neither wastes what is left there nor
 * makes the next block huge.
 */
static struct arena_block *block_with(struct arena *a, size_t need)
{
	struct arena_block *block;

	if (a->block && need <= a->block->size - a->block->used)
		return a->block;
	if (need > a->next_size && a->block) {
		block = block_new(a, need);
		block->first_size = a->block->first_size;
		block->older = a->block->older;
		a->block->older = block;
		return block;
	}
	block = block_new(a, need > a->next_size ? need : a->next_size);
	block->older = a->block;
	a->block = block;
	if (a->next_size < SIZE_MAX / 4)
		a->next_size *= 2;
	return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *block;
	size_t need;
	char *p;

	assert(size < SIZE_MAX / 4);
	need = (size + RED_ZONE + ALIGN - 1) / ALIGN * ALIGN;
	if (need == 0)
		need = ALIGN;
	block = block_with(a, need);
	p = block->data + block->used;
	block->used += need;
	assert(block->used <= block->size);
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = arena_alloc(a, len + 1);

	memcpy(copy, s, len);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int len;
	char *s;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(len >= 0);
	s = arena_alloc(a, (size_t)len + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return s;
}

void arena_own(struct arena *a, void *ptr, void (*dtor)(void *))
{
	struct arena_owned *owned = arena_alloc(a, sizeof(*owned));

	*owned = (struct arena_owned){.older = a->owned, .ptr = ptr, .dtor = dtor};
	a->owned = owned;
}
