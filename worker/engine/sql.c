/* sql: the table of statements. */
#include "engine/sql.h"

/*
 * Pages that the session has to write out on its own go on to the disk at once instead of gathering
 * in the kernel: what gathers there is written in one go, by the kernel or at a checkpoint, and all
 * commits wait for as long (manual, 20.4.6). Any role may set that; the schema says it for
 * autovacuum too, where its owner may (migration 0006).
 *
 * The session runs nothing but the statements below, each of which is to go from an array to rows
 * by an index. A plan made on the empty tables of a fresh installation would be a sequential scan,
 * and being prepared it would stay one while the tables grow; so that choice is taken away.
 * (PostgreSQL 15 manual, 20.7.1 and PREPARE, Notes.)
 */
const char sql_session[] =
	"SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
	"SET plan_cache_mode = force_generic_plan; SET jit = off; SET lock_timeout = '250ms';"
	"SET backend_flush_after = '512kB'";

const int sql_schema_version = 4;

/*
 * Of rows that come with an admission, only those whose workflow this very transaction has inserted
 * (it has its xmin): a job whose X-Workflow-ID is already taken would otherwise write into that
 * other workflow. The ledger never puts two changes of one workflow into one batch. The rows of all
 * others were guarded by SQL_GUARD, once for all statements: a look-up each was a tenth of
 * PostgreSQL's time.
 */
/* clang-format off */
#define ITS_WORKFLOW(row)                                                                         \
	" (NOT " row ".admit OR EXISTS (SELECT FROM workflow_instances w WHERE w.workflow_id = " row \
	".workflow_id AND coalesce(w.claimed_by, 0) = $1 AND w.xmin = pg_current_xact_id()::xid)) "

/* The lock that a lease is: pg_advisory_lock(class, lease). Who only asks for it does so for a shared one. */
#define LEASE_LOCK(class)                                                                          \
	" AND k.locktype = 'advisory' AND k.mode = 'ExclusiveLock' AND k.granted"                  \
	" AND k.classid::int8 = " class " AND k.objsubid = 2"                                      \
	" AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())"

