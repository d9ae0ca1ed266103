/* dead_change: what replay and discard share: the letters that were chosen, fixed at the start. */
#ifndef CTL_DEAD_CHANGE_H
#define CTL_DEAD_CHANGE_H

#include "cpoa/db.h"

#include "ctl/change.h"
#include "ctl/dead.h"

/* Columns of what was chosen, by id. */
enum { CHOSEN_ID, CHOSEN_REASON, CHOSEN_TYPE, CHOSEN_WORKFLOW, CHOSEN_ERROR, CHOSEN_LAST };

/* Chooses and asks. An exit code; when it is EXIT_DONE *r has the rows. */
int dead_choose(struct db *db, const struct dead_filter *f, const struct change_options *c,
		const char *verb, struct db_result **r);

/* How many, by reason and type, and a sample. */
void dead_print_plan(const struct change_options *c, const char *verb, const struct db_result *r);

#endif
