/* topology: declarations. Arguments cannot be changed once a queue is there, so only what must be
 * is an argument. */
#include "engine/topology.h"

#include <stdio.h>

#include "workflows/workflows.h"

static const struct mq_argument quorum = {"x-queue-type", "quorum", 0};

void topology_queue(char out[QUEUE_NAME_SIZE], const char *type)
{
	snprintf(out, QUEUE_NAME_SIZE, EXCHANGE_JOBS ".%s", type);
}

static bool declare_jobs(struct mq *mq, struct err *e)
{
	const struct mq_argument args[] = {quorum, {"x-dead-letter-exchange", EXCHANGE_DEAD, 0}};
	char queue[QUEUE_NAME_SIZE];

	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		topology_queue(queue, workflow_types[i]);
		if (!mq_declare_queue(mq, queue, false, args, 2, NULL, e) ||
		    !mq_bind(mq, queue, EXCHANGE_JOBS, workflow_types[i], e))
			return err_wrap(e, "queue %s", queue);
	}
	return true;
}

static bool declare_events(struct mq *mq, struct err *e)
{
	/* Nobody may be listening for days: the oldest go first, and workers never wait for it. */
	const struct mq_argument args[] = {
		quorum, {"x-max-length", NULL, 100000}, {"x-overflow", "drop-head", 0}};

	if (!mq_declare_queue(mq, QUEUE_EVENTS_ASF, false, args, 3, NULL, e) ||
	    !mq_bind(mq, QUEUE_EVENTS_ASF, EXCHANGE_EVENTS, "#", e))
		return err_wrap(e, "queue " QUEUE_EVENTS_ASF);
	return true;
}

static bool declare_dead(struct mq *mq, struct err *e)
{
	if (!mq_declare_queue(mq, QUEUE_DEAD, false, &quorum, 1, NULL, e) ||
	    !mq_bind(mq, QUEUE_DEAD, EXCHANGE_DEAD, "", e))
		return err_wrap(e, "queue " QUEUE_DEAD);
	return true;
}

bool topology_apply(struct mq *mq, struct err *e)
{
	if (!mq_declare_exchange(mq, EXCHANGE_JOBS, "direct", e) ||
	    !mq_declare_exchange(mq, EXCHANGE_EVENTS, "topic", e) ||
	    !mq_declare_exchange(mq, EXCHANGE_DEAD, "fanout", e))
		return err_wrap(e, "exchange");
	return declare_jobs(mq, e) && declare_events(mq, e) && declare_dead(mq, e);
}

int topology_rows(struct topology_row rows[TOPOLOGY_ROWS])
{
	int n = 0;

	rows[n++] = (struct topology_row){"exchange", EXCHANGE_JOBS, "direct, durable"};
	rows[n++] = (struct topology_row){"exchange", EXCHANGE_EVENTS, "topic, durable"};
	rows[n++] = (struct topology_row){"exchange", EXCHANGE_DEAD, "fanout, durable"};
	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		rows[n] = (struct topology_row){"queue", "",
						"quorum, dead letters to " EXCHANGE_DEAD};
		topology_queue(rows[n++].name, workflow_types[i]);
	}
	rows[n++] =
		(struct topology_row){"queue", QUEUE_EVENTS_ASF,
				      "quorum, at most 100000, bound to " EXCHANGE_EVENTS " by #"};
	rows[n++] = (struct topology_row){"queue", QUEUE_DEAD, "quorum, bound to " EXCHANGE_DEAD};
	return n;
}
