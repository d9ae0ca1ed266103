/* links: cpoa_world cpoa_db cpoa_mq cpoa_http */
/*
 * A database that the original's gateway has made, with rows in it: migrated in place, read as
 * before, worked on, and still fit for the original (agents.md §4, interface.md §5).
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
	"CREATE INDEX idx_task_order ON task_instances (workflow_id, task_order);"
	"CREATE TABLE idempotency_keys (idempotency_key TEXT PRIMARY KEY, task_name TEXT NOT NULL,"
	" workflow_id TEXT, created_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP, locked_at "
	"TIMESTAMPTZ,"
	" status TEXT NOT NULL, result_payload JSONB, error_payload JSONB);"
	"CREATE TABLE generated_scripts (script_id UUID PRIMARY KEY, topic_hash TEXT NOT NULL "
	"UNIQUE,"
	" structured_script_json JSONB NOT NULL, generation_timestamp TIMESTAMPTZ, llm_model_used "
	"TEXT,"
	" last_accessed_timestamp TIMESTAMPTZ);"
	"CREATE TABLE subscribers (email VARCHAR(255) PRIMARY KEY,"
	" subscribed_at TIMESTAMPTZ NOT NULL DEFAULT current_timestamp)";

#define ADA   "00000000-0000-4000-8000-00000000000a"
#define BEA   "00000000-0000-4000-8000-00000000000b"
#define OLD   "00000000-0000-4000-8000-000000000001"
#define TOPIC "00000000-0000-4000-8000-0000000000c1"

static const char rows[] =
	"INSERT INTO users VALUES ('" ADA "', 'ada', 'ada@example.org', 'x', now()),"
	" ('" BEA "', 'bea', 'bea@example.org', 'x', now());"
	"INSERT INTO user_sessions VALUES ('00000000-0000-4000-8000-0000000000d1', now(), now(),"
	" '{\"preferred_categories\": [\"science\"]}');"
	"INSERT INTO podcasts (podcast_id, topic, cpoa_status, final_audio_filepath, stream_id,"
	" task_created_timestamp, cpoa_full_orchestration_log) VALUES"
	" ('00000000-0000-4000-8000-0000000000e1', 'Old news', 'completed', 'gs://a/b.wav', "
	"'strm_1',"
	" now(), '[{\"stage\": \"finalization\"}]');"
	"INSERT INTO topics_snippets (id, type, title, summary, keywords, original_topic_details,"
	" relevance_score) VALUES ('" TOPIC "', 'topic', 'Tide mills', 'They turn.',"
	" '[\"tide\", \"mill\"]', '{\"a\": 1}', 0.7);"
	"INSERT INTO workflow_instances (workflow_id, user_id, trigger_event_type,"
	" trigger_event_details_json, overall_status, context_data_json, error_message) VALUES"
	" ('" OLD "', '" ADA "', 'podcast_generation', '{\"topic\": \"Half done\"}', 'in_progress',"
	" NULL, NULL),"
	" ('00000000-0000-4000-8000-000000000002', NULL, 'podcast_generation', '{}', 'failed',"
	" '{\"script_id\": \"pswa_script_1\"}', 'PSWA said no');"
	"INSERT INTO task_instances (workflow_id, agent_name, task_order, status, "
	"input_params_json,"
	" start_timestamp) VALUES ('" OLD
	"', 'WCHA', 1, 'in_progress', '{\"topic\": \"x\"}', now());"
	"INSERT INTO idempotency_keys (idempotency_key, task_name, status, result_payload) VALUES"
	" ('k_pswa', 'pswa.weave_script_task', 'completed', '{\"script_data\": {}}');"
	"INSERT INTO generated_scripts (script_id, topic_hash, structured_script_json) VALUES"
	" ('00000000-0000-4000-8000-0000000000f1', 'abc', '{\"title\": \"t\"}');"
	"INSERT INTO subscribers (email) VALUES ('carl@example.org')";

/* What the original reads: each table's own columns. */
static const char *const reads[] = {
	"SELECT * FROM users ORDER BY 1",
	"SELECT * FROM user_sessions ORDER BY 1",
	"SELECT * FROM podcasts ORDER BY 1",
	"SELECT * FROM topics_snippets ORDER BY 1",
	"SELECT workflow_id, user_id, trigger_event_type, trigger_event_details_json, "
	"overall_status,"
	" start_timestamp, end_timestamp, last_updated_timestamp, context_data_json, error_message"
	" FROM workflow_instances ORDER BY 1",
	"SELECT task_id, workflow_id, agent_name, task_order, status, input_params_json,"
	" output_result_summary_json, error_details_json, start_timestamp, end_timestamp,"
	" last_updated_timestamp, retry_count FROM task_instances ORDER BY 1",
	"SELECT * FROM idempotency_keys ORDER BY 1",
	"SELECT * FROM generated_scripts ORDER BY 1",
	"SELECT * FROM subscribers ORDER BY 1",
};

