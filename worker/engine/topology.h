/* topology: the exchanges, queues and bindings of interface.md §3 and §4, declared by whoever comes
 * first. */
#ifndef ENGINE_TOPOLOGY_H
#define ENGINE_TOPOLOGY_H

#include "cpoa/mq.h"

#define EXCHANGE_JOBS	 "cpoa.jobs"
#define EXCHANGE_EVENTS	 "cpoa.events"
#define EXCHANGE_DEAD	 "cpoa.dead"
#define QUEUE_DEAD	 "cpoa.dead"
#define QUEUE_EVENTS_ASF "cpoa.events.asf"

enum { QUEUE_NAME_SIZE = 64 };

/* "cpoa.jobs.TYPE" */
void topology_queue(char out[QUEUE_NAME_SIZE], const char *type);

/* What is declared, exchanges first, and a line for people. All strings but the name are static. */
struct topology_row {
	const char *kind; /* "exchange" or "queue" */
	char name[QUEUE_NAME_SIZE];
	const char *detail;
	const char *type; /* of an exchange; NULL: it is a queue */
	/* of a queue: its arguments, and what it is bound to */
	const struct mq_argument *args;
	size_t n_args;
	const char *exchange, *routing_key;
};
enum { TOPOLOGY_ROWS = 16 };
int topology_rows(struct topology_row rows[TOPOLOGY_ROWS]);

/* Declares all. ERR_REJECT: something of that name is of another kind; the text says which. */
MUST_CHECK bool topology_apply(struct mq *mq, struct err *e);

/* One of them, with its binding. */
MUST_CHECK bool topology_declare(struct mq *mq, const struct topology_row *row, struct err *e);

/* Whether it is there, of whatever kind. ERR_REJECT with code 404: it is not. */
MUST_CHECK bool topology_find(struct mq *mq, const struct topology_row *row, struct err *e);

#endif
