/*
 * connect: settings and connections for a subcommand, and what an error means as an exit code.
 *
 * Functions that return an exit code have said on stderr what is wrong when it is not EXIT_DONE.
 */
#ifndef CTL_CONNECT_H
#define CTL_CONNECT_H

#include <stdbool.h>

#include "cpoa/client.h"
#include "cpoa/db.h"
#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "engine/settings.h"

/* Prints the error's text and returns its code: usage 2, lost 4, refused 5, anything else 1. */
int complain(const struct err *e);
int complain_client(const struct cpoa_client_error *error); /* usage 2, anything else 4 */

int load_settings(struct settings *s);

/* Whether there is something to connect to. */
bool db_configured(const struct settings *s);

/* For a command that cannot do without. The first two load `s`, the last takes it loaded. */
int connect_db(struct settings *s, struct db **db);
int connect_client(struct settings *s, struct cpoa_client **client);
int connect_mq(const struct settings *s, struct mq **mq);

/* A query's error; that a table is missing is said so that the reader knows what to do. */
int complain_query(struct err *e);

#endif
