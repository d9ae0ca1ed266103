/* links: cpoa_base */
/* pages: what the file has is given back, what it has not stays. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpoa/pages.h"

/* What is next to a page that is used may come along with it. */
enum { CONSTANTS = 1 << 20, NEXT_TO_IT = 1 << 16 };

/* Constants of the program, at a page's start whatever its size. */
static const char whole[NEXT_TO_IT + CONSTANTS + NEXT_TO_IT]
	__attribute__((aligned(NEXT_TO_IT))) = {[NEXT_TO_IT] = 'a',
						[NEXT_TO_IT + CONSTANTS - 1] = 'z'};
/* Nothing that is read through it is known beforehand. */
static const volatile char *const constants = whole + NEXT_TO_IT;

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* How many of their pages are in memory of ours. */
static int present(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY), n = 0;

	cr_assert_geq(fd, 0);
	for (size_t at = 0; at < CONSTANTS; at += page_size()) {
		uint64_t entry;

		cr_assert_eq(
			pread(fd, &entry, sizeof(entry),
			      (off_t)((uintptr_t)(constants + at) / page_size() * sizeof(entry))),
			(ssize_t)sizeof(entry));
		n += entry >> 63 != 0;
	}
	close(fd);
	return n;
}

static void touch_all(void)
{
	char sum = 0;

	for (size_t at = 0; at < CONSTANTS; at += page_size())
		sum = (char)(sum | constants[at]);
	cr_assert_eq(sum, 'a');
}

Test(pages, go_and_come_back)
{
	int all = (int)(CONSTANTS / page_size());

	touch_all();
	cr_assert_eq(present(), all);
	cr_assert_geq(pages_give_back(), (size_t)CONSTANTS);
	cr_assert_eq(present(), 0);
	cr_assert_eq(constants[CONSTANTS - 1], 'z');
	touch_all();
	cr_assert_eq(present(), all);
}

/* As a debugger's breakpoint is written into the text. */
Test(pages, that_were_changed_stay)
{
	volatile char *changed = (volatile char *)(uintptr_t)(constants + 10 * page_size());

	cr_assert_eq(mprotect((void *)(uintptr_t)changed, page_size(), PROT_READ | PROT_WRITE), 0);
	*changed = 'b';
	cr_assert_eq(mprotect((void *)(uintptr_t)changed, page_size(), PROT_READ), 0);
	(void)constants[0];
	pages_give_back();
	cr_assert_eq(present(), 1);
	cr_assert_eq(*changed, 'b');
}
