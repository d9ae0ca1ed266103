/*
 * work: what a pool thread does with one run that it has in hand. No thread, no lock and no waiting
 * in here: a simulation calls it with a clock and neighbours of its own.
 */
#ifndef ENGINE_WORK_H
#define ENGINE_WORK_H

#include "engine/house.h"

/*
 * Works on a run: reads its message if it is new, hears the calls in `brought` (struct call: each
 * with an answer and a reference to the run), runs the workflow's function when something landed,
 * and hands the run on: to the ledger when there is something to store, back to the pool to rest
 * when there is not, or away when it is void.
 */
void work_on(struct house *house, struct run *run, struct mail_list brought, struct rng *rng);

#endif
