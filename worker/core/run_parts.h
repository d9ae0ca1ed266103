/* run_parts: what run.c and run_calls.c share and nobody else needs. */
#ifndef CORE_RUN_PARTS_H
#define CORE_RUN_PARTS_H

struct run;

/* Tells the present stage unless that was done, in this pass or when its first call was planned. */
void run_tell_stage(struct run *run);

#endif
