/* pages: dl_iterate_phdr(3) names the segments, pagemap (kernel: admin-guide/mm/pagemap) the pages.
 */
#include "cpoa/pages.h"

#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES_AT_ONCE = 512 };

static const uint64_t PRESENT = UINT64_C(1) << 63, OF_FILE = UINT64_C(1) << 61;

struct giving {
	int pagemap;
	size_t page_size, given;
};

/* A private mapping has a page of its file only where nothing was ever written. */
static bool as_in_file(uint64_t entry)
{
	return (entry & PRESENT) && (entry & OF_FILE);
}

/* Of the `n` pages from `at` on, each run of such. */
static void give_runs(struct giving *g, uintptr_t at, const uint64_t *entries, size_t n)
{
	for (size_t i = 0, end; i < n; i = end + 1) {
		for (end = i; end < n && as_in_file(entries[end]); end++)
			;
		/* The address is the loader's, a number. */
		if (end > i && madvise((void *)(at + i * g->page_size), (end - i) * g->page_size,
				       MADV_DONTNEED) == 0)
			g->given += (end - i) * g->page_size;
	}
}

static void give_range(struct giving *g, uintptr_t from, uintptr_t to)
{
	uint64_t entries[PAGES_AT_ONCE];

	while (from < to) {
		size_t n = (to - from) / g->page_size;
		ssize_t got;

		n = n < PAGES_AT_ONCE ? n : PAGES_AT_ONCE;
		got = pread(g->pagemap, entries, n * sizeof(*entries),
			    (off_t)(from / g->page_size * sizeof(*entries)));
		if (got < (ssize_t)sizeof(*entries))
			return;
		n = (size_t)got / sizeof(*entries);
		give_runs(g, from, entries, n);
		from += n * g->page_size;
	}
}

/* The loader is locked meanwhile: none of these is unmapped or mapped anew. */
static int give_object(struct dl_phdr_info *object, size_t size, void *ctx)
{
	struct giving *g = ctx;
	uintptr_t mask = ~(uintptr_t)(g->page_size - 1);

	(void)size;
	if (object->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) /* the kernel's own, of no file */
		return 0;
	/* From the last: the first segment of a library has this very table in it. */
	for (int i = object->dlpi_phnum - 1; i >= 0; i--) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W))
			give_range(g, from & mask, (from + p->p_memsz + ~mask) & mask);
	}
	return 0;
}

size_t pages_give_back(void)
{
	struct giving g = {.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
			   .page_size = (size_t)sysconf(_SC_PAGESIZE)};

	if (g.pagemap < 0)
		return 0;
	dl_iterate_phdr(give_object, &g);
	close(g.pagemap);
	return g.given;
}
