/* orders: jobs of every type, as a gateway would order them. */
#ifndef ORDERS_H
#define ORDERS_H

#include "world.h"

/* message_id and X-Idempotency-Key are `name`, the X-Workflow-ID is world_id(name). */
static inline struct job_spec order_spec(struct world *w, const char *type, const char *name,
					 const char *body)
{
	return (struct job_spec){
		.routing_key = type,
		.content_type = "application/json",
		.message_id = world_format(w, "%s", name),
		.headers = {{"X-Idempotency-Key", world_format(w, "%s", name)},
			    {"X-Workflow-ID", world_id(w, name)}},
		.body = body,
	};
}

/* Published; the workflow's id. */
static inline const char *order(struct world *w, const char *type, const char *name,
				const char *body)
{
	struct job_spec job = order_spec(w, type, name, body);

	world_publish(w, &job);
	return world_id(w, name);
}

static inline const char *order_search(struct world *w, const char *name)
{
	return order(w, "search_results_generation", name,
		     world_format(w, "{\"query\":\"%s\"}", name));
}

#endif
