/*
 * cpoa prune: retention.
 *
 * What goes, goes in small transactions of rows that nobody works on, with a pause after each that
 * is longer than itself, so that live work waits for nothing: rows that somebody has locked are
 * passed over, and its commits wait for no disk. The unit is a workflow with its calls (ON DELETE
 * CASCADE): there is never half a one. What was pruned is pruned; Ctrl-C or a crash loses nothing
 * but the rest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "engine/sql.h"

enum {
	LOCK_KEY = -1, /* of LEASE_CLASS, where leases are above 0 */
	BATCH_DEFAULT = 500,
	BATCH_MIN = 10,
	BATCH_MAX = 10000,
	SLOW_MS = 100, /* a batch that takes longer is halved */
	QUICK_MS = 25,
	PAUSE_FACTOR = 3,
	PAUSE_MAX_MS = 2000,
	TRIES = 8,
	PROGRESS_MS = 200,
};

/* ---- what may go ---- */

/*
 * Statements take $1: where the batch before ended, $2: the age, $3: whether the failed stay, $4:
 * the age of dead letters, $5: how many rows. NOT IN is a hash that is made once, and leaves the
 * rows in the order of the index.
 */
#define HISTORY                                                                                   \
	" FROM workflow_instances WHERE start_timestamp >= $1::timestamptz AND start_timestamp <" \
	" $2::timestamptz AND end_timestamp < $2::timestamptz AND claimed_by IS NULL"             \
	" AND overall_status <> 'in_progress' AND NOT ($3::bool AND overall_status LIKE"          \
	" 'failed%') AND workflow_id NOT IN (SELECT workflow_id FROM outbox_events)"              \
	" AND workflow_id NOT IN (SELECT workflow_id FROM dead_letters WHERE state = 'dead'"      \
	" AND last_failed_at >= $4::timestamptz AND workflow_id IS NOT NULL) "
#define LETTERS                                                       \
	" FROM dead_letters WHERE id > $1::int8 AND last_failed_at <" \
	" $2::timestamptz AND $3::bool IS NOT NULL AND $4::timestamptz IS NOT NULL "
#define AUDIT                                                                                      \
	" FROM replays WHERE id > $1::int8 AND at < $2::timestamptz AND $3::bool IS NOT NULL AND " \
	"$4::timestamptz IS NOT NULL "

#define COUNT(status, from) "SELECT " status ", count(*)" from "GROUP BY 1 ORDER BY 2 DESC"
#define BATCH(table, id, order, from, lock)                                            \
	"WITH d AS (SELECT " id " AS id, " order " AS place" from "ORDER BY " order    \
	" LIMIT $5::int8 " lock "), x AS (DELETE FROM " table " t USING d WHERE t." id \
	" = d.id RETURNING d.place) SELECT count(*), max(place)::text FROM x"
#define UNLOCKED "FOR UPDATE SKIP LOCKED" /* those that nobody has locked */

/* In the order in which they go: a letter keeps the workflow that it could bring back. Nobody
 * changes an audit row, and a role that only works may not even lock one. */
static const struct part {
	const char *name, *member; /* for people and in JSON */
	const char *count, *batch, *start;
} parts[] = {
	{"dead letter", "dead_letters", COUNT("state", LETTERS),
	 BATCH("dead_letters", "id", "id", LETTERS, UNLOCKED), "0"},
	{"workflow", "workflows", COUNT("overall_status", HISTORY),
	 BATCH("workflow_instances", "workflow_id", "start_timestamp", HISTORY, UNLOCKED),
	 "-infinity"},
	{"audit row", "audit_rows", COUNT("action", AUDIT), BATCH("replays", "id", "id", AUDIT, ""),
	 "0"},
};
enum { DEAD, WORKFLOWS, AUDIT_ROWS, PARTS };

struct prune {
	struct db *db;
	int64_t age_us[PARTS]; /* -1: not asked for */
	bool keep_failed, dry_run, yes, nightly, json;
	int64_t batch;

	char before[PARTS][CLOCK_TEXT_SIZE];
	struct db_result *counts[PARTS];
	int64_t found[PARTS], gone[PARTS];
};

static void prune_release(struct prune *p)
{
	for (int i = 0; i < PARTS; i++)
		db_result_free(p->counts[i]);
	db_close(p->db);
}

