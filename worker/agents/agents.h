/*
 * agents: who is called. One file each holds the request that the agent takes and the check of what
 * it answers, side by side; here stands their table. To add one: a file, a line in the enum, a line
 * in agents.c, its settings in engine/settings.c.
 */
#ifndef AGENTS_AGENTS_H
#define AGENTS_AGENTS_H

#include "core/call.h"
#include "core/run.h"

enum agent_index {
	AGENT_WCHA,
	AGENT_PSWA,
	AGENT_VFA,
	AGENT_SCA,
	AGENT_IGA,
	AGENT_TDA,
	AGENT_COUNT,
	AGENT_STORE = AGENT_COUNT, /* not an agent to anybody else */
};

extern const struct agent wcha, pswa, vfa, sca, iga, tda, store;

/* Metric labels by index: "wcha" … */
extern const char *const agent_labels[AGENT_COUNT];

/* Whose call this is, by the call's name ("pswa", "sca_<topic id>"); NULL: nobody's, a row of our
 * own. */
const struct agent *agent_of_call(const char *name);

/* WCHA: {"status":"success","content":…,"source_urls":[…],"message":…} about a topic. */
struct reply *wcha_harvest(struct run *run, const char *topic);

/* PSWA: a script {"script_id","title","segments":[…],…} made of WCHA's content. */
struct reply *pswa_weave(struct run *run, const char *topic, struct reply *web);

/*
 * VFA: the voice of PSWA's script. The reply of a result has "status" "success" or "skipped".
 * `voice` is borrowed (NULL: none).
 */
struct reply *vfa_forge(struct run *run, struct reply *script, struct json_object *voice);

/*
 * SCA: a snippet of a topic {"topic_id","title_suggestion",…} (borrowed). `name` is the call's,
 * `order` its row's. The reply of a result is SCA's SnippetDataObject.
 */
struct reply *sca_craft(struct run *run, const char *name, int order, struct json_object *info);

/* The error code that stands for SCA's failure (agents.md §1.2). */
const char *sca_error_code(struct reply *reply);

/* IGA: a cover. The reply of a result has "image_url", or has not. */
struct reply *iga_draw(struct run *run, const char *name, int order, const char *prompt);

/* TDA: up to `limit` topics about a query; at least one, or it is a failure. `row_name`: its row's
 * agent_name. */
struct reply *tda_discover(struct run *run, const char *row_name, const char *query, int limit);

/* The list in TDA's reply. */
struct json_object *tda_topics(struct reply *reply);

/* A topic of topics_snippets: {"found":bool,"title":…,"keywords":…}. */
struct reply *store_topic(struct run *run, const struct uuid *id);

#endif
