/*
 * pg_sql: what each statement of engine/sql.c does to the tables, with the same conditions.
 *
 * Who may write is read from the statement itself: without "claimed_by … = $1" in its text nothing
 * here asks whose row it is, and every write to a row of somebody else's is a broken invariant
 * (design.md §5.4).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulation/pg_statement.h"
#include "simulation/sim.h"
#include "simulation/world.h"

/* ---- looking up ---- */

struct workflow_row *pg_workflow(const struct uuid *id)
{
	for (int i = 0; i < pg.n_workflows; i++)
		if (uuid_equal(&pg.workflows[i].id, id))
			return &pg.workflows[i];
	return NULL;
}

struct workflow_row *pg_job(const char *type, const char *key)
{
	for (int i = 0; i < pg.n_workflows; i++)
		if (strcmp(pg.workflows[i].type, type) == 0 &&
		    strcmp(pg.workflows[i].key, key) == 0)
			return &pg.workflows[i];
	return NULL;
}

struct task_row *pg_task(const struct uuid *workflow_id, const char *name)
{
	for (int i = 0; i < pg.n_tasks; i++)
		if (uuid_equal(&pg.tasks[i].workflow_id, workflow_id) &&
		    strcmp(pg.tasks[i].name, name) == 0)
			return &pg.tasks[i];
	return NULL;
}

static struct task_row *task_by_id(const struct uuid *id)
{
	for (int i = 0; i < pg.n_tasks; i++)
		if (uuid_equal(&pg.tasks[i].id, id))
			return &pg.tasks[i];
	return NULL;
}

struct event_row *pg_event(const struct uuid *id)
{
	for (int i = 0; i < pg.n_events; i++)
		if (uuid_equal(&pg.events[i].id, id))
			return &pg.events[i];
	return NULL;
}

static void set(char **field, char *value)
{
	free(*field);
	*field = value;
}

/* ---- who may write ---- */

bool pg_claimed_by(const struct workflow_row *w, int64_t lease)
{
	return w->claimed && w->claimed_by == lease;
}

struct workflow_row *pg_its_workflow(const struct statement *s, const struct uuid *id, bool admit)
{
	struct workflow_row *w = pg_workflow(id);
	bool asks_lease = s->asks_lease && (admit || !s->asks_of_admitted);

	if (!w || (asks_lease && !pg_claimed_by(w, s->lease)) ||
	    (s->asks_xmin && admit && w->xmin != pg.transaction))
		return NULL;
	if (!pg_claimed_by(w, s->lease))
		sim_fail("statement %s under lease %lld writes to a workflow of lease %lld",
			 sql_table[s->id].name, (long long)s->lease,
			 (long long)(w->claimed ? w->claimed_by : -1));
	if (admit && w->xmin != pg.transaction)
		sim_fail("statement %s writes to a workflow that its change did not admit",
			 sql_table[s->id].name);
	return w;
}

/* Whether SQL_GUARD, as it is worded, lets the transaction pass. */
bool pg_guard(const struct params *p, int64_t lease)
{
	const char *sql = sql_table[SQL_GUARD].sql;

	if (sim_mutant == MUTANT_NO_LEASE_CONDITION || !strstr(sql, "1 / (count(*)") ||
	    !strstr(sql, "claimed_by, 0) = $1"))
		return true;
	for (int i = 0; i < p->p[1].n; i++) {
		struct uuid id = cell_uuid(&p->p[1], i);
		const struct workflow_row *w = pg_workflow(&id);

		if (!w || !pg_claimed_by(w, lease))
			return false;
	}
	return true;
}

/* ---- one commit of changes ---- */

/* It was asked before the transaction began: pg_guard(). */
static void guard(const struct statement *s)
{
	(void)s;
}

static struct db_result *admit(const struct statement *s)
{
	const struct cells *c = s->p->p;
	struct db_result *r = result_new(2);

	for (int i = 0; i < s->p->rows; i++) {
		char *type = cell_text(&c[3], i), *key = cell_text(&c[6], i);
		struct uuid id = cell_uuid(&c[1], i);
		struct workflow_row *w = &pg.workflows[pg.n_workflows];

		if (pg_workflow(&id) || pg_job(type, key)) {
			free(type);
			free(key);
			continue;
		}
		assert(pg.n_workflows < PG_WORKFLOWS);
		pg.n_workflows++;
		*w = (struct workflow_row){
			.id = id,
			.type = type,
			.details = cell_text(&c[4], i),
			.started_us = cell_time(&c[5], i),
			.updated_us = cell_time(&c[5], i),
			.key = key,
			.reply_to = cell_text(&c[8], i),
			.correlation_id = cell_text(&c[9], i),
			.traceparent = cell_text(&c[10], i),
			.tracestate = cell_text(&c[11], i),
			.claimed = true,
			.claimed_by = s->lease,
			.claims = 1,
			.xmin = pg.transaction,
		};
		assert(c[7].cell[i].len == DIGEST_SIZE);
		memcpy(w->digest, c[7].cell[i].at, DIGEST_SIZE);
		result_row(r);
		result_uuid(r, &id);
		result_int(r, 1); /* there are no users here */
		sim_say("pg: admitted %s %s", type, key);
	}
	return r;
}

