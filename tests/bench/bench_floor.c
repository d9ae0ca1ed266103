/*
 * bench_floor: what PostgreSQL alone takes to keep a podcast. The worker's own statements
 * (engine/sql.c) with rows copied from a real podcast, in batches, one session, nothing else: no
 * worker can be faster than this without writing less.
 *
 *	bench_floor [--podcasts N] [--batch 64] [--watch postgres=PID]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/digest.h"

#include "engine/ledger_batch.h"
#include "engine/settings.h"

#include "result.h"
#include "template.h"

enum {
	BATCH_MAX = 1024,
	WARM_UP = 20,	   /* batches */
	STARTED_BODY = 700 /* bytes of a started event */
};

struct podcast {
	struct uuid id, call[TEMPLATE_CALLS_MAX], started, ended;
	char key[UUID_TEXT_SIZE];
};

struct floor {
	struct settings settings;
	struct watches watches;
	struct db *db;
	struct template template;
	struct ledger_batch batch;
	struct podcast podcast[BATCH_MAX];
	int64_t podcasts, lease, commits;
	int n; /* podcasts in a batch */
	struct uuid strike[2 * BATCH_MAX];
	int n_strikes;
	char started_body[STARTED_BODY + 1];
};

/* ---- rows: as engine/ledger_batch.c puts them ---- */

static struct db_column *column(struct floor *f, enum sql_id id)
{
	return batch_column(&f->batch, id, 0);
}

static void put_admit(struct floor *f, const struct podcast *p)
{
	struct db_column *c = column(f, SQL_ADMIT);
	uint8_t hash[DIGEST_SIZE];

	digest(f->template.details, strlen(f->template.details), hash);
	db_put_uuid(&c[1], &p->id);
	db_put_uuid(&c[2], NULL);
	db_put_text(&c[3], "podcast_generation");
	db_put_text(&c[4], f->template.details);
	db_put_time(&c[5], clock_wall_us());
	db_put_text(&c[6], p->key);
	db_put_bytes(&c[7], hash, sizeof(hash));
	for (int i = 8; i <= 11; i++)
		db_put_text(&c[i], NULL);
}

static void put_plan(struct floor *f, const struct podcast *p, int call, bool admit)
{
	const struct template_call *t = &f->template.call[call];
	struct db_column *c = column(f, SQL_PLAN);
	int64_t now = clock_wall_us();

	db_put_uuid(&c[1], &p->id);
	db_put_bool(&c[2], admit);
	db_put_uuid(&c[3], &p->call[call]);
	db_put_text(&c[4], t->agent_name);
	db_put_int(&c[5], t->order);
	db_put_text(&c[6], t->reply ? "dispatched" : "completed");
	db_put_text(&c[7], t->name);
	db_put_text(&c[8], t->input);
	db_put_text(&c[9], t->reply ? NULL : t->summary);
	db_put_time(&c[10], now);
	db_put_time(&c[11], t->reply ? 0 : now);
	db_put_text(&c[12], t->stage);
}

static void put_land(struct floor *f, const struct podcast *p, int call)
{
	const struct template_call *t = &f->template.call[call];
	struct db_column *c = column(f, SQL_LAND);

	db_put_uuid(&c[1], &p->id);
	db_put_uuid(&c[2], &p->call[call]);
	db_put_text(&c[3], "completed");
	db_put_text(&c[4], t->summary);
	db_put_text(&c[5], NULL);
	db_put_text(&c[6], t->reply);
	db_put_int(&c[7], 0);
	db_put_time(&c[8], clock_wall_us());
}

static void put_stage(struct floor *f, const struct podcast *p, const char *stage, bool admit)
{
	struct db_column *c = column(f, SQL_SAVE_STAGE);

	db_put_uuid(&c[1], &p->id);
	db_put_bool(&c[2], admit);
	db_put_uuid(&c[3], &p->id);
	db_put_text(&c[4], stage);
}

static void put_final(struct floor *f, const struct podcast *p)
{
	struct db_column *c = column(f, SQL_SAVE_PODCAST);

	db_put_uuid(&c[1], &p->id);
	db_put_bool(&c[2], false);
	db_put_text(&c[3], f->template.save_final);
}

static void put_tell(struct floor *f, const struct podcast *p, bool ended)
{
	struct db_column *c = column(f, SQL_TELL);

	db_put_uuid(&c[1], &p->id);
	db_put_bool(&c[2], !ended);
	db_put_uuid(&c[3], ended ? &p->ended : &p->started);
	db_put_text(&c[4], ended ? f->template.event_type : "podcast_generation.started");
	db_put_text(&c[5], ended ? NULL : f->started_body);
	db_put_text(&c[6], NULL);
	db_put_text(&c[7], NULL);
}

static void put_finish(struct floor *f, const struct podcast *p)
{
	struct db_column *c = column(f, SQL_FINISH);

	db_put_uuid(&c[1], &p->id);
	db_put_bool(&c[2], false);
	db_put_text(&c[3], "completed");
	db_put_time(&c[4], clock_wall_us());
	db_put_text(&c[5], f->template.context);
	db_put_text(&c[6], NULL);
	db_put_uuid(&c[7], &p->ended);
	db_put_text(&c[8], f->template.event_type);
	db_put_text(&c[9], f->template.event);
	db_put_int(&c[10], f->template.sequence);
}

/* ---- transactions ---- */

/* What the worker writes when the reply before `hop` has landed: hop 0 admits, the last one ends.
 */
