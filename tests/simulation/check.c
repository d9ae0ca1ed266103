/* check: what must hold (design.md §5), at every moment and at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"
#include "engine/topology.h"
#include "simulation/pg.h"
#include "simulation/sim.h"
#include "simulation/web.h"
#include "simulation/world.h"

/* ---- messages ---- */

static const char *key_of(const struct message *m)
{
	return m->key ? m->key : m->message_id;
}

/* The digest of a body as core/job.c takes it: of the arguments as compact JSON. */
static bool same_job(const struct workflow_row *w, const struct message *m)
{
	struct json_object *args = NULL;
	uint8_t d[DIGEST_SIZE];
	struct err e;
	size_t len;
	char *text;

	if (json_read(m->body, strlen(m->body), JSON_DEPTH_MAX, JSON_STRICT, &args, &e) != JSON_OK)
		return false;
	text = json_text(args, &len);
	digest(text, len, d);
	free(text);
	json_put(&args);
	return memcmp(d, w->digest, sizeof(d)) == 0;
}

static bool is_buried(const struct message *m)
{
	for (int i = 0; i < pg.n_letters; i++)
		if (!pg.letters[i].has_workflow && strcmp(pg.letters[i].body, m->body) == 0)
			return true;
	return false;
}

static const struct workflow_row *job_of(const struct message *m)
{
	const struct workflow_row *w = pg_job(workflow_types[m->type], key_of(m));

	return w && same_job(w, m) ? w : NULL;
}

/* An ack only after the commit of what became of it. */
void world_acked(struct message *m)
{
	const struct workflow_row *w = job_of(m);

	sim_say("mq: message %d is acked", m->number);
	if (!w && !is_buried(m))
		sim_fail("message %d (%s %s) was acked, and nothing of it is committed", m->number,
			 workflow_types[m->type], key_of(m));
	m->of_ended = w && !w->claimed && !is_buried(m);
}

/*
 * Who sends an ended job again is told its end again. But for a moment in which the event's row is
 * on its way out that is only in a worker's memory: where a session ended meanwhile, nothing is
 * said.
 */
static void check_told_again(const struct message *m)
{
	const struct workflow_row *w = job_of(m);
	const struct told *t = w ? broker_told(&w->terminal_id) : NULL;

	if (m->of_ended && t && t->last_us < m->delivered_us && world.lost_us < m->delivered_us)
		sim_fail("message %d was acked as a duplicate of %s, and its end is not told again",
			 m->number, w->key);
}

/* ---- events ---- */

static struct told *note_told(const struct uuid *id, const struct mq_publish *p)
{
	struct told *t = broker_told(id);

	if (t) {
		if (strlen(t->body) != p->len || memcmp(t->body, p->body, p->len) != 0)
			sim_fail("an event was told with two contents: %s and %.*s", t->body,
				 (int)p->len, (const char *)p->body);
		return t;
	}
	if (broker.n_told == BROKER_TOLD)
		sim_fail("more than %d events", BROKER_TOLD);
	t = &broker.told[broker.n_told++];
	*t = (struct told){.id = *id, .body = xstrndup(p->body, p->len)};
	return t;
}

static struct workflow_row *workflow_of(const struct mq_publish *p)
{
	static const char mark[] = "\"subject\":\"";
	const char *at = memmem(p->body, p->len, mark, sizeof(mark) - 1);
	char text[UUID_TEXT_SIZE] = "";
	struct uuid id;

