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

/* Declares all. ERR_REJECT: something of that name is of another kind; the text says which. */
MUST_CHECK bool topology_apply(struct mq *mq, struct err *e);

/* One line each for people: kind, name, and what it is bound to. */
struct topology_row {
	const char *kind;
	char name[QUEUE_NAME_SIZE];
	const char *detail;
};
enum { TOPOLOGY_ROWS = 16 };
int topology_rows(struct topology_row rows[TOPOLOGY_ROWS]);

#endif
