/* agents: the table. */
#include "agents/agents.h"

#include <string.h>

const char *const agent_labels[AGENT_COUNT] = {
	[AGENT_WCHA] = "wcha", [AGENT_PSWA] = "pswa", [AGENT_VFA] = "vfa",
	[AGENT_SCA] = "sca",   [AGENT_IGA] = "iga",   [AGENT_TDA] = "tda",
};

const struct agent *agent_of_call(const char *name)
{
	static const struct agent *const all[] = {&wcha, &pswa, &vfa, &sca, &iga, &tda, &store};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		size_t n = strlen(all[i]->label);

		if (strncmp(name, all[i]->label, n) == 0 && (name[n] == '\0' || name[n] == '_'))
			return all[i];
	}
	return NULL;
}
