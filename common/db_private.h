/*
 * db_private: what the files of db share, and nobody else sees.
 */
#ifndef DB_PRIVATE_H
#define DB_PRIVATE_H

#include <libpq-fe.h>

#include "cpoa/db.h"

struct db {
	PGconn *conn;
	/* How long the server may be silent, ms; -1: for ever. As long as the lease lasts: then the
	 * claims are void, whether it comes back or not. */
	int patience_ms;
	bool lost; /* the server has said goodbye, even if the socket stands */
};

struct db_result {
	PGresult *pg;
};

/* Sets `e` from a result that is an error; always returns false. */
bool db_refused(struct db *db, const PGresult *pg, const char *what, struct err *e);

/* Sets `e` to ERR_LOST with libpq's words; always returns false. */
bool db_lost(struct db *db, const char *what, struct err *e);

/* ---- db_batch.c ---- */

/* The last result of what was sent (PQsendQuery...), which is the error if there was one; the
 * caller clears it. NULL: the session is gone, or was silent for too long, and `e` says so. */
PGresult *db_answer(struct db *db, const char *what, struct err *e);

/* ---- db_tls.c ---- */

/* What libpq is to be told; NULL or "": nothing. Both last as long as `o`. */
struct db_tls {
	const char *mode, *root_cert;
};
struct db_tls db_tls_choose(const struct db_options *o);

/* Whether it was TLS that kept a session from being opened; then `e` says why. */
bool db_tls_failed(PGconn *conn, struct err *e);

/* Takes the result over. */
struct db_result *db_result_new(PGresult *pg);

#endif
