/* pg_rescue: the statements that read, and those of the take-over. */
#include <assert.h>
#include <string.h>
#include <stdlib.h>

#include "simulation/pg_statement.h"
#include "simulation/sim.h"

/* ---- what is read ---- */

struct db_result *pg_find_topics(const struct statement *s)
{
	struct db_result *r = result_new(2);

	for (int i = 0; i < s->p->p[1].n; i++) {
		bool found = cell_uuid(&s->p->p[1], i).bytes[15] & 1;

		result_row(r);
		result_text(r, found ? "{\"found\":true,\"title\":\"Bees\",\"keywords\":[\"wax\"]}"
				     : "{\"found\":false,\"title\":null,\"keywords\":null}");
		result_int(r, s->lease);
	}
	return r;
}

static void result_id_or_null(struct db_result *r, const struct uuid *id)
{
	if (uuid_is_zero(id))
		result_null(r);
	else
		result_uuid(r, id);
}

struct db_result *pg_find_duplicates(const struct statement *s)
{
	struct db_result *r = result_new(7);

	for (int i = 0; i < s->p->p[1].n; i++) {
		char *type = cell_text(&s->p->p[1], i), *key = cell_text(&s->p->p[2], i);
		struct uuid id = cell_uuid(&s->p->p[3], i);
		const struct workflow_row *w = pg_job(type, key);

		result_row(r);
		if (w) {
			result_uuid(r, &w->id);
			result_bytes(r, w->digest, DIGEST_SIZE);
			result_id_or_null(r, &w->terminal_id);
		} else {
			for (int k = 0; k < 3; k++)
				result_null(r);
		}
		result_int(r, pg_workflow(&id) != NULL);
		result_text(r, w ? w->terminal_type : NULL);
		result_text(r, w ? w->terminal : NULL);
		result_int(r, s->lease);
		free(type);
		free(key);
	}
	return r;
}

/* Columns of an event for events_publish_rows() in ledger_read.c. */
static void event_result(struct db_result *r, const struct event_row *v)
{
	const struct workflow_row *w = pg_workflow(&v->workflow_id);

	result_row(r);
	result_uuid(r, &v->id);
	result_uuid(r, &v->workflow_id);
	result_text(r, v->type);
	result_text(r, v->reply_to);
	result_text(r, v->correlation_id);
	result_text(r, v->body ? v->body : w->terminal);
}

struct db_result *pg_tell_again(const struct statement *s)
{
	struct db_result *r = result_new(6);

	for (int i = 0; i < s->p->p[1].n; i++) {
		struct uuid id = cell_uuid(&s->p->p[1], i);
		const struct workflow_row *w = pg_workflow(&id);

		struct event_row *v;

		if (!w || uuid_is_zero(&w->terminal_id))
			continue;
		v = pg_event(&w->terminal_id);
		if (v && strstr(sql_table[s->id].sql, "DO UPDATE SET claimed_by = $1")) {
			v->claimed_by = s->lease;
			event_result(r, v);
		}
		if (v)
			continue;
		assert(pg.n_events < PG_EVENTS);
		pg.events[pg.n_events] = (struct event_row){
			.id = w->terminal_id,
			.workflow_id = id,
			.type = xstrdup(w->terminal_type),
			.claimed_by = s->lease,
		};
		event_result(r, &pg.events[pg.n_events++]);
	}
	return r;
}

/* ---- take-over ---- */

static bool among(const struct cells *c, const char *text)
{
	for (int i = 0; i < c->n; i++)
		if (cell_is(c, i, text))
			return true;
	return false;
}

static bool among_int(const struct cells *c, int64_t n)
{
	for (int i = 0; i < c->n; i++)
		if (cell_int(c, i) == n)
			return true;
	return false;
}

/* What a lease claims: workflows at all, workflows of these types, events. */
struct holdings {
	bool workflows, ours, events;
};

static struct holdings holdings(int64_t lease, const struct cells *types)
{
	struct holdings h = {0};

