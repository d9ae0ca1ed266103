/*
 * told: events of cpoa.events (interface.md §4) as people read them. The JSON is anybody's: every
 * field may be missing or of another type.
 */
#ifndef CTL_TOLD_H
#define CTL_TOLD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/event.h"

/* "podcast_generation.completed" of the CloudEvents type; "?" when it is none of ours. */
const char *told_type(struct json_object *event);

/* The last part of its type; false when it is none of ours. */
bool told_kind(struct json_object *event, enum event_kind *kind);

/* The id of its workflow, or "". */
const char *told_workflow(struct json_object *event);

/* Which stage has begun and what it says; the kind and "" when the event does not say. */
const char *told_stage(struct json_object *event);
const char *told_message(struct json_object *event);

/* "  0.3 s  wcha_content_retrieval  Fetching web content..." on stdout. */
void told_print_line(struct json_object *event, int64_t elapsed_us);

/* A terminal event: what came of it, on stdout; what went wrong, on stderr. Returns the exit code.
 */
int told_print_end(struct json_object *event);

/* The data of a terminal event, field by field, as `workflow show` shows it too. */
void told_print_result(struct json_object *data);

#endif
