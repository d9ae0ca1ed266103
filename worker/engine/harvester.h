/*
 * harvester: the thread that is WCHA, when no service is named for it (WCHA_SERVICE_BASE_URL).
 *
 * It answers a call as the service would: what comes back to the pool is HTTP 200 with the JSON of
 * harvest/harvest.h, and agents/wcha.c reads both alike. A limited number of harvests are at work
 * at once (CPOA_WCHA_MAX_CONCURRENT, else HARVESTS_AT_ONCE), and begin in a second
 * (CPOA_WCHA_MAX_PER_SECOND); the others wait in their order, so that ten thousand podcasts do not
 * open thirty thousand connections. There is no breaker: a page that fails is not WCHA that fails.
 */
#ifndef ENGINE_HARVESTER_H
#define ENGINE_HARVESTER_H

#include "engine/house.h"

enum { HARVESTS_AT_ONCE = 64 };

MUST_CHECK struct harvester *harvester_start(struct house *house, struct err *e);

/* Brings every call back unanswered and ends the thread. */
void harvester_stop(struct harvester *harvester);
void harvester_free(struct harvester *harvester);

/*
 * Harvests for a call of WCHA, then brings it to the pool. The call and a reference to its run are
 * handed over. A call whose run is void comes back at once. Any thread; never blocks.
 */
void harvester_send(struct harvester *harvester, struct call *call);

/* Drops every call of a run that has ended, with their references; takes over a reference to the
 * run. Any thread. */
void harvester_forget(struct harvester *harvester, struct run *run);

/* The lease is lost: every call of a void run comes back. Any thread. */
void harvester_recall(struct harvester *harvester);

#endif
