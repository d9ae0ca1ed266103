/*
 * tls: says why a TLS connection was refused; the only files that include libssl.
 *
 * libpq, rabbitmq-c and libcurl do their TLS themselves and check certificates themselves. The
 * first two say little when they refuse one ("certificate verify failed"): then tls_explain() asks
 * the server once more, with the same files, and looks at what it shows. It carries no data and
 * decides nothing, so that a mistake of it opens no door.
 */
#ifndef CPOA_TLS_H
#define CPOA_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_TEXT_MAX = 512 };

/* What is no verify result of a chain. */
enum {
	TLS_NONE = -1 /* it speaks none */,
	TLS_BROKEN = -2,
	TLS_OTHER_HOST = 62 /* X509_V_ERR_HOSTNAME_MISMATCH */
};

/* Where Debian keeps the CAs of the system. */
extern const char tls_system_ca_file[];

struct tls_peer {
	const char *host, *port;
	const char *ca_file;		  /* NULL or "": tls_system_ca_file */
	const char *cert_file, *key_file; /* NULL or "": none */
	bool any_host;			  /* the name in the certificate does not matter */
	bool postgres;			  /* asks for TLS as PostgreSQL wants it (manual 55.2.10) */
	int64_t timeout_ms;
};

/*
 * One connection, at most some `timeout_ms`. True: `text` says what is wrong and what to do about
 * it, in words that go on from "the server at HOST:PORT: ". False: nothing was found.
 */
bool tls_explain(const struct tls_peer *peer, char text[TLS_TEXT_MAX]);

/* Whether TLS is spoken there, by whomever: for those who were told to do without and understood
 * nothing. */
bool tls_speaks(const struct tls_peer *peer);

/* The same words for OpenSSL's verify result (X509_V_ERR_…), which is not 0, or one of the above.
 */
void tls_verdict(long result, const char *host, const char *ca_file, char text[TLS_TEXT_MAX]);

#endif
