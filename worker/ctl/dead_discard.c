/* cpoa dead discard: in batches. */
#include <inttypes.h>
#include <stdio.h>

#include "cpoa/json.h"

#include "engine/sql.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/dead_change.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/query.h"

/* Never one that a replay has in hand. */
static const char discard_sql[] =
	"WITH d AS (UPDATE dead_letters SET state = 'discarded' WHERE id = ANY(ARRAY(SELECT id"
	" FROM dead_letters WHERE id = ANY($8::bigint[]) AND state = 'dead' AND (claimed_by IS NULL"
	" OR pg_try_advisory_xact_lock_shared($9::int, claimed_by::int)) ORDER BY id"
	" FOR UPDATE SKIP LOCKED)) RETURNING id, workflow_id) "
	"INSERT INTO replays (" AUDIT_COLUMNS ", dead_letter_id, workflow_id, outcome) "
	"SELECT " AUDIT_VALUES ", id, workflow_id, 'discarded' FROM d RETURNING dead_letter_id";

static int64_t discard_batch(const struct dead_change *c, int at, int n, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *done = NULL;
	AUTO(strbuf_release) struct strbuf ids;
	const char *params[AUDIT_PARAMS + 2];
	char class[16];

	strbuf_init(&ids, 64 << 10);
	for (int i = at; i < at + n; i++)
		array_add(&ids, db_text(c->chosen, i, CHOSEN_ID));
	snprintf(class, sizeof(class), "%d", LEASE_CLASS);
	audit_params(&c->audit, params);
	params[AUDIT_PARAMS] = array_text(&ids);
	params[AUDIT_PARAMS + 1] = class;
	done = db_query(c->db, discard_sql, AUDIT_PARAMS + 2, params, e);
	return done ? db_rows(done) : -1;
}

static void print_done(const struct dead_change *c, int64_t done, int n)
{
	struct json_object *o;

	if (!c->change.json) {
		printf("discarded %" PRId64 " of %d dead letter%s (%s)\n", done, n, plural(n),
		       c->audit.replay_id);
		return;
	}
	o = json_object_new_object();
	json_set_num(o, "discarded", done);
	json_set_num(o, "of", n);
	json_set_str(o, "replay_id", c->audit.replay_id);
	print_json(o);
	json_put(&o);
}

static int discard_all(const struct dead_change *c)
{
	int n = db_rows(c->chosen), at = 0, batch;
	int64_t done = 0;
	struct pace pace;
	struct err e = {0};

	if (!pace_begin(&pace, c->change.rate_text, &e))
		return complain(&e);
	interrupt_catch();
	while (at < n &&
	       (batch = pace_take(&pace, n - at < CHANGE_BATCH ? n - at : CHANGE_BATCH)) > 0) {
		int64_t some = discard_batch(c, at, batch, &e);

		if (some < 0)
			return complain_query(&e);
		done += some;
		at += batch;
	}
	print_done(c, done, n);
	if (at < n) {
		say("the rest stays as it was; this goes on: %s", c->audit.command);
		return EXIT_INTERRUPTED;
	}
	return done == n ? EXIT_DONE : done ? EXIT_FAILED : EXIT_REFUSED;
}

int dead_discard(int argc, char **argv)
{
	AUTO(dead_change_release) struct dead_change c = {0};
	const struct arg_option options[] = {DEAD_CHANGE_OPTIONS(c), {0}};
	int code = dead_change_begin(&c, "discard", argc, argv, options);

	if (code != EXIT_DONE)
		return code;
	if (c.change.dry_run) {
		dead_print_plan(&c);
		return EXIT_DONE;
	}
	return discard_all(&c);
}
