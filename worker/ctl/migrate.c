/*
 * cpoa migrate: brings the schema up.
 *
 * Many may run at once (every replica of a deployment does, at its start): an advisory lock lets
 * one at a time pass, and the others find nothing left to do. A migration and its row in
 * schema_migrations are one transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/schema.h"
#include "ctl/table.h"
#include "engine/sql.h"
#include "migrations.h"

enum {
	LOCK_KEY = 0,
	ROLE_MAX = 64 /* NAMEDATALEN */,
	TRIES = 6,
	PAUSE_MS = 1000,
	SCRIPT_MAX = 4 << 20
};

/* ---- what there is to do ---- */

static const char *const state_names[] = {
	[SCHEMA_PENDING] = "pending", [SCHEMA_APPLIED] = "applied", [SCHEMA_CHANGED] = "changed"};

static struct json_object *step_json(const struct schema_step *s)
{
	struct json_object *o = json_object_new_object();

	json_set_num(o, "version", s->migration->version);
	json_set_str(o, "name", s->migration->name);
	json_set_str(o, "state", state_names[s->state]);
	json_set_time(o, "applied_at", s->applied_us);
	json_set_str(o, "checksum", s->checksum);
	return o;
}

static void print_plan(const struct schema *p, bool json)
{
	static const struct table_column columns[] = {{"VERSION", .right = true},
						      {"NAME", .gives = true},
						      {"STATE", .status = true},
						      {"APPLIED"}};
	struct json_object *list = json_object_new_array();
	struct table t;

	table_init(&t, columns, 4);
	for (int i = 0; i < p->n; i++) {
		const struct schema_step *s = &p->steps[i];
		char version[16], time[TIME_TEXT_SIZE];

		snprintf(version, sizeof(version), "%d", s->migration->version);
		table_add(&t,
			  (const char *const[]){version, s->migration->name, state_names[s->state],
						time_text(time, s->applied_us)});
		json_object_array_add(list, step_json(s));
	}
	if (json)
		print_json(list);
	else
		table_print(&t, stdout, output_width());
	table_release(&t);
	json_put(&list);
}

/* What was applied must be what we bring, or nobody knows what the schema is. */
static int check_plan(const struct schema *p)
{
	for (int i = 0; i < p->n; i++)
		if (p->steps[i].state == SCHEMA_CHANGED)
			say("migration %s is not the one that was applied: its checksum differs. "
			    "Applied migrations must "
			    "not be edited; add a new one",
			    p->steps[i].migration->name);
	if (p->newest > p->known)
		say("the schema is at version %d, newer than this program (%d); it fits: "
		    "migrations only add",
		    p->newest, p->known);
	return p->changed ? EXIT_REFUSED : EXIT_DONE;
}

/* ---- grants ---- */

/* The SQL for a role, whose name is quoted as PostgreSQL wants it. */
static bool write_grants(struct strbuf *sql, const char *role, struct err *e)
{
	static const char place[] = ":\"role\"";
	const char *rest = strstr(migrations_grants, "\n\n") + 2; /* behind what explains */

	if (!*role || strlen(role) >= ROLE_MAX)
		return err_set(e, ERR_USAGE, "--grant takes the name of a role, 1 to %d bytes long",
			       ROLE_MAX - 1);
	for (const char *at; (at = strstr(rest, place)); rest = at + strlen(place)) {
		strbuf_add(sql, rest, (size_t)(at - rest));
		strbuf_addc(sql, '"');
		for (const char *c = role; *c; c++) {
			if (*c == '"')
				strbuf_addc(sql, '"');
			strbuf_addc(sql, *c);
		}
		strbuf_addc(sql, '"');
	}
	strbuf_adds(sql, rest);
	return true;
}

static int complain_of_role(struct err *e)
{
	if (strcmp(e->code, "42501") == 0) /* insufficient_privilege */
		err_wrap(e, "this takes the role that owns the tables");
	return complain(e);
}

static int grant(struct db *db, const char *sql, const char *role)
{
	struct err e = {0};

	if (!db_script(db, sql, &e)) {
		err_wrap(&e, "the grants for %s", role);
		return complain_of_role(&e);
	}
	say("%s may do what a worker and the commands do", role);
	return EXIT_DONE;
}

/* ---- doing it ---- */

/* One simple query is one transaction (PostgreSQL manual 55.2.2.1). Names and checksums are our
 * own. */
static bool apply_once(struct db *db, const struct schema_step *s, struct err *e)
{
	AUTO(strbuf_release) struct strbuf sql;

	strbuf_init(&sql, SCRIPT_MAX);
	strbuf_adds(&sql, s->migration->sql);
	strbuf_addf(&sql,
		    "\n;INSERT INTO schema_migrations (version, name, checksum) VALUES (%d, '%s', "
		    "'%s')",
		    s->migration->version, s->migration->name, s->checksum);
	if (sql.failed)
		return err_set(e, ERR_USAGE, "migration %s is longer than %d bytes",
			       s->migration->name, SCRIPT_MAX);
	return db_script(db, sql.buf, e);
}

/* A table in use is waited for briefly and often: who waits for its lock holds up all who come
 * after. */
static bool apply(struct db *db, const struct schema_step *s, struct err *e)
{
	for (int i = 1; !apply_once(db, s, e); i++) {
		if (e->class != ERR_RETRY || i == TRIES || interrupted())
			return err_wrap(e, "migration %s", s->migration->name);
		say("migration %s: %s; once more", s->migration->name, e->text);
		interruptible_wait(PAUSE_MS);
	}
	return true;
}

