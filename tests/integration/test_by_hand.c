/* links: cpoa_world cpoa_db cpoa_mq */
/* A job published by Python's pika (by_hand.py): nothing of ours stands between it and the broker.
 */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

static const char *python(void)
{
	return getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3";
}

static void by_hand(const char *style)
{
	struct world *w = world_open();
	const char *script = getenv("CPOA_BY_HAND"), *out;
	struct json_object *event;
	struct err e;

	if (!script ||
	    world_run(w, NULL, (const char *const[]){python(), "-c", "import pika", NULL}) != 0)
		cr_skip("no python3-pika");
	world_agents(w, "--style", style);
	world_worker(w, NULL);
	cr_assert_eq(world_run(w, &out, (const char *const[]){python(), script, style, NULL}), 0);
	cr_assert_eq(json_read(out, strlen(out), JSON_DEPTH_MAX, JSON_STRICT, &event, &e), JSON_OK,
		     "%s", e.text);
	same(json_at(event, "data.status"), "completed");
	same(world_rows(w,
			"SELECT overall_status, idempotency_key, claims FROM workflow_instances"
			" WHERE workflow_id = '%s'",
			json_at(event, "subject")),
	     world_format(w, "completed|key-%s|1", style));
	same(world_rows(w, "SELECT string_agg(agent_name || task_order, ' ' ORDER BY task_order)"
			   " FROM task_instances WHERE status = 'completed'"),
	     "WCHA1 PSWA2 VFA3 ASF_NOTIFY4");
	json_object_put(event);
	world_close(w);
}

Test(by_hand, with_answers_in_one_go)
{
	by_hand("sync");
}

Test(by_hand, with_answers_by_polling)
{
	by_hand("async");
}
