/*
 * gates: the caller's gates, one for each agent (core/gate.h), as calls and answers pass them; and
 * what is told of them: metrics, and a log line for each turn that a breaker takes. The caller's
 * thread alone.
 */
#ifndef ENGINE_GATES_H
#define ENGINE_GATES_H

#include "core/gate.h"
#include "engine/house.h"

struct gates {
	struct gate of[AGENT_COUNT];
	struct rng rng;
	struct breaker_policy breaker;
	enum breaker_state told[AGENT_COUNT];
};

void gates_init(struct gates *gates, const struct settings *settings);

static inline struct gate *gate_of(struct gates *gates, const struct call *call)
{
	return &gates->of[call->agent->index];
}

/* The call queues up for its errand; for a breaker it waits as long as a call may take. */
void gates_queue(struct gates *gates, struct turn *turn, const struct call *call,
		 const struct policy *policy, int64_t now_us);

/* gate_next() of an agent. */
struct turn *gates_next(struct gates *gates, unsigned agent, int64_t now_us);

/* call->answer has come. */
void gates_hear(struct gates *gates, struct turn *turn, const struct call *call, int64_t now_us);

/* It has queued up, and may not go yet. */
void gates_count_wait(struct gates *gates, const struct turn *turn, const struct call *call,
		      int64_t now_us);

#endif