static void tell_applied(struct json_object *list, struct schema_step *s, int64_t took_us,
			 bool json)
{
	char took[TIME_TEXT_SIZE];

	s->state = SCHEMA_APPLIED;
	s->applied_us = clock_wall_us();
	json_object_array_add(list, step_json(s));
	if (!json)
		printf("applied %s (%s)\n", s->migration->name, took_text(took, 1, 1 + took_us));
	fflush(stdout);
}

static int apply_pending(struct db *db, struct schema *p, bool json)
{
	struct json_object *list = json_object_new_array();
	struct err e = {0};
	int code = EXIT_DONE;

	for (int i = 0; i < p->n && code == EXIT_DONE; i++) {
		int64_t began = clock_mono_us();

		if (p->steps[i].state != SCHEMA_PENDING)
			continue;
		if (apply(db, &p->steps[i], &e))
			tell_applied(list, &p->steps[i], clock_mono_us() - began, json);
		else
			code = complain_of_role(&e);
	}
	if (json)
		print_json(list);
	else if (code == EXIT_DONE && !p->pending)
		say("nothing to do: the schema is at version %d", p->newest);
	json_put(&list);
	return code;
}

static bool take_turn(struct db *db, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	char sql[160];

	snprintf(sql, sizeof(sql), "SELECT pg_try_advisory_lock(%d, %d)", LEASE_CLASS, LOCK_KEY);
	r = db_query(db, sql, 0, NULL, e);
	if (!r)
		return false;
	snprintf(sql, sizeof(sql), "SELECT pg_advisory_lock(%d, %d)", LEASE_CLASS, LOCK_KEY);
	if (!db_int(r, 0, 0)) {
		say("somebody else migrates; waiting for them");
		if (!db_script(db, sql, e))
			return false;
	}
	/* Not before: nobody is to give up waiting for a turn. "already exists, skipping" is no
	 * news. */
	return db_script(db,
			 "SET lock_timeout = '5s'; SET client_min_messages = warning;"
			 "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY "
			 "KEY, name text NOT NULL,"
			 " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT "
			 "current_timestamp)",
			 e);
}

static int up(struct db *db, struct schema *p, bool json)
{
	struct err e = {0};
	int code;

	if (!take_turn(db, &e) || !schema_read(db, p, &e))
		return complain_of_role(&e);
	code = check_plan(p);
	/* The lock goes with the session. */
	return code == EXIT_DONE ? apply_pending(db, p, json) : code;
}

static int status(struct db *db, struct schema *p, bool json)
{
	struct err e = {0};

	if (!schema_read(db, p, &e))
		return complain(&e);
	print_plan(p, json);
	return check_plan(p);
}

static int dry_run(struct db *db, struct schema *p, bool json)
{
	struct json_object *list;
	struct err e = {0};
	int code;

	if (!schema_read(db, p, &e))
		return complain(&e);
	code = check_plan(p);
	if (code != EXIT_DONE)
		return code;
	list = json_object_new_array();
	for (int i = 0; i < p->n; i++) {
		if (p->steps[i].state != SCHEMA_PENDING)
			continue;
		json_object_array_add(list, step_json(&p->steps[i]));
		if (!json)
			printf("would apply %s\n%s\n", p->steps[i].migration->name,
			       p->steps[i].migration->sql);
	}
	if (json)
		print_json(list);
	else if (!p->pending)
		say("nothing to do: the schema is at version %d", p->newest);
	json_put(&list);
	return EXIT_DONE;
}

static int migrate_main(int argc, char **argv)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(schema_release) struct schema plan = {0};
	AUTO(strbuf_release) struct strbuf grants;
	static const char *const subcommands[] = {"up", "status"};
	bool json = false, dry = false;
	const char *role = NULL;
	int what = 0;
	const struct arg_option options[] = {
		{"json", .flag = &json}, {"dry-run", .flag = &dry}, {"grant", .text = &role}, {0}};
	struct args operands;
	struct err e = {0};
	int code;

	strbuf_init(&grants, SCRIPT_MAX);
	if (!args_parse(&operands, "migrate", argc, argv, options, &e) ||
	    !args_count(&operands, "migrate", 0, 1, "", &e) ||
	    (role && !write_grants(&grants, role, &e)))
		return complain(&e);
	if (operands.n)
		what = args_choose("subcommand of `cpoa migrate`", operands.item[0], subcommands, 2,
				   &e);
	if (what < 0)
		return complain(&e);
	code = connect_db(&s, &db);
	if (code != EXIT_DONE)
		return code;
	if (what == 1)
		return status(db, &plan, json);
	code = dry ? dry_run(db, &plan, json) : up(db, &plan, json);
	if (code != EXIT_DONE || !role)
		return code;
	if (!dry)
		return grant(db, grants.buf, role);
	if (!json)
		printf("would grant\n%s", grants.buf);
	return EXIT_DONE;
}

const struct command cmd_migrate = {
	.name = "migrate",
	.main = migrate_main,
	.summary = "brings PostgreSQL's schema up; status",
	.usage = "usage: cpoa migrate [up|status] [--grant ROLE] [--dry-run] [--json]\n"
		 "\n"
		 "  up      (the default) applies what is not applied yet; safe from many places "
		 "at once\n"
		 "  status  each migration, and when it was applied\n"
		 "\n"
		 "  --grant ROLE  with up: afterwards lets ROLE do what a worker and the other "
		 "commands do, and no more\n"
		 "  --dry-run     with up: prints the SQL that would be run, and changes nothing\n"
		 "  --json        an array of {version, name, state, applied_at, checksum}\n"
		 "\n"
		 "The migrations are embedded in this program. Exit code 4: no PostgreSQL; 5: an "
		 "applied migration\n"
		 "is not the one that this program brings.\n",
};
