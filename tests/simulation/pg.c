/* pg: sessions and transactions (in place of common/db.c and db_batch.c). */
#include "simulation/pg_statement.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "simulation/sim.h"
#include "simulation/world.h"

enum { TRIP_MIN_US = 200, TRIP_MAX_US = 1500, LONG_TRIP_US = 40000, LOCK_TIMEOUT_US = 250000 };

/* What has become of the batch that was sent. */
enum outcome { OUTCOME_NONE, OUTCOME_TO_COME, OUTCOME_COMMITTED, OUTCOME_REFUSED, OUTCOME_GONE };

struct db {
	struct db *next;
	struct worker *worker;
	int fd;
	bool alive;	  /* the server has it: its lock is held */
	bool cut;	  /* the network between them swallows everything */
	bool closed;	  /* its client has left */
	bool busy;	  /* a statement of it is being executed */
	bool midway;	  /* the rest of a batch is waited for, and no timeout runs */
	int64_t lease;	  /* whose lock it holds; 0: none */
	int64_t heard_us; /* when the server last answered: it counts from there */
	int64_t patience_us;
	enum outcome outcome;
	struct err refusal;
};

struct pg pg;

/* ---- sessions ---- */

static void end_session(struct db *db)
{
	if (!db->alive)
		return;
	sim_say("pg: the session with lease %lld ends", (long long)db->lease);
	db->alive = false;
	world.lost_us = sim_now_us();
	if (!db->cut && !db->closed)
		sim_fd_set(db->fd, true);
}

/* idle_session_timeout: what has not been heard of for a lease's time is ended. */
static void end_idle(void)
{
	for (struct db *db = pg.sessions; db; db = db->next)
		if (db->alive && db->patience_us && !db->busy && !db->midway &&
		    sim_now_us() - db->heard_us >= db->patience_us)
			end_session(db);
}

/*
 * A worker that is cut off and whose session the server ends meanwhile does not hear that its lease
 * is gone, and asks agents until its time is up while another does its work: two faults at once,
 * for which there is only the idempotency key. So whoever is ended hears of it.
 */
static void heal(struct db *db)
{
	if (!db->closed)
		db->cut = false;
}

static void cut(struct db *db)
{
	db->cut = true;
	db->midway = sim_chance(500);
	sim_say("pg: the session with lease %lld is cut off%s", (long long)db->lease,
		db->midway ? " in the midst of a batch" : "");
}

static struct db *session_of(int64_t lease)
{
	for (struct db *db = pg.sessions; db; db = db->next)
		if (db->alive && db->lease == lease)
			return db;
	return NULL;
}

bool pg_lease_alive(int64_t lease)
{
	end_idle();
	return session_of(lease) != NULL;
}

bool pg_lease_silent(int64_t lease, int64_t silence_us)
{
	const struct db *db = session_of(lease);

	return db && !db->busy && sim_now_us() - db->heard_us >= silence_us;
}

void pg_end_session(int64_t lease)
{
	struct db *db = session_of(lease);

	if (db)
		end_session(db);
}

void pg_cut(const struct worker *worker, bool said)
{
	for (struct db *db = pg.sessions; db; db = db->next) {
		if (worker && db->worker != worker)
			continue;
		if (!said && !db->closed) {
			cut(db);
			continue;
		}
		heal(db);
		if (said)
			end_session(db);
	}
}

void pg_restart(int64_t down_us)
{
	pg_cut(NULL, true);
	pg.server_start = sim_now_us();
	pg.down.until_us = sim_now_us() + down_us;
}

static bool lost(struct err *e)
{
	return err_set(e, ERR_LOST, "the simulated session is gone");
}

static void travel(void)
{
	sim_sleep(sim_between(TRIP_MIN_US, sim_chance(30) ? LONG_TRIP_US : TRIP_MAX_US));
}

/* However long an answer takes, a goodbye is heard at once: faster than anybody can claim what was
 * ours, and ask for it. */
static void travel_within(struct db *db)
{
	sim_sleep_fd(sim_between(TRIP_MIN_US, sim_chance(30) ? LONG_TRIP_US : TRIP_MAX_US), db->fd);
}

