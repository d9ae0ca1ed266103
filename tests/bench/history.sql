-- A history: :n podcasts of four calls each that ended 60 to 90 days ago, into empty tables. With :bodies = 1 as
-- large as those of a podcast; with 0 without the texts, which nobody reads, so that millions are made in minutes.
-- Keys come as the worker's do: ids by time, idempotency keys at random. With wal_level = minimal it is not logged.
-- A million takes some 25 seconds, and 1.16 GB without texts, 5.5 GB with.
\set ON_ERROR_STOP 1
SET session_replication_role = replica; -- no foreign key is looked up, row by row
SET maintenance_work_mem = '256MB';
BEGIN;
CREATE TEMP TABLE kept ON COMMIT DROP AS
	SELECT indexname, indexdef FROM pg_indexes
	WHERE tablename IN ('workflow_instances', 'task_instances') AND indexname NOT LIKE '%\_pkey';
TRUNCATE workflow_instances CASCADE;
SELECT format('DROP INDEX %I', indexname) FROM kept \gexec
ALTER TABLE task_instances DROP CONSTRAINT task_instances_pkey;
-- These have come to their size: room to grow in is for those that follow.
ALTER TABLE task_instances SET (fillfactor = 100);
-- Of nothing but immutable functions, or it would not be inlined.
CREATE FUNCTION pg_temp.id(i bigint, c int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
	SELECT (lpad(to_hex(1700000000000 + i * 250), 12, '0') || CASE c WHEN 0 THEN '7' ELSE '8' END ||
		substr(md5(i::text || ' ' || c::text), 1, 19))::uuid
$$;
INSERT INTO workflow_instances (workflow_id, trigger_event_type, overall_status, start_timestamp, end_timestamp,
	idempotency_key, terminal_event)
SELECT pg_temp.id(i, 0), 'podcast_generation', 'completed', at, at, 'old ' || gen_random_uuid(),
	repeat(md5(i::text), 50 * :bodies)
FROM generate_series(1, :n::bigint) i, LATERAL (SELECT now() - interval '90 days' + i * interval '30 days' / :n AS at) t;
INSERT INTO task_instances (task_id, workflow_id, agent_name, task_order, status, call_name, start_timestamp, reply)
SELECT pg_temp.id(i, c), pg_temp.id(i, 0), 'PSWA', c, 'completed', 'call' || c, now() - interval '60 days',
	to_json(repeat(md5(c::text), 20 * :bodies))
FROM generate_series(1, :n::bigint) i, generate_series(1, 4) c;
SELECT indexdef FROM kept \gexec
ALTER TABLE task_instances ADD PRIMARY KEY (task_id);
ALTER TABLE task_instances SET (fillfactor = 50); -- as migration 0005 has it
COMMIT;
-- As tables are that autovacuum has been through, so that it has nothing to do while it is measured.
VACUUM (FREEZE, ANALYZE) workflow_instances;
VACUUM (FREEZE, ANALYZE) task_instances;
CHECKPOINT;