/* What a letter has to be younger than to keep its workflow. */
static const char *letters_before(const struct prune *p)
{
	return p->age_us[DEAD] < 0 ? "-infinity" : p->before[DEAD];
}

static struct db_result *ask(struct prune *p, int part, const char *sql, int n, const char *from,
			     int64_t limit, struct err *e)
{
	char rows[24];
	const char *params[] = {from, p->before[part], p->keep_failed ? "t" : "f",
				letters_before(p), rows};

	snprintf(rows, sizeof(rows), "%" PRId64, limit);
	return db_query(p->db, sql, n, params, e);
}

/* ---- counting before anything is done ---- */

static bool count_part(struct prune *p, int part, struct err *e)
{
	struct db_result *r;

	if (p->age_us[part] < 0)
		return true;
	clock_text(p->before[part], clock_wall_us() - p->age_us[part]);
	r = p->counts[part] = ask(p, part, parts[part].count, 4, parts[part].start, 0, e);
	for (int i = 0; r && i < db_rows(r); i++)
		p->found[part] += db_int(r, i, 1);
	return r;
}

static void print_counts(const struct prune *p)
{
	static const struct table_column columns[] = {
		{"WHAT"}, {"STATUS", .status = true}, {"BEFORE"}, {"COUNT", .right = true}};
	struct table t;

	table_init(&t, columns, 4);
	for (int part = 0; part < PARTS; part++) {
		const struct db_result *r = p->counts[part];

		for (int i = 0; r && i < db_rows(r); i++) {
			char before[TIME_TEXT_SIZE];

			time_text(before, clock_wall_us() - p->age_us[part]);
			table_add(&t, (const char *const[]){parts[part].name, db_text(r, i, 0),
							    before, db_text(r, i, 1)});
		}
	}
	if (t.n_rows)
		table_print(&t, stdout, output_width());
	table_release(&t);
}

static struct json_object *part_json(const struct prune *p, int part)
{
	struct json_object *o = json_object_new_object(), *by = json_object_new_object();
	const struct db_result *r = p->counts[part];

	json_set_str(o, "before", p->before[part]);
	json_set_num(o, "found", p->found[part]);
	json_set_num(o, "pruned", p->gone[part]);
	for (int i = 0; i < db_rows(r); i++)
		json_set_num(by, db_text(r, i, 0), db_int(r, i, 1));
	json_set(o, "by_status", by);
	return o;
}

static void print_result(const struct prune *p)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "dry_run", json_object_new_boolean(p->dry_run));
	for (int part = 0; part < PARTS; part++)
		json_set(o, parts[part].member, p->counts[part] ? part_json(p, part) : NULL);
	print_json(o);
	json_put(&o);
}

/* A failure that somebody may still replay is no history. */
static bool tell_kept(struct prune *p, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	const char *params[] = {p->before[WORKFLOWS], letters_before(p)};

	if (p->age_us[WORKFLOWS] < 0)
		return true;
	r = db_query(
		p->db,
		"SELECT count(*) FROM workflow_instances w WHERE end_timestamp < "
		"$1::timestamptz AND claimed_by IS NULL AND EXISTS (SELECT FROM dead_letters d "
		"WHERE d.workflow_id = w.workflow_id AND d.state = 'dead' "
		"AND d.last_failed_at >= $2::timestamptz)",
		2, params, e);
	if (r && db_int(r, 0, 0))
		say("%" PRId64 " workflows stay, as their dead letters can still be replayed; "
		    "--dead-older-than prunes those first",
		    db_int(r, 0, 0));
	return r;
}

/* ---- whether to go on ---- */

static int agree(const struct prune *p, int64_t total)
{
	char line[64] = "", wanted[64];

	if (p->yes || p->nightly)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		say("this would prune %" PRId64 " rows; give --yes where nobody can be asked, or "
		    "--dry-run to look first",
		    total);
		return EXIT_REFUSED;
	}
	print_counts(p);
	fflush(stdout);
	fprintf(stderr, "There is no way back. Type %" PRId64 " to prune them: ", total);
	fflush(stderr);
	snprintf(wanted, sizeof(wanted), "%" PRId64 "\n", total);
	if (fgets(line, sizeof(line), stdin) && strcmp(line, wanted) == 0)
		return EXIT_DONE;
	say("nothing was pruned");
	return EXIT_REFUSED;
}