const struct db_statement sql_table[SQL_COUNT] = {
	[SQL_GUARD] = {
		/* coalesce() keeps the planner off the partial index on claimed_by, under which all that this worker holds
		 * stands in one place: it would read that whole place for every row. */
		.name = "guard", .n_params = 2, .scalars = 1,
		.types = {DB_INT8, DB_UUID},
		.sql = "SELECT 1 / (count(*) = cardinality($2::uuid[]))::int FROM unnest($2::uuid[]) AS g(workflow_id) "
		       "JOIN workflow_instances w ON w.workflow_id = g.workflow_id AND coalesce(w.claimed_by, 0) = $1",
	},
	[SQL_ADMIT] = {
		.name = "admit", .n_params = 12, .scalars = 1,
		.types = {DB_INT8, DB_UUID, DB_UUID, DB_TEXT, DB_JSONB, DB_TIME, DB_TEXT, DB_BYTEA, DB_TEXT, DB_TEXT, DB_TEXT, DB_TEXT},
		.sql = "INSERT INTO workflow_instances (workflow_id, user_id, trigger_event_type, trigger_event_details_json,"
		       " overall_status, start_timestamp, last_updated_timestamp, idempotency_key, job_digest, claimed_by,"
		       " claims, reply_to, correlation_id, traceparent, tracestate) "
		       "SELECT j.workflow_id, u.user_id, j.type, j.details, 'in_progress', j.at, j.at, j.key, j.digest, $1, 1,"
		       " j.reply_to, j.correlation_id, j.traceparent, j.tracestate "
		       "FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::timestamptz[], $7::text[], $8::bytea[],"
		       " $9::text[], $10::text[], $11::text[], $12::text[]) AS j(workflow_id, user_id, type, details, at, key,"
		       " digest, reply_to, correlation_id, traceparent, tracestate) "
		       "LEFT JOIN users u ON u.user_id = j.user_id "
		       "ON CONFLICT DO NOTHING RETURNING workflow_id, user_id IS NULL",
	},
	[SQL_PLAN] = {
		.name = "plan", .n_params = 13, .scalars = 1,
		.types = {DB_INT8, DB_UUID, DB_BOOL, DB_UUID, DB_TEXT, DB_INT4, DB_TEXT, DB_TEXT, DB_JSONB, DB_JSONB, DB_TIME, DB_TIME, DB_TEXT},
		.sql = "INSERT INTO task_instances (task_id, workflow_id, agent_name, task_order, status, call_name,"
		       " input_params_json, output_result_summary_json, start_timestamp, end_timestamp,"
		       " last_updated_timestamp, stage) "
		       "SELECT t.task_id, t.workflow_id, t.agent_name, t.task_order, t.status, t.call_name, t.input, t.summary,"
		       " t.started, t.ended, coalesce(t.ended, t.started), t.stage "
		       "FROM unnest($2::uuid[], $3::bool[], $4::uuid[], $5::text[], $6::int4[], $7::text[], $8::text[], $9::jsonb[],"
		       " $10::jsonb[], $11::timestamptz[], $12::timestamptz[], $13::text[]) AS t(workflow_id, admit, task_id,"
		       " agent_name, task_order, status, call_name, input, summary, started, ended, stage) WHERE"
		       ITS_WORKFLOW("t")
		       "ON CONFLICT (workflow_id, call_name) DO NOTHING",
	},
	[SQL_TAKE] = {
		.name = "take", .n_params = 7, .scalars = 1,
		.types = {DB_INT8, DB_UUID, DB_UUID, DB_TEXT, DB_TEXT, DB_INT4, DB_TIME},
		.sql = "UPDATE task_instances t SET status = 'in_progress', external_celery_task_id = x.external_id,"
		       " status_url = x.status_url, retry_count = x.retries, last_updated_timestamp = x.at "
		       "FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int4[], $7::timestamptz[])"
		       " AS x(workflow_id, task_id, external_id, status_url, retries, at) "
		       "WHERE t.task_id = x.task_id AND t.workflow_id = x.workflow_id",
	},
	[SQL_LAND] = {
		.name = "land", .n_params = 9, .scalars = 1,
		.types = {DB_INT8, DB_UUID, DB_UUID, DB_TEXT, DB_JSONB, DB_JSONB, DB_JSON, DB_INT4, DB_TIME},
		.sql = "UPDATE task_instances t SET status = x.status, output_result_summary_json = x.summary,"
		       " error_details_json = x.error, reply = x.reply, retry_count = x.retries, end_timestamp = x.at,"
		       " last_updated_timestamp = x.at "
		       "FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::jsonb[], $7::json[], $8::int4[],"
		       " $9::timestamptz[]) AS x(workflow_id, task_id, status, summary, error, reply, retries, at) "
		       "WHERE t.task_id = x.task_id AND t.workflow_id = x.workflow_id",
	},
	[SQL_SAVE_STAGE] = {
		.name = "save_stage", .n_params = 6, .scalars = 1 | 1 << 5,
		.types = {DB_INT8, DB_UUID, DB_BOOL, DB_UUID, DB_TEXT, DB_TIME},
		.sql = "UPDATE podcasts p SET cpoa_status = s.stage, last_updated_timestamp = $6, cpoa_error_message = NULL "
		       "FROM unnest($2::uuid[], $3::bool[], $4::uuid[], $5::text[]) AS s(workflow_id, admit, podcast_id, stage) "
		       "WHERE p.podcast_id = s.podcast_id AND"
		       ITS_WORKFLOW("s"),
	},
	[SQL_SAVE_PODCAST] = {
		.name = "save_podcast", .n_params = 5, .scalars = 1 | 1 << 4,
		.types = {DB_INT8, DB_UUID, DB_BOOL, DB_JSON, DB_TIME},
		.sql = "UPDATE podcasts p SET cpoa_status = r.cpoa_status, last_updated_timestamp = $5,"
		       " cpoa_error_message = r.cpoa_error_message,"
		       " final_audio_filepath = CASE WHEN r.final THEN r.final_audio_filepath ELSE p.final_audio_filepath END,"
		       " stream_id = CASE WHEN r.final THEN r.stream_id ELSE p.stream_id END,"
		       " asf_websocket_url = CASE WHEN r.final THEN r.asf_websocket_url ELSE p.asf_websocket_url END,"
		       " asf_notification_status = CASE WHEN r.final THEN r.asf_notification_status ELSE p.asf_notification_status END,"
		       " tts_settings_used = CASE WHEN r.final THEN r.tts_settings_used ELSE p.tts_settings_used END,"
		       " cpoa_full_orchestration_log ="
		       " CASE WHEN r.final THEN r.cpoa_full_orchestration_log ELSE p.cpoa_full_orchestration_log END "
		       "FROM unnest($2::uuid[], $3::bool[], $4::json[]) AS s(workflow_id, admit, row) "
		       "CROSS JOIN LATERAL json_to_record(s.row) AS r(podcast_id uuid, cpoa_status text, final bool,"
		       " cpoa_error_message text, final_audio_filepath text, stream_id text, asf_websocket_url text,"
		       " asf_notification_status text, tts_settings_used jsonb, cpoa_full_orchestration_log jsonb) "
		       "WHERE p.podcast_id = r.podcast_id AND"
		       ITS_WORKFLOW("s"),
	},
	[SQL_SAVE_SNIPPET] = {
		.name = "save_snippet", .n_params = 5, .scalars = 1 | 1 << 4,
		.types = {DB_INT8, DB_UUID, DB_BOOL, DB_JSON, DB_TIME},
		.sql = "INSERT INTO topics_snippets AS t (id, type, title, summary, keywords, source_url, source_name,"
		       " original_topic_details, llm_model_used_for_snippet, cover_art_prompt, image_url,"
		       " generation_timestamp, last_accessed_timestamp, relevance_score) "
		       "SELECT DISTINCT ON (r.id) r.id, 'snippet', r.title, r.summary, r.keywords, r.source_url, r.source_name,"
		       " r.original_topic_details, left(r.llm_model, 255), r.cover_art_prompt, r.image_url, r.generated,"
		       " coalesce(r.accessed, $5), 0.5 "
		       "FROM unnest($2::uuid[], $3::bool[], $4::json[]) AS s(workflow_id, admit, row) "
		       "CROSS JOIN LATERAL json_to_record(s.row) AS r(id uuid, title text, summary text, keywords jsonb,"
		       " source_url text, source_name text, original_topic_details jsonb, llm_model text,"
		       " cover_art_prompt text, image_url text, generated timestamptz, accessed timestamptz) WHERE"
		       ITS_WORKFLOW("s")
		       "ORDER BY r.id ON CONFLICT (id) DO UPDATE SET type = excluded.type, title = excluded.title,"
		       " summary = excluded.summary, keywords = excluded.keywords, source_url = excluded.source_url,"
		       " source_name = excluded.source_name, original_topic_details = excluded.original_topic_details,"
		       " llm_model_used_for_snippet = excluded.llm_model_used_for_snippet,"
		       " cover_art_prompt = excluded.cover_art_prompt, image_url = excluded.image_url,"
		       " generation_timestamp = excluded.generation_timestamp,"
		       " last_accessed_timestamp = excluded.last_accessed_timestamp, relevance_score = excluded.relevance_score",
	},
	[SQL_TELL] = {
		.name = "tell", .n_params = 9, .scalars = 1 | 1 << 8,
		.types = {DB_INT8, DB_UUID, DB_BOOL, DB_UUID, DB_TEXT, DB_TEXT, DB_TEXT, DB_TEXT, DB_TIME},
		.sql = "INSERT INTO outbox_events (event_id, workflow_id, event_type, body, reply_to, correlation_id, claimed_by,"
		       " created_at) "
		       "SELECT e.event_id, e.workflow_id, e.event_type, e.body, e.reply_to, e.correlation_id, $1, $9 "
		       "FROM unnest($2::uuid[], $3::bool[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[])"
		       " AS e(workflow_id, admit, event_id, event_type, body, reply_to, correlation_id) WHERE"
		       ITS_WORKFLOW("e")
		       "ON CONFLICT (event_id) DO NOTHING",
	},
	[SQL_FINISH] = {
		.name = "finish", .n_params = 11, .scalars = 1,
		.types = {DB_INT8, DB_UUID, DB_BOOL, DB_TEXT, DB_TIME, DB_JSONB, DB_TEXT, DB_UUID, DB_TEXT, DB_TEXT, DB_INT4},
		.sql = "UPDATE workflow_instances AS i SET overall_status = x.status, end_timestamp = x.at,"
		       " last_updated_timestamp = x.at, context_data_json = x.context, error_message = x.error,"
		       " claimed_by = NULL, terminal_event_id = x.event_id, terminal_event_type = x.event_type,"
		       " terminal_event = x.event, event_sequence = x.sequence "
		       "FROM unnest($2::uuid[], $3::bool[], $4::text[], $5::timestamptz[], $6::jsonb[], $7::text[], $8::uuid[],"
		       " $9::text[], $10::text[], $11::int4[]) AS x(workflow_id, admit, status, at, context, error, event_id,"
		       " event_type, event, sequence) "
		       "WHERE i.workflow_id = x.workflow_id AND coalesce(i.claimed_by, 0) = $1 AND (NOT x.admit OR"
		       " i.xmin = pg_current_xact_id()::xid) RETURNING i.workflow_id",
	},
	[SQL_BURY] = {
		.name = "bury", .n_params = 14, .scalars = 1,
		.types = {DB_INT8, DB_TEXT, DB_TEXT, DB_TEXT, DB_TEXT, DB_UUID, DB_TEXT, DB_TEXT, DB_TEXT, DB_BYTEA, DB_JSONB, DB_JSONB, DB_TIME, DB_BOOL},
		.sql = "INSERT INTO dead_letters AS d (fingerprint, reason, error_text, type, workflow_id, message_id, exchange,"
		       " routing_key, body, properties, headers, first_failed_at, last_failed_at) "
		       "SELECT DISTINCT ON (x.fingerprint) x.fingerprint, x.reason, x.error_text, x.type, x.workflow_id,"
		       " x.message_id, x.exchange, x.routing_key, x.body, x.properties, x.headers, x.at, x.at "
		       "FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::text[],"
		       " $10::bytea[], $11::jsonb[], $12::jsonb[], $13::timestamptz[], $14::bool[]) AS x(fingerprint, reason, error_text, type,"
		       " workflow_id, message_id, exchange, routing_key, body, properties, headers, at, admit) "
		       "WHERE x.workflow_id IS NULL OR EXISTS (SELECT FROM workflow_instances w"
		       " WHERE w.workflow_id = x.workflow_id AND coalesce(w.claimed_by, 0) = $1"
		       " AND (NOT x.admit OR w.xmin = pg_current_xact_id()::xid)) "
		       "ORDER BY x.fingerprint, x.at DESC "
		       "ON CONFLICT (fingerprint) DO UPDATE SET reason = excluded.reason, error_text = excluded.error_text,"
		       " last_failed_at = excluded.last_failed_at, state = 'dead', claimed_by = NULL",
	},
	[SQL_STRIKE] = {
		.name = "strike", .n_params = 2, .scalars = 1,
		.types = {DB_INT8, DB_UUID},
		.sql = "DELETE FROM outbox_events WHERE event_id = ANY($2::uuid[]) AND coalesce(claimed_by, 0) = $1",
	},
	[SQL_FIND_TOPICS] = {
		.name = "find_topics", .n_params = 2, .scalars = 1,
		.types = {DB_INT8, DB_UUID},
		.sql = "SELECT json_build_object('found', t.id IS NOT NULL, 'title', t.title, 'keywords', t.keywords)::text,"
		       " $1::int8 FROM unnest($2::uuid[]) WITH ORDINALITY AS d(id, n) "
		       "LEFT JOIN topics_snippets t ON t.id = d.id AND t.type = 'topic' ORDER BY d.n",
	},
	[SQL_FIND_DUPLICATES] = {
		.name = "find_duplicates", .n_params = 4, .scalars = 1,
		.types = {DB_INT8, DB_TEXT, DB_TEXT, DB_UUID},
		.sql = "SELECT k.workflow_id, k.job_digest, k.terminal_event_id, i.workflow_id IS NOT NULL,"
		       " k.terminal_event_type, k.terminal_event, $1::int8 "
		       "FROM unnest($2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY AS d(type, key, workflow_id, n) "
		       "LEFT JOIN workflow_instances k ON k.trigger_event_type = d.type AND k.idempotency_key = d.key "
		       "LEFT JOIN workflow_instances i ON i.workflow_id = d.workflow_id ORDER BY d.n",
	},
	[SQL_TELL_AGAIN] = {
		/* A row that is there already may have been published and only not struck out yet: whoever asks now would
		 * wait for nothing. So it is told again all the same, by us, and not struck out by whom it belonged to. */
		/* FOR SHARE: no retry takes the event out of its row in the meantime. */
		.name = "tell_again", .n_params = 3, .scalars = 1 | 1 << 2,
		.types = {DB_INT8, DB_UUID, DB_TIME},
		.sql = "INSERT INTO outbox_events (event_id, workflow_id, event_type, claimed_by, created_at) "
		       "SELECT DISTINCT ON (w.terminal_event_id) w.terminal_event_id, w.workflow_id, w.terminal_event_type, $1, $3 "
		       "FROM (SELECT w.terminal_event_id, w.workflow_id, w.terminal_event_type"
		       " FROM unnest($2::uuid[]) AS d(workflow_id) JOIN workflow_instances w ON w.workflow_id = d.workflow_id "
		       "WHERE w.terminal_event_id IS NOT NULL FOR SHARE OF w) w ON CONFLICT (event_id) DO UPDATE SET claimed_by = $1 "
		       "RETURNING event_id, workflow_id, event_type, reply_to, correlation_id,"
		       " (SELECT w.terminal_event FROM workflow_instances w WHERE w.workflow_id = outbox_events.workflow_id)",
	},
	[SQL_SILENT] = {
		/* Leases whose session waits for its worker and has heard nothing from it for $3 ms. In the midst of a pipeline
		 * no timeout of PostgreSQL's runs (idle ones begin at the Sync), and before 14 there is none for idle sessions.
		 * Of our own role alone: another's we may not end. */
		.name = "silent", .n_params = 3, .scalars = 7,
		.types = {DB_INT8, DB_INT4, DB_INT8},
		.sql = "WITH a AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
		       " AND usename = current_user AND wait_event_type = 'Client'"
		       " AND state_change < clock_timestamp() - $3 * interval '1 ms') "
		       "SELECT l.lease_id, l.worker FROM a JOIN pg_locks k ON k.pid = a.pid" LEASE_LOCK("$2")
		       " JOIN leases l ON l.lease_id = k.objid::int8 WHERE l.lease_id <> $1",
	},
	[SQL_END_SESSIONS] = {
		.name = "end_sessions", .n_params = 3, .scalars = 3,
		.types = {DB_INT8, DB_INT4, DB_INT8},
		.sql = "SELECT pg_terminate_backend(k.pid) FROM pg_locks k WHERE k.objid::int8 = ANY($3::int8[])"
		       " AND k.objid::int8 <> $1" LEASE_LOCK("$2"),
	},
	[SQL_DEAD_LEASES] = {
		/* What anybody may claim first; then leases that have something for this worker, or nothing any more. */
		.name = "dead_leases", .n_params = 3, .scalars = 3,
		.types = {DB_INT8, DB_INT4, DB_TEXT},
		.sql = "SELECT 0::int8 WHERE EXISTS (SELECT FROM workflow_instances WHERE claimed_by = 0"
		       " AND trigger_event_type = ANY($3::text[])) OR EXISTS (SELECT FROM outbox_events WHERE claimed_by = 0)"
		       " UNION ALL SELECT l.lease_id FROM leases l WHERE l.lease_id <> $1"
		       " AND pg_try_advisory_xact_lock_shared($2, l.lease_id::int4)"
		       " AND (EXISTS (SELECT FROM workflow_instances w WHERE w.claimed_by = l.lease_id"
		       " AND w.trigger_event_type = ANY($3::text[]))"
		       " OR EXISTS (SELECT FROM outbox_events o WHERE o.claimed_by = l.lease_id)"
		       " OR NOT EXISTS (SELECT FROM workflow_instances w WHERE w.claimed_by = l.lease_id))",
	},
	[SQL_CLAIM] = {
		/* A claim counts as a death only if it was one (not a lost session of a worker that is back, nor a restart of the
		 * server, nor a release; who comes back later says so by FORGIVE), and if nothing had moved since the claim before: five deaths on the way of a long
		 * podcast are bad luck, five at the same place are its fault.
		 * But whoever dies takes all down that it holds, the innocent with the guilty: the nearer to its last life ($7), the
		 * fewer are claimed together; the last one is lived alone. */
		.name = "claim", .n_params = 7, .scalars = 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6,
		.types = {DB_INT8, DB_INT8, DB_INT4, DB_TEXT, DB_TIME, DB_TEXT, DB_INT4},
		.sql = "WITH o AS (SELECT workflow_id, CASE WHEN claims < 2 OR claims >= $7 THEN 1000 WHEN $7 - claims = 1 THEN 1"
		       " WHEN $7 - claims = 2 THEN 8 ELSE 1000 END AS together FROM workflow_instances"
		       " WHERE claimed_by = ANY($2::int8[]) AND trigger_event_type = ANY($4::text[])), "
		       "m AS (SELECT max(together) AS together FROM o), "
		       "c AS (SELECT i.workflow_id, i.claimed_by FROM m JOIN o ON o.together = m.together"
		       " JOIN workflow_instances i ON i.workflow_id = o.workflow_id WHERE i.claimed_by = ANY($2::int8[])"
		       " LIMIT (SELECT least(m.together, $3) FROM m) FOR UPDATE OF i SKIP LOCKED) "
		       "UPDATE workflow_instances w SET claimed_by = $1, last_updated_timestamp = $5, claims = CASE"
		       " WHEN c.claimed_by = 0 OR EXISTS (SELECT FROM leases l WHERE l.lease_id = c.claimed_by AND (l.worker = $6"
		       " OR EXISTS (SELECT FROM leases n WHERE n.worker = l.worker AND n.lease_id > l.lease_id)"
		       " OR l.server_started_at IS DISTINCT FROM pg_postmaster_start_time())) THEN w.claims"
		       " WHEN EXISTS (SELECT FROM task_instances t WHERE t.workflow_id = w.workflow_id"
		       " AND t.last_updated_timestamp > w.last_updated_timestamp) THEN 2"
		       " ELSE w.claims + 1 END "
		       "FROM c WHERE w.workflow_id = c.workflow_id "
		       "RETURNING w.workflow_id, w.trigger_event_type, w.trigger_event_details_json::text, w.user_id, w.idempotency_key,"
		       " w.start_timestamp, w.reply_to, w.correlation_id, w.traceparent, w.tracestate, w.claims, w.event_sequence,"
		       " w.cancel_requested_at IS NOT NULL",
	},
	[SQL_FORGIVE] = {
		/* What was claimed from a worker before it was back: that claim was no death. */
		.name = "forgive", .n_params = 3, .scalars = 1,
		.types = {DB_INT8, DB_UUID, DB_INT8},
		.sql = "WITH f AS (SELECT i.workflow_id FROM unnest($2::uuid[], $3::int8[]) AS x(workflow_id, lease) "
		       "JOIN workflow_instances i ON i.workflow_id = x.workflow_id WHERE i.claimed_by <> x.lease AND x.lease < $1"
		       " AND i.claims > 1 FOR UPDATE OF i SKIP LOCKED) "
		       "UPDATE workflow_instances w SET claims = w.claims - 1 FROM f WHERE w.workflow_id = f.workflow_id",
	},
	[SQL_LOAD_CALLS] = {
		.name = "load_calls", .n_params = 2, .scalars = 1,
		.types = {DB_INT8, DB_UUID},
		.sql = "SELECT workflow_id, task_id, agent_name, task_order, call_name, external_celery_task_id, status_url,"
		       " retry_count, start_timestamp, end_timestamp, reply::text, stage, status, $1::int8 FROM task_instances "
		       "WHERE workflow_id = ANY($2::uuid[]) AND call_name IS NOT NULL ORDER BY workflow_id, task_order, start_timestamp",
	},
	[SQL_CLAIM_EVENTS] = {
		.name = "claim_events", .n_params = 3, .scalars = 1 | 1 << 2,
		.types = {DB_INT8, DB_INT8, DB_INT4},
		.sql = "WITH c AS (SELECT event_id FROM outbox_events WHERE claimed_by = ANY($2::int8[]) ORDER BY created_at LIMIT $3"
		       " FOR UPDATE SKIP LOCKED) UPDATE outbox_events o SET claimed_by = $1 WHERE o.event_id = ANY(ARRAY(SELECT c.event_id FROM c)) "
		       "RETURNING o.event_id, o.workflow_id, o.event_type, o.reply_to, o.correlation_id, coalesce(o.body,"
		       " (SELECT w.terminal_event FROM workflow_instances w WHERE w.workflow_id = o.workflow_id))",
	},
	[SQL_DROP_LEASES] = {
		.name = "drop_leases", .n_params = 2, .scalars = 1,
		.types = {DB_INT8, DB_INT8},
		.sql = "DELETE FROM leases l WHERE l.lease_id = ANY($2::int8[]) AND l.lease_id <> $1"
		       " AND NOT EXISTS (SELECT FROM workflow_instances w WHERE w.claimed_by = l.lease_id)"
		       " AND NOT EXISTS (SELECT FROM outbox_events o WHERE o.claimed_by = l.lease_id)",
	},
	[SQL_LET_GO] = {
		.name = "let_go", .n_params = 2, .scalars = 1,
		.types = {DB_INT8, DB_UUID},
		.sql = "UPDATE workflow_instances SET claimed_by = 0 WHERE workflow_id = ANY($2::uuid[])"
		       " AND coalesce(claimed_by, 0) = $1",
	},
	[SQL_RELEASE] = {
		.name = "release", .n_params = 1, .scalars = 1,
		.types = {DB_INT8},
		.sql = "UPDATE workflow_instances SET claimed_by = 0 WHERE workflow_id = ANY(ARRAY("
		       "SELECT w.workflow_id FROM workflow_instances w WHERE w.claimed_by = $1 FOR UPDATE SKIP LOCKED))",
	},
	[SQL_RELEASE_EVENTS] = {
		.name = "release_events", .n_params = 1, .scalars = 1,
		.types = {DB_INT8},
		.sql = "UPDATE outbox_events SET claimed_by = 0 WHERE claimed_by = $1",
	},
	[SQL_CANCELLED] = {
		.name = "cancelled", .n_params = 1, .scalars = 1,
		.types = {DB_INT8},
		.sql = "SELECT workflow_id FROM workflow_instances WHERE claimed_by = $1 AND cancel_requested_at IS NOT NULL",
	},
};
/* clang-format on */
