/* template: two queries. */
#include "template.h"

#include <stdlib.h>

#include "cpoa/json.h"

static const char *text(const struct db_result *r, int row, int col)
{
	return db_is_null(r, row, col) ? NULL : db_text(r, row, col);
}

static int number(const struct db_result *r, int row, int col)
{
	return (int)strtol(db_text(r, row, col), NULL, 10);
}

static bool load_workflow(struct template *t, struct db *db, struct err *e)
{
	t->workflow = db_query(
		db,
		"SELECT workflow_id, trigger_event_details_json, context_data_json, terminal_event,"
		" terminal_event_type, event_sequence FROM workflow_instances "
		"WHERE trigger_event_type = 'podcast_generation' AND overall_status = 'completed' "
		"ORDER BY start_timestamp DESC LIMIT 1",
		0, NULL, e);
	if (!t->workflow)
		return false;
	if (db_rows(t->workflow) == 0)
		return err_set(e, ERR_USAGE, "no podcast has completed yet: nothing to copy");
	t->details = text(t->workflow, 0, 1);
	t->context = text(t->workflow, 0, 2);
	t->event = text(t->workflow, 0, 3);
	t->event_type = text(t->workflow, 0, 4);
	t->sequence = number(t->workflow, 0, 5);
	return true;
}

static bool load_calls(struct template *t, struct db *db, struct err *e)
{
	const char *id[] = {db_text(t->workflow, 0, 0)};

	t->tasks = db_query(db,
			    "SELECT call_name, agent_name, stage, input_params_json, "
			    "output_result_summary_json,"
			    " reply, task_order FROM task_instances WHERE workflow_id = $1::uuid "
			    "ORDER BY reply IS NULL, task_order",
			    1, id, e);
	if (!t->tasks)
		return false;
	t->n_calls = db_rows(t->tasks);
	if (t->n_calls > TEMPLATE_CALLS_MAX)
		return err_set(e, ERR_USAGE, "a podcast has more calls than this can copy");
	for (int i = 0; i < t->n_calls; i++) {
		t->call[i] = (struct template_call){
			.name = text(t->tasks, i, 0),
			.agent_name = text(t->tasks, i, 1),
			.stage = text(t->tasks, i, 2),
			.input = text(t->tasks, i, 3),
			.summary = text(t->tasks, i, 4),
			.reply = text(t->tasks, i, 5),
			.order = number(t->tasks, i, 6),
		};
		t->n_real += t->call[i].reply != NULL;
	}
	return true;
}

/* The load's podcasts have no rows in `podcasts`, so this finds none either. */
static bool make_final(struct template *t, struct err *e)
{
	AUTO(json_put) struct json_object *event = NULL;
	struct json_object *row = json_object_new_object(), *result;

	if (json_read(t->event, db_length(t->workflow, 0, 3), JSON_DEPTH_MAX, JSON_STRICT, &event,
		      e) != JSON_OK)
		return err_wrap(e, "terminal event");
	json_set_str(row, "podcast_id", "00000000-0000-4000-8000-000000000001");
	json_set_str(row, "cpoa_status", "completed");
	result = json_obj(json_obj(event, "data"), "result");
	json_set(row, "final", json_object_new_boolean(1));
	json_set_ref(row, "final_audio_filepath", json_any(result, "final_audio_filepath"));
	json_set_ref(row, "asf_notification_status", json_any(result, "asf_notification_status"));
	json_set_ref(row, "asf_websocket_url", json_any(result, "asf_websocket_url"));
	json_set_ref(row, "tts_settings_used",
		     json_any(json_obj(result, "final_audio_details"), "tts_settings_used"));
	json_set_ref(row, "cpoa_full_orchestration_log", json_arr(result, "orchestration_log"));
	t->save_final = json_text(row, NULL);
	json_put(&row);
	return true;
}

bool template_load(struct template *t, struct db *db, struct err *e)
{
	*t = (struct template){0};
	return load_workflow(t, db, e) && load_calls(t, db, e) && make_final(t, e);
}

void template_release(struct template *t)
{
	db_result_free(t->workflow);
	db_result_free(t->tasks);
	free(t->save_final);
}
