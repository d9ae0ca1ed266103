/*
 * aftermath: what a change causes once it is committed, and never before: the ack, the calls, the
 * events; or what follows when PostgreSQL would not store it. Called by the ledger's thread; like
 * work.h, nothing here waits.
 */
#ifndef ENGINE_AFTERMATH_H
#define ENGINE_AFTERMATH_H

#include "engine/house.h"

/* The run's change, or its refusal, is committed. What is to be told goes to the end of `events`,
 * for the outbox; calls go to the end of `calls`, for the caller, and have their references. Both
 * are to be handed over before this is called for the same run again. */
void aftermath_committed(struct house *house, struct run *run, struct mail_list *events,
			 struct mail_list *calls);

/* Its job was there already, and that is settled: acks and ends it. */
void aftermath_duplicate(struct house *house, struct run *run);

/* PostgreSQL will not store the change, now or later. The run goes to the pool to be ended in words
 * that can be stored. */
void aftermath_refused(struct house *house, struct run *run, const char *why);

/* The run is void: its lease is gone. Its message, if it was not acked, is handed back. */
void aftermath_lost(struct house *house, struct run *run);

#endif
