/*
 * say: the fields of a log line that is about a workflow or a call: workflow.id, trace.id,
 * call.name, cpoa.agent. To be put among the arguments of log_info() and its like.
 */
#ifndef ENGINE_SAY_H
#define ENGINE_SAY_H

#include <string.h>

#include "cpoa/log.h"

#include "core/run.h"

static inline struct log_field say_trace(const struct run *run)
{
	struct trace trace = run_trace(run, &run->job.workflow_id);
	struct uuid id;

	memcpy(id.bytes, trace.trace_id, sizeof(id.bytes));
	return log_hex("trace.id", &id);
}

#define SAY_RUN(run) log_uuid("workflow.id", &(run)->job.workflow_id), say_trace(run)
#define SAY_CALL(call)                                            \
	SAY_RUN((call)->run), log_str("call.name", (call)->name), \
		log_str("cpoa.agent", (call)->agent_name)

#endif
