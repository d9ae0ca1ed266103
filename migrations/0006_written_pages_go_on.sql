-- What a session writes out to have room for other pages goes on to the disk at once (PostgreSQL manual, 20.4.6). Unwritten it gathers in the
-- kernel, most of it autovacuum's, until a checkpoint has all of it written in one go; every commit waits for as long: 200 to 350 ms at a
-- thousand and a half podcasts a second, 60 with this. Only who owns the database may say so for autovacuum too; a worker says it for itself.
DO $$
BEGIN
	EXECUTE format('ALTER DATABASE %I SET backend_flush_after = %L', current_database(), '512kB');
EXCEPTION WHEN insufficient_privilege THEN
	RAISE NOTICE 'autovacuum is left as it is: this role does not own the database %', current_database();
END
$$;
