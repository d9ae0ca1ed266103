/*
 * world: workers, what happens to them, and what must hold. One schedule: some jobs are sent, two
 * or three workers do them, and things go wrong at steps that the seed chose; then all is mended,
 * everything comes to rest, the workers are stopped, and what is left is looked at.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/mq.h"

#include "engine/house.h"
#include "simulation/broker.h"

enum { WORKERS_MAX = 8, MESSAGES_MAX = 24 };

struct worker {
	struct house house;
	struct settings settings;
	int number;
	bool dead;   /* kill -9: nothing that it does reaches anybody any more */
	bool frozen; /* SIGSTOP */
	bool drain;  /* SIGTERM */
	bool stop;   /* what tidies up after a schedule */
	bool stopped;
	int64_t drain_until_us;
};

struct world {
	struct worker workers[WORKERS_MAX];
	int n_workers;
	struct message *messages[MESSAGES_MAX];
	int n_messages;
	bool calm;	 /* nothing goes wrong any more */
	int64_t lost_us; /* when a worker last lost its session */
};

extern struct world world;

/* Runs one schedule to its end; a broken invariant ends the process (sim_fail). */
void world_run(uint64_t seed);

/* What the schedules so far have had in them, to be shown. */
struct tally {
	uint64_t schedules, jobs, events, kills, freezes, drains, cuts, restarts, steps, letters,
		recalls;
};
extern struct tally tally;

/* ---- between world.c and faults.c ---- */

struct worker *world_start_worker(void);
struct worker *world_some_worker(void); /* alive, not frozen, not draining; NULL: there is none */
void world_kill(struct worker *w);
void world_send(enum workflow_index type, int which, int variant);

/* Chooses what will go wrong and when; before each step: lets happen what is due (in a hurry: the
 * next thing, for else nothing will). After the last of it the world is calm. */
void faults_begin(void);
void faults_step(bool hurry);

/* ---- the servers tell (check.c) ---- */

bool worker_is_dead(const struct worker *worker);
void world_acked(struct message *m);
void world_told(const struct mq_publish *p);
void world_struck(const struct uuid *event_id);
void world_submits(int agent, const struct uuid *workflow_id, const char *key, const char *body,
		   size_t len);

/* Whether everything has come to rest; and whether what is left then is right. */
bool check_quiet(void);
void check_end(void);
const char *check_restless(void); /* what is still to be done, in words */

#endif
