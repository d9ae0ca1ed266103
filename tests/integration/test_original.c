/* links: cpoa_world cpoa_db cpoa_mq cpoa_http */
/*
 * A database that the original's gateway has made, with rows in it: migrated in place, read as
 * before, worked on (agents.md §4, interface.md §5).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "world.h"

/* The DDL of the original's gateway and of its hand-applied migration. */
static const char tables[] =
	"CREATE TABLE users (user_id UUID PRIMARY KEY, username TEXT UNIQUE NOT NULL,"
	" email TEXT UNIQUE NOT NULL, hashed_password TEXT NOT NULL, created_at TIMESTAMPTZ NOT "
	"NULL);"
	"CREATE TABLE user_sessions (session_id UUID PRIMARY KEY, created_timestamp TIMESTAMPTZ "
	"NOT NULL,"
	" last_seen_timestamp TIMESTAMPTZ NOT NULL, preferences_json JSONB);"
	"CREATE TABLE podcasts (podcast_id UUID PRIMARY KEY, topic TEXT NOT NULL, cpoa_status TEXT,"
	" cpoa_error_message TEXT, final_audio_filepath TEXT, stream_id TEXT, asf_websocket_url "
	"TEXT,"
	" asf_notification_status TEXT, task_created_timestamp TIMESTAMPTZ NOT NULL,"
	" last_updated_timestamp TIMESTAMPTZ, cpoa_full_orchestration_log JSONB,"
	" tts_settings_used JSONB);"
	"CREATE TABLE topics_snippets (id UUID PRIMARY KEY, type VARCHAR(50) NOT NULL"
	" CHECK (type IN ('topic', 'snippet')), title TEXT NOT NULL, summary TEXT, keywords JSONB,"
	" source_url TEXT, source_name TEXT, original_topic_details JSONB,"
	" llm_model_used_for_snippet VARCHAR(255), cover_art_prompt TEXT, image_url TEXT,"
	" generation_timestamp TIMESTAMPTZ NOT NULL DEFAULT current_timestamp,"
	" last_accessed_timestamp TIMESTAMPTZ, relevance_score REAL);"
	"CREATE TABLE workflow_instances (workflow_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),"
	" user_id UUID REFERENCES users(user_id) ON DELETE SET NULL,"
	" trigger_event_type VARCHAR(255) NOT NULL, trigger_event_details_json JSONB,"
	" overall_status VARCHAR(50) NOT NULL,"
	" start_timestamp TIMESTAMPTZ NOT NULL DEFAULT current_timestamp, end_timestamp "
	"TIMESTAMPTZ,"
	" last_updated_timestamp TIMESTAMPTZ NOT NULL DEFAULT current_timestamp,"
	" context_data_json JSONB, error_message TEXT);"
	"CREATE INDEX idx_workflow_user_id ON workflow_instances (user_id) WHERE user_id IS NOT "
	"NULL;"
	"CREATE INDEX idx_workflow_status ON workflow_instances (overall_status);"
	"CREATE INDEX idx_workflow_start_time ON workflow_instances (start_timestamp DESC);"
	"CREATE INDEX idx_workflow_trigger_event_type ON workflow_instances (trigger_event_type);"
	"CREATE TABLE task_instances (task_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),"
	" workflow_id UUID NOT NULL REFERENCES workflow_instances(workflow_id) ON DELETE CASCADE,"
	" agent_name VARCHAR(255) NOT NULL, task_order INTEGER NOT NULL, status VARCHAR(50) NOT "
	"NULL,"
	" input_params_json JSONB, output_result_summary_json JSONB, error_details_json JSONB,"
	" start_timestamp TIMESTAMPTZ, end_timestamp TIMESTAMPTZ,"
	" last_updated_timestamp TIMESTAMPTZ NOT NULL DEFAULT current_timestamp,"
	" retry_count INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX idx_task_workflow_id ON task_instances (workflow_id);"
	"CREATE INDEX idx_task_agent_name ON task_instances (agent_name);"
	"CREATE INDEX idx_task_status ON task_instances (status);"
	"CREATE INDEX idx_task_order ON task_instances (workflow_id, task_order)";

static const char rows[] =
	"INSERT INTO users VALUES ('00000000-0000-4000-8000-00000000000a', 'ada', "
	"'ada@example.org', 'x',"
	" now());"
	"INSERT INTO workflow_instances (workflow_id, user_id, trigger_event_type, overall_status)"
	" VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-00000000000a',"
	" 'podcast_generation', 'in_progress'),"
	" ('00000000-0000-4000-8000-000000000002', NULL, 'podcast_generation', 'completed');"
	"INSERT INTO task_instances (workflow_id, agent_name, task_order, status)"
	" VALUES ('00000000-0000-4000-8000-000000000001', 'WCHA', 1, 'in_progress')";

/* One statement after another, as they stand between semicolons. */
static void run_script(struct world *w, const char *script)
{
	while (*script) {
		size_t n = strcspn(script, ";");

		world_sql(w, "%.*s", (int)n, script);
		script += n + (script[n] == ';');
	}
}

Test(original, a_database_of_its_gateway_is_migrated_in_place_and_worked_on)
{
	struct world *w = world_open_unmigrated();
	const char *before, *id;

	run_script(w, tables);
	run_script(w, rows);
	before = world_rows(w, "SELECT workflow_id, user_id, trigger_event_type, overall_status"
			       " FROM workflow_instances ORDER BY workflow_id");
	before = world_format(w, "%s", before);
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), 0);
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), 0);
	cr_assert_str_eq(world_rows(w, "SELECT workflow_id, user_id, trigger_event_type,"
				       " overall_status FROM workflow_instances"
				       " ORDER BY workflow_id"),
			 before);
	world_agents(w, "--style", "async");
	world_worker(w, NULL);
	id = world_podcast(w, "new", "\"user_id\":\"00000000-0000-4000-8000-00000000000a\"");
	cr_assert_str_eq(json_at(world_end(w, id), "data.status"), "completed");
	cr_assert_eq(world_count(w,
				 "SELECT count(*) FROM workflow_instances WHERE workflow_id = '%s'"
				 " AND user_id = '00000000-0000-4000-8000-00000000000a'",
				 id),
		     1);
	/* What the original left in progress has no job that a worker could run: it is left alone.
	 */
	cr_assert_eq(world_count(w,
				 "SELECT count(*) FROM workflow_instances WHERE claimed_by IS NULL"
				 " AND overall_status = 'in_progress'"),
		     1);
	world_close(w);
}
