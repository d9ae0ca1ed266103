/* stats: the metric families of interface.md §7. To add one: a family in stats.c, and a line here
 * if others count in it. */
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

#include "cpoa/metrics.h"

#include "engine/house.h"

/* Labels: a workflow's index (WORKFLOW_COUNT: other), an agent's index. */
extern struct metric m_jobs, m_workflows, m_workflow_duration, m_job_wait, m_calls, m_call_duration,
	m_call_retries, m_call_waits, m_breaker, m_inflight, m_dead_letters, m_rescued, m_fenced,
	m_ledger_commits, m_progress_untold, m_ledger_batch, m_db_connected, m_spans_exported,
	m_spans_dropped;

void stats_setup(struct house *house);
void stats_release(void);
void stats_print(struct strbuf *out);

/* What became of a job: its place in the outcomes of m_jobs. */
enum stats_arrival { JOBS_ADMITTED, JOBS_DUPLICATE, JOBS_REFUSED };

/* A workflow's change ended it; a call landed. */
void stats_ended(const struct run *run);
void stats_landed(const struct call *call);

/* The place of a dead letter's reason in its label set. */
size_t stats_reason(const char *reason);

#endif
