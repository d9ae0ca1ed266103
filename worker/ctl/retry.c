/* retry: the statements, in one transaction. */
#include "ctl/retry.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "engine/sql.h"

#include "ctl/query.h"

enum { IDS_MAX = 1 << 20 };
enum { C_ID, C_STATUS, C_ENDED, C_ERROR };

/* The rows are locked first, and in one order: two operators do not meet halfway. */
static const char lock_sql[] =
	"SELECT workflow_id, overall_status, (claimed_by IS NULL)::int, error_message"
	" FROM workflow_instances WHERE workflow_id = ANY($1::uuid[])"
	" ORDER BY workflow_id FOR NO KEY UPDATE";

/* The text of the earlier end stands in the workflow's row alone, as long as that keeps it. */
static const char keep_event_sql[] =
	"UPDATE outbox_events o SET body = w.terminal_event FROM workflow_instances w"
	" WHERE w.workflow_id = ANY($1::uuid[]) AND o.event_id = w.terminal_event_id"
	" AND o.body IS NULL";

static const char forget_failed_sql[] =
	"DELETE FROM task_instances WHERE workflow_id = ANY($1::uuid[]) AND call_name IS NOT NULL"
	" AND (status = 'failed' OR (status <> 'completed' AND reply IS NULL"
	" AND external_celery_task_id IS NULL))";

static const char forget_all_sql[] =
	"DELETE FROM task_instances WHERE workflow_id = ANY($1::uuid[]) AND call_name IS NOT NULL";

static const char revive_sql[] =
	"UPDATE workflow_instances SET overall_status = 'in_progress', claims = 1, claimed_by = 0,"
	" cancel_requested_at = NULL, end_timestamp = NULL, error_message = NULL,"
	" terminal_event_id = NULL, terminal_event_type = NULL, terminal_event = NULL,"
	" last_updated_timestamp = now() WHERE workflow_id = ANY($1::uuid[])";

static const char settle_sql[] =
	"WITH d AS (UPDATE dead_letters SET state = 'replayed', replay_count = replay_count + 1,"
	" claimed_by = NULL WHERE workflow_id = ANY($8::uuid[]) AND state <> 'replayed'"
	" RETURNING id, workflow_id) "
	"INSERT INTO replays (" AUDIT_COLUMNS ", dead_letter_id, workflow_id, outcome, detail) "
	"SELECT " AUDIT_VALUES ", coalesce(d.id, l.id), x.workflow_id, x.outcome, x.detail"
	" FROM json_to_recordset($9::json) AS x(workflow_id uuid, outcome text, detail text)"
	" LEFT JOIN d ON d.workflow_id = x.workflow_id"
	" LEFT JOIN dead_letters l ON l.workflow_id = x.workflow_id";

struct job {
	const struct audit *audit;
	bool from_start;
	struct retry *list;
	int n;
	struct json_object *rows; /* of the audit */
	struct strbuf ids;	  /* of those that can be retried */
};

static struct retry *find(struct job *j, const char *id)
{
	for (int i = 0; i < j->n; i++)
		if (strcasecmp(j->list[i].workflow_id, id) == 0)
			return &j->list[i];
	return NULL;
}

static void note(struct job *j, const char *id, const char *outcome, const char *detail)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "workflow_id", id);
	json_set_str(o, "outcome", outcome);
	json_set_str(o, "detail", detail);
	json_object_array_add(j->rows, o);
}

static void judge(struct job *j, const struct db_result *r, int row)
{
	const char *id = db_text(r, row, C_ID), *status = db_text(r, row, C_STATUS);
	bool ended = db_int(r, row, C_ENDED) != 0;
	struct retry *item = find(j, id);

	if (!item)
		return;
	if (ended && (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)) {
		item->done = true;
		array_add(&j->ids, id);
		note(j, id, "replayed",
		     db_is_null(r, row, C_ERROR) ? NULL : db_text(r, row, C_ERROR));
		return;
	}
	snprintf(item->why, sizeof(item->why),
		 "it is %.40s; only one that failed or was "
		 "cancelled can be retried",
		 status);
	note(j, id, "refused", item->why);
}

static bool lock(struct job *j, struct db *db, struct err *e)
{
	AUTO(strbuf_release) struct strbuf all;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	const char *param;

	strbuf_init(&all, IDS_MAX);
	for (int i = 0; i < j->n; i++) {
		j->list[i].done = false;
		snprintf(j->list[i].why, sizeof(j->list[i].why), "there is no such workflow");
		array_add(&all, j->list[i].workflow_id);
	}
	param = array_text(&all);
	r = db_query(db, lock_sql, 1, &param, e);
	for (int row = 0; r && row < db_rows(r); row++)
		judge(j, r, row);
	for (int i = 0; r && i < j->n; i++)
		if (strncmp(j->list[i].why, "there", 5) == 0 && !j->list[i].done)
			note(j, j->list[i].workflow_id, "refused", j->list[i].why);
	return r != NULL;
}

static bool transact(void *ctx, struct db *db, struct err *e)
{
	struct job *j = ctx;
	const char *params[AUDIT_PARAMS + 2], *ids;

	json_put(&j->rows);
	j->rows = json_object_new_array();
	strbuf_reset(&j->ids);
	if (!lock(j, db, e))
		return false;
	ids = array_text(&j->ids);
	audit_params(j->audit, params);
	params[AUDIT_PARAMS] = ids;
	params[AUDIT_PARAMS + 1] = json_object_to_json_string_ext(j->rows, JSON_C_TO_STRING_PLAIN);
	return run_sql(db, keep_event_sql, 1, &ids, e) &&
	       run_sql(db, j->from_start ? forget_all_sql : forget_failed_sql, 1, &ids, e) &&
	       run_sql(db, revive_sql, 1, &ids, e) &&
	       run_sql(db, settle_sql, AUDIT_PARAMS + 2, params, e) &&
	       run_sql(db, "NOTIFY " SQL_CHANNEL, 0, NULL, e);
}

bool retry_workflows(struct db *db, const struct audit *audit, bool from_start, struct retry *list,
		     int n, struct err *e)
{
	struct job j = {.audit = audit, .from_start = from_start, .list = list, .n = n};
	bool done;

	strbuf_init(&j.ids, IDS_MAX);
	done = in_transaction(db, transact, &j, e);
	strbuf_release(&j.ids);
	json_put(&j.rows);
	return done;
}
