-- What a session writes out to have room for other pages goes on to the disk at once (PostgreSQL manual, 20.4.6). Unwritten it gathers in the
-- kernel, most of it autovacuum's, until a checkpoint has all of it written in one go; every commit waits for as long: 200 to 350 ms at a
-- thousand and a half podcasts a second, 60 with this. Whatever somebody has set for this database stays. Only who owns the database may say
-- so for autovacuum; a worker says it for itself.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c
		WHERE d.datname = current_database() AND s.setrole = 0 AND c LIKE 'backend_flush_after=%') THEN
		EXECUTE format('ALTER DATABASE %I SET backend_flush_after = %L', current_database(), '512kB');
	END IF;
EXCEPTION WHEN insufficient_privilege THEN
	NULL;
END
$$;
