/* work: one run in hand. */
#include "engine/work.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/json.h"

#include "engine/aftermath.h"
#include "engine/caller.h"
#include "engine/fault.h"
#include "engine/ledger.h"
#include "engine/outbox.h"
#include "engine/pool.h"
#include "engine/say.h"
#include "engine/send.h"
#include "engine/stats.h"
#include "engine/suspects.h"

enum {
	SHOWN_MAX = 300,   /* bytes of what an agent wrote that a sentence shows */
	HUSH_PENDING = 64, /* events */
	HUSH_CROWD = 8,	   /* workflows a commit */
};

/*
 * Reads the message, unless whoever has it comes to no end: a job that kills before it is committed
 * has no row that could count. The broker counts deliveries, also those that were handed back, so
 * it takes many; the innocents that came along with it get out before (suspects.h).
 */
static enum job_verdict read_job(struct house *house, struct run *run, struct err *e)
{
	long deliveries = message_deliveries(run->message);

	if (deliveries >= deliveries_max(house)) {
		err_set(e, ERR_REJECT,
			"it was delivered %ld times, and nobody came to commit or refuse it",
			deliveries);
		return JOB_CRASH_LOOP;
	}
	FAULT_WHEN(strstr(run->message->body, "chaos-venom"), venom);
	return job_read(&run->job, &run->arena, run->job.workflow, run->message, &run->args, e);
}

/*
 * Progress gives way: while more events wait for the broker than it takes to keep it busy, or so
 * many workflows move that a commit changes several, what is told at most once (interface.md §4) is
 * not told, and those that must be come sooner.
 */
static void pass(struct house *house, struct run *run, int64_t wall_us)
{
	run->hushed = outbox_pending(house->outbox) > HUSH_PENDING ||
		      atomic_load_explicit(&house->crowd, memory_order_relaxed) > HUSH_CROWD;
	run_pass(run, wall_us);
	if (run->untold)
		metric_add(&m_progress_untold, run->job.workflow->index, 0, run->untold);
	run->untold = 0;
}

/* A message that has just come: read it, and run its workflow up to its first calls, so that one
 * commit holds both. */
static void receive(struct house *house, struct run *run)
{
	struct err e = {0};

	FAULT(received);
	run->lease = atomic_load(&house->lease);
	if (!house_holds(house, run)) {
		aftermath_lost(house, run);
		return;
	}
	run->started_us = clock_wall_us();
	run->claims = 1;
	run->verdict = run->given_up ? job_given_up(run->message, &e) : read_job(house, run, &e);
	if (run->verdict == JOB_GOOD)
		pass(house, run, run->started_us);
	else
		run->verdict_text = xstrdup(e.text);
	/* A parsed job may be a hundred times its text. */
	run_rest(run);
	FAULT(planned);
	ledger_commit(house->ledger, run);
}

/*
 * Where an accepted call is to be polled. Only its own agent's host may say: an answer must not be
 * able to make us ask somebody else, with our headers on it.
 */
static void resolve(struct house *house, struct call *call)
{
	const char *base = house->policy.agent[call->agent->index].url;
	char url[HTTP_URL_MAX];
	struct err e;

	free(call->poll_url);
	call->poll_url = NULL;
	if (!http_resolve(base, call->status_url, url, &e))
		call_fail(call, REPLY_MALFORMED, clock_wall_us(),
			  "%s gave a status_url that is none: %.*s", call->agent->name,
			  (int)utf8_cut(e.text, strlen(e.text), SHOWN_MAX), e.text);
	else if (!http_same_origin(base, url))
		call_fail(call, REPLY_MALFORMED, clock_wall_us(),
			  "%s gave a status_url on another host than its own; it is refused",
			  call->agent->name);
	else
		call->poll_url = xstrdup(url);
}

static void say_answer(const struct call *call)
{
	const struct answer *a = &call->answer;

	log_debug(
		"an agent's answer", SAY_CALL(call),
		log_str("http.request.method", call->errand.kind == ERRAND_SUBMIT ? "POST" : "GET"),
		log_count("http.response.status_code", a->status),
		log_int("event.duration", a->took_us * 1000), log_str("error.message", a->error),
		LOG_END);
}

static void say_retry(const struct call *call, const struct errand *errand)
{
	static struct log_limit limit;
	int unsaid;

	if (call->state == CALL_LANDED || !log_wants(LOG_INFO) || !log_may(&limit, &unsaid))
		return;
	log_info("a call is submitted again", SAY_CALL(call),
		 log_str("error.message", call->trouble),
		 log_int("cpoa.call.retries", call->retries),
		 log_int("cpoa.call.wait_ms", errand->delay_ms),
		 log_count("log.suppressed", unsaid), LOG_END);
}

