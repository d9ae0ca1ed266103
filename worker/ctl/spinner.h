/*
 * spinner: the last line of a terminal while something is waited for: how long it takes already,
 * and what it is. Nothing at all where stdout is no terminal, or a dumb one.
 *
 * It is there between spinner_show() and spinner_clear() alone: whoever prints clears it first.
 */
#ifndef CTL_SPINNER_H
#define CTL_SPINNER_H

#include <stdbool.h>
#include <stdint.h>

enum { SPINNER_MS = 100 }; /* how often to show it anew */

struct spinner {
	bool on;
	unsigned n;
};

void spinner_init(struct spinner *s, bool wanted);
void spinner_show(struct spinner *s, const char *what, int64_t elapsed_us);
void spinner_clear(struct spinner *s);

#endif
