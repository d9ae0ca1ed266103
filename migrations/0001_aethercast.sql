-- The tables of Aethercast that CPOA shares with the gateway and the agents (agents.md §4), as the gateway makes them.
-- On an existing database every statement finds its table and does nothing.

CREATE TABLE IF NOT EXISTS users (
	user_id uuid PRIMARY KEY,
	username text UNIQUE NOT NULL,
	email text UNIQUE NOT NULL,
	hashed_password text NOT NULL,
	created_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS podcasts (
	podcast_id uuid PRIMARY KEY,
	topic text NOT NULL,
	cpoa_status text,
	cpoa_error_message text,
	final_audio_filepath text,
	stream_id text,
	asf_websocket_url text,
	asf_notification_status text,
	task_created_timestamp timestamptz NOT NULL,
	last_updated_timestamp timestamptz,
	cpoa_full_orchestration_log jsonb,
	tts_settings_used jsonb
);

CREATE TABLE IF NOT EXISTS topics_snippets (
	id uuid PRIMARY KEY,
	type text NOT NULL CHECK (type IN ('topic', 'snippet')),
	title text NOT NULL,
	summary text,
	keywords jsonb,
	source_url text,
	source_name text,
	original_topic_details jsonb,
	llm_model_used_for_snippet text,
	cover_art_prompt text,
	image_url text,
	generation_timestamp timestamptz NOT NULL,
	last_accessed_timestamp timestamptz,
	relevance_score real
);

CREATE TABLE IF NOT EXISTS workflow_instances (
	workflow_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id uuid REFERENCES users (user_id) ON DELETE SET NULL,
	trigger_event_type varchar(255) NOT NULL,
	trigger_event_details_json jsonb,
	overall_status varchar(50) NOT NULL,
	start_timestamp timestamptz NOT NULL DEFAULT current_timestamp,
	end_timestamp timestamptz,
	last_updated_timestamp timestamptz NOT NULL DEFAULT current_timestamp,
	context_data_json jsonb,
	error_message text
);
CREATE INDEX IF NOT EXISTS idx_workflow_user_id ON workflow_instances (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_workflow_start_time ON workflow_instances (start_timestamp DESC);

CREATE TABLE IF NOT EXISTS task_instances (
	task_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	workflow_id uuid NOT NULL REFERENCES workflow_instances (workflow_id) ON DELETE CASCADE,
	agent_name varchar(255) NOT NULL,
	task_order integer NOT NULL,
	status varchar(50) NOT NULL,
	input_params_json jsonb,
	output_result_summary_json jsonb,
	error_details_json jsonb,
	start_timestamp timestamptz,
	end_timestamp timestamptz,
	last_updated_timestamp timestamptz NOT NULL DEFAULT current_timestamp,
	retry_count integer NOT NULL DEFAULT 0
);