	for (int i = 0; i < pg.n_workflows; i++)
		if (pg_claimed_by(&pg.workflows[i], lease)) {
			h.workflows = true;
			h.ours = h.ours || (types && among(types, pg.workflows[i].type));
		}
	for (int i = 0; i < pg.n_events; i++)
		h.events = h.events || pg.events[i].claimed_by == lease;
	return h;
}

struct db_result *pg_silent(const struct statement *s)
{
	int64_t silence_us = cell_int(&s->p->p[2], 0) * 1000;
	struct db_result *r = result_new(2);

	for (int i = 0; i < pg.n_leases; i++) {
		const struct lease_row *l = &pg.leases[i];

		if (l->id == s->lease || !pg_lease_silent(l->id, silence_us))
			continue;
		result_row(r);
		result_int(r, l->id);
		result_text(r, l->worker);
	}
	return r;
}

void pg_end_sessions(const struct statement *s)
{
	for (int i = 0; i < s->p->p[2].n; i++)
		pg_end_session(cell_int(&s->p->p[2], i));
}

struct db_result *pg_dead_leases(const struct statement *s)
{
	struct db_result *r = result_new(1);
	struct holdings h = holdings(LEASE_NONE, &s->p->p[2]);

	if (h.ours || h.events) {
		result_row(r);
		result_int(r, LEASE_NONE);
	}
	for (int i = 0; i < pg.n_leases; i++) {
		int64_t id = pg.leases[i].id;

		if (id == s->lease || pg_lease_alive(id))
			continue;
		h = holdings(id, &s->p->p[2]);
		if (!h.ours && !h.events && h.workflows)
			continue;
		result_row(r);
		result_int(r, id);
	}
	return r;
}

static bool has_moved(const struct workflow_row *w)
{
	for (int i = 0; i < pg.n_tasks; i++)
		if (uuid_equal(&pg.tasks[i].workflow_id, &w->id) &&
		    pg.tasks[i].updated_us > w->updated_us)
			return true;
	return false;
}

/* Its worker has lost a session, and is there again. */
static bool worker_is_back(const struct lease_row *lease)
{
	for (int i = 0; i < pg.n_leases; i++)
		if (pg.leases[i].id > lease->id && strcmp(pg.leases[i].worker, lease->worker) == 0)
			return true;
	return false;
}

static int64_t claims_after(const struct workflow_row *w, const struct cells *worker)
{
	if (w->claimed_by == LEASE_NONE)
		return w->claims;
	for (int i = 0; i < pg.n_leases; i++)
		if (pg.leases[i].id == w->claimed_by &&
		    (cell_is(worker, 0, pg.leases[i].worker) || worker_is_back(&pg.leases[i]) ||
		     pg.leases[i].server_start != pg.server_start))
			return w->claims;
	return has_moved(w) ? 2 : w->claims + 1;
}

struct db_result *pg_claim(const struct statement *s)
{
	const struct cells *c = s->p->p;
	struct db_result *r = result_new(13);
	int64_t left = cell_int(&c[2], 0);

	for (int i = 0; i < pg.n_workflows && left > 0; i++) {
		struct workflow_row *w = &pg.workflows[i];

		if (!w->claimed || !among_int(&c[1], w->claimed_by) || !among(&c[3], w->type))
			continue;
		if (w->claimed_by && pg_lease_alive(w->claimed_by))
			sim_fail("a workflow of the living lease %lld was claimed",
				 (long long)w->claimed_by);
		left--;
		w->claims = claims_after(w, &c[5]);
		w->claimed_by = s->lease;
		w->updated_us = cell_time(&c[4], 0);
		result_row(r);
		result_uuid(r, &w->id);
		result_text(r, w->type);
		result_text(r, w->details);
		result_id_or_null(r, &w->user);
		result_text(r, w->key);
		result_int(r, w->started_us);
		result_text(r, w->reply_to);
		result_text(r, w->correlation_id);
		result_text(r, w->traceparent);
		result_text(r, w->tracestate);
		result_int(r, w->claims);
		result_int(r, w->sequence);
		result_int(r, w->cancel_wanted);
		sim_say("pg: lease %lld claims %s", (long long)s->lease, w->key);
	}
	return r;
}

