/*
 * dead_change: what replay and discard share: which letters, fixed at the start, and what would
 * become of them.
 */
#ifndef CTL_DEAD_CHANGE_H
#define CTL_DEAD_CHANGE_H

#include "cpoa/db.h"

#include "engine/settings.h"

#include "ctl/audit.h"
#include "ctl/change.h"
#include "ctl/dead.h"

struct dead_change {
	const char *verb;
	struct dead_filter filter;
	struct change_options change;
	struct audit audit;
	struct settings settings;
	struct db *db;
	struct db_result *chosen;
};

/* Columns of what was chosen, by id. */
enum { CHOSEN_ID, CHOSEN_REASON, CHOSEN_TYPE, CHOSEN_WORKFLOW, CHOSEN_ERROR, CHOSEN_LAST };

/* Rows of a command's table of options. */
#define DEAD_CHANGE_OPTIONS(c) DEAD_FILTER_OPTIONS((c).filter), CHANGE_OPTIONS((c).change)

/*
 * Reads the arguments, connects, chooses and asks. `c` is zero, `verb` a literal ("replay",
 * "discard"). An exit code; when it is EXIT_DONE, c->chosen has the rows that are to be changed.
 * Release it whatever it returns.
 */
int dead_change_begin(struct dead_change *c, const char *verb, int argc, char **argv,
		      const struct arg_option *options);
void dead_change_release(struct dead_change *c);

/* How many, by reason and type, and a sample. */
void dead_print_plan(const struct dead_change *c);

#endif
