/* podcast_parts: what a podcast leaves behind: its result object, its rows, its log. For podcast.c.
 */
#ifndef WORKFLOWS_PODCAST_PARTS_H
#define WORKFLOWS_PODCAST_PARTS_H

#include "core/run.h"

/* The replies that have landed, in the order of the stages; NULL from the first that has not. */
struct podcast {
	struct reply *web, *script, *audio;
};

/* Ends it with a legacy status (agents.md §1.0); `error` NULL: none. The workflow's status follows
 * from the legacy one. */
enum progress podcast_end(struct run *run, const struct podcast *p, const char *legacy,
			  const char *error);

/* Ends it from outside, whatever has landed: failed, `code` being the dead letter's reason, or with
 * a NULL code cancelled. */
void podcast_abandon(struct run *run, const char *code, const char *text);

#endif
