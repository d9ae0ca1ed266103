/* world: one schedule, from its jobs to its end. */
#include "simulation/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "agents/agents.h"
#include "engine/lifecycle.h"
#include "engine/stats.h"
#include "simulation/pg.h"
#include "simulation/sim.h"
#include "simulation/web.h"

enum { REST_S = 300, LOOK_US = 2000, WAIT_US = 50000, STEPS_BETWEEN_LOOKS = 32 };

struct world world;
struct tally tally;

/* All workers are one process here: they would count into the same numbers. */
void __wrap_stats_setup(struct house *house);
void __wrap_stats_release(void);

void __wrap_stats_setup(struct house *house)
{
	(void)house;
}

void __wrap_stats_release(void)
{
}

/* ---- workers ---- */

bool worker_moves(const struct worker *w)
{
	return !w->frozen && (!w->dead || w->stop);
}

bool worker_is_dead(const struct worker *w)
{
	return w->dead;
}

static char empty[] = "", fixed_url[] = "amqp://simulated", websocket[] = "ws://asf";

static void choose_settings(struct settings *s)
{
	*s = (struct settings){
		.amqp_url = fixed_url,
		.database_url = empty,
		.asf_websocket_url = websocket,
		.retries = 3,
		.backoff_factor_s = 0.02,
		.breaker_failures = sim_chance(800) ? sim_between(1, 2) : 0,
		.breaker_pause_us = sim_between(10000, 400000),
		.breaker_pause_max_us = sim_between(100000, 3000000),
		.max_inflight = sim_between(1, 6),
		.threads = sim_between(1, 2),
		.max_claims = 5,
		.lease_us = 1500000,
		.rescue_us = 300000,
		.drain_us = sim_between(0, 800000),
		.content_max = 50000,
	};
	for (int i = 0; i < AGENT_COUNT; i++) {
		static char url[AGENT_COUNT][64];

		snprintf(url[i], sizeof(url[i]), "%s", web_url(i));
		s->agent[i] = (struct agent_settings){
			.url = url[i],
			.submit_timeout_us = 300000,
			.interval_us = 50000,
			.total_us = 4000000,
			.max_concurrent = sim_chance(200) ? 1 : 0,
			.max_per_second = sim_chance(200) ? (double)sim_between(2, 40) : 0,
		};
	}
	for (int i = 0; i < WORKFLOW_COUNT; i++)
		s->runs[i] = true;
}

/* main.c's part: starts a worker, waits for SIGTERM, drains and stops it. */
static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct err e = {0};

	if (!house_start(&w->house, &w->settings, &e))
		sim_fail("a worker does not start: %s", e.text);
	snprintf(w->house.worker_name, sizeof(w->house.worker_name), "w%d@%lld", w->number,
		 (long long)sim_now_us());
	w->house.look_us = sim_between(10000, 400000);
	while (!w->drain && !w->stop)
		sim_sleep(WAIT_US);
	house_drain(&w->house);
	w->drain_until_us = sim_now_us() + w->settings.drain_us;
	while (!w->stop && !house_empty(&w->house) && sim_now_us() < w->drain_until_us)
		sim_sleep(LOOK_US);
	house_stop(&w->house);
	w->stopped = true;
	sim_say("worker %d has stopped", w->number);
	return NULL;
}

struct worker *world_start_worker(void)
{
	struct worker *w = &world.workers[world.n_workers];

	assert(world.n_workers < WORKERS_MAX);
	*w = (struct worker){.number = world.n_workers++};
	choose_settings(&w->settings);
	sim_spawn(w, worker_main, w);
	return w;
}

struct worker *world_some_worker(void)
{
	int first = (int)sim_between(0, world.n_workers - 1);

	for (int i = 0; i < world.n_workers; i++) {
		struct worker *w = &world.workers[(first + i) % world.n_workers];

		if (!w->dead && !w->frozen && !w->drain && !w->stop)
			return w;
	}
	return NULL;
}

/* The kernel closes its sockets; its coroutines stand still until the schedule is over, and what
 * they do then, to give their memory back, reaches nobody. */
void world_kill(struct worker *w)
{
	sim_say("worker %d is killed", w->number);
	w->dead = true;
	w->frozen = false;
	pg_cut(w, true);
	broker_cut(w);
	tally.kills++;
}

/* ---- jobs ---- */

