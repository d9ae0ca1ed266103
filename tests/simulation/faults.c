/* faults: what happens in a schedule, at which step. */
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "simulation/pg.h"
#include "simulation/sim.h"
#include "simulation/web.h"
#include "simulation/world.h"

enum { HAPPENINGS_MAX = 24 };

/* What goes wrong, or is sent. It is due at a step, so that it may hit any two moments. */
struct happening {
	uint64_t step;
	void (*happen)(void);
};

static struct {
	struct happening list[HAPPENINGS_MAX];
	int n, next;
	struct alarm thaw[WORKERS_MAX], unblock;
} faults;

/* ---- jobs ---- */

static void send_one(void)
{
	static const int weights[] = {30, 20, 15, 15, 10, 10};
	int dice = (int)sim_between(1, 100), type = 0, variant = 0;

	while (dice > weights[type])
		dice -= weights[type++];
	if (sim_chance(150))
		variant = (int)sim_between(1, 4);
	world_send((enum workflow_index)type, (int)sim_between(0, 3), variant);
}

/* The same message from a sender that is not sure. */
static void send_again(void)
{
	const struct message *m;
	int type;

	if (!world.n_messages)
		return;
	m = world.messages[sim_between(0, world.n_messages - 1)];
	type = (int)m->type;
	world_send((enum workflow_index)type, m->message_id[1] - '0', 0);
}

/* ---- workers ---- */

static void kill_one(void)
{
	struct worker *w = world_some_worker();

	if (!w)
		return;
	world_kill(w);
	if (world.n_workers < WORKERS_MAX - 1 && sim_chance(500))
		world_start_worker();
}

/*
 * Whoever is frozen and whose session is ended meanwhile does not hear of it before he asks, and
 * may until his time is up: two faults at once, as in pg.c. So he sleeps until then.
 */
static void thaw(struct alarm *alarm)
{
	struct worker *w = &world.workers[alarm - faults.thaw];
	int64_t left = atomic_load(&w->house.lease_until_us) - clock_mono_us();

	if (!w->dead && left > 0 && !pg_lease_alive(atomic_load(&w->house.lease))) {
		sim_alarm(alarm, left);
		return;
	}

	sim_say("worker %d goes on", w->number);
	w->frozen = false;
}

static void freeze_one(void)
{
	struct worker *w = world_some_worker();

	if (!w || timer_is_set(&faults.thaw[w->number].timer))
		return;
	sim_say("worker %d stands still", w->number);
	w->frozen = true;
	faults.thaw[w->number].fire = thaw;
	sim_alarm(&faults.thaw[w->number], sim_between(1000, 4000000));
	if (sim_chance(300))
		broker_cut(w);
	tally.freezes++;
}

static void drain_one(void)
{
	struct worker *w = world_some_worker();

	if (!w)
		return;
	sim_say("worker %d is to drain", w->number);
	w->drain = true;
	if (world.n_workers < WORKERS_MAX - 1 && sim_chance(500))
		world_start_worker();
	tally.drains++;
}

/* ---- servers ---- */

static void cut_pg(void)
{
	struct worker *w = world_some_worker();

	if (w)
		pg_cut(w, sim_chance(700));
	tally.cuts++;
}

static void restart_pg(void)
{
	pg_restart(sim_chance(500) ? 0 : sim_between(0, 2000000));
	tally.restarts++;
}

static void trouble(struct pg_trouble *t)
{
	t->until_us = sim_now_us() + sim_between(1000, 1500000);
	t->below = sim_chance(500) ? 256 : 100;
}

static void fill_disk(void)
{
	trouble(&pg.full);
}

static void deny(void)
{
	trouble(&pg.refusing);
}

static void lock_rows(void)
{
	trouble(&pg.locked);
}

static void cut_mq(void)
{
	broker_cut(sim_chance(700) ? world_some_worker() : NULL);
	tally.cuts++;
}

static void restart_mq(void)
{
	broker_restart(sim_between(0, 2000000));
	tally.restarts++;
}

static void unblock(struct alarm *alarm)
{
	(void)alarm;
	broker_block(false);
}

static void block_mq(void)
{
	broker_block(true);
	faults.unblock.fire = unblock;
	sim_alarm(&faults.unblock, sim_between(1000, 1500000));
}

/* An operator's `cpoa workflow cancel`. */
static void cancel_one(void)
{
	struct workflow_row *w;

	if (!pg.n_workflows)
		return;
	w = &pg.workflows[sim_between(0, pg.n_workflows - 1)];
	w->cancel_wanted = w->cancel_wanted || w->claimed;
	sim_say("pg: %s is to be cancelled", w->key);
}

static void jump_clock(void)
{
	static const int64_t hour = INT64_C(3600000000);

	sim_jump_wall(sim_between(-hour, hour));
}

/* ---- a schedule ---- */

static void add(void (*happen)(void), uint64_t last_step)
{
	if (faults.n < HAPPENINGS_MAX)
		faults.list[faults.n++] =
			(struct happening){(uint64_t)sim_between(0, (int64_t)last_step), happen};
}

static int by_step(const void *a, const void *b)
{
	const struct happening *x = a, *y = b;

	return x->step < y->step ? -1 : x->step > y->step;
}

void faults_begin(void)
{
	static void (*const kinds[])(void) = {
		kill_one,   kill_one,
		kill_one,   freeze_one,
		freeze_one, drain_one,
		cut_pg,	    cut_pg,
		cut_pg,	    restart_pg,
		fill_disk,  deny,
		lock_rows,  cut_mq,
		cut_mq,	    restart_mq,
		block_mq,   broker_refuse_one,
		jump_clock, broker_cancel_one,
		cancel_one, cancel_one,
	};
	int64_t jobs = sim_between(1, 4), wrong = sim_between(0, 4), again = sim_between(0, 2);
	uint64_t span = (uint64_t)sim_between(100, 1200);

	memset(&faults, 0, sizeof(faults));
	web.fault_per_mille = sim_chance(300) ? 0 : (int)sim_between(0, 400);
	for (int64_t i = 0; i < jobs; i++)
		add(send_one, sim_chance(500) ? 60 : span / 2);
	for (int64_t i = 0; i < again; i++)
		add(send_again, span);
	for (int64_t i = 0; i < wrong; i++)
		add(kinds[sim_between(0, sizeof(kinds) / sizeof(*kinds) - 1)], span);
	qsort(faults.list, (size_t)faults.n, sizeof(faults.list[0]), by_step);
}

/* Everything is mended; but who is frozen thaws in his own time. */
static void end(void)
{
	world.calm = true;
	if (sim_chance(500))
		web.fault_per_mille = 0;
	if (!world_some_worker())
		world_start_worker();
}

void faults_step(bool hurry)
{
	if (hurry && faults.next < faults.n)
		faults.list[faults.next].step = 0;
	while (faults.next < faults.n && faults.list[faults.next].step <= sim_steps())
		faults.list[faults.next++].happen();
	if (faults.next == faults.n)
		end();
}
