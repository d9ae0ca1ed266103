/* admin: /livez /readyz /metrics /version of a worker or a bridge. Reads counters and flags,
 * touches no server.
 */
#ifndef WORKER_ADMIN_H
#define WORKER_ADMIN_H

#include "cpoa/httpd.h"

#include "bridge/bridge.h"
#include "engine/house.h"

/* NULL, with *e untouched, when CPOA_HTTP_PORT is 0; NULL with ERR_USAGE when the port cannot be
 * had. */
struct httpd *admin_start(struct house *house, struct err *e);
struct httpd *admin_start_bridge(struct bridge *bridge, const struct settings *s, struct err *e);

#endif
