/* links: cpoa_world cpoa_db cpoa_mq */
/* A podcast from the message to the event: agents.md §1.1, interface.md §4 and §5. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(podcast, smoke)
{
	struct world *w = world_open();
	const char *id;

	world_agents(w, "--style", "async");
	world_worker(w, NULL);
	id = world_podcast(w, "smoke", "\"client_id\":\"c\"");
	world_end(w, id);
	for (int i = 0; i < 6; i++)
		;
	fprintf(stderr, "%s\n", json_object_to_json_string_ext(world_end(w, id), JSON_C_TO_STRING_PRETTY));
	fprintf(stderr, "%s\n", world_rows(w, "SELECT * FROM task_instances"));
	fprintf(stderr, "%s\n", world_rows(w, "SELECT * FROM workflow_instances"));
	fprintf(stderr, "%s\n", json_object_to_json_string_ext(world_calls(w, ""), 0));
	for (int i = 0; i < 4; i++)
		fprintf(stderr, "%s\n", json_object_to_json_string(world_event(w, "progress", id, i, 1000)->body));
	fprintf(stderr, "%s\n", json_object_to_json_string(world_event(w, "started", id, 0, 1000)->body));
	world_close(w);
}