/* ---- pruning ---- */

struct meter {
	bool shown; /* stderr is a terminal */
	int64_t next_ms;
};

static void show_progress(struct meter *g, const struct prune *p, int part, bool last)
{
	if (!g->shown || (!last && clock_mono_ms() < g->next_ms))
		return;
	g->next_ms = clock_mono_ms() + PROGRESS_MS;
	fprintf(stderr, "\r%s: %" PRId64 " of %" PRId64 "%s", parts[part].member, p->gone[part],
		p->found[part], last ? "\n" : "");
}

static int64_t next_size(int64_t size, int64_t most, int64_t took_ms)
{
	if (took_ms > SLOW_MS)
		size /= 2;
	else if (took_ms < QUICK_MS)
		size *= 2;
	if (size > most)
		size = most;
	return size < BATCH_MIN && most >= BATCH_MIN ? BATCH_MIN : size < 1 ? 1 : size;
}

static bool prune_part(struct prune *p, int part, struct err *e)
{
	struct meter meter = {.shown = isatty(STDERR_FILENO)};
	char from[64];
	int64_t size = p->batch;
	int tries = 0;

	snprintf(from, sizeof(from), "%s", parts[part].start);
	while (p->found[part] && !interrupted()) {
		int64_t began = clock_mono_ms(), took;
		AUTO(db_result_free_ptr)
		struct db_result *r = ask(p, part, parts[part].batch, 5, from, size, e);

		took = clock_mono_ms() - began;
		/* Somebody's lock or a deadlock: the same again, with fewer rows. */
		if (!r && (e->class != ERR_RETRY || ++tries == TRIES))
			return false;
		if (r && !db_int(r, 0, 0))
			break;
		if (r) {
			tries = 0;
			p->gone[part] += db_int(r, 0, 0);
			snprintf(from, sizeof(from), "%s", db_text(r, 0, 1));
		}
		show_progress(&meter, p, part, false);
		size = next_size(size, p->batch, r ? took : SLOW_MS + 1);
		took *= PAUSE_FACTOR;
		interruptible_wait(took < PAUSE_MAX_MS ? (int)took + 1 : PAUSE_MAX_MS);
	}
	if (p->found[part])
		show_progress(&meter, p, part, true);
	return true;
}

static bool take_turn(struct db *db, bool *mine, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	char sql[96];

	snprintf(sql, sizeof(sql), "SELECT pg_try_advisory_lock(%d, %d)", LEASE_CLASS, LOCK_KEY);
	r = db_query(db, sql, 0, NULL, e);
	*mine = r && db_int(r, 0, 0);
	return r;
}

static int prune_all(struct prune *p)
{
	struct err e = {0};
	bool mine;

	if (!take_turn(p->db, &mine, &e))
		return complain(&e);
	if (!mine) {
		say("somebody else prunes this database; nothing was done");
		return EXIT_REFUSED;
	}
	interrupt_catch();
	for (int part = 0; part < PARTS; part++)
		if (!prune_part(p, part, &e)) {
			say("pruned so far: %" PRId64 " dead letters, %" PRId64
			    " workflows, %" PRId64 " audit rows; the same command goes on",
			    p->gone[DEAD], p->gone[WORKFLOWS], p->gone[AUDIT_ROWS]);
			return complain_query(&e);
		}
	return interrupted() ? EXIT_INTERRUPTED : EXIT_DONE;
}

static int run(struct prune *p)
{
	struct err e = {0};
	int64_t total = 0;
	int code;

	for (int part = 0; part < PARTS; part++) {
		if (!count_part(p, part, &e))
			return complain_query(&e);
		total += p->found[part];
	}
	if (!tell_kept(p, &e))
		return complain_query(&e);
	if (!total && !p->json)
		say("nothing is that old");
	code = total || p->nightly ? EXIT_DONE : EXIT_NO_MATCH;
	if (total && !p->dry_run)
		code = agree(p, total);
	if (total && !p->dry_run && code == EXIT_DONE) {
		code = prune_all(p);
		if (!p->json)
			say("pruned %" PRId64 " dead letters, %" PRId64 " workflows, %" PRId64
			    " audit rows",
			    p->gone[DEAD], p->gone[WORKFLOWS], p->gone[AUDIT_ROWS]);
	} else if (total && p->dry_run && !p->json) {
		print_counts(p);
	}
	if (p->json && code != EXIT_REFUSED)
		print_result(p);
	return code;
}

