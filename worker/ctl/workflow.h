/* workflow: the parts of `cpoa workflow`, a file each. Each returns an exit code. */
#ifndef CTL_WORKFLOW_H
#define CTL_WORKFLOW_H

#include "cpoa/db.h"
#include "cpoa/strbuf.h"

/* A timestamptz as microseconds since 1970, for a list of columns. */
#define SQL_US(column) "(extract(epoch FROM " column ") * 1000000)::int8"

/* What overall_status may be (interface.md §4). */
enum { WORKFLOW_STATUSES = 5 };
extern const char *const workflow_statuses[WORKFLOW_STATUSES];

int workflow_list(int argc, char **argv);
int workflow_show(int argc, char **argv);
int workflow_cancel(int argc, char **argv);
int workflow_retry(int argc, char **argv);

/* NULL where the row has a null. */
const char *cell_text(const struct db_result *r, int row, int column);

#endif