/* Whether its client waits in vain. */
static bool swallowed(struct db *db)
{
	if (!worker_is_dead(db->worker) && db->cut)
		sim_sleep_fd(db->patience_us, db->fd);
	return worker_is_dead(db->worker) || db->cut;
}

/* The way there. False: it never arrives. */
static bool arrive(struct db *db, struct err *e)
{
	travel_within(db);
	end_idle();
	return (!swallowed(db) && db->alive) || lost(e);
}

/* The way back. False: its answer does not come. */
static bool come_back(struct db *db, struct err *e)
{
	db->heard_us = sim_now_us();
	travel_within(db);
	if (swallowed(db))
		return lost(e);
	/* An answer that was sent before the goodbye may be read before it. */
	return db->alive || sim_chance(500) || lost(e);
}

struct db *db_open(const struct db_options *o, struct err *e)
{
	struct worker *worker = sim_worker();
	struct db *db;

	travel();
	if (worker_is_dead(worker) || sim_now_us() < pg.down.until_us) {
		lost(e);
		return NULL;
	}
	db = xcalloc(1, sizeof(*db));
	db->worker = worker;
	db->fd = sim_fd_new();
	db->alive = true;
	db->heard_us = sim_now_us();
	db->patience_us = o->lost_after_ms * 1000;
	db->next = pg.sessions;
	pg.sessions = db;
	return db;
}

/* A goodbye that the network swallows ends nothing. */
void db_close(struct db *db)
{
	if (!db)
		return;
	if (!db->cut)
		end_session(db);
	sim_fd_free(db->fd);
	db->closed = true;
}

bool pg_has_clients(void)
{
	for (const struct db *db = pg.sessions; db; db = db->next)
		if (!db->closed)
			return true;
	return false;
}

int db_fd(const struct db *db)
{
	return db->fd;
}

/* Nobody notifies: what operators ask for is found at the next look. */
void db_take_notes(struct db *db,
		   void (*notify)(void *ctx, const char *channel, const char *payload), void *ctx)
{
	(void)db;
	(void)notify;
	(void)ctx;
}

bool db_notified(struct db *db, void (*notify)(void *ctx, const char *channel, const char *payload),
		 void *ctx, struct err *e)
{
	(void)notify;
	(void)ctx;
	return db->alive || lost(e);
}

/* ---- what is no batch ---- */

bool db_prepare(struct db *db, const struct db_statement *table, size_t n, struct err *e)
{
	(void)table;
	(void)n;
	return arrive(db, e) && come_back(db, e);
}

/* What is refused here is refused of some rows, not of a statement. */
bool db_explain(struct db *db, const struct db_statement *s, struct err *e)
{
	(void)s;
	return arrive(db, e) && come_back(db, e);
}

struct db_result *db_query(struct db *db, const char *sql, int n, const char *const *params,
			   struct err *e)
{
	struct db_result *r;
	char text[24];
	bool lease = strstr(sql, "leases_lease_id_seq") != NULL;

	(void)n;
	(void)params;
	assert(lease || strstr(sql, "schema_migrations"));
	if (!arrive(db, e))
		return NULL;
	snprintf(text, sizeof(text), "%lld",
		 lease ? (long long)pg.next_lease++ : (long long)sql_schema_version);
	if (!come_back(db, e))
		return NULL;
	r = result_new(1);
	result_row(r);
	result_text(r, text);
	return r;
}

static void take_lease(struct db *db, const char *sql)
{
	const char *name = strstr(sql, "VALUES (");
	char worker[128];
	long long id;

	assert(name && sscanf(name, "VALUES (%lld, '%127[^']'", &id, worker) == 2);
	assert(pg.n_leases < PG_LEASES);
	db->lease = id;
	pg.leases[pg.n_leases++] = (struct lease_row){id, pg.server_start, xstrdup(worker)};
	sim_say("pg: %s holds lease %lld", worker, id);
}

static void drop_lease(const char *sql)
{
	long long id = strtoll(strrchr(sql, '=') + 1, NULL, 10);

	for (int i = 0; i < pg.n_leases; i++)
		if (pg.leases[i].id == id) {
			free(pg.leases[i].worker);
			pg.leases[i] = pg.leases[--pg.n_leases];
			return;
		}
}