/* ---- the command ---- */

static int open_session(struct prune *p)
{
	AUTO(settings_release) struct settings s = {0};
	struct err e = {0};
	int code = connect_db(&s, &p->db);

	if (code != EXIT_DONE)
		return code;
	/* work_mem: the hashes of HISTORY. */
	if (!db_script(p->db,
		       "SET lock_timeout = '250ms'; SET statement_timeout = '60s'; SET jit = off;"
		       "SET synchronous_commit = off; SET work_mem = '64MB'; SET datestyle = ISO",
		       &e))
		return complain(&e);
	return EXIT_DONE;
}

static int prune_main(int argc, char **argv)
{
	AUTO(prune_release) struct prune p = {.age_us = {-1, -1, -1}, .batch = BATCH_DEFAULT};
	const struct arg_option options[] = {
		{"older-than", .duration_us = &p.age_us[WORKFLOWS]},
		{"dead-older-than", .duration_us = &p.age_us[DEAD]},
		{"audit-older-than", .duration_us = &p.age_us[AUDIT_ROWS]},
		{"keep-failed", .flag = &p.keep_failed},
		{"batch", .number = &p.batch, .min = 1, .max = BATCH_MAX},
		{"dry-run", .flag = &p.dry_run},
		{"yes", .flag = &p.yes},
		{"nightly", .flag = &p.nightly},
		{"json", .flag = &p.json},
		{0},
	};
	struct args operands;
	struct err e = {0};
	int code;

	if (!args_parse(&operands, "prune", argc, argv, options, &e) ||
	    !args_count(&operands, "prune", 0, 0, "", &e))
		return complain(&e);
	if (p.age_us[WORKFLOWS] < 0 && p.age_us[DEAD] < 0 && p.age_us[AUDIT_ROWS] < 0) {
		say("`cpoa prune` needs an age: --older-than 30d; `cpoa prune --help` explains it");
		return EXIT_USAGE;
	}
	code = open_session(&p);
	return code == EXIT_DONE ? run(&p) : code;
}

const struct command cmd_prune = {
	.name = "prune",
	.main = prune_main,
	.summary = "retention: what ended long ago goes, in small batches",
	.usage =
		"usage: cpoa prune --older-than 30d [--keep-failed] [--dead-older-than D] "
		"[--audit-older-than D]\n"
		"                  [--batch N] [--dry-run] [--yes|--nightly] [--json]\n"
		"\n"
		"Removes workflows that ended longer ago than that, with their calls. It holds up "
		"no worker, can be ended\n"
		"by Ctrl-C at any time, and the same command goes on. What is still at work, has "
		"an event to be sent or a\n"
		"dead letter that can be replayed, stays. So do the tables podcasts and "
		"topics_snippets: what was made is\n"
		"the product's. A job whose workflow is gone is a new one when it is sent again: "
		"its idempotency key is\n"
		"forgotten, so keep more than your senders' longest memory.\n"
		"\n"
		"  --older-than D        workflows that ended longer ago than 12h, 30d\n"
		"  --keep-failed         but not the failed ones\n"
		"  --dead-older-than D   dead letters that failed last longer ago, in whatever "
		"state\n"
		"  --audit-older-than D  the audit of replays (table replays)\n"
		"  --batch N             at most so many rows a transaction; 500 by default\n"
		"  --dry-run             counts, and removes nothing\n"
		"  --yes                 does not ask; needed where stdin is no terminal\n"
		"  --nightly             for a job: does not ask either, and that nothing is that "
		"old is no failure\n"
		"  --json                {dry_run, dead_letters, workflows, audit_rows}: of each "
		"before, found, pruned\n"
		"\n"
		"Exit code 3: nothing is that old; 4: no PostgreSQL; 5: not confirmed, or somebody "
		"else prunes.\n",
};
