/* agents: the table. */
#include "agents/agents.h"

#include <string.h>

const struct agent *const agents[AGENT_COUNT] = {
	[AGENT_WCHA] = &wcha,
	[AGENT_PSWA] = &pswa,
	[AGENT_VFA] = &vfa,
};

const char *const agent_labels[AGENT_COUNT] = {
	[AGENT_WCHA] = "wcha", [AGENT_PSWA] = "pswa", [AGENT_VFA] = "vfa",
	[AGENT_SCA] = "sca",   [AGENT_IGA] = "iga",   [AGENT_TDA] = "tda",
};

const struct agent *agent_by_name(const char *name)
{
	for (int i = 0; i < AGENT_COUNT; i++)
		if (agents[i] && strcmp(agents[i]->name, name) == 0)
			return agents[i];
	return NULL;
}