bool db_script(struct db *db, const char *sql, struct err *e)
{
	if (!arrive(db, e))
		return false;
	if (strstr(sql, "INSERT INTO leases"))
		take_lease(db, sql);
	else if (strncmp(sql, "DELETE FROM leases", 18) == 0)
		drop_lease(sql);
	else
		assert(strcmp(sql, sql_session) == 0 || strncmp(sql, "LISTEN ", 7) == 0);
	return come_back(db, e);
}

/* ---- batches ---- */

int db_batch_add(struct db_batch *b, const struct db_statement *statement,
		 struct db_column *columns)
{
	assert(b->n < DB_BATCH_MAX);
	b->step[b->n].statement = statement;
	b->step[b->n].columns = columns;
	b->step[b->n].result = NULL;
	return b->n++;
}

void db_batch_clear(struct db_batch *b)
{
	for (int i = 0; i < b->n; i++) {
		db_result_free(b->step[i].result);
		b->step[i].result = NULL;
	}
}

static enum sql_id id_of(const struct db_statement *s)
{
	return (enum sql_id)(s - sql_table);
}

/* Text that is no UTF-8 is refused by every PostgreSQL: it must not come as far as this. */
static bool holds_poison(const struct db_statement *s, const struct params *p)
{
	bool poison = false;

	for (unsigned i = 0; i < s->n_params; i++)
		for (int row = 0; row < p->p[i].n; row++) {
			const struct cell *c = &p->p[i].cell[row];

			if (!c->at || (s->types[i] != DB_TEXT && s->types[i] != DB_JSON &&
				       s->types[i] != DB_JSONB))
				continue;
			if (!utf8_ok(c->at, c->len))
				sim_fail("statement %s is given what is no UTF-8: %.*s", s->name,
					 (int)c->len, c->at);
			poison = poison || memmem(c->at, c->len, PG_POISON, strlen(PG_POISON));
		}
	return poison;
}

/* Whether a trouble is on, and a statement writes to what it is about. */
static bool hits(const struct pg_trouble *t, enum sql_id id, const struct params *p)
{
	if (sim_now_us() >= t->until_us || id == SQL_GUARD || id >= SQL_STRIKE)
		return false;
	if (id == SQL_BURY)
		return t->below > 128;
	for (int row = 0; row < p->rows; row++)
		if (cell_uuid(&p->p[1], row).bytes[0] < t->below)
			return true;
	return false;
}

static bool refused(struct err *e, enum err_class class, const char *code, const char *why)
{
	err_set(e, class, "%s", why);
	snprintf(e->code, sizeof(e->code), "%s", code);
	return false;
}

/* Whether the batch can be committed at all. */
static bool acceptable(struct db *db, struct db_batch *b, struct err *e)
{
	if (sim_now_us() < pg.full.until_us)
		return refused(e, ERR_RETRY, "53100", "no space left on device");
	for (int i = 0; i < b->n; i++) {
		const struct db_statement *s = b->step[i].statement;
		struct params p;
		bool poison, denied, locked, fenced;

		params_read(&p, s, b->step[i].columns);
		poison = holds_poison(s, &p);
		denied = hits(&pg.refusing, id_of(s), &p);
		locked = hits(&pg.locked, id_of(s), &p);
		fenced = id_of(s) == SQL_GUARD && !pg_guard(&p, db->lease);
		params_release(&p);
		b->failed = i;
		if (poison)
			return refused(e, ERR_REJECT, "22P05",
				       "unsupported Unicode escape sequence");
		if (fenced)
			return refused(e, ERR_REJECT, SQL_FENCED, "division by zero");
		if (denied)
			return refused(e, ERR_REJECT, "42501", "permission denied for table");
		if (locked) {
			sim_sleep_fd(LOCK_TIMEOUT_US, db->fd);
			return refused(e, ERR_RETRY, "55P03",
				       "canceling statement due to lock timeout");
		}
	}
	b->failed = -1;
	return true;
}