enum { READS = sizeof(reads) / sizeof(*reads) };

/* One statement after another, as they stand between semicolons. */
static void run_script(struct world *w, const char *script)
{
	while (*script) {
		size_t n = strcspn(script, ";");

		world_sql(w, "%.*s", (int)n, script);
		script += n + (script[n] == ';');
	}
}

/* With the original's tables and rows in it, migrated. */
static struct world *open_original(void)
{
	struct world *w = world_open_unmigrated();

	run_script(w, tables);
	run_script(w, rows);
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), 0);
	return w;
}

Test(original, rows_are_read_as_before_after_the_migration)
{
	struct world *w = world_open_unmigrated();
	const char *before[READS];

	run_script(w, tables);
	run_script(w, rows);
	for (int i = 0; i < READS; i++) {
		before[i] = world_rows(w, "%s", reads[i]);
		cr_assert_str_not_empty(before[i], "%s", reads[i]);
	}
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), 0);
	cr_assert_eq(world_cpoa(w, NULL, "migrate"), 0);
	for (int i = 0; i < READS; i++)
		same(world_rows(w, "%s", reads[i]), before[i]);
	world_close(w);
}

static const char *const whole_row =
	"SELECT cpoa_status, cpoa_error_message, final_audio_filepath IS NOT NULL, stream_id IS "
	"NOT NULL,"
	" asf_websocket_url LIKE 'ws%%stream_id=%%', asf_notification_status IS NOT NULL,"
	" jsonb_array_length(cpoa_full_orchestration_log) > 5, tts_settings_used IS NOT NULL"
	" FROM podcasts WHERE podcast_id = '%s'";

Test(original, a_worker_runs_on_its_database)
{
	struct world *w = open_original();
	const char *task = world_id(w, "task of new"), *id;

	/* As the gateway makes it, before it gives the order. */
	world_sql(w,
		  "INSERT INTO podcasts (podcast_id, topic, cpoa_status, task_created_timestamp)"
		  " VALUES ('%s', 'New', 'pending_cpoa_dispatch', now())",
		  task);
	world_agents(w, "--style", "async");
	world_worker(w, NULL);
	id = world_podcast(w, "new", "\"user_id\":\"" ADA "\"");
	same(json_at(world_end(w, id), "data.status"), "completed");
	same(world_rows(w, whole_row, task), "completed|null|t|t|t|t|t|t");
	/* A topic that TDA has left there long ago. */
	world_publish(w, &(struct job_spec){.routing_key = "topic_exploration",
					    .content_type = "application/json",
					    .message_id = "explore",
					    .headers = {{"X-Workflow-ID", world_id(w, "explore")}},
					    .body = "{\"current_topic_id\":\"" TOPIC "\"}"});
	same(json_at(world_end(w, world_id(w, "explore")), "data.status"), "completed");
	same(world_rows(w,
			"SELECT context_data_json ->> 'tda_query' FROM workflow_instances"
			" WHERE workflow_id = '%s'",
			world_id(w, "explore")),
	     "tide mill");
	cr_assert_eq(world_count(w, "SELECT count(*) FROM topics_snippets WHERE type = 'snippet'"),
		     3);
	/* What the original left in progress has no job that a worker could run: it is left alone.
	 */
	same(world_rows(w, "SELECT overall_status, claimed_by, claims FROM workflow_instances"
			   " WHERE workflow_id = '" OLD "'"),
	     "in_progress|null|0");
	world_close(w);
}

