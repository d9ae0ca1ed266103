/* aftermath: what a commit causes. */
#include "engine/aftermath.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

#include "engine/caller.h"
#include "engine/fault.h"
#include "engine/harvester.h"
#include "engine/intake.h"
#include "engine/ledger.h"
#include "engine/pool.h"
#include "engine/say.h"
#include "engine/send.h"
#include "engine/spans.h"
#include "engine/stats.h"

static bool harvested_here(const struct house *house, const struct call *call)
{
	return call->agent->index == AGENT_WCHA && !*house->policy.agent[AGENT_WCHA].url;
}

/* Where a call goes that is not the caller's; else false. */
static bool send_inside(struct house *house, struct call *call)
{
	if (call->agent->local)
		ledger_look_up(house->ledger, call);
	else if (harvested_here(house, call))
		harvester_send(house->harvester, call);
	else
		return false;
	return true;
}

static void begin_call(struct call *call)
{
	assert(!call->out && call->errand.kind != ERRAND_NONE);
	call->out = true;
	call->state = call->errand.kind == ERRAND_SUBMIT ? CALL_SUBMITTING : CALL_ACCEPTED;
	if (call->errand.kind == ERRAND_SUBMIT)
		call->attempts++;
	run_ref(call->run);
}

void send_call(struct house *house, struct call *call)
{
	begin_call(call);
	if (!send_inside(house, call))
		caller_send(house->caller, call);
}

void house_enter(struct house *house, struct run *run)
{
	run->began_us = clock_mono_us();
	atomic_fetch_add(&house->inflight, 1);
	metric_add(&m_inflight, run->job.workflow ? run->job.workflow->index : WORKFLOW_COUNT, 0,
		   1);
}

void house_leave(struct house *house, struct run *run)
{
	atomic_fetch_sub(&house->inflight, 1);
	atomic_fetch_sub(&house->from_rows, run->from_row);
	metric_add(&m_inflight, run->job.workflow ? run->job.workflow->index : WORKFLOW_COUNT, 0,
		   -1);
	run_unref(run);
	/* One poke for all who leave before intake looks again. */
	if (atomic_load(&house->room_wanted) && atomic_exchange(&house->room_wanted, false))
		intake_poke(house->intake);
}

static void settle_message(struct house *house, struct run *run)
{
	if (!run->message)
		return;
	FAULT(admitted);
	intake_ack(house->intake, run->epoch, run->message->tag);
	mq_message_free(run->message);
	run->message = NULL;
}

/* In the order of their numbers: the start, the progress, the end. */
static void tell(struct run *run, struct mail_list *all)
{
	struct mail_list last = {0};
	struct mail *mail;

	while ((mail = mail_shift(&run->change.events)))
		mail_append(mail_of(mail, struct event, mail)->kind == EVENT_STARTED ? all : &last,
			    mail);
	while ((mail = mail_shift(&run->change.fleeting)))
		mail_append(all, mail);
	mail_join(all, &last);
}

static void send_calls(struct house *house, struct run *run, struct mail_list *calls)
{
	for (struct call *call = run->calls; call; call = call->next) {
		unsigned news = call->news;

		if (!call->agent || call->state == CALL_LANDED || !news)
			continue;
		if (news & CALL_NEW)
			call->errand = call_begin(call, &house->policy, clock_mono_us());
		begin_call(call);
		if (!send_inside(house, call))
			mail_append(calls, &call->mail);
	}
}

static void log_end(const struct run *run)
{
	const struct change *change = &run->change;

	log_line(change->status == STATUS_FAILED ? LOG_WARN : LOG_INFO, "workflow ended",
		 SAY_RUN(run), log_str("workflow.type", run->job.workflow->type),
		 log_str("event.outcome", run_status_name(change->status)),
		 log_int("event.duration", (run->now_us - run->started_us) * 1000),
		 log_str("error.code", change->reason), log_str("error.message", change->error),
		 LOG_END);
}

/* A call that has landed: counted, and told of when it has failed. */
static void landed(const struct call *call)
{
	static struct log_limit limit;
	int unsaid;

	stats_landed(call);
	if (call->reply.kind == REPLY_RESULT || !log_may(&limit, &unsaid))
		return;
	log_warn("a call failed", SAY_CALL(call),
		 log_str("error.code", reply_kind_name(call->reply.kind)),
		 log_str("error.message", call->reply.error),
		 log_count("http.response.status_code", call->reply.http_status),
		 log_int("cpoa.call.retries", call->retries), log_count("log.suppressed", unsaid),
		 LOG_END);
}

