/* timeline: the calls of a workflow, one under the other, with bars drawn to the scale of time. */
#ifndef CTL_TIMELINE_H
#define CTL_TIMELINE_H

#include <stdint.h>

#include "cpoa/strbuf.h"

struct timeline_call {
	const char *order, *agent, *call, *status, *retries, *error; /* NULL: none */
	int64_t start_us, end_us;				     /* wall time; 0: not yet */
};

/* On stdout. `from_us` to `to_us` is the width of the drawing; `width` 0: no terminal. */
void timeline_print(const struct timeline_call *calls, int n, int64_t from_us, int64_t to_us,
		    int width);

/* The bar of one call, `columns` wide: blank until it starts. A call without length is a thin line.
 */
void timeline_bar(struct strbuf *out, int64_t start, int64_t end, int64_t from, int64_t to,
		  int columns);

#endif
