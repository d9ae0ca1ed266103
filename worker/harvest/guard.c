/* guard: the tables of special-purpose addresses. */
#include "harvest/guard.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpoa/http.h"

struct range4 {
	unsigned char at[4];
	unsigned bits;
};

struct range6 {
	unsigned char at[16];
	unsigned bits;
};

/* https://www.iana.org/assignments/iana-ipv4-special-registry: those not "Globally Reachable", and
 * multicast. */
/* clang-format off */
static const struct range4 special4[] = {
	{{0},              8}, /* "this network", RFC 791 */
	{{10},             8}, /* private use, RFC 1918 */
	{{100, 64},       10}, /* shared by carriers' NAT, RFC 6598 */
	{{127},            8}, /* loopback, RFC 1122 */
	{{169, 254},      16}, /* link-local, RFC 3927: clouds serve credentials here */
	{{172, 16},       12}, /* private use, RFC 1918 */
	{{192, 0, 0},     24}, /* IETF protocol assignments, RFC 6890 */
	{{192, 0, 2},     24}, /* documentation, RFC 5737 */
	{{192, 88, 99},   24}, /* 6to4 relays, RFC 7526: withdrawn */
	{{192, 168},      16}, /* private use, RFC 1918 */
	{{198, 18},       15}, /* benchmarking, RFC 2544 */
	{{198, 51, 100},  24}, /* documentation, RFC 5737 */
	{{203, 0, 113},   24}, /* documentation, RFC 5737 */
	{{224},            4}, /* multicast, RFC 5771 */
	{{240},            4}, /* reserved, RFC 1112; and 255.255.255.255, RFC 919 */
};

/* https://www.iana.org/assignments/iana-ipv6-special-registry, within 2000::/3: all else of IPv6 is
 * not allocated for global unicast (RFC 4291), and does not pass. */
static const struct range6 special6[] = {
	{{0x20, 0x01},                   23}, /* IETF protocol assignments, RFC 2928: Teredo (RFC
						 4380), benchmarking, ORCHID, AMT, AS112, drones */
	{{0x20, 0x01, 0x0d, 0xb8},       32}, /* documentation, RFC 3849 */
	{{0x3f, 0xff},                   20}, /* documentation, RFC 9637 */
	{{0x3f, 0xfe},                   16}, /* the 6bone of old, RFC 3701 */
};

/* An IPv4 address within an IPv6 one: behind which prefix, and where it stands. */
static const struct {
	struct range6 prefix;
	unsigned at;
} carriers[] = {
	{{{[10] = 0xff, [11] = 0xff},   96}, 12}, /* mapped, RFC 4291: the kernel connects by IPv4 */
	{{{0x00, 0x64, 0xff, 0x9b},     96}, 12}, /* NAT64, RFC 6052 */
	{{{0x20, 0x02},                 16},  2}, /* 6to4, RFC 3056 */
};

static const struct range6 unicast = {{0x20}, 3};
/* clang-format on */

static bool within(const unsigned char *address, const unsigned char *at, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;
	unsigned mask = 0xffU << (8 - rest) & 0xffU;

	return memcmp(address, at, bytes) == 0 &&
	       (rest == 0 || ((address[bytes] ^ at[bytes]) & mask) == 0);
}

static bool global4(const unsigned char address[4])
{
	for (size_t i = 0; i < sizeof(special4) / sizeof(*special4); i++)
		if (within(address, special4[i].at, special4[i].bits))
			return false;
	return true;
}

/*
 * Not listed because 2000::/3 leaves them out: unspecified and loopback, IPv4-compatible (::/96),
 * IPv4-translated (::ffff:0:0:0/96), NAT64 of one's own (64:ff9b:1::/48, RFC 8215: where in it the
 * IPv4 address stands only its network knows), discard-only, unique local, link-local, site-local,
 * SRv6 SIDs, multicast.
 */
static bool global6(const unsigned char address[16])
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(*carriers); i++)
		if (within(address, carriers[i].prefix.at, carriers[i].prefix.bits))
			return global4(address + carriers[i].at);
	if (!within(address, unicast.at, unicast.bits))
		return false;
	for (size_t i = 0; i < sizeof(special6) / sizeof(*special6); i++)
		if (within(address, special6[i].at, special6[i].bits))
			return false;
	return true;
}

bool guard_address_ok(const struct sockaddr *address, void *ctx)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	(void)ctx;
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return global4((const unsigned char *)&v4.sin_addr);
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof(v6));
	return global6(v6.sin6_addr.s6_addr);
}

bool guard_url_ok(const char *url, struct err *e)
{
	struct http_url parts;

	if (!http_url_read(&parts, url, e))
		return false;
	return !parts.user_info ||
	       err_set(e, ERR_REJECT, "a URL with user information, to %s", parts.host);
}

/* Whether one entry of the list means this place. */
static bool names(const char *entry, size_t len, const struct http_url *place)
{
	size_t host = strlen(place->host);
	char port[16] = "", *end;
	unsigned long n;

	if (len < host || strncasecmp(entry, place->host, host) != 0)
		return false;
	if (len == host)
		return true;
	if (entry[host] != ':' || len - host - 1 == 0 || len - host - 1 >= sizeof(port))
		return false;
	memcpy(port, entry + host + 1, len - host - 1);
	n = strtoul(port, &end, 10);
	return *end == '\0' && n == place->port;
}

bool guard_allows(const char *allowed, const char *url)
{
	struct http_url place;
	struct err e;

	if (!allowed || !*allowed || !http_url_read(&place, url, &e))
		return false;
	for (const char *p = allowed; *p; p += *p == ',') {
		size_t n;

		p += strspn(p, " \t");
		n = strcspn(p, ", \t");
		if (n > 0 && names(p, n, &place))
			return true;
		p += strcspn(p, ",");
	}
	return false;
}
