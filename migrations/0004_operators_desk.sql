-- What operators need to cancel, retry and replay, and to prove afterwards what was done.

-- Whom a worker is to cancel: few rows at any time, found without reading what it holds.
CREATE INDEX IF NOT EXISTS workflow_instances_cancel ON workflow_instances (claimed_by)
	WHERE cancel_requested_at IS NOT NULL AND claimed_by IS NOT NULL;

ALTER TABLE dead_letters
	ADD COLUMN IF NOT EXISTS original_body bytea,   -- as it came, once somebody has edited `body`
	ADD COLUMN IF NOT EXISTS edited_at timestamptz,
	ADD COLUMN IF NOT EXISTS claimed_by bigint;     -- the replay that has it in hand: a number like a lease's, alive as long as its lock

ALTER TABLE replays
	ALTER COLUMN dead_letter_id DROP NOT NULL,      -- a cancelled workflow has none
	ADD COLUMN IF NOT EXISTS workflow_id uuid,
	ADD COLUMN IF NOT EXISTS db_role text NOT NULL DEFAULT current_user,
	ADD COLUMN IF NOT EXISTS version text,          -- of the cpoa that did it
	ADD COLUMN IF NOT EXISTS detail text;           -- why it failed; what was set; what the workflow's error was before
CREATE INDEX IF NOT EXISTS replays_workflow ON replays (workflow_id) WHERE workflow_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS replays_at ON replays (at);
