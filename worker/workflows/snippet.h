/*
 * snippet: one topic's way to a snippet: SCA writes it, IGA draws its cover, a row keeps it
 * (agents.md §1.2). A workflow of its own, and used by those that fan out.
 */
#ifndef WORKFLOWS_SNIPPET_H
#define WORKFLOWS_SNIPPET_H

#include "core/run.h"

struct snippet {
	struct json_object *data; /* a SnippetDataObject with image_url (json_put it), or NULL */
	const char *code;	  /* why there is none */
	const char *details;
	const char *raw; /* how an answer that is no JSON begins, or NULL */
};

/*
 * `info` {"topic_id","title_suggestion","summary","keywords","original_topic_details_from_tda"} is
 * borrowed; both of the first are there. `id` names the calls: unique within the workflow.
 * RUN_ENDED: *out is filled in.
 */
enum progress snippet_generate(struct run *run, struct json_object *info, const char *id, int order,
			       struct snippet *out);

#endif
