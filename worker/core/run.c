/* run: the life of a workflow in progress, and the pass. */
#include "core/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "core/run_parts.h"

/* A waiting workflow must cost little: most need one block. */
enum { FIRST_BLOCK = 2016, GIVE_UP_SEQUENCE = 1000 };

const char *run_status_name(enum run_status status)
{
	static const char *const names[RUN_STATUSES] = {
		[STATUS_IN_PROGRESS] = "in_progress",
		[STATUS_COMPLETED] = "completed",
		[STATUS_COMPLETED_WITH_ERRORS] = "completed_with_errors",
		[STATUS_FAILED] = "failed",
		[STATUS_CANCELLED] = "cancelled",
	};

	return names[status];
}

struct run *run_new(const struct policy *policy)
{
	struct run *run = xcalloc(1, sizeof(*run));

	arena_init(&run->arena, FIRST_BLOCK);
	run->policy = policy;
	run->calls_tail = &run->calls;
	run->place = RUN_IN_HAND;
	atomic_init(&run->refs, 1);
	return run;
}

static void change_release(struct change *change)
{
	struct mail *mail;

	while ((mail = mail_shift(&change->events)))
		event_free(mail_of(mail, struct event, mail));
	while ((mail = mail_shift(&change->fleeting)))
		event_free(mail_of(mail, struct event, mail));
	while (change->saves) {
		struct save *save = change->saves;

		change->saves = save->next;
		free(save->text);
		free(save);
	}
	free(change->context);
	free(change->error);
	*change = (struct change){0};
}

static void run_free(struct run *run)
{
	change_release(&run->change);
	for (struct call *call = run->calls; call; call = call->next)
		call_release(call);
	json_put(&run->args);
	free(run->refused);
	free(run->verdict_text);
	mq_message_free(run->message);
	arena_release(&run->arena);
	free(run);
}

struct run *run_ref(struct run *run)
{
	atomic_fetch_add_explicit(&run->refs, 1, memory_order_relaxed);
	return run;
}

bool run_unref(struct run *run)
{
	if (atomic_fetch_sub_explicit(&run->refs, 1, memory_order_acq_rel) != 1)
		return false;
	run_free(run);
	return true;
}

/* ---- the pass ---- */

static void read_args(struct run *run)
{
	struct err e;

	if (!run->args && json_read(run->job.text, run->job.text_len, JSON_DEPTH_MAX, JSON_MEND,
				    &run->args, &e) != JSON_OK)
		BUG("a job that was admitted cannot be read any more: %s", e.text);
	if (!run->taken_over)
		return;
	/* Its row has the job; what is copied out of a job at the door is copied out of it here. */
	job_names(&run->job, &run->arena, run->args);
	run->unknown_user = json_str(run->args, "user_id") && uuid_is_zero(&run->job.user_id);
	run->taken_over = false;
}

static void begin_pass(struct run *run, int64_t wall_us)
{
	assert(run_is_whole(run));
	run->now_us = wall_us;
	run->stage = (struct stage){0};
	/* Every pass counts its way down the straight line anew, so that it numbers the same events
	 * alike. */
	run->sequence = run->sequence_base + 1;
	read_args(run);
}

/* What a client's page shows of a run in progress. free() it. */
static char *status_ui(const char *message, const char *stage)
{
	struct strbuf ui;

	json_begin(&ui);
	json_add_str(&ui, "message", message);
	json_add_str(&ui, "stage", stage);
	return json_end(&ui, NULL);
}

static void tell_started(struct run *run)
{
	char *ui = status_ui(run->job.workflow->started_message, "initialization");
	struct event_parts parts = {
		.kind = EVENT_STARTED,
		.sequence = run->sequence_base + 1,
		.status = run_status_name(STATUS_IN_PROGRESS),
		.ui_event = "generation_status",
		.ui = ui,
	};

	mail_append(&run->change.events, &event_make(run, &parts)->mail);
	free(ui);
}

