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
	AGENT_COUNT
};

extern const struct agent wcha, pswa, vfa;

/* By index; NULL where a job's workflows have no use for it yet. */
extern const struct agent *const agents[AGENT_COUNT];

/* Metric labels by index: "wcha" … */
extern const char *const agent_labels[AGENT_COUNT];

/* By task_instances.agent_name; NULL when it is none of ours. */
const struct agent *agent_by_name(const char *name);

/* WCHA: {"status":"success","content":…,"source_urls":[…],"message":…} about a topic. */
const struct reply *wcha_harvest(struct run *run, const char *topic);

/* PSWA: a script {"script_id","title","segments":[…],…} made of content. */
const struct reply *pswa_weave(struct run *run, const char *topic, const char *content);

/*
 * VFA: the voice of a script. The reply of a result has "status" "success" or "skipped". `voice` is
 * borrowed (NULL: none), `script` too.
 */
const struct reply *vfa_forge(struct run *run, struct json_object *script,
			      struct json_object *voice);

#endif