static void plan(const struct statement *s)
{
	const struct cells *c = s->p->p;

	for (int i = 0; i < s->p->rows; i++) {
		struct uuid id = cell_uuid(&c[1], i);
		char *name = cell_text(&c[7], i);
		struct workflow_row *w = pg_its_workflow(s, &id, cell_int(&c[2], i));

		if (!w || pg_task(&id, name)) {
			free(name);
			continue;
		}
		assert(pg.n_tasks < PG_TASKS);
		pg.tasks[pg.n_tasks++] = (struct task_row){
			.workflow_id = id,
			.id = cell_uuid(&c[3], i),
			.agent = cell_text(&c[4], i),
			.order = cell_int(&c[5], i),
			.status = cell_text(&c[6], i),
			.name = name,
			.started_us = cell_time(&c[10], i),
			.ended_us = cell_time(&c[11], i),
			.updated_us = cell_time(&c[cell_time(&c[11], i) ? 11 : 10], i),
			.stage = cell_text(&c[12], i),
		};
	}
}

/* The row that TAKE or LAND is about, or NULL. */
static struct task_row *its_task(const struct statement *s, int i)
{
	struct uuid workflow_id = cell_uuid(&s->p->p[1], i), id = cell_uuid(&s->p->p[2], i);

	return pg_its_workflow(s, &workflow_id, false) ? task_by_id(&id) : NULL;
}

static void take(const struct statement *s)
{
	const struct cells *c = s->p->p;

	for (int i = 0; i < s->p->rows; i++) {
		struct task_row *t = its_task(s, i);

		if (!t)
			continue;
		set(&t->status, xstrdup("in_progress"));
		set(&t->external_id, cell_text(&c[3], i));
		set(&t->status_url, cell_text(&c[4], i));
		t->retries = cell_int(&c[5], i);
		t->updated_us = cell_time(&c[6], i);
	}
}

static void land(const struct statement *s)
{
	const struct cells *c = s->p->p;

	for (int i = 0; i < s->p->rows; i++) {
		struct task_row *t = its_task(s, i);

		if (!t)
			continue;
		if (t->reply)
			sim_fail("call %s landed twice", t->name);
		set(&t->status, cell_text(&c[3], i));
		set(&t->reply, cell_text(&c[6], i));
		t->retries = cell_int(&c[7], i);
		t->ended_us = t->updated_us = cell_time(&c[8], i);
	}
}

/* The rows beside are nobody's proof: only who writes them counts. */
static void save(const struct statement *s)
{
	for (int i = 0; i < s->p->rows; i++) {
		struct uuid id = cell_uuid(&s->p->p[1], i);

		(void)pg_its_workflow(s, &id, cell_int(&s->p->p[2], i));
	}
}

static void tell(const struct statement *s)
{
	const struct cells *c = s->p->p;

	for (int i = 0; i < s->p->rows; i++) {
		struct uuid workflow_id = cell_uuid(&c[1], i), id = cell_uuid(&c[3], i);

		if (!pg_its_workflow(s, &workflow_id, cell_int(&c[2], i)) || pg_event(&id))
			continue;
		assert(pg.n_events < PG_EVENTS);
		pg.events[pg.n_events++] = (struct event_row){
			.id = id,
			.workflow_id = workflow_id,
			.type = cell_text(&c[4], i),
			.body = cell_text(&c[5], i),
			.reply_to = cell_text(&c[6], i),
			.correlation_id = cell_text(&c[7], i),
			.claimed_by = s->lease,
		};
	}
}

static struct db_result *finish(const struct statement *s)
{
	const struct cells *c = s->p->p;
	struct db_result *r = result_new(1);

	for (int i = 0; i < s->p->rows; i++) {
		struct uuid id = cell_uuid(&c[1], i);
		struct workflow_row *w = pg_its_workflow(s, &id, cell_int(&c[2], i));

		if (!w)
			continue;
		if (w->ends++)
			sim_fail("workflow %s reached a second end", w->key);
		w->claimed = false;
		w->updated_us = cell_time(&c[4], i);
		set(&w->status, cell_text(&c[3], i));
		set(&w->error, cell_text(&c[6], i));
		w->terminal_id = cell_uuid(&c[7], i);
		set(&w->terminal_type, cell_text(&c[8], i));
		set(&w->terminal, cell_text(&c[9], i));
		w->sequence = cell_int(&c[10], i);
		result_row(r);
		result_uuid(r, &id);
		sim_say("pg: %s ended: %s %s", w->key, w->status, w->error ? w->error : "");
	}
	return r;
}