	if (at)
		snprintf(text, sizeof(text), "%s", at + sizeof(mark) - 1);
	if (!uuid_from_text(&id, text))
		sim_fail("an event without a subject: %.*s", (int)p->len, (const char *)p->body);
	return pg_workflow(&id);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

void world_told(const struct mq_publish *p)
{
	const struct workflow_row *w = workflow_of(p);
	bool progress = ends_with(p->routing_key, ".progress");
	struct uuid id;
	struct told *t;

	if (!w)
		sim_fail("%s was published, and its workflow is not committed", p->routing_key);
	if (progress)
		return;
	if (!uuid_from_text(&id, p->message_id))
		sim_fail("an event without an id");
	t = note_told(&id, p);
	t->terminal = t->terminal || uuid_equal(&id, &w->terminal_id);
	if (t->times == 0 && t->replies == 0 && !pg_event(&id) && !t->terminal)
		sim_fail("%s of %s was published before its commit", p->routing_key, w->key);
	if (t->terminal && strcmp(w->terminal, t->body) != 0)
		sim_fail("the end of %s was told otherwise than it is stored", w->key);
	sim_say("mq: %s of %s", *p->exchange ? p->routing_key : "a reply", w->key);
	if (!*p->exchange) {
		t->replies++;
		return;
	}
	t->times++;
	t->last_us = sim_now_us();
	tally.events++;
}

void world_struck(const struct uuid *event_id)
{
	const struct told *t = broker_told(event_id);

	if (!t || !t->times)
		sim_fail("an event was struck out that the broker never had");
}

/* ---- calls ---- */

static void note_key(int agent, const struct uuid *workflow_id, const char *name, const char *key,
		     const char *body, size_t len)
{
	struct work *w = web_work(key);

	if (w) {
		if (w->agent != agent || !uuid_equal(&w->workflow_id, workflow_id) ||
		    strcmp(w->name, name) != 0)
			sim_fail("calls %s and %s share the key %s", w->name, name, key);
		if (!body || strlen(w->body) != len || memcmp(w->body, body, len) != 0)
			sim_fail("%s was asked for %s, and now for %.*s", key, w->body,
				 body ? (int)len : 0, body ? body : "");
		return;
	}
	if (web.n_work == WEB_WORKS)
		sim_fail("more than %d calls", WEB_WORKS);
	web.work[web.n_work++] = (struct work){.key = xstrdup(key),
					       .name = xstrdup(name),
					       .body = xstrndup(body, len),
					       .agent = agent,
					       .workflow_id = *workflow_id,
					       .gone = -1};
}

/* A submission leaves a worker. */
void world_submits(int agent, const struct uuid *workflow_id, const char *key, const char *body,
		   size_t len)
{
	const struct workflow_row *w = pg_workflow(workflow_id);
	const struct task_row *t;
	const char *name;

	if (!w || strncmp(key, w->key, strlen(w->key)) != 0)
		sim_fail("%s was asked before its workflow was committed", key);
	name = key + strlen(w->key) + 1;
	t = pg_task(workflow_id, name);
	note_key(agent, workflow_id, name, key, body, len);
	sim_say("web: %s is submitted", key);
	if (!t)
		sim_fail("%s was asked before its plan was committed", key);
	if (t->reply)
		sim_fail("%s was submitted again after its reply was committed", key);
	if (t->external_id && (int)strtol(t->external_id, NULL, 10) > web_work(key)->gone)
		sim_fail("%s was submitted again after its acceptance was committed", key);
}

/* ---- the end ---- */

const char *check_restless(void)
{
	static char text[256];

	if (!broker_idle())
		return "messages wait or are unacked";
	for (int i = 0; i < pg.n_workflows; i++)
		if (pg.workflows[i].claimed) {
			snprintf(text, sizeof(text), "%s %s has not ended; lease %lld (%s)",
				 pg.workflows[i].type, pg.workflows[i].key,
				 (long long)pg.workflows[i].claimed_by,
				 pg_lease_alive(pg.workflows[i].claimed_by) ? "alive" : "gone");
			return text;
		}
	if (pg.n_events)
		return "events wait in the outbox";
	for (int i = 0; i < world.n_workers; i++)
		if (!world.workers[i].dead && !world.workers[i].stopped &&
		    atomic_load(&world.workers[i].house.inflight)) {
			snprintf(text, sizeof(text), "worker %d holds %d workflows",
				 world.workers[i].number,
				 atomic_load(&world.workers[i].house.inflight));
			return text;
		}
	return NULL;
}

bool check_quiet(void)
{
	return !check_restless();
}

static void check_workflow(const struct workflow_row *w)
{
	const struct told *t = broker_told(&w->terminal_id);

	if (w->claimed || w->ends != 1)
		sim_fail("workflow %s ended %d times", w->key, w->ends);
	if (!t || !t->times)
		sim_fail("the end of %s was never told", w->key);
	for (int i = 0; i < pg.n_tasks; i++)
		if (uuid_equal(&pg.tasks[i].workflow_id, &w->id) &&
		    strcmp(w->status, "failed") != 0 && strcmp(w->status, "cancelled") != 0 &&
		    !pg.tasks[i].ended_us)
			sim_fail("call %s of %s is left open", pg.tasks[i].name, w->key);
}

void check_end(void)
{
	for (int i = 0; i < pg.n_workflows; i++)
		check_workflow(&pg.workflows[i]);
	for (int i = 0; i < world.n_messages; i++) {
		if (!job_of(world.messages[i]) && !is_buried(world.messages[i]))
			sim_fail("message %d (%s) was lost", world.messages[i]->number,
				 key_of(world.messages[i]));
		check_told_again(world.messages[i]);
	}
	for (int i = 0; i < pg.n_leases; i++)
		for (int k = 0; k < pg.n_workflows; k++)
			if (pg.workflows[k].claimed)
				sim_fail("%s is left claimed", pg.workflows[k].key);
	tally.letters += (uint64_t)pg.n_letters;
}
