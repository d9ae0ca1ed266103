/*
 * elapsed: how long workflows have been seen, by the times of their events. Of the last thousands
 * of workflows: a table of a fixed size, in which a newer one takes an older one's place.
 */
#ifndef CTL_ELAPSED_H
#define CTL_ELAPSED_H

#include <stdint.h>

#include "cpoa/uuid.h"

enum { ELAPSED_PLACES = 4096 };

struct elapsed {
	struct {
		struct uuid workflow;
		int64_t first_us;
	} place[ELAPSED_PLACES];
};

/* Microseconds since that workflow was first seen: 0 at that time; -1 when `workflow` is no UUID.
 */
int64_t elapsed_since(struct elapsed *e, const char *workflow, int64_t now_us);

#endif