static void execute(struct db *db, struct db_batch *b)
{
	pg.transaction++;
	for (int i = 0; i < b->n; i++) {
		const struct db_statement *s = b->step[i].statement;
		struct params p;

		params_read(&p, s, b->step[i].columns);
		assert(cell_int(&p.p[0], 0) == db->lease);
		b->step[i].result = pg_execute(id_of(s), &p, db->lease);
		params_release(&p);
	}
}

/* The server's part of it. */
static enum outcome work(struct db *db, struct db_batch *b, struct err *e)
{
	bool ok;

	if (!arrive(db, e))
		return OUTCOME_GONE;
	db->busy = true;
	ok = acceptable(db, b, e);
	db->busy = false;
	if (!db->alive) { /* it ended while a lock was waited for */
		lost(e);
		return OUTCOME_GONE;
	}
	if (ok)
		execute(db, b);
	return ok ? OUTCOME_COMMITTED : OUTCOME_REFUSED;
}

/* The server may have done it all before its client does anything else, or begin when that asks; or
 * nothing is sent, as the session is gone or something in it is too large. */
bool db_batch_send(struct db *db, struct db_batch *b, struct err *e)
{
	assert(db->outcome == OUTCOME_NONE);
	b->failed = -1;
	if (sim_chance(2))
		return lost(e);
	if (sim_chance(2))
		return refused(e, ERR_REJECT, "54000", "more than 1023 MiB in a batch");
	db->outcome = sim_chance(500) ? work(db, b, &db->refusal) : OUTCOME_TO_COME;
	return true;
}

/* What comes for the ledger in the meantime is drawn by how long that is. */
bool db_batch_wait(struct db *db, int ms)
{
	assert(db->outcome != OUTCOME_NONE);
	sim_sleep(sim_between(0, ms * 1000));
	return db->outcome != OUTCOME_TO_COME || sim_chance(500);
}

bool db_batch_finish(struct db *db, struct db_batch *b, struct err *e)
{
	enum outcome outcome = db->outcome;

	assert(outcome != OUTCOME_NONE);
	db->outcome = OUTCOME_NONE;
	if (outcome == OUTCOME_TO_COME)
		outcome = work(db, b, &db->refusal);
	if (outcome != OUTCOME_GONE && !come_back(db, &db->refusal))
		outcome = OUTCOME_GONE;
	if (outcome == OUTCOME_COMMITTED)
		return true;
	*e = db->refusal;
	db_batch_clear(b);
	return false;
}

bool db_batch_run(struct db *db, struct db_batch *b, struct err *e)
{
	return db_batch_send(db, b, e) && db_batch_finish(db, b, e);
}

/* ---- a schedule ---- */

void pg_begin(void)
{
	pg = (struct pg){.next_lease = 1, .server_start = 1};
}

static void free_all(char **strings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(strings[i]);
}

void pg_end(void)
{
	while (pg.sessions) {
		struct db *db = pg.sessions;

		assert(db->closed);
		pg.sessions = db->next;
		free(db);
	}
	for (int i = 0; i < pg.n_workflows; i++) {
		struct workflow_row *w = &pg.workflows[i];
		char *all[] = {w->type,		  w->details,	    w->key,	   w->reply_to,
			       w->correlation_id, w->traceparent,   w->tracestate, w->status,
			       w->error,	  w->terminal_type, w->terminal};

		free_all(all, sizeof(all) / sizeof(*all));
	}
	for (int i = 0; i < pg.n_tasks; i++) {
		struct task_row *t = &pg.tasks[i];
		char *all[] = {t->agent,      t->name,	t->status, t->external_id,
			       t->status_url, t->reply, t->stage};

		free_all(all, sizeof(all) / sizeof(*all));
	}
	for (int i = 0; i < pg.n_events; i++) {
		struct event_row *v = &pg.events[i];
		char *all[] = {v->type, v->body, v->reply_to, v->correlation_id};

		free_all(all, sizeof(all) / sizeof(*all));
	}
	for (int i = 0; i < pg.n_letters; i++) {
		char *all[] = {pg.letters[i].fingerprint, pg.letters[i].reason, pg.letters[i].body};

		free_all(all, sizeof(all) / sizeof(*all));
	}
	for (int i = 0; i < pg.n_leases; i++)
		free(pg.leases[i].worker);
	pg = (struct pg){0};
}
