-- What the role needs that works (cpoa worker, and every command but cpoa migrate), and nothing besides: it owns nothing,
-- changes no table's shape, sees no more of a user than whether there is one. A statement that needs more has its grant here, or its test fails.
--
--	cpoa migrate --grant ROLE                                  with the migrations, as the role that owns the tables
--	psql -v role=ROLE -f migrations/grants.sql                 the same by hand
--
-- CONNECT on the database and USAGE on the schema it has from PUBLIC, unless they were taken away there.

GRANT SELECT ON schema_migrations TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON workflow_instances TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON task_instances TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_events TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letters TO :"role";
GRANT SELECT, INSERT, DELETE ON replays TO :"role";
GRANT SELECT, INSERT, DELETE ON leases TO :"role";
GRANT SELECT (user_id) ON users TO :"role";
GRANT SELECT, UPDATE ON podcasts TO :"role";
GRANT SELECT, INSERT, UPDATE ON topics_snippets TO :"role";
GRANT USAGE ON SEQUENCE leases_lease_id_seq, dead_letters_id_seq, replays_id_seq TO :"role";
