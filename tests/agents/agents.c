/* agents.c - the table of agents, and what they have in common */
#include "standin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct agent *const agents[AGENT_N] = {
	[WCHA] = &wcha_agent, [PSWA] = &pswa_agent, [VFA] = &vfa_agent,
	[SCA] = &sca_agent,   [IGA] = &iga_agent,   [TDA] = &tda_agent,
};

/* What X-Test-Scenario may ask of any agent; an agent's own scenario of the same name wins. */
static const struct scenario common_scenarios[] = {
	{.name = "nul", .nul = true},
	{.name = "slow_poll", .slow_poll = true},
	{.name = "failure",
	 .state = "FAILURE",
	 .http = 500,
	 .replace =
		 "{\"error\":{\"type\":\"task_failed\",\"message\":\"Simulated task failure.\"}}"},
	{.name = "http_400",
	 .refuse_http = 400,
	 .replace =
		 "{\"error_code\":\"SIMULATED_BAD_REQUEST\",\"message\":\"Simulated HTTP 400.\"}"},
	{.name = "http_500",
	 .refuse_http = 500,
	 .replace =
		 "{\"error_code\":\"SIMULATED_SERVER_ERROR\",\"message\":\"Simulated HTTP 500.\"}"},
	{.name = "not_json",
	 .refuse_http = 200,
	 .replace = "<html><body>This is no JSON at all</body></html>"},
	{.name = "rejected", .refuse_http = 204, .replace = ""},
	{.name = "bad_202",
	 .refuse_http = 202,
	 .replace = "{\"message\":\"Accepted, under a name that is not told.\"}"},
	{.name = NULL},
};

const struct agent *agent_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < AGENT_N; i++) {
		if (strlen(agents[i]->name) == len && strncasecmp(agents[i]->name, name, len) == 0)
			return agents[i];
	}
	return NULL;
}

const struct agent *agent_by_path(const char *path)
{
	for (size_t i = 0; i < AGENT_N; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(agents[i]->path); j++) {
			const char *served = agents[i]->path[j];

			if (served && strcmp(served, path) == 0)
				return agents[i];
		}
	}
	return NULL;
}

static const struct scenario *find_scenario(const struct scenario *scenario, const char *name)
{
	for (; scenario->name; scenario++) {
		if (strcmp(scenario->name, name) == 0)
			return scenario;
	}
	return NULL;
}

const struct scenario *agent_scenario(const struct agent *agent, const struct request *request)
{
	const char *name = request->header[HEADER_SCENARIO];
	const struct scenario *scenario = NULL;

	/* SCA and TDA are asked in the body. */
	if (!name)
		name = json_text(request->json, "error_trigger");
	if (name)
		scenario = find_scenario(agent->scenarios, name);
	if (name && !scenario)
		scenario = find_scenario(common_scenarios, name);
	return scenario;
}

/* Puts the scenario's result in the place of the agent's. */
static void work_replaced(const struct job *job, const struct scenario *scenario,
			  struct outcome *outcome)
{
	outcome->result = json_tokener_parse(scenario->replace);
	if (!outcome->result)
		abort(); /* the table is wrong */
	if (scenario->echo)
		json_object_object_add(outcome->result, scenario->echo,
				       json_object_get(json_member(job->body, scenario->echo)));
}

void agent_work(const struct job *job, const struct scenario *scenario, struct outcome *outcome)
{
	*outcome = (struct outcome){.state = "SUCCESS", .http = 200};
	if (scenario && scenario->replace) {
		work_replaced(job, scenario, outcome);
	} else {
		outcome->wrap = job->agent->wrap;
		job->agent->work(job, outcome);
	}
	if (!scenario)
		return;
	if (scenario->patch)
		json_patch(outcome->result, scenario->patch);
	if (scenario->state)
		outcome->state = scenario->state;
	if (scenario->http)
		outcome->http = scenario->http;
	outcome->wrap_sync = scenario->wrap_sync;
}

bool refuse(struct refusal *refusal, const char *code, const char *message)
{
	*refusal = (struct refusal){400, code, message};
	return false;
}
