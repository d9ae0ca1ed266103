/* cpoa dead replay: which ones, what would happen, and in batches. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "ctl/change.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/dead_change.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/republish.h"
#include "ctl/retry.h"

enum { TELL_MS = 1000 };

struct wish {
	struct dead_change dead;
	struct arg_list sets;
	bool from_start;
};

struct tally {
	int64_t done, refused, told_at_ms;
};

/* ---- one batch ---- */

static void report(const struct wish *wish, const char *id, bool done, const char *why,
		   struct tally *tally)
{
	struct json_object *o;

	tally->done += done;
	tally->refused += !done;
	if (!wish->dead.change.json) {
		if (!done)
			say("%s: %s", id, why);
		return;
	}
	o = json_object_new_object();
	json_set_num(o, "id", strtoll(id, NULL, 10));
	json_set_str(o, "outcome", done ? "replayed" : "refused");
	json_set_str(o, "why", done ? NULL : why);
	print_json(o);
	json_put(&o);
}

static int replay_workflows(const struct wish *wish, struct db *db, const struct db_result *r,
			    const int *rows, int n, struct tally *tally)
{
	AUTO(free_ptr) struct retry *list = xcalloc((size_t)n + 1, sizeof(*list));
	struct err e = {0};

	for (int i = 0; i < n; i++)
		snprintf(list[i].workflow_id, sizeof(list[i].workflow_id), "%s",
			 db_text(r, rows[i], CHOSEN_WORKFLOW));
	if (n && !retry_workflows(db, &wish->dead.audit, wish->from_start, list, n, &e))
		return complain_query(&e);
	for (int i = 0; i < n; i++)
		report(wish, db_text(r, rows[i], CHOSEN_ID), list[i].done, list[i].why, tally);
	return EXIT_DONE;
}

static int replay_jobs(const struct wish *wish, struct republish *republish,
		       const struct db_result *r, const int *rows, int n, struct tally *tally)
{
	AUTO(free_ptr) struct republished *list = xcalloc((size_t)n + 1, sizeof(*list));
	int code;

	for (int i = 0; i < n; i++)
		list[i] = (struct republished){.id = db_text(r, rows[i], CHOSEN_ID)};
	code = n ? republish_letters(republish, list, n) : EXIT_DONE;
	for (int i = 0; i < n && code == EXIT_DONE; i++)
		report(wish, list[i].id, list[i].done, list[i].why, tally);
	return code;
}

static int replay_batch(const struct wish *wish, struct republish *republish,
			const struct db_result *r, int at, int n, struct tally *tally)
{
	int failed[CHANGE_BATCH], jobs[CHANGE_BATCH], n_failed = 0, n_jobs = 0, code;

	for (int i = at; i < at + n; i++) {
		if (db_is_null(r, i, CHOSEN_WORKFLOW))
			jobs[n_jobs++] = i;
		else
			failed[n_failed++] = i;
	}
	code = replay_workflows(wish, republish->db, r, failed, n_failed, tally);
	if (code == EXIT_DONE)
		code = replay_jobs(wish, republish, r, jobs, n_jobs, tally);
	return code;
}

/* ---- all of them ---- */

static void tell_progress(struct tally *tally, int at, int n)
{
	int64_t now = clock_mono_ms();

	if (tally->told_at_ms && now - tally->told_at_ms >= TELL_MS) {
		say("%d of %d", at, n);
		tally->told_at_ms = now;
	} else if (!tally->told_at_ms) {
		tally->told_at_ms = now;
	}
}

static int finish(const struct wish *wish, const struct tally *tally, int n, int code)
{
	if (!wish->dead.change.json)
		printf("replayed %" PRId64 " of %d dead letter%s (%s)\n", tally->done, n, plural(n),
		       wish->dead.audit.replay_id);
	if (code != EXIT_DONE || (interrupted() && tally->done + tally->refused < n)) {
		say("the rest stays as it was; this goes on: %s", wish->dead.audit.command);
		return code == EXIT_DONE ? EXIT_INTERRUPTED : code;
	}
	if (tally->refused == 0)
		return EXIT_DONE;
	return tally->done ? EXIT_FAILED : EXIT_REFUSED;
}

static int replay_all(const struct wish *wish, const struct db_result *r)
{
	struct republish republish = {
		.settings = &wish->dead.settings,
		.db = wish->dead.db,
		.audit = &wish->dead.audit,
		.state = wish->dead.filter.state ? wish->dead.filter.state : "dead",
		.sets = &wish->sets,
	};
	struct tally tally = {0};
	struct pace pace;
	struct err e = {0};
	int at = 0, n = db_rows(r), batch, code = EXIT_DONE;

	if (!pace_begin(&pace, wish->dead.change.rate_text, &e) || !republish_begin(&republish, &e))
		return complain_query(&e);
	interrupt_catch();
	while (code == EXIT_DONE && at < n &&
	       (batch = pace_take(&pace, n - at < CHANGE_BATCH ? n - at : CHANGE_BATCH)) > 0) {
		code = replay_batch(wish, &republish, r, at, batch, &tally);
		at += batch;
		tell_progress(&tally, at, n);
	}
	republish_end(&republish);
	return finish(wish, &tally, n, code);
}

/* ---- the command ---- */

static void print_plan(const struct wish *wish, const struct db_result *r)
{
	int failed = 0;

	dead_print_plan(&wish->dead);
	if (wish->dead.change.json)
		return;
	for (int i = 0; i < db_rows(r); i++)
		failed += !db_is_null(r, i, CHOSEN_WORKFLOW);
	printf("\n%d workflow%s would go on from %s, %d job%s would be published again\n", failed,
	       plural(failed), wish->from_start ? "the start" : "the last good call",
	       db_rows(r) - failed, plural(db_rows(r) - failed));
}

/* A workflow's job is what it is: its agents know its keys, and would answer as before. */
static int refuse_sets(const struct wish *wish, const struct db_result *r)
{
	for (int i = 0; wish->sets.n && i < db_rows(r); i++) {
		if (db_is_null(r, i, CHOSEN_WORKFLOW))
			continue;
		say("--set is for jobs that were refused; %s is a workflow that failed, and its "
		    "agents would answer its keys as before. Give a new job: cpoa dead show %s "
		    "--payload | cpoa enqueue %s --json - --arg ...",
		    db_text(r, i, CHOSEN_ID), db_text(r, i, CHOSEN_ID), db_text(r, i, CHOSEN_TYPE));
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

int dead_replay(int argc, char **argv)
{
	struct wish wish = {0};
	const struct arg_option options[] = {
		DEAD_CHANGE_OPTIONS(wish.dead),
		{"from-start", .flag = &wish.from_start},
		{"set", .list = &wish.sets},
		{0},
	};
	int code = dead_change_begin(&wish.dead, "replay", argc, argv, options);

	if (code == EXIT_DONE)
		code = refuse_sets(&wish, wish.dead.chosen);
	if (code == EXIT_DONE && wish.dead.change.dry_run)
		print_plan(&wish, wish.dead.chosen);
	else if (code == EXIT_DONE)
		code = replay_all(&wish, wish.dead.chosen);
	dead_change_release(&wish.dead);
	return code;
}
