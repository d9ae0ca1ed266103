/*
 * guard: which addresses a page may be fetched from.
 *
 * Whoever writes a web page, or owns a name, chooses the address that we connect to. Only globally
 * routable ones pass: what the registries of special-purpose addresses (IANA, RFC 6890) do not call
 * global is ours, our neighbours' or nobody's. An IPv4 address that an IPv6 one carries (mapped,
 * compatible, NAT64, 6to4) is judged as itself.
 *
 * The judgement is made on the address that is connected to (http.h, address_ok), so neither a name
 * that resolves to another address a moment later nor a spelling of a number gets by.
 *
 * Pure; any thread.
 */
#ifndef HARVEST_GUARD_H
#define HARVEST_GUARD_H

#include <stdbool.h>

#include "cpoa/err.h"

struct sockaddr;

/* Whether it is IPv4 or IPv6 and globally routable. `ctx` is not used: it has the form that
 * http_request.address_ok has. */
bool guard_address_ok(const struct sockaddr *address, void *ctx);

/* http or https, with a host, without user information. */
MUST_CHECK bool guard_url_ok(const char *url, struct err *e);

/*
 * Whether `allowed`, a list "host, host:port, [ipv6]:port" with commas, names the URL's host, and
 * its port where it gives one. Hosts are compared as they stand in the URL, not by what they
 * resolve to.
 */
bool guard_allows(const char *allowed, const char *url);

#endif
