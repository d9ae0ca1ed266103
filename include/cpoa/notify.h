/*
 * notify: tells systemd how a service is, in the words of sd_notify(3): "READY=1", "STOPPING=1",
 * "WATCHDOG=1". The protocol is a datagram to the socket that $NOTIFY_SOCKET names (a path, or
 * "@name" in the abstract namespace). Without systemd all of it does nothing. Any thread; never
 * blocks.
 */
#ifndef CPOA_NOTIFY_H
#define CPOA_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* False when nobody wants to know, or the socket does not take it; there is nothing to be done
 * about either. */
bool notify_send(const char *state);

/* How often, in microseconds, "WATCHDOG=1" is wanted at least ($WATCHDOG_USEC); 0: not at all, or
 * of another process. */
int64_t notify_watchdog_us(void);

#endif
