/* stats: the bridge's metric families. Labels: enum push_kind (or BRIDGE_REBUILD), then an end or
 * an outcome. */
#ifndef BRIDGE_STATS_H
#define BRIDGE_STATS_H

#include "cpoa/http.h"
#include "cpoa/metrics.h"

#include "bridge/plan.h"

enum { BRIDGE_REBUILD = PUSH_KINDS, BRIDGE_KINDS };

/* What became of an event when it was read. */
enum event_fate { EVENT_PASSED_ON, EVENT_NOTHING, EVENT_UNREADABLE, EVENT_FATES };

extern struct metric mb_events, mb_pushes, mb_requests, mb_seconds, mb_pending, mb_asf_up,
	mb_rebuilds, mb_amqp, mb_draining;

void bridge_stats_setup(void);
void bridge_stats_release(void);
void bridge_stats_print(struct strbuf *out);

static inline size_t stats_kind(const struct push *push)
{
	return push->rebuild ? (size_t)BRIDGE_REBUILD : (size_t)push->kind;
}

/* A request has ended. */
void bridge_stats_asked(const struct push *push, const struct http_request *r);

#endif
