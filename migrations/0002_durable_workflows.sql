-- What makes a workflow durable: who runs it, what each call has brought, what is still to be told (interface.md §5, §6).

ALTER TABLE workflow_instances
	ADD COLUMN IF NOT EXISTS idempotency_key text,
	ADD COLUMN IF NOT EXISTS job_digest bytea,
	ADD COLUMN IF NOT EXISTS claimed_by bigint,     -- the lease that runs it; 0: anybody may claim it; NULL: it has ended
	ADD COLUMN IF NOT EXISTS claims integer NOT NULL DEFAULT 0,
	ADD COLUMN IF NOT EXISTS cancel_requested_at timestamptz,
	ADD COLUMN IF NOT EXISTS reply_to text,
	ADD COLUMN IF NOT EXISTS correlation_id text,
	ADD COLUMN IF NOT EXISTS traceparent text,
	ADD COLUMN IF NOT EXISTS tracestate text,
	ADD COLUMN IF NOT EXISTS event_sequence integer NOT NULL DEFAULT 0,
	ADD COLUMN IF NOT EXISTS terminal_event_id uuid,
	ADD COLUMN IF NOT EXISTS terminal_event text,   -- sent again, byte for byte, when its job comes again
	ADD COLUMN IF NOT EXISTS terminal_event_type text;
CREATE UNIQUE INDEX IF NOT EXISTS workflow_instances_job ON workflow_instances (trigger_event_type, idempotency_key);
CREATE INDEX IF NOT EXISTS workflow_instances_claim ON workflow_instances (claimed_by) WHERE claimed_by IS NOT NULL;

ALTER TABLE task_instances
	ADD COLUMN IF NOT EXISTS call_name text,
	ADD COLUMN IF NOT EXISTS stage text,
	ADD COLUMN IF NOT EXISTS external_celery_task_id varchar(255),
	ADD COLUMN IF NOT EXISTS status_url text,
	ADD COLUMN IF NOT EXISTS reply json;            -- the whole reply, from which a workflow goes on after a crash
CREATE UNIQUE INDEX IF NOT EXISTS task_instances_call ON task_instances (workflow_id, call_name);

-- Compressing replies with pglz costs more than all else that is done with them; lz4 is there unless the server was built
-- without it.
DO $$
BEGIN
	ALTER TABLE task_instances ALTER COLUMN reply SET COMPRESSION lz4;
	ALTER TABLE workflow_instances ALTER COLUMN terminal_event SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;
END
$$;

-- A lease is alive as long as somebody holds pg_advisory_lock(1129336641, lease_id).
CREATE TABLE IF NOT EXISTS leases (
	lease_id bigserial PRIMARY KEY,
	worker text NOT NULL,
	version text NOT NULL,
	started_at timestamptz NOT NULL DEFAULT current_timestamp
);

-- Events that were committed and not yet confirmed by the broker. A row goes when its event has been confirmed.
CREATE TABLE IF NOT EXISTS outbox_events (
	event_id uuid PRIMARY KEY,
	workflow_id uuid NOT NULL,
	event_type text NOT NULL,                       -- its routing key
	body text,                                      -- NULL: the workflow's terminal_event
	reply_to text,
	correlation_id text,
	claimed_by bigint NOT NULL,
	created_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_events_claim ON outbox_events (claimed_by);

CREATE TABLE IF NOT EXISTS dead_letters (
	id bigserial PRIMARY KEY,
	fingerprint text NOT NULL UNIQUE,               -- of the message or workflow: failing again updates its row
	reason text NOT NULL,
	error_text text,
	type text,
	workflow_id uuid,
	message_id text,
	exchange text,
	routing_key text,
	body bytea,
	properties jsonb,
	headers jsonb,
	first_failed_at timestamptz NOT NULL,
	last_failed_at timestamptz NOT NULL,
	replay_count integer NOT NULL DEFAULT 0,
	state text NOT NULL DEFAULT 'dead' CHECK (state IN ('dead', 'replayed', 'discarded'))
);
CREATE INDEX IF NOT EXISTS dead_letters_state ON dead_letters (state, last_failed_at);
CREATE INDEX IF NOT EXISTS dead_letters_workflow ON dead_letters (workflow_id) WHERE workflow_id IS NOT NULL;

-- Who replayed or discarded what, when and why. Rows are only added.
CREATE TABLE IF NOT EXISTS replays (
	id bigserial PRIMARY KEY,
	replay_id uuid NOT NULL,
	dead_letter_id bigint NOT NULL,
	action text NOT NULL,
	outcome text NOT NULL,
	at timestamptz NOT NULL DEFAULT current_timestamp,
	who text NOT NULL,
	host text NOT NULL,
	reason text,
	filter text
);
CREATE INDEX IF NOT EXISTS replays_dead_letter ON replays (dead_letter_id);