/* What it holds, and what its last event could be as large as. */
static size_t size_of(const struct run *run)
{
	size_t size = arena_size(&run->arena);

	for (const struct call *call = run->calls; call; call = call->next)
		size += call->reply.text_len;
	return size;
}

void run_pass(struct run *run, int64_t wall_us)
{
	enum progress progress;

	assert(!run->change.ended);
	begin_pass(run, wall_us);
	if (!run->admitted)
		tell_started(run);
	if (size_of(run) > RUN_MEMORY_MAX || run->n_calls > CALLS_MAX) {
		run_give_up(run, "too_large",
			    "the workflow needs more calls or memory than one may have", wall_us);
		return;
	}
	progress = run->job.workflow->step(run);
	assert((progress == RUN_ENDED) == run->change.ended);
}

/* Calls that were planned and not committed never were. */
static void drop_new_calls(struct run *run)
{
	struct call **link = &run->calls;

	while (*link) {
		struct call *call = *link;

		if (call->news & CALL_NEW) {
			*link = call->next;
			call_release(call);
			run->n_calls--;
		} else {
			link = &call->next;
		}
	}
	run->calls_tail = link;
}

/* Replies that were not committed may be what could not be stored: the calls have landed, but with
 * words of ours. */
static void drop_new_replies(struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next) {
		if (!(call->news & CALL_ENDED))
			continue;
		reply_release(&call->reply);
		reply_failure(&call->reply, REPLY_MALFORMED, NULL, "the answer of %s was dropped",
			      call->agent_name);
		free(call->summary);
		call->summary = NULL;
	}
}

void run_give_up(struct run *run, const char *code, const char *text, int64_t wall_us)
{
	change_release(&run->change);
	drop_new_calls(run);
	drop_new_replies(run);
	begin_pass(run, wall_us);
	/* Beyond every number that a pass may have told: two events with one id would be one. */
	run->sequence += GIVE_UP_SEQUENCE;
	run->job.workflow->give_up(run, code, text);
	assert(run->change.ended);
}

bool run_has_news(const struct run *run)
{
	if (run->change.saves || run->change.events.head || run->change.ended)
		return true;
	for (const struct call *call = run->calls; call; call = call->next)
		if (call->news)
			return true;
	return false;
}

void run_settle(struct run *run)
{
	change_release(&run->change);
	for (struct call *call = run->calls; call; call = call->next)
		call->news = 0;
	run->admitted = true;
}

void run_rest(struct run *run)
{
	json_put(&run->args);
	for (struct call *call = run->calls; call; call = call->next)
		call_rest(call);
}

void run_give_back(struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next)
		call_give_back(call);
}

bool run_is_whole(const struct run *run)
{
	for (const struct call *call = run->calls; call; call = call->next)
		if (call->reply.away)
			return false;
	return true;
}

/* ---- for workflows ---- */

const char *run_str(struct run *run, const char *field)
{
	return json_str(run->args, field);
}

struct json_object *run_obj(struct run *run, const char *field)
{
	return json_obj(run->args, field);
}

static void add_save(struct run *run, enum save_kind kind, char *text)
{
	struct save *save = xcalloc(1, sizeof(*save)), **link = &run->change.saves;

	save->kind = kind;
	save->text = text;
	while (*link)
		link = &(*link)->next;
	*link = save;
}

void run_save(struct run *run, enum save_kind kind, struct strbuf *row)
{
	add_save(run, kind, json_end(row, NULL));
}

void run_save_stage(struct run *run, const char *stage)
{
	add_save(run, SAVE_STAGE, xstrdup(stage));
}

struct trace run_trace(const struct run *run, const struct uuid *part)
{
	struct trace trace = run->job.parent;
	struct uuid id = *part;
	char name[32];

	if (!run->job.traced) {
		memcpy(trace.trace_id, run->job.workflow_id.bytes, sizeof(trace.trace_id));
		trace.flags = 1;
	}
	if (run->sequence_base) {
		snprintf(name, sizeof(name), "retried after %u", run->sequence_base);
		id = uuid_named(part, name, strlen(name));
	}
	memcpy(trace.span_id, id.bytes + 8, sizeof(trace.span_id));
	return trace;
}

