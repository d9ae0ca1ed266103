/*
 * lifecycle: a worker from its first thread to its last.
 *
 *	start   ledger, pool, caller, harvester, outbox, intake: each can already be posted to by
 * those that start after it drain   nothing new; what is in flight lands, until CPOA_DRAIN_SECONDS
 * or a second signal clear   what is left is let go: its rows stay, and others carry on from there
 * at once stop in reverse; the outbox publishes what is committed, the ledger gives its claims and
 * its lease back
 */
#ifndef ENGINE_LIFECYCLE_H
#define ENGINE_LIFECYCLE_H

#include "engine/house.h"

/* Starts every part. False: what was started is stopped again. The settings must outlive the house.
 */
MUST_CHECK bool house_start(struct house *house, const struct settings *settings, struct err *e);

/* Takes nothing new. */
void house_drain(struct house *house);

/* Whether nothing is held any more. */
bool house_empty(const struct house *house);

/* Lets go what is still held, and stops. */
void house_stop(struct house *house);

#endif