static const char *const bodies[WORKFLOW_COUNT][2] = {
	[WORKFLOW_PODCAST] = {"{\"topic\":\"Bees\",\"task_id\":"
			      "\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\",\"client_id\":\"room 7\"}",
			      "{\"topic\":\"Wasps\",\"task_id\":"
			      "\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\"}"},
	[WORKFLOW_SNIPPET] =
		{"{\"topic_info\":{\"title_suggestion\":\"Bees\",\"topic_id\":\"t1\"}}",
		 "{\"topic_info\":{\"title_suggestion\":\"Wasps\"}}"},
	[WORKFLOW_SEARCH] = {"{\"query\":\"bees\"}", "{\"query\":\"wasps\"}"},
	[WORKFLOW_EXPLORATION] = {"{\"current_topic_id\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee1\"}",
				  "{\"keywords\":[\"wax\"]}"},
	[WORKFLOW_LANDING] = {"{\"limit\":2}", "{\"limit\":1}"},
	[WORKFLOW_CATEGORIES] = {"{}", "{\"client_id\":\"c\"}"},
};

static struct message *message_new(enum workflow_index type, const char *body)
{
	struct message *m = xcalloc(1, sizeof(*m));

	assert(world.n_messages < MESSAGES_MAX);
	m->number = world.n_messages;
	m->type = type;
	m->body = xstrdup(body);
	world.messages[world.n_messages++] = m;
	return m;
}

/* A message's id or key: its type's letter and a number. */
static char *name_of(enum workflow_index type, int n)
{
	char text[24];

	snprintf(text, sizeof(text), "%c%d", 'a' + (int)type, n);
	return xstrdup(text);
}

/*
 * A job number `which` of its type. Variant 0: as it is; 1: with another body under the same key;
 * 2: no job; 3: what cannot be stored; 4: with another workflow's id.
 */
void world_send(enum workflow_index type, int which, int variant)
{
	static const char *const bad[] = {"{", "[]", "{\"user_id\":7}", "\x80"};
	const char *body = bodies[type][(which + (variant == 1)) % 2];
	struct message *m;

	if (variant == 2)
		body = bad[sim_between(0, 3)];
	if (variant == 3)
		body = "{\"topic\":\"" PG_POISON "\",\"query\":\"q\",\"topic_info\":{"
		       "\"title_suggestion\":\"t\"},\"keywords\":[\"k\"],\"task_id\":"
		       "\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\"}";
	m = message_new(type, body);
	m->message_id = name_of(type, variant == 2 || variant == 3 ? 100 + m->number : which);
	if (sim_chance(300))
		m->key = xstrdup(m->message_id);
	if (variant == 4)
		m->workflow_id = xstrdup(which % 2 ? "00000000-0000-4000-8000-000000000001"
						   : "00000000-0000-4000-8000-000000000002");
	if (sim_chance(250))
		m->reply_to = xstrdup(sim_chance(200) ? BROKER_CRASH : "reply.1");
	broker_send(m);
	sim_say("message %d: %s %s, variant %d", m->number, workflow_types[type], m->message_id,
		variant);
	tally.jobs++;
}

/* ---- a schedule ---- */

static void begin(uint64_t seed)
{
	int workers;

	sim_begin(seed);
	world = (struct world){0};
	pg_begin();
	broker_begin();
	web_begin();
	workers = (int)sim_between(1, 3);
	for (int i = 0; i < workers; i++)
		world_start_worker();
	faults_begin();
}

/* Steps until all has come to rest. */
static void settle(void)
{
	int64_t until = sim_now_us() + REST_S * INT64_C(1000000);
	const char *restless;

	while ((restless = check_restless())) {
		if (sim_now_us() >= until)
			sim_fail("no rest within %d s: %s", REST_S, restless);
		for (int i = 0; i < STEPS_BETWEEN_LOOKS; i++)
			if (!sim_step())
				sim_fail("nothing will ever happen again: %s", restless);
	}
}

static bool all_stopped(void)
{
	for (int i = 0; i < world.n_workers; i++)
		if (!world.workers[i].stopped)
			return false;
	return true;
}

/* The living are drained, and what they leave is looked at; then memory is tidied up. */
static void stop_all(void)
{
	int64_t until = sim_now_us() + REST_S * INT64_C(1000000);

	for (int i = 0; i < world.n_workers; i++) {
		world.workers[i].drain = true;
		world.workers[i].stop = world.workers[i].dead;
	}
	while (!all_stopped()) {
		if (sim_now_us() >= until || !sim_step())
			sim_fail("a worker does not stop");
	}
	if (pg_has_clients())
		sim_fail("a session is left open");
}

static void end(void)
{
	tally.schedules++;
	tally.steps += sim_steps();
	for (int i = 0; i < world.n_messages; i++) {
		struct message *m = world.messages[i];

		free(m->body);
		free(m->message_id);
		free(m->key);
		free(m->workflow_id);
		free(m->reply_to);
		free(m);
	}
	pg_end();
	broker_end();
	web_end();
	sim_end();
}

void world_run(uint64_t seed)
{
	begin(seed);
	while (!world.calm)
		faults_step(!sim_step());
	settle();
	stop_all();
	check_end();
	end();
}
