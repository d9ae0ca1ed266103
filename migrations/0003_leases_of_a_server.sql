-- Under which start of the server a lease was taken: one that ended with the server says nothing about its worker.

ALTER TABLE leases ADD COLUMN IF NOT EXISTS server_started_at timestamptz DEFAULT pg_postmaster_start_time();
