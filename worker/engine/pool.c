/* pool: a queue of runs, a lock, and threads that wait for either work or the end. */
#include "engine/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpoa/log.h"

#include "engine/say.h"
#include "engine/work.h"

enum {
	HELD_LISTS = 1024, /* a power of two */
	REST_LOOKS = 2,
};

struct pool {
	struct house *house;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct mail_list ready;	      /* struct run */
	struct run *held[HELD_LISTS]; /* admitted workflows by id; linked by run->next_held */
	unsigned looks;
	int64_t look_at_us; /* the caller's thread's */
	bool stop;
	int n_threads;
	pthread_t threads[];
};

/* ---- the index, under the lock ---- */

static struct run **list_of(struct pool *pool, const struct uuid *id)
{
	/* Ids are random, or digests: any two bytes will do. */
	return &pool->held[(id->bytes[14] << 8 | id->bytes[15]) % HELD_LISTS];
}

static void index_run(struct pool *pool, struct run *run)
{
	struct run **list = list_of(pool, &run->job.workflow_id);

	if (run->held_at || !run->admitted)
		return;
	run->next_held = *list;
	run->held_at = list;
	if (*list)
		(*list)->held_at = &run->next_held;
	*list = run;
}

static void unindex_run(struct run *run)
{
	if (!run->held_at)
		return;
	*run->held_at = run->next_held;
	if (run->next_held)
		run->next_held->held_at = run->held_at;
	run->held_at = NULL;
}

/* ---- turns ---- */

/* Under the lock. */
static void make_ready(struct pool *pool, struct run *run)
{
	index_run(pool, run);
	run->place = RUN_READY;
	mail_append(&pool->ready, &run->mail);
	pthread_cond_signal(&pool->wake);
}

/* Under the lock. Waits for a run; NULL: the end. */
static struct run *next_run(struct pool *pool, struct mail_list *brought)
{
	struct mail *mail;
	struct run *run;

	while (!(mail = mail_shift(&pool->ready))) {
		if (pool->stop)
			return NULL;
		pthread_cond_wait(&pool->wake, &pool->lock);
	}
	run = mail_of(mail, struct run, mail);
	run->place = RUN_IN_HAND;
	*brought = run->inbox;
	run->inbox = (struct mail_list){0};
	return run;
}

static void *pool_thread(void *arg)
{
	struct pool *pool = arg;
	struct mail_list brought;
	struct run *run;
	struct rng rng;

	log_thread_name("pool");
	house_enter_thread(pool->house);
	rng_seed(&rng, 0);
	for (;;) {
		pthread_mutex_lock(&pool->lock);
		run = next_run(pool, &brought);
		pthread_mutex_unlock(&pool->lock);
		if (!run)
			return NULL;
		work_on(pool->house, run, brought, &rng);
	}
}

struct pool *pool_start(struct house *house, int threads, struct err *e)
{
	struct pool *pool = xcalloc(1, sizeof(*pool) + (size_t)threads * sizeof(pthread_t));

	pool->house = house;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	for (; pool->n_threads < threads; pool->n_threads++) {
		int errnum =
			pthread_create(&pool->threads[pool->n_threads], NULL, pool_thread, pool);

		if (errnum) {
			pool_stop(pool);
			pool_free(pool);
			err_errno(e, ERR_USAGE, errnum, "cannot start a pool thread");
			return NULL;
		}
	}
	return pool;
}

void pool_stop(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (int i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	pool->n_threads = 0;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_destroy(&pool->lock);
	pthread_cond_destroy(&pool->wake);
	free(pool);
}

void pool_put(struct pool *pool, struct run *run)
{
	pthread_mutex_lock(&pool->lock);
	make_ready(pool, run);
	pthread_mutex_unlock(&pool->lock);
}

void pool_bring(struct pool *pool, struct call *call)
{
	struct run *run = call->run;
	bool over;

	pthread_mutex_lock(&pool->lock);
	over = run->place == RUN_OVER;
	if (!over) {
		mail_append(&run->inbox, &call->mail);
		if (run->place == RUN_AT_REST)
			make_ready(pool, run);
	}
	pthread_mutex_unlock(&pool->lock);
	if (over)
		run_unref(run);
}

void pool_rest(struct pool *pool, struct run *run, bool moved)
{
	pthread_mutex_lock(&pool->lock);
	index_run(pool, run);
	if (moved)
		run->rested = pool->looks;
	if (run->inbox.head || atomic_load(&run->cancel_wanted)) {
		make_ready(pool, run);
	} else {
		run->place = RUN_AT_REST;
		if (run->slow)
			run_give_back(run);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock, like all that is done to a run at rest. */
static void look_at(struct pool *pool, struct run *run)
{
	if (run->slow || run->place != RUN_AT_REST || pool->looks - run->rested < REST_LOOKS)
		return;
	log_debug("a workflow rests: what stands in its rows is given back", SAY_RUN(run), LOG_END);
	run->slow = true;
	run_give_back(run);
}

int64_t pool_look(struct pool *pool, int64_t now_us)
{
	if (now_us < pool->look_at_us)
		return pool->look_at_us;
	pool->look_at_us = now_us + pool->house->look_us;
	for (int i = 0; i < HELD_LISTS; i++) {
		pthread_mutex_lock(&pool->lock);
		pool->looks += i == 0;
		for (struct run *run = pool->held[i]; run; run = run->next_held)
			look_at(pool, run);
		pthread_mutex_unlock(&pool->lock);
	}
	return pool->look_at_us;
}

void pool_cancel(struct pool *pool, const struct uuid *workflow_id, int64_t lease)
{
	struct run *run;

	pthread_mutex_lock(&pool->lock);
	run = *list_of(pool, workflow_id);
	while (run && (run->lease != lease || !uuid_equal(&run->job.workflow_id, workflow_id)))
		run = run->next_held;
	if (run && !atomic_exchange(&run->cancel_wanted, true) && run->place == RUN_AT_REST)
		make_ready(pool, run);
	pthread_mutex_unlock(&pool->lock);
}

void pool_over(struct pool *pool, struct run *run)
{
	struct mail_list inbox;

	pthread_mutex_lock(&pool->lock);
	assert(run->place != RUN_OVER);
	run->place = RUN_OVER;
	unindex_run(run);
	inbox = run->inbox;
	run->inbox = (struct mail_list){0};
	pthread_mutex_unlock(&pool->lock);
	while (mail_shift(&inbox))
		if (run_unref(run))
			BUG("a call held the last reference to its run");
}
