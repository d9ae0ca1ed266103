/* history: what operators have done with a dead letter or a workflow (table replays). */
#ifndef CTL_HISTORY_H
#define CTL_HISTORY_H

#include <json-c/json.h>

#include "cpoa/db.h"

/* Of either, or both; NULL: not that one. NULL on failure. */
MUST_CHECK struct db_result *history_read(struct db *db, const char *letter, const char *workflow,
					  struct err *e);

/* A table with a title, or nothing. */
void history_print(const struct db_result *r);

/* A new reference to an array. */
struct json_object *history_json(const struct db_result *r);

#endif