static struct letter_row *letter(const struct cells *fingerprint, int row)
{
	for (int i = 0; i < pg.n_letters; i++)
		if (cell_is(fingerprint, row, pg.letters[i].fingerprint))
			return &pg.letters[i];
	return NULL;
}

static void bury(const struct statement *s)
{
	const struct cells *c = s->p->p;

	for (int i = 0; i < s->p->rows; i++) {
		struct uuid id = cell_uuid(&c[5], i);
		bool has_workflow = c[5].cell[i].at != NULL;
		struct letter_row *l = letter(&c[1], i);

		if (has_workflow && !pg_its_workflow(s, &id, cell_int(&c[13], i)))
			continue;
		if (!l) {
			assert(pg.n_letters < PG_LETTERS);
			l = &pg.letters[pg.n_letters++];
			*l = (struct letter_row){
				.fingerprint = cell_text(&c[1], i),
				.body = cell_text(&c[9], i),
				.body_len = c[9].cell[i].len,
				.has_workflow = has_workflow,
				.workflow_id = id,
			};
		}
		set(&l->reason, cell_text(&c[2], i));
		sim_say("pg: dead letter, %s", l->reason);
	}
}

static void free_event(int i)
{
	struct event_row *v = &pg.events[i];

	free(v->type);
	free(v->body);
	free(v->reply_to);
	free(v->correlation_id);
	memmove(v, v + 1, (size_t)(--pg.n_events - i) * sizeof(*v));
}

static void strike(const struct statement *s)
{
	for (int i = 0; i < s->p->p[1].n; i++) {
		struct uuid id = cell_uuid(&s->p->p[1], i);
		struct event_row *v = pg_event(&id);

		if (!v || (s->asks_lease && v->claimed_by != s->lease))
			continue;
		if (v->claimed_by != s->lease)
			sim_fail("an event of lease %lld was struck out under lease %lld",
				 (long long)v->claimed_by, (long long)s->lease);
		world_struck(&id);
		free_event((int)(v - pg.events));
	}
}

/* ---- the table ---- */

struct db_result *pg_execute(enum sql_id id, const struct params *p, int64_t lease)
{
	static const struct {
		pg_reading *read;
		pg_writing *write;
	} table[SQL_COUNT] = {
		[SQL_GUARD] = {.write = guard},
		[SQL_ADMIT] = {.read = admit},
		[SQL_PLAN] = {.write = plan},
		[SQL_TAKE] = {.write = take},
		[SQL_LAND] = {.write = land},
		[SQL_SAVE_STAGE] = {.write = save},
		[SQL_SAVE_PODCAST] = {.write = save},
		[SQL_SAVE_SNIPPET] = {.write = save},
		[SQL_TELL] = {.write = tell},
		[SQL_FINISH] = {.read = finish},
		[SQL_BURY] = {.write = bury},
		[SQL_STRIKE] = {.write = strike},
		[SQL_FIND_TOPICS] = {.read = pg_find_topics},
		[SQL_FIND_DUPLICATES] = {.read = pg_find_duplicates},
		[SQL_TELL_AGAIN] = {.read = pg_tell_again},
		[SQL_SILENT] = {.read = pg_silent},
		[SQL_END_SESSIONS] = {.write = pg_end_sessions},
		[SQL_DEAD_LEASES] = {.read = pg_dead_leases},
		[SQL_CLAIM] = {.read = pg_claim},
		[SQL_FORGIVE] = {.write = pg_forgive},
		[SQL_LOAD_CALLS] = {.read = pg_load_calls},
		[SQL_CLAIM_EVENTS] = {.read = pg_claim_events},
		[SQL_DROP_LEASES] = {.write = pg_drop_leases},
		[SQL_LET_GO] = {.write = pg_let_go},
		[SQL_RELEASE] = {.write = pg_release},
		[SQL_RELEASE_EVENTS] = {.write = pg_release_events},
		[SQL_CANCELLED] = {.read = pg_cancelled},
	};
	const char *sql = sql_table[id].sql;
	struct statement s = {
		.id = id,
		.p = p,
		.lease = lease,
		.asks_lease =
			sim_mutant != MUTANT_NO_LEASE_CONDITION &&
			(strstr(sql, "claimed_by, 0) = $1") || strstr(sql, "claimed_by = $1")),
		.asks_of_admitted = strstr(sql, ".admit OR EXISTS") != NULL,
		.asks_xmin = strstr(sql, "xmin = pg_current_xact_id()") != NULL,
	};

	if (table[id].read)
		return table[id].read(&s);
	if (!table[id].write)
		BUG("statement %s is not known to tests/simulation/pg_sql.c: say there what it "
		    "does",
		    sql_table[id].name);
	table[id].write(&s);
	return NULL;
}
