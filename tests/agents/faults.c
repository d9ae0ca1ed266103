/* faults.c - planned misbehaviour: what there is, how it is asked for, whom it meets */
#include "standin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A kind "x" is asked for as "x" at the POST and as "poll-x" at the status endpoint. */
static const struct fault_kind kinds[] = {
	{.name = "400", .effect = EFFECT_STATUS, .http = 400, .on_submit = true, .on_poll = true},
	{.name = "404", .effect = EFFECT_STATUS, .http = 404, .on_submit = true, .on_poll = true},
	{.name = "409", .effect = EFFECT_STATUS, .http = 409, .on_submit = true},
	{.name = "429", .effect = EFFECT_STATUS, .http = 429, .on_submit = true, .on_poll = true},
	{.name = "500", .effect = EFFECT_STATUS, .http = 500, .on_submit = true, .on_poll = true},
	{.name = "502", .effect = EFFECT_STATUS, .http = 502, .on_submit = true, .on_poll = true},
	{.name = "503", .effect = EFFECT_STATUS, .http = 503, .on_submit = true, .on_poll = true},
	{.name = "reset", .effect = EFFECT_RESET, .on_submit = true, .on_poll = true},
	{.name = "cut", .effect = EFFECT_CUT, .on_submit = true, .on_poll = true},
	{.name = "hang", .effect = EFFECT_HANG, .on_submit = true, .on_poll = true},
	{.name = "garbage",
	 .effect = EFFECT_GARBAGE,
	 .http = 200,
	 .on_submit = true,
	 .on_poll = true},
	{.name = "oversize",
	 .effect = EFFECT_OVERSIZE,
	 .http = 200,
	 .on_submit = true,
	 .on_poll = true},
	{.name = "slow", .effect = EFFECT_SLOW, .on_submit = true, .on_poll = true},
	{.name = "utf8", .effect = EFFECT_UTF8, .on_submit = true, .on_poll = true},
	{.name = "nul", .effect = EFFECT_NUL, .on_submit = true, .on_poll = true},
	{.name = "conflict", .effect = EFFECT_CONFLICT, .on_poll = true},
};

static const struct fault_kind *kind_by_name(const char *name, size_t len, bool poll)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct fault_kind *kind = &kinds[i];

		if (strlen(kind->name) == len && memcmp(kind->name, name, len) == 0)
			return (poll ? kind->on_poll : kind->on_submit) ? kind : NULL;
	}
	return NULL;
}

static bool parse_rate(const char *text, struct fault *fault)
{
	char *end = NULL;
	unsigned long first;

	if (strncmp(text, "first:", 6) == 0) {
		errno = 0;
		first = strtoul(text + 6, &end, 10);
		fault->first = (unsigned)first;
		return end != text + 6 && *end == '\0' && text[6] != '-' && errno == 0 &&
		       first <= 1000000;
	}
	fault->rate = strtod(text, &end);
	return end != text && *end == '\0' && fault->rate >= 0.0 && fault->rate <= 1.0;
}

static bool fail(char error[128], const char *spec, const char *why)
{
	(void)snprintf(error, 128, "fault \"%.60s\": %s", spec, why);
	return false;
}

bool fault_parse(const char *spec, struct fault *fault, char error[128])
{
	const char *at = spec;
	size_t len = strcspn(at, ":=");
	bool poll;

	*fault = (struct fault){.retry_after = -1};
	fault->agent = at[len] == ':' ? agent_by_name(at, len) : NULL;
	if (fault->agent) {
		at += len + 1;
		len = strcspn(at, ":=");
	}
	poll = strncmp(at, "poll-", 5) == 0;
	if (poll) {
		at += 5;
		len -= 5;
	}
	fault->kind = kind_by_name(at, len, poll);
	if (!fault->kind)
		return fail(error, spec, "no such agent or kind");
	fault->phase = poll ? PHASE_POLL : PHASE_SUBMIT;
	if (fault->kind->effect == EFFECT_CONFLICT)
		fault->phase = PHASE_TERMINAL;
	if (fault->kind->http == 429)
		fault->retry_after = 1;
	at += len;
	if (*at == ':') {
		char *end = NULL;

		fault->retry_after = strtol(at + 1, &end, 10);
		if (end == at + 1 || fault->retry_after < 0)
			return fail(error, spec, "seconds expected after the kind");
		at = end;
	}
	if (*at != '=' || !parse_rate(at + 1, fault))
		return fail(error, spec, "=RATE (0..1) or =first:N expected");
	return true;
}

/* A throw of the dice that depends on the seed and on which request it is, and not on the order
 * in which requests happen to arrive: a run with the same seed and keys fails in the same way. */
static double throw_dice(unsigned long seed, uint64_t hash, size_t fault, unsigned attempt)
{
	uint64_t what[4] = {seed, hash, fault, attempt};

	return (double)(hash_bytes(1, what, sizeof(what)) >> 11) / 9007199254740992.0; /* 2^53 */
}

const struct fault *faults_pick(const struct options *options, enum fault_phase phase,
				const struct agent *agent, uint64_t hash, unsigned attempt)
{
	unsigned left = attempt;

	for (size_t i = 0; i < options->fault_n; i++) {
		const struct fault *fault = &options->faults[i];

		if (fault->phase != phase || (fault->agent && fault->agent != agent))
			continue;
		if (fault->first > 0) {
			if (left <= fault->first)
				return fault;
			left -= fault->first; /* the next "first:" follows on this one */
		} else if (throw_dice(options->seed, hash, i, attempt) < fault->rate) {
			return fault;
		}
	}
	return NULL;
}
