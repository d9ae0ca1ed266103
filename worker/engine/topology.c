/* topology: declarations. Arguments cannot be changed once a queue is there, so only what must be
 * is an argument. */
#include "engine/topology.h"

#include <stdio.h>

#include "workflows/workflows.h"

static const struct mq_argument quorum[] = {{"x-queue-type", "quorum", 0}};
static const struct mq_argument jobs[] = {{"x-queue-type", "quorum", 0},
					  {"x-dead-letter-exchange", EXCHANGE_DEAD, 0}};
/* Nobody may be listening for days: the oldest go first, and workers never wait for it. */
static const struct mq_argument events[] = {{"x-queue-type", "quorum", 0},
					    {"x-max-length", NULL, 100000},
					    {"x-overflow", "drop-head", 0}};

void topology_queue(char out[QUEUE_NAME_SIZE], const char *type)
{
	snprintf(out, QUEUE_NAME_SIZE, EXCHANGE_JOBS ".%s", type);
}

int topology_rows(struct topology_row rows[TOPOLOGY_ROWS])
{
	int n = 0;

	rows[n++] = (struct topology_row){
		.kind = "exchange", EXCHANGE_JOBS, "direct, durable", .type = "direct"};
	rows[n++] = (struct topology_row){
		.kind = "exchange", EXCHANGE_EVENTS, "topic, durable", .type = "topic"};
	rows[n++] = (struct topology_row){
		.kind = "exchange", EXCHANGE_DEAD, "fanout, durable", .type = "fanout"};
	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		rows[n] = (struct topology_row){.kind = "queue",
						.detail = "quorum, dead letters to " EXCHANGE_DEAD,
						.args = jobs,
						.n_args = 2,
						.exchange = EXCHANGE_JOBS,
						.routing_key = workflow_types[i]};
		topology_queue(rows[n++].name, workflow_types[i]);
	}
	rows[n++] =
		(struct topology_row){.kind = "queue",
				      QUEUE_EVENTS_ASF,
				      "quorum, at most 100000, bound to " EXCHANGE_EVENTS " by #",
				      .args = events,
				      .n_args = 3,
				      .exchange = EXCHANGE_EVENTS,
				      .routing_key = "#"};
	rows[n++] = (struct topology_row){.kind = "queue",
					  QUEUE_DEAD,
					  "quorum, bound to " EXCHANGE_DEAD,
					  .args = quorum,
					  .n_args = 1,
					  .exchange = EXCHANGE_DEAD,
					  .routing_key = ""};
	return n;
}

bool topology_declare(struct mq *mq, const struct topology_row *row, struct err *e)
{
	bool ok = row->type ? mq_declare_exchange(mq, row->name, row->type, e)
			    : mq_declare_queue(mq, row->name, false, row->args, row->n_args, NULL,
					       e) &&
				      mq_bind(mq, row->name, row->exchange, row->routing_key, e);

	return ok || err_wrap(e, "%s %s", row->kind, row->name);
}

bool topology_apply(struct mq *mq, struct err *e)
{
	struct topology_row rows[TOPOLOGY_ROWS];
	int n = topology_rows(rows);

	for (int i = 0; i < n; i++)
		if (!topology_declare(mq, &rows[i], e))
			return false;
	return true;
}

bool topology_find(struct mq *mq, const struct topology_row *row, struct err *e)
{
	return row->type ? mq_inspect_exchange(mq, row->name, e)
			 : mq_inspect_queue(mq, row->name, NULL, NULL, e);
}
