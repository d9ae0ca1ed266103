/*
 * caller: the thread that sends requests to agents and keeps their timers. It may not read bodies:
 * what comes back goes to the pool as it is.
 */
#ifndef ENGINE_CALLER_H
#define ENGINE_CALLER_H

#include "engine/house.h"

MUST_CHECK struct caller *caller_start(struct house *house, struct err *e);

/* Brings every call back unanswered and ends the thread. */
void caller_stop(struct caller *caller);
void caller_free(struct caller *caller);

/*
 * Runs call->errand: submits or polls after its delay, then brings the call to the pool. The call
 * and a reference to its run are handed over. A call whose run is void comes back at once. Any
 * thread; never blocks.
 */
void caller_send(struct caller *caller, struct call *call);
/* The same for many (struct call), with one wake-up; the list is empty afterwards. */
void caller_send_all(struct caller *caller, struct mail_list *calls);

/* Drops every call of a run that has ended, with their references; takes over a reference to the
 * run. Any thread. */
void caller_forget(struct caller *caller, struct run *run);

/* The lease is lost: every call of a void run comes back. Any thread. */
void caller_recall(struct caller *caller);

#endif