/* ---- stages ---- */

void run_stage(struct run *run, const char *name, const char *message)
{
	run->stage = (struct stage){.name = name, .message = message, .sequence = ++run->sequence};
}

void run_tell_stage(struct run *run)
{
	struct stage *stage = &run->stage;
	char *ui;
	struct event_parts parts = {
		.kind = EVENT_PROGRESS,
		.sequence = stage->sequence,
		.status = run_status_name(STATUS_IN_PROGRESS),
		.ui_event = "generation_status",
	};

	if (!stage->name || stage->told || stage->reached)
		return;
	stage->told = true;
	if (run->hushed) {
		run->untold++;
		return;
	}
	parts.ui = ui = status_ui(stage->message, stage->name);
	mail_append(&run->change.fleeting, &event_make(run, &parts)->mail);
	free(ui);
}

/* ---- the end ---- */

struct uuid run_terminal_id(const struct run *run)
{
	return event_id(&run->job.workflow_id, run->sequence + 1);
}

static enum event_kind event_of(enum run_status status)
{
	if (status == STATUS_FAILED)
		return EVENT_FAILED;
	return status == STATUS_CANCELLED ? EVENT_CANCELLED : EVENT_COMPLETED;
}

/* What an unchanged ASF shows its user: the terminal one of agents.md §1.1 step 11. */
static char *usual_ui(const struct run *run, struct ending *ending)
{
	const char *status = run_status_name(ending->status);
	bool well = ending->status == STATUS_COMPLETED;
	struct strbuf ui;

	json_begin(&ui);
	if (well || ending->error)
		json_add_str(&ui, "message",
			     well ? run->job.workflow->completed_message : ending->error);
	else
		json_add_joined(&ui, "message", "Task ended with status: ", status, NULL);
	json_add_str(&ui, "stage", "finalization");
	json_add_str(&ui, "final_status", status);
	json_add_bool(&ui, "is_terminal", true);
	ending->ui_event = well ? "generation_status" : "task_error";
	return json_end(&ui, NULL);
}

static char *context_text(const struct run *run, struct strbuf *context)
{
	struct strbuf own;

	if (run->unknown_user) {
		if (!context) {
			json_begin(&own);
			context = &own;
		}
		json_add_str(context, "warning",
			     "user_id is in no row of users and was stored as NULL");
	}
	return context ? json_end(context, NULL) : NULL;
}

static char *text_of(struct strbuf *object)
{
	return object ? json_end(object, NULL) : NULL;
}

static struct event *terminal_event(struct run *run, struct ending *ending)
{
	char *result = text_of(ending->result), *error = text_of(ending->error_details),
	     *ui = text_of(ending->ui), *stream = text_of(ending->stream);
	struct event_parts parts = {
		.kind = event_of(ending->status),
		.sequence = run->change.sequence,
		.status = run_status_name(ending->status),
		.result = result,
		.error = error,
		.stream = stream,
	};
	struct event *event;

	if (!ui && run->job.client_id)
		ui = usual_ui(run, ending);
	parts.ui = ui;
	parts.ui_event = ending->ui_event;
	event = event_make(run, &parts);
	free(result);
	free(error);
	free(ui);
	free(stream);
	return event;
}

enum progress run_end(struct run *run, struct ending *ending)
{
	struct change *change = &run->change;

	assert(!change->ended && (ending->status != STATUS_FAILED || ending->code));
	run_tell_stage(run);
	change->sequence = ++run->sequence;
	change->ended = true;
	change->status = ending->status;
	change->reason = ending->code;
	change->error = ending->error ? xstrdup(ending->error) : NULL;
	change->context = context_text(run, ending->context);
	change->terminal = terminal_event(run, ending);
	mail_append(&change->events, &change->terminal->mail);
	return RUN_ENDED;
}
