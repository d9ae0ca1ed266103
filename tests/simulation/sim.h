/*
 * sim: one OS thread in which whole workers live, with a clock that is ours.
 *
 * Every thread of a worker is a coroutine here: pthread_create, the locks, the condition variables,
 * mailboxes and the clock are replaced at link time, so engine/, workflows/, agents/ and core/ run
 * as they are. Which coroutine goes on, how long a message travels and what goes wrong are drawn
 * from one seed; the same seed is the same schedule to the last step.
 *
 * Time stands still while a coroutine runs, moves by microseconds from one to the next, and jumps
 * to the next thing that is due when all wait.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/backoff.h"
#include "cpoa/err.h"
#include "cpoa/timers.h"

struct worker;

/* What is broken on purpose; see mutants.c. */
enum mutant {
	MUTANT_NONE,
	MUTANT_ACK_EARLY,
	MUTANT_PUBLISH_EARLY,
	MUTANT_NO_LEASE_CONDITION,
	MUTANT_SUBMIT_AGAIN,
	MUTANT_DROP_DUPLICATE,
	MUTANT_RECALL_ANOTHER,
	MUTANTS
};
extern enum mutant sim_mutant;
extern const char *const mutant_names[MUTANTS];

/* ---- a schedule ---- */

extern bool sim_verbose; /* tells what happens, on stderr */

/* Begins a schedule: everything of the last one must have ended. */
void sim_begin(uint64_t seed);
void sim_end(void);
uint64_t sim_seed(void);

/* One step: a coroutine goes on, or time moves. False: nothing will ever happen again. */
bool sim_step(void);
uint64_t sim_steps(void); /* how many coroutines went on so far */

/* An invariant is broken: says so with the seed, and ends the process with 1. */
void sim_fail(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));
void sim_say(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* ---- chance ---- */

bool sim_chance(int per_mille);
int64_t sim_between(int64_t lo, int64_t hi);

/* ---- time ---- */

int64_t sim_now_us(void);
void sim_jump_wall(int64_t us); /* the wall clock alone */

/* Calls `fire` at a time, outside of every coroutine. */
struct alarm {
	struct timer timer;
	void (*fire)(struct alarm *alarm);
};
void sim_alarm(struct alarm *alarm, int64_t delay_us);
void sim_alarm_off(struct alarm *alarm);

/* ---- coroutines ---- */

/* Starts one that belongs to a worker; threads that it starts belong to the same. */
void sim_spawn(struct worker *worker, void *(*run)(void *), void *arg);
struct worker *sim_worker(void); /* whose coroutine runs; NULL: none does */
void sim_sleep(int64_t us);	 /* the present coroutine alone */
void sim_yield(void);		 /* lets others go first, now and then */

/* A descriptor of ours, as poll(2) would see it. */
void sim_sleep_fd(int64_t us, int fd); /* or until it is readable */
int sim_fd_new(void);
void sim_fd_free(int fd);
void sim_fd_set(int fd, bool readable);

/* ---- what sim asks of the world ---- */

/* Whether its coroutines may go on: it is not frozen. */
bool worker_moves(const struct worker *worker);

#endif