void pg_forgive(const struct statement *s)
{
	for (int i = 0; i < s->p->p[1].n; i++) {
		struct uuid id = cell_uuid(&s->p->p[1], i);
		struct workflow_row *w = pg_workflow(&id);

		if (w && w->claimed && w->claimed_by != cell_int(&s->p->p[2], i) && w->claims > 1)
			w->claims--;
	}
}

struct db_result *pg_cancelled(const struct statement *s)
{
	struct db_result *r = result_new(1);

	for (int i = 0; i < pg.n_workflows; i++) {
		const struct workflow_row *w = &pg.workflows[i];

		if (!w->cancel_wanted || !pg_claimed_by(w, s->lease))
			continue;
		result_row(r);
		result_uuid(r, &w->id);
	}
	return r;
}

static void call_result(struct db_result *r, const struct task_row *t, int64_t lease)
{
	result_row(r);
	result_uuid(r, &t->workflow_id);
	result_uuid(r, &t->id);
	result_text(r, t->agent);
	result_int(r, t->order);
	result_text(r, t->name);
	result_text(r, t->external_id);
	result_text(r, t->status_url);
	result_int(r, t->retries);
	result_int(r, t->started_us);
	result_int(r, t->ended_us);
	result_text(r, t->reply);
	result_text(r, t->stage);
	result_text(r, t->status);
	result_int(r, lease);
}

struct db_result *pg_load_calls(const struct statement *s)
{
	struct db_result *r = result_new(14);
	int64_t last = 0;

	for (int i = 0; i < pg.n_tasks; i++)
		last = pg.tasks[i].order > last ? pg.tasks[i].order : last;
	for (int i = 0; i < s->p->p[1].n; i++) {
		struct uuid id = cell_uuid(&s->p->p[1], i);

		for (int64_t order = 0; order <= last; order++)
			for (int k = 0; k < pg.n_tasks; k++)
				if (uuid_equal(&pg.tasks[k].workflow_id, &id) &&
				    pg.tasks[k].order == order)
					call_result(r, &pg.tasks[k], s->lease);
	}
	return r;
}

struct db_result *pg_claim_events(const struct statement *s)
{
	struct db_result *r = result_new(6);
	int64_t left = cell_int(&s->p->p[2], 0);

	for (int i = 0; i < pg.n_events && left > 0; i++) {
		struct event_row *v = &pg.events[i];

		if (!among_int(&s->p->p[1], v->claimed_by))
			continue;
		left--;
		v->claimed_by = s->lease;
		event_result(r, v);
	}
	return r;
}

void pg_drop_leases(const struct statement *s)
{
	for (int i = pg.n_leases - 1; i >= 0; i--) {
		struct holdings h = holdings(pg.leases[i].id, NULL);

		if (!among_int(&s->p->p[1], pg.leases[i].id) || pg.leases[i].id == s->lease ||
		    h.workflows || h.events)
			continue;
		free(pg.leases[i].worker);
		pg.leases[i] = pg.leases[--pg.n_leases];
	}
}

void pg_let_go(const struct statement *s)
{
	for (int i = 0; i < s->p->p[1].n; i++) {
		struct uuid id = cell_uuid(&s->p->p[1], i);
		struct workflow_row *w = pg_its_workflow(s, &id, false);

		if (w)
			w->claimed_by = LEASE_NONE;
	}
}

void pg_release(const struct statement *s)
{
	for (int i = 0; i < pg.n_workflows; i++)
		if (pg_claimed_by(&pg.workflows[i], s->lease))
			pg.workflows[i].claimed_by = LEASE_NONE;
}

void pg_release_events(const struct statement *s)
{
	for (int i = 0; i < pg.n_events; i++)
		if (pg.events[i].claimed_by == s->lease)
			pg.events[i].claimed_by = LEASE_NONE;
}
