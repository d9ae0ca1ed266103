/*
 * pool: the threads that run workflows.
 *
 * A run is an actor: mails for it wait in its inbox, and at most one thread has it in hand. The
 * pool's lock guards every run's place and inbox, and nothing else; it is held for a few
 * instructions.
 */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

#include "engine/house.h"

MUST_CHECK struct pool *pool_start(struct house *house, int threads, struct err *e);

/* The threads end when their queue is empty. Returns when they have. */
void pool_stop(struct pool *pool);
void pool_free(struct pool *pool);

/* A run to be worked on: new, taken over, or refused by the ledger. The caller hands it over. Any
 * thread. */
void pool_put(struct pool *pool, struct run *run);

/* A call that the caller brings back with an answer; it carries a reference to its run. Any thread.
 */
void pool_bring(struct pool *pool, struct call *call);

/*
 * A run whose change is committed, or that had none: it rests until a call comes back, or goes on
 * at once if one has. `moved`: it has made a pass; else it rests on, a poll has brought nothing.
 */
void pool_rest(struct pool *pool, struct run *run, bool moved);

/*
 * Looks after runs that rest, once every house->look_us. One that has not moved since the look
 * before the last waits for an agent that thinks: it gives back what it can do without
 * (run_give_back), and does so from now on whenever it rests. What is answered at once never comes
 * to that. Returns when to look again. The caller's thread alone.
 */
int64_t pool_look(struct pool *pool, int64_t now_us);

/* An operator wants the end of a workflow that this lease runs: it is worked on at once, or as soon
 * as it is put back. Nothing when it is not here any more. Any thread. */
void pool_cancel(struct pool *pool, const struct uuid *workflow_id, int64_t lease);

/* A run that has ended or was lost: what still comes back for it is dropped. */
void pool_over(struct pool *pool, struct run *run);

#endif
