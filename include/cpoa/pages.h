/*
 * pages: gives the kernel back the pages of the program and of its libraries that only the start
 * needed.
 *
 * Relocation, constructors and initialisation touch far more code and constants than a process
 * that waits does, and the kernel counts each such page as its memory until memory is short. What
 * is used after all comes back from the page cache by a minor fault, up to 16 pages at once.
 */
#ifndef CPOA_PAGES_H
#define CPOA_PAGES_H

#include <stddef.h>

/*
 * Gives back each page of a segment that was mapped without PROT_WRITE and that is as it is in its
 * file; one that was changed (by a relocation, a debugger's breakpoint, a uprobe) stays. Returns
 * how many bytes were given back; 0 where the kernel does not tell which pages these are
 * (/proc/self/pagemap). Any thread; takes a millisecond or two, and holds up whoever is in
 * dlopen().
 */
size_t pages_give_back(void);

#endif
