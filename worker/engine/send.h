/* send: a call goes to the caller with a reference to its run. Whoever has the run in hand may do
 * so. */
#ifndef ENGINE_SEND_H
#define ENGINE_SEND_H

#include "engine/house.h"

/* Runs call->errand; the call is `out` until it comes back through the pool. */
void send_call(struct house *house, struct call *call);

#endif
