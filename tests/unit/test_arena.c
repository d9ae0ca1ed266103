#include "cpoa/arena.h"

#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

Test(arena, memory_is_zeroed_aligned_and_apart)
{
	struct arena a;
	char *last = NULL;

	arena_init(&a, 256);
	cr_expect_eq(arena_size(&a), 0, "the first block is taken at the first allocation");
	for (size_t size = 0; size < 700; size++) {
		char *p = arena_alloc(&a, size);

		cr_expect_eq((uintptr_t)p % alignof(max_align_t), 0);
		cr_expect_neq(p, last, "an allocation of 0 has a place of its own");
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(p[i], 0);
		memset(p, 0xA5, size);
		last = p;
	}
	arena_release(&a);
	cr_expect_eq(arena_size(&a), 0);
}

Test(arena, blocks_double_and_a_large_thing_disturbs_nothing)
{
	struct arena a;
	char *before, *after;

	arena_init(&a, 1024);
	before = arena_alloc(&a, 16);
	cr_expect_lt(arena_size(&a), 1200);
	arena_alloc(&a, 1 << 20);
	cr_expect_lt(arena_size(&a), (1 << 20) + 1500, "it is not rounded up to a power of two");
	after = arena_alloc(&a, 16);
	cr_expect_lt(after - before, 100, "what was left of the block is still used");
	cr_expect_eq(a.next_size, 2048);
	for (int i = 0; i < 100; i++)
		arena_alloc(&a, 100);
	cr_expect_leq(a.next_size, 32768);
	arena_release(&a);
	cr_expect_eq(a.next_size, 1024, "starts small again");
	arena_alloc(&a, 4000);
	arena_alloc(&a, 1);
	arena_release(&a);
	cr_expect_eq(a.next_size, 1024);
}

Test(arena, strings)
{
	struct arena a;

	arena_init(&a, 64);
	cr_expect_str_eq(arena_strdup(&a, "abc"), "abc");
	cr_expect_str_eq(arena_strdup(&a, ""), "");
	cr_expect_str_eq(arena_strndup(&a, "abcdef", 3), "abc");
	cr_expect_str_eq(arena_strndup(&a, "ab", 3), "ab");
	cr_expect_str_eq(arena_printf(&a, "%d-%s-%0500d", 7, "x", 1) + 490 + 4, "0000000001");
	cr_expect_str_eq(arena_printf(&a, "%s", ""), "");
	arena_release(&a);
}

static char order[8];

static void note(void *ptr)
{
	size_t len = strlen(order);

	order[len] = *(char *)ptr;
}

Test(arena, destructors_run_newest_first_while_the_memory_still_stands)
{
	struct arena a;

	arena_init(&a, 16);
	for (char c = 'a'; c < 'e'; c++)
		arena_own(&a, arena_strndup(&a, &c, 1), note);
	arena_own(&a, xmalloc(100), free);
	arena_release(&a);
	cr_expect_str_eq(order, "dcba");
	arena_release(&a);
	cr_expect_str_eq(order, "dcba", "each runs once");
}

#ifdef WITH_ASAN
Test(arena, what_is_not_handed_out_is_poisoned)
{
	struct arena a;
	char *p, *q;

	arena_init(&a, 4096);
	p = arena_alloc(&a, 10);
	cr_expect_not(__asan_address_is_poisoned(p + 9));
	cr_expect(__asan_address_is_poisoned(p + 10));
	cr_expect(__asan_address_is_poisoned(p + 300));
	q = arena_alloc(&a, 16);
	cr_expect(__asan_address_is_poisoned(q - 1), "a red zone stands between neighbours");
	cr_expect(__asan_address_is_poisoned(q + 16));
	arena_release(&a);
}
#endif
