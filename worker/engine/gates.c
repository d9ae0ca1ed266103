#include "engine/gates.h"

#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"

#include "engine/stats.h"

void gates_init(struct gates *gates, const struct settings *settings)
{
	*gates = (struct gates){.breaker = settings_breaker(settings)};
	rng_seed(&gates->rng, 0);
	for (int i = 0; i < AGENT_COUNT; i++)
		gate_init(&gates->of[i], settings->agent[i].max_concurrent,
			  settings->agent[i].max_per_second, &gates->breaker, &gates->rng);
}

/* What an answer shows of its agent, as the breaker sees it. An agent that asks for less (429, or
 * Retry-After) has not failed; one that refuses (4xx) answers. */
static enum health health_of(const struct answer *a)
{
	switch (a->kind) {
	case ANSWER_UNREACHABLE:
	case ANSWER_TIMEOUT:
	case ANSWER_BROKEN:
		return HEALTH_BAD;
	case ANSWER_CAME:
		if (a->status == 429 || (a->status >= 500 && a->retry_after_ms >= 0))
			return HEALTH_LATER;
		return a->status >= 500 ? HEALTH_BAD : HEALTH_GOOD;
	case ANSWER_TOO_LARGE:
		return HEALTH_GOOD;
	case ANSWER_REFUSED:
	case ANSWER_NOT_ASKED:
		break;
	}
	return HEALTH_LATER;
}

/* A workflow's id is its sender's choice, and may be one of a row: each bit counts. */
static uint64_t hash_of(const struct run *run)
{
	uint64_t half[2];

	memcpy(half, run->job.workflow_id.bytes, sizeof(half));
	return ((half[0] ^ half[1]) * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
}

/* A breaker may have changed. */
static void tell(struct gates *gates, unsigned agent)
{
	static const char *const words[] = {
		[BREAKER_CLOSED] = "the breaker of an agent has closed",
		[BREAKER_HALF_OPEN] = "the breaker of an agent lets a request try",
		[BREAKER_OPEN] = "the breaker of an agent is open",
	};
	const struct gate *gate = &gates->of[agent];
	enum breaker_state was = gates->told[agent], is = gate->breaker.state;

	if (was == is)
		return;
	gates->told[agent] = is;
	metric_set(&m_breaker, agent, 0, is);
	log_line(
		was == BREAKER_CLOSED ? LOG_WARN : LOG_INFO, words[is],
		log_str("cpoa.agent", agent_labels[agent]),
		log_int("cpoa.breaker.waiting", gate->waiting),
		log_int("cpoa.breaker.pause_ms",
			is == BREAKER_OPEN ? (gate->breaker.until_us - clock_mono_us()) / 1000 : 0),
		LOG_END);
}

void gates_queue(struct gates *gates, struct turn *turn, const struct call *call,
		 const struct policy *policy, int64_t now_us)
{
	turn->poll = call->errand.kind == ERRAND_POLL;
	turn->failures = call->failures;
	turn->patience_us = policy->agent[call->agent->index].total_ms * 1000 - call->held_us;
	gate_queue(gate_of(gates, call), turn, now_us);
}

struct turn *gates_next(struct gates *gates, unsigned agent, int64_t now_us)
{
	struct turn *turn = gate_next(&gates->of[agent], now_us);

	tell(gates, agent);
	return turn;
}

void gates_hear(struct gates *gates, struct turn *turn, const struct call *call, int64_t now_us)
{
	gate_done(gate_of(gates, call), turn, health_of(&call->answer), hash_of(call->run), now_us);
	tell(gates, call->agent->index);
}

void gates_count_wait(struct gates *gates, const struct turn *turn, const struct call *call,
		      int64_t now_us)
{
	metric_add(&m_call_waits, call->agent->index,
		   gate_keeper(gate_of(gates, call), turn, now_us), 1);
}
