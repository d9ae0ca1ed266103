/* history: rows of the audit. */
#include "ctl/history.h"

#include <stdio.h>

#include "cpoa/json.h"

#include "ctl/output.h"
#include "ctl/query.h"
#include "ctl/table.h"

/* clang-format off */
static const char history_sql[] =
	"SELECT " SQL_US("at") ", action, outcome, who, db_role, host, reason, detail, replay_id,"
	" filter, version FROM replays WHERE dead_letter_id = $1::bigint OR workflow_id = $2::uuid"
	" ORDER BY at, id";
/* clang-format on */
enum {
	H_AT,
	H_ACTION,
	H_OUTCOME,
	H_WHO,
	H_ROLE,
	H_HOST,
	H_REASON,
	H_DETAIL,
	H_REPLAY,
	H_FILTER,
	H_VERSION
};

struct db_result *history_read(struct db *db, const char *letter, const char *workflow,
			       struct err *e)
{
	const char *params[] = {letter, workflow};

	return db_query(db, history_sql, 2, params, e);
}

struct json_object *history_json(const struct db_result *r)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < db_rows(r); i++) {
		struct json_object *o = json_object_new_object();

		json_set_time(o, "at", db_int(r, i, H_AT));
		json_set_str(o, "action", db_text(r, i, H_ACTION));
		json_set_str(o, "outcome", db_text(r, i, H_OUTCOME));
		json_set_str(o, "who", db_text(r, i, H_WHO));
		json_set_str(o, "db_role", db_text(r, i, H_ROLE));
		json_set_str(o, "host", db_text(r, i, H_HOST));
		json_set_str(o, "reason", cell_text(r, i, H_REASON));
		json_set_str(o, "detail", cell_text(r, i, H_DETAIL));
		json_set_str(o, "replay_id", db_text(r, i, H_REPLAY));
		json_set_str(o, "command", cell_text(r, i, H_FILTER));
		json_set_str(o, "version", cell_text(r, i, H_VERSION));
		json_object_array_add(list, o);
	}
	return list;
}

void history_print(const struct db_result *r)
{
	static const struct table_column columns[] = {
		{"WHEN"},
		{"ACTION"},
		{"OUTCOME", .gives = true},
		{"WHO", .gives = true},
		{"HOST", .gives = true},
		{"WHY", .gives = true},
	};
	struct table t;

	if (db_rows(r) == 0)
		return;
	printf("\nwhat was done\n");
	table_init(&t, columns, 6);
	for (int i = 0; i < db_rows(r); i++) {
		char at[TIME_TEXT_SIZE];

		table_add(&t, (const char *const[]){
				      time_text(at, db_int(r, i, H_AT)), db_text(r, i, H_ACTION),
				      db_text(r, i, H_OUTCOME), db_text(r, i, H_WHO),
				      db_text(r, i, H_HOST), cell_text(r, i, H_REASON)});
		if (!db_is_null(r, i, H_DETAIL))
			table_note(&t, db_text(r, i, H_DETAIL));
	}
	table_print(&t, stdout, output_width());
	table_release(&t);
}