static void hear(struct house *house, struct call *call, struct rng *rng)
{
	unsigned retries = call->retries;
	struct errand errand;

	call->out = false;
	say_answer(call);
	errand = call_answer(call, &house->policy, rng, clock_mono_us(), clock_wall_us());
	if (call->retries > retries) {
		metric_add(&m_call_retries, call->agent->index, 0, call->retries - retries);
		say_retry(call, &errand);
	}
	if ((call->news & CALL_TAKEN) && call->state == CALL_ACCEPTED) {
		resolve(house, call);
		FAULT(accepted);
	}
	if (call->state == CALL_LANDED)
		return;
	call->errand = errand;
	/* Its request was given back: a pass builds it again, and resume() sends it. */
	if (errand.kind == ERRAND_SUBMIT && !call->request)
		return;
	/* That a call was accepted is committed before it is polled: then no crash can make it be
	 * submitted again. */
	if (!(call->news & CALL_TAKEN))
		send_call(house, call);
}

/* Whether something has come that the run is to be passed for. */
static bool hear_all(struct house *house, struct mail_list brought, struct rng *rng)
{
	struct mail *mail;
	bool due = false;

	while ((mail = mail_shift(&brought))) {
		struct call *call = mail_of(mail, struct call, mail);

		hear(house, call, rng);
		due |= call->state == CALL_LANDED || (!call->out && !call->request);
		if (run_unref(call->run))
			BUG("a call held the last reference to its run");
	}
	return due;
}

static void drop_all(struct mail_list brought)
{
	struct mail *mail;

	while ((mail = mail_shift(&brought))) {
		struct call *call = mail_of(mail, struct call, mail);

		call->out = false;
		if (run_unref(call->run))
			BUG("a call held the last reference to its run");
	}
}

/* Calls whose rows were there before: a run that was taken over sends them on from where they
 * stood, and one whose request was built again has its errand already. */
static void resume(struct house *house, struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next) {
		/* One without a request was not asked for: after a retry, the way to it may be
		 * another. */
		if (!call->agent || call->news || call->out || call->state == CALL_LANDED ||
		    !call->request)
			continue;
		if (call->errand.kind == ERRAND_NONE)
			call->errand = call_begin(call, &house->policy, clock_mono_us());
		send_call(house, call);
	}
}

static void run_taken_over(struct house *house, struct run *run)
{
	char text[128];

	for (struct call *call = run->calls; call; call = call->next)
		if (call->agent && call->state == CALL_ACCEPTED && !call->poll_url)
			resolve(house, call);
	if (run->claims > house->settings->max_claims) {
		snprintf(text, sizeof(text), "%d workers died while they ran it", run->claims - 1);
		run_give_up(run, "crash_loop", text, clock_wall_us());
	} else {
		FAULT_WHEN(strstr(run->job.text, "chaos-poison"), poison);
		pass(house, run, clock_wall_us());
	}
}

/* The pass that is due, or the end in its place. */
static void go_on(struct house *house, struct run *run, bool cancelled)
{
	run->pass_due = false;
	if (run->refused) {
		run_give_up(run, "unstorable", run->refused, clock_wall_us());
	} else if (cancelled) {
		run_give_up(run, NULL, "The workflow was cancelled by an operator.",
			    clock_wall_us());
	} else if (run->taken_over) {
		run_taken_over(house, run);
	} else {
		FAULT_WHEN(strstr(run->job.text, "chaos-poison"), poison);
		pass(house, run, clock_wall_us());
	}
}

void work_on(struct house *house, struct run *run, struct mail_list brought, struct rng *rng)
{
	bool cancelled, due;

	if (run->message && !run->admitted && !run->refused && run->verdict == JOB_GOOD &&
	    !run->job.text) {
		assert(!brought.head);
		receive(house, run);
		return;
	}
	if (!house_holds(house, run)) {
		drop_all(brought);
		aftermath_lost(house, run);
		return;
	}
	cancelled = atomic_load(&run->cancel_wanted);
	if (run->refused || cancelled || run->taken_over) {
		drop_all(brought);
		run->pass_due = true;
	} else if (hear_all(house, brought, rng)) {
		FAULT(answered);
		run->pass_due = true;
	}
	if (run->pass_due && !run_is_whole(run)) {
		run_rest(run); /* what was parsed does not wait for PostgreSQL */
		ledger_commit(house->ledger, run);
		return;
	}
	if ((due = run->pass_due))
		go_on(house, run, cancelled);
	if (!run->change.ended)
		resume(house, run);
	run_rest(run);
	FAULT_WHEN(run_has_news(run), planned);
	if (run_has_news(run))
		ledger_commit(house->ledger, run);
	else
		pool_rest(house->pool, run, due);
}