static void over(struct house *house, struct run *run)
{
	bool out = false;

	for (struct call *call = run->calls; call; call = call->next)
		out |= call->out;
	pool_over(house->pool, run);
	if (out) {
		caller_forget(house->caller, run_ref(run));
		harvester_forget(house->harvester, run_ref(run));
	}
	house_leave(house, run);
}

static void refused_for_good(struct house *house, struct run *run)
{
	const char *type = run->job.workflow ? run->job.workflow->type : "unknown";
	size_t index = run->job.workflow ? run->job.workflow->index : WORKFLOW_COUNT;

	metric_add(&m_jobs, index, JOBS_REFUSED, 1);
	metric_add(&m_dead_letters, index, stats_reason(job_reason(run->verdict)), 1);
	log_warn("job refused", SAY_RUN(run), log_str("workflow.type", type),
		 log_str("error.code", job_reason(run->verdict)),
		 log_str("error.message", run->verdict_text),
		 log_str("message.id", run->message->message_id), LOG_END);
	settle_message(house, run);
	over(house, run);
}

/* An admitted workflow that is let go. If its session was lost, that is no death of its worker. */
static void pardon(struct house *house, const struct run *run)
{
	if (run->lease != atomic_load(&house->lease) && !atomic_load(&house->stopping))
		ledger_forgive(house->ledger, &run->job.workflow_id, run->lease);
	metric_add(&m_fenced, 0, 0, 1);
}

void aftermath_committed(struct house *house, struct run *run, struct mail_list *events,
			 struct mail_list *calls)
{
	bool ended = run->change.ended, held = house_holds(house, run);

	if (run->verdict != JOB_GOOD) {
		refused_for_good(house, run);
		return;
	}
	if (run->message)
		metric_add(&m_jobs, run->job.workflow->index, JOBS_ADMITTED, 1);
	if (run->message && run->job.published_us && run->started_us > run->job.published_us)
		metric_observe(&m_job_wait, run->job.workflow->index, 0,
			       run->started_us - run->job.published_us);
	if (!run->admitted)
		log_debug("workflow admitted", SAY_RUN(run),
			  log_str("workflow.type", run->job.workflow->type), LOG_END);
	settle_message(house, run);
	for (struct call *call = run->calls; call; call = call->next)
		if ((call->news & CALL_ENDED) && call->agent && !call->agent->local)
			landed(call);
	if (ended) {
		FAULT(ended);
		stats_ended(run);
		spans_workflow(house, run);
		log_end(run);
	} else if (held) {
		FAULT(calling);
		send_calls(house, run, calls);
	}
	tell(run, events);
	run_settle(run);
	/* What is let go in the middle is in its rows: whoever claims it goes on from there. */
	if (!ended && !held)
		pardon(house, run);
	if (ended || !held)
		over(house, run);
	else
		pool_rest(house->pool, run, true);
}

void aftermath_duplicate(struct house *house, struct run *run)
{
	metric_add(&m_jobs, run->job.workflow->index, JOBS_DUPLICATE, 1);
	log_debug("a job has come again", log_str("workflow.type", run->job.workflow->type),
		  log_str("message.id", run->message ? run->message->message_id : NULL), LOG_END);
	settle_message(house, run);
	over(house, run);
}

void aftermath_refused(struct house *house, struct run *run, const char *why)
{
	log_error("PostgreSQL would not store a change", SAY_RUN(run),
		  log_str("error.message", why), LOG_END);
	if (!run->admitted) {
		run->verdict = JOB_UNSTORABLE;
		run->verdict_text = xstrdup(why);
		ledger_commit(house->ledger, run);
		return;
	}
	run->refused = xstrdup(why);
	pool_put(house->pool, run);
}

void aftermath_lost(struct house *house, struct run *run)
{
	if (run->message)
		intake_return(house->intake, run->epoch, run->message->tag);
	if (run->admitted)
		pardon(house, run);
	log_debug("a workflow is let go", SAY_RUN(run), LOG_END);
	over(house, run);
}
