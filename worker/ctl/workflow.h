/* workflow: the parts of `cpoa workflow`, a file each, and the filter that they share. Each returns
 * an exit code. */
#ifndef CTL_WORKFLOW_H
#define CTL_WORKFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/clock.h"
#include "cpoa/err.h"

/* What overall_status may be (interface.md §4). */
enum { WORKFLOW_STATUSES = 5 };
extern const char *const workflow_statuses[WORKFLOW_STATUSES];

int workflow_list(int argc, char **argv);
int workflow_show(int argc, char **argv);
int workflow_cancel(int argc, char **argv);
int workflow_retry(int argc, char **argv);

/* ---- the filter ---- */

struct workflow_filter {
	const char *type, *status; /* NULL: any */
	int64_t since_us;	   /* so long ago; 0: ever */
};

/* Rows of a command's table of options. */
#define WORKFLOW_FILTER_OPTIONS(f)                                    \
	{"type", .text = &(f).type}, {"status", .text = &(f).status}, \
	{                                                             \
		"since", .duration_us = &(f).since_us                 \
	}

/* What WORKFLOW_WHERE needs as $1 to $3. */
#define WORKFLOW_WHERE                                               \
	" WHERE ($1::text IS NULL OR trigger_event_type = $1::text)" \
	" AND ($2::text IS NULL OR overall_status = $2::text)"       \
	" AND ($3::timestamptz IS NULL OR start_timestamp >= $3::timestamptz) "

enum { WORKFLOW_FILTER_PARAMS = 3 };

struct workflow_params {
	const char *value[WORKFLOW_FILTER_PARAMS + 2]; /* the command's own follow */
	char since[CLOCK_TEXT_SIZE];
};

void workflow_filter_params(const struct workflow_filter *f, struct workflow_params *p);

/*
 * Where nothing matched: whether anything could have, with that type and status (either may be
 * NULL). Asked only then, for rows of an original Aethercast may bear other names. False
 * (ERR_USAGE): a sentence that says what was probably meant.
 */
MUST_CHECK bool workflow_could_match(const char *type, const char *status, struct err *e);

#endif
