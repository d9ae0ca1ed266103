/*
 * topics: from a query to a list of snippets: TDA finds topics, each topic's snippet goes its own
 * way at the same time (agents.md §1.3–§1.5). What search, exploration and landing page share.
 */
#ifndef WORKFLOWS_TOPICS_H
#define WORKFLOWS_TOPICS_H

#include "core/run.h"

/* What distinguishes the three. */
struct topics_flow {
	const char *tda_row, *item_row; /* agent_name of the rows */
	const char *id_prefix;		/* for a topic without an id: "tda_topic_search_" */
	const char *list;		/* the result's member: "search_results" */
	int tda_limit;
	int wanted; /* snippets at most; the rest of the topics replaces those that fail. 0: all */
};

/* What came of it. */
struct topics {
	const char *tda_error;	      /* no topics: nothing else is set */
	struct json_object *snippets; /* an array; json_put it */
	int made, failed;
	const char *first_error; /* "CODE: details" of the first that failed; in the run's arena */
};

/* RUN_ENDED: *out is filled in. */
enum progress topics_generate(struct run *run, const struct topics_flow *flow, const char *query,
			      struct topics *out);

/*
 * Ends the workflow with what came of it (agents.md §1.3 step 5), taking the snippets over.
 * `context` has the query in it and is taken over; generated_snippet_count is added.
 */
enum progress topics_end(struct run *run, const struct topics_flow *flow, struct topics *t,
			 struct strbuf *context);

/* Ends it as failed with {"error":code,"details":…,LIST:[],"workflow_id"}, or with a NULL code as
 * cancelled. context (may be NULL) is taken over. */
enum progress topics_fail(struct run *run, const struct topics_flow *flow, const char *code,
			  const char *details, struct strbuf *context);

/* The words of an array of strings, joined by spaces, at most `max` bytes; "" when there are none.
 * In the run's arena. */
const char *topics_join(struct run *run, struct json_object *words, size_t max);

#endif
