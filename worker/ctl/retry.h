/*
 * retry: a workflow that has failed or was cancelled goes on from its last good call. What `cpoa
 * workflow retry` and `cpoa dead replay` do.
 *
 * Its row becomes claimable and every worker is told to look. Of its calls, those that brought a
 * result stay and are not asked for again; those that an agent has accepted are polled on; the
 * others are forgotten, so that the workflow's function asks for them anew, under the same keys. A
 * terminal event that still waits to be sent keeps its text. The next one has another id, for the
 * sequence goes on.
 */
#ifndef CTL_RETRY_H
#define CTL_RETRY_H

#include <stdbool.h>

#include "cpoa/db.h"
#include "cpoa/err.h"
#include "cpoa/uuid.h"

#include "ctl/audit.h"

struct retry {
	char workflow_id[UUID_TEXT_SIZE];
	bool done;
	char why[128]; /* when it was not */
};

/*
 * All of them in one transaction, with their dead letters and their rows in the audit.
 * `from_start`: no call is kept. False: nothing happened.
 */
MUST_CHECK bool retry_workflows(struct db *db, const struct audit *audit, bool from_start,
				struct retry *list, int n, struct err *e);

#endif
