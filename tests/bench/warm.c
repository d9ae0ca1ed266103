/*
 * warm: free memory that the machine really has.
 *
 *	bench_warm MIB
 *
 * The host of a virtual machine may take back what is free there (virtio's free page reporting) and
 * give a page again when it is touched: then a page that a table grows by costs 13 to 23 us in
 * place of 3, more than all else that PostgreSQL does with it, and the same program is a quarter
 * faster in one minute than in another. This touches so much and lets it go again, but for
 * a page in each STEP, so that no piece is whole enough to be taken back as long as this runs. It
 * says so, and runs until it is ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEP = 1 << 20 }; /* 2 MiB are the least that Linux reports */

int main(int argc, char **argv)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *end = NULL, *memory;
	unsigned long mib = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
	size_t n = (mib << 20) / STEP * STEP;

	if (!end || *end || mib == 0 || mib > 1 << 20) {
		fputs("usage: bench_warm MIB\n", stderr);
		return 2;
	}
	memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		      -1, 0);
	if (memory == MAP_FAILED) {
		perror("bench_warm: memory");
		return 1;
	}
	madvise(memory, n, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < n; at += page)
		memory[at] = 1;
	for (size_t at = 0; at < n; at += STEP) {
		if (madvise(memory + at + page, STEP - page, MADV_DONTNEED) != 0) {
			perror("bench_warm: madvise");
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