static void put_hop(struct floor *f, const struct podcast *p, int hop)
{
	bool admit = hop == 0, last = hop == f->template.n_real;

	if (admit) {
		put_admit(f, p);
		put_tell(f, p, false);
	} else {
		db_put_uuid(&column(f, SQL_GUARD)[1], &p->id);
		put_land(f, p, hop - 1);
	}
	if (!last) {
		put_plan(f, p, hop, admit);
		put_stage(f, p, f->template.call[hop].stage, admit);
		return;
	}
	for (int i = f->template.n_real; i < f->template.n_calls; i++)
		put_plan(f, p, i, false);
	put_final(f, p);
	put_tell(f, p, true);
	put_finish(f, p);
}

/* Events that the broker would have confirmed since go with the next transaction. */
static void put_strikes(struct floor *f)
{
	for (int i = 0; i < f->n_strikes; i++)
		db_put_uuid(&column(f, SQL_STRIKE)[1], &f->strike[i]);
	f->n_strikes = 0;
}

static bool commit(struct floor *f, struct err *e)
{
	batch_close(&f->batch);
	f->commits++;
	return db_batch_run(f->db, &f->batch.db, e);
}

static bool run_batch(struct floor *f, struct err *e)
{
	const struct db_result *finished;

	for (int i = 0; i < f->n; i++) {
		struct podcast *p = &f->podcast[i];

		p->id = uuid_new();
		p->started = uuid_new();
		p->ended = uuid_new();
		uuid_to_text(&p->id, p->key);
		for (int call = 0; call < f->template.n_calls; call++)
			p->call[call] = uuid_new();
	}
	for (int hop = 0; hop <= f->template.n_real; hop++) {
		batch_begin(&f->batch, f->lease);
		for (int i = 0; i < f->n; i++)
			put_hop(f, &f->podcast[i], hop);
		put_strikes(f);
		if (!commit(f, e))
			return false;
		for (int i = 0; i < f->n && hop == 0; i++)
			f->strike[f->n_strikes++] = f->podcast[i].started;
	}
	for (int i = 0; i < f->n; i++)
		f->strike[f->n_strikes++] = f->podcast[i].ended;
	finished = batch_result(&f->batch, SQL_FINISH);
	if (!finished || db_rows(finished) != f->n)
		return err_set(e, ERR_REJECT, "a batch did not write what it should");
	return true;
}

static bool last_strikes(struct floor *f, struct err *e)
{
	batch_begin(&f->batch, f->lease);
	put_strikes(f);
	return commit(f, e);
}

static bool measure(struct floor *f, struct err *e)
{
	int64_t batches = (f->podcasts + f->n - 1) / f->n;
	double podcasts = (double)(batches * f->n);
	struct json_object *values = result_new();
	int64_t began;

	for (int i = 0; i < WARM_UP; i++)
		if (!run_batch(f, e))
			return false;
	f->commits = 0;
	watch_begin(&f->watches);
	began = clock_mono_us();
	for (int64_t i = 0; i < batches; i++)
		if (!run_batch(f, e))
			return false;
	if (!last_strikes(f, e))
		return false;
	result_set(values, "rate", podcasts * 1e6 / (double)(clock_mono_us() - began));
	watch_end(&f->watches);
	result_set(values, "commits", (double)f->commits / podcasts);
	result_set(values, "batch", (double)f->n);
	result_set_cpu(values, &f->watches, podcasts);
	result_print("floor", values);
	return true;
}

static bool open_session(struct floor *f, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	struct db_options o = settings_db(&f->settings);

	f->db = db_open(&o, e);
	if (!f->db || !template_load(&f->template, f->db, e))
		return false;
	/* A number that no worker has; it needs no lock, for no row of `leases` names it. */
	r = db_query(f->db, "SELECT nextval('leases_lease_id_seq')", 0, NULL, e);
	if (!r)
		return false;
	f->lease = strtoll(db_text(r, 0, 0), NULL, 10);
	return db_script(f->db, sql_session, e) && db_prepare(f->db, sql_table, SQL_COUNT, e);
}

static bool read_options(struct floor *f, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{"podcasts", required_argument, NULL, 'n'},
		{"batch", required_argument, NULL, 'b'},
		{"watch", required_argument, NULL, 'w'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			f->podcasts = strtoll(optarg, NULL, 10);
		else if (c == 'b')
			f->n = (int)strtol(optarg, NULL, 10);
		else if (c != 'w' || !watch_add(&f->watches, optarg, e))
			return false;
	}
	return f->podcasts > 0 && f->n > 0 && f->n <= BATCH_MAX;
}

int main(int argc, char **argv)
{
	struct floor *f = xcalloc(1, sizeof(*f));
	struct err e = {0};
	bool good;

	f->podcasts = 20000;
	f->n = 64;
	f->watches.of[f->watches.n++] = (struct watch){.name = "load", .pid = getpid()};
	memset(f->started_body, 'x', STARTED_BODY);
	if (!read_options(f, argc, argv, &e)) {
		fprintf(stderr,
			"%s\nusage: bench_floor [--podcasts N] [--batch 1..%d]"
			" [--watch NAME=PID]...\n",
			e.text, BATCH_MAX);
		return 2;
	}
	batch_init(&f->batch);
	good = settings_load(&f->settings, &e) && open_session(f, &e) && measure(f, &e);
	if (!good)
		fprintf(stderr, "bench_floor: %s\n", e.text);
	template_release(&f->template);
	batch_release(&f->batch);
	db_close(f->db);
	free(f);
	return good ? 0 : 1;
}
