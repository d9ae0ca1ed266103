/*
 * TLS of a session: what libpq is told, and why it was refused.
 */
#include <stdio.h>
#include <string.h>

#include "cpoa/tls.h"
#include "db_private.h"

enum { EXPLAIN_MS = 2000 };

static bool has(const char *s)
{
	return s && *s;
}

static const char *value_of(const PQconninfoOption *options, const char *name)
{
	for (; options && options->keyword; options++) {
		if (strcmp(options->keyword, name) == 0)
			return options->val;
	}
	return NULL;
}

static bool verifies(const char *mode)
{
	return mode && strncmp(mode, "verify-", 7) == 0;
}

/* Whoever names a CA wants to be sure of the server: libpq's default would not even insist on TLS.
 */
struct db_tls db_tls_choose(const struct db_options *o)
{
	PQconninfoOption *url = has(o->url) ? PQconninfoParse(o->url, NULL) : NULL;
	const char *mode = has(o->sslmode) ? o->sslmode : value_of(url, "sslmode");
	bool root = has(o->sslrootcert) || value_of(url, "sslrootcert");
	struct db_tls tls = {.mode = o->sslmode, .root_cert = o->sslrootcert};

	if (!mode && root)
		tls.mode = "verify-full";
	if (verifies(mode) && !root)
		tls.root_cert = tls_system_ca_file;
	PQconninfoFree(url);
	return tls;
}

/* libpq has nothing but its message for what happened before the server spoke. */
bool db_tls_failed(PGconn *conn, struct err *e)
{
	const char *said = PQerrorMessage(conn), *host = PQhost(conn), *port = PQport(conn);
	PQconninfoOption *options = PQconninfo(conn);
	const char *mode = value_of(options, "sslmode");
	struct tls_peer peer = {.host = host,
				.port = port,
				.ca_file = value_of(options, "sslrootcert"),
				.cert_file = value_of(options, "sslcert"),
				.key_file = value_of(options, "sslkey"),
				.any_host = !mode || strcmp(mode, "verify-full") != 0,
				.postgres = true,
				.timeout_ms = EXPLAIN_MS};
	char words[TLS_TEXT_MAX];
	bool found = mode && (verifies(mode) || strcmp(mode, "require") == 0) &&
		     (strstr(said, "SSL") || strstr(said, "certificate")) && has(host) &&
		     *host != '/' && tls_explain(&peer, words);

	if (found)
		err_set(e, ERR_USAGE, "PostgreSQL at %s:%s: %s", host, port, words);
	PQconninfoFree(options);
	return found;
}