Test(original, its_foreign_key_to_users_sinks_nobody)
{
	struct world *w = open_original();
	const char *const who[] = {ADA, BEA, "00000000-0000-4000-8000-0000000000ff"};

	world_agents(w, NULL);
	world_worker(w, NULL);
	/* At once: they may share a transaction. */
	for (int i = 0; i < 9; i++) {
		struct job_spec job =
			world_podcast_spec(w, world_format(w, "p%d", i),
					   world_format(w, "\"user_id\":\"%s\"", who[i % 3]));

		world_post(w, &job);
	}
	world_flush(w);
	world_await_ends(w, 9, SOON_MS);
	same(world_rows(w, "SELECT u.username, w.overall_status, count(*),"
			   " count(w.context_data_json ->> 'warning') FROM workflow_instances w"
			   " LEFT JOIN users u USING (user_id) WHERE w.idempotency_key IS NOT NULL"
			   " GROUP BY 1, 2 ORDER BY 1"),
	     "ada|completed|3|0\nbea|completed|3|0\nnull|completed|3|3");
	world_sql(w, "DELETE FROM users WHERE username = 'bea'");
	cr_assert_eq(world_count(w, "SELECT count(*) FROM workflow_instances WHERE user_id IS NULL"
				    " AND idempotency_key IS NOT NULL"),
		     6);
	world_close(w);
}

/* What the original's CPOA and agents write, in their own words. */
static const char writes[] =
	"INSERT INTO workflow_instances (workflow_id, user_id, trigger_event_type,"
	" trigger_event_details_json, overall_status) VALUES"
	" ('00000000-0000-4000-8000-000000000003', '" ADA
	"', 'podcast_generation', '{}', 'pending');"
	"UPDATE workflow_instances SET overall_status = 'in_progress', last_updated_timestamp = "
	"now()"
	" WHERE workflow_id = '00000000-0000-4000-8000-000000000003';"
	"INSERT INTO task_instances (workflow_id, agent_name, task_order, status, start_timestamp)"
	" VALUES ('00000000-0000-4000-8000-000000000003', 'WCHA', 1, 'dispatched', now()),"
	" ('00000000-0000-4000-8000-000000000003', 'WCHA', 1, 'dispatched', now());"
	"UPDATE task_instances SET status = 'completed', end_timestamp = now(),"
	" output_result_summary_json = '{}'"
	" WHERE workflow_id = '00000000-0000-4000-8000-000000000003';"
	"INSERT INTO topics_snippets (id, type, title, generation_timestamp) VALUES"
	" ('" TOPIC "', 'topic', 'Tide mills again', now())"
	" ON CONFLICT (id) DO UPDATE SET title = excluded.title;"
	"INSERT INTO idempotency_keys (idempotency_key, task_name, status) VALUES"
	" ('k_pswa', 'cpoa_orchestrate_podcast_task', 'processing')"
	" ON CONFLICT (idempotency_key) DO UPDATE SET task_name = excluded.task_name,"
	" status = excluded.status";

Test(original, goes_on_beside_a_worker_that_has_taken_over_one_type)
{
	struct world *w = open_original();
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, "CPOA_WORKFLOWS=search_results_generation",
			      "CPOA_RESCUE_INTERVAL_SECONDS=0.1");
	run_script(w, writes);
	world_podcast(w, "not yet", NULL);
	world_publish(w, &(struct job_spec){.routing_key = "search_results_generation",
					    .content_type = "application/json",
					    .message_id = "search",
					    .headers = {{"X-Workflow-ID", world_id(w, "search")}},
					    .body = "{\"query\":\"salt\"}"});
	same(json_at(world_end(w, world_id(w, "search")), "data.status"), "completed");
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 1);
	/* And when the worker is gone again. */
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	same(world_rows(w, "SELECT overall_status, claimed_by, claims FROM workflow_instances"
			   " WHERE idempotency_key IS NULL ORDER BY workflow_id"),
	     "in_progress|null|0\nfailed|null|0\nin_progress|null|0");
	run_script(
		w,
		"UPDATE workflow_instances SET overall_status = 'completed', end_timestamp = now()"
		" WHERE workflow_id = '00000000-0000-4000-8000-000000000003';"
		"DELETE FROM workflow_instances"
		" WHERE workflow_id = '00000000-0000-4000-8000-000000000003'");
	cr_assert_eq(world_count(w, "SELECT count(*) FROM task_instances WHERE workflow_id ="
				    " '00000000-0000-4000-8000-000000000003'"),
		     0);
	world_close(w);
}
