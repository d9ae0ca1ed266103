/*
 * run: a workflow in progress.
 *
 * This header shows the program. A workflow is a pure function (struct workflow.step) of its job
 * and of the replies that have landed. The function runs from the top each time a reply lands, and
 * asks for calls by name:
 *
 *	struct call *call;
 *
 *	if (!run_ask(run, &pswa, "pswa", &call)) {
 *		json_begin(&request);          asked for the first time: it is planned
 *		json_add_str(&request, "topic", topic);
 *		call_send(call, &request, NULL);
 *	}
 *	return call_reply(call);               NULL until it has landed
 *
 * So it reads in a straight line, holds no thread while an agent thinks, fans out by asking for
 * several names before it returns, and a workflow that was taken over after a crash runs through
 * the very same code: its landed replies come from rows instead of from the wire.
 *
 * What one pass leaves to be stored and then done is the run's `change` and the `news` of its
 * calls. The engine commits it and afterwards, never before, sends the new calls, publishes the
 * events, and acks the message.
 *
 * A run is an actor: it is in exactly one place (enum run_place) and whoever has it there is the
 * only one to touch it, so it needs no lock. Mails for it (landed calls) wait in its inbox, which
 * is the pool's to guard.
 */
#ifndef CORE_RUN_H
#define CORE_RUN_H

#include <json-c/json.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cpoa/arena.h"
#include "cpoa/mailbox.h"

#include "core/call.h"
#include "core/event.h"
#include "core/job.h"
#include "core/policy.h"
#include "core/workflow.h"

enum run_status {
	STATUS_IN_PROGRESS,
	STATUS_COMPLETED,
	STATUS_COMPLETED_WITH_ERRORS,
	STATUS_FAILED,
	STATUS_CANCELLED,
	RUN_STATUSES
};

/* "in_progress" …: workflow_instances.overall_status and data.status of events. */
const char *run_status_name(enum run_status status);

/* Rows beside the workflow's own that a pass writes; each is a JSON object that its statement in
 * engine/sql.c takes apart. */
enum save_kind { SAVE_STAGE, SAVE_PODCAST, SAVE_SNIPPET, SAVE_KINDS };

struct save {
	struct save *next;
	enum save_kind kind;
	char *text; /* JSON; of SAVE_STAGE the podcast's cpoa_status */
};

/* What one pass leaves to be stored, besides the news of the calls. */
struct change {
	struct save *saves;
	struct mail_list events;   /* struct event: to be stored, then published */
	struct mail_list fleeting; /* struct event: progress, published after the commit */
	bool ended;
	/* when it has ended: */
	enum run_status status;
	char *context;		/* context_data_json */
	char *error;		/* error_message, or NULL */
	const char *reason;	/* of the dead letter, when it failed */
	struct event *terminal; /* also in events */
	unsigned sequence;
};

enum run_place {
	RUN_AT_REST, /* nobody has it; a call is with the caller */
	RUN_READY,   /* in the pool's queue */
	RUN_IN_HAND, /* a pool thread, the ledger, or whoever makes it: it will be put somewhere
			again */
	RUN_OVER,    /* ended, or lost: only calls on their way back still refer to it */
};

/* Where in the straight line a pass is: what new calls belong to, and what progress tells. */
struct stage {
	const char *name, *message;
	bool told;    /* by this pass */
	bool reached; /* a call was asked for under it */
	unsigned sequence;
};

struct run {
	struct mail mail; /* in the pool's queue, or the ledger's inbox */

	/* the pool's, under its lock */
	enum run_place place;
	struct mail_list inbox; /* struct call: each with an answer */
	atomic_int refs;	/* who holds it: its life, and one for each call with the caller */
	struct run *next_held, **held_at; /* in the pool's index of admitted workflows */
	unsigned rested;		  /* after how many of the pool's looks it has last moved */
	bool slow; /* it has rested for long: what it can spare goes whenever it rests */
	atomic_bool cancel_wanted; /* somebody has asked for its end */

	struct arena arena;
	struct job job;
	const struct policy *policy;
	int64_t lease;	   /* under which it was claimed */
	bool admitted;	   /* its row is committed */
	bool taken_over;   /* claimed from a dead worker, and not run here yet */
	bool from_row;	   /* came in by a claim and in no message */
	bool unknown_user; /* its user_id is in no row of users */
	int claims;
	int64_t started_us;	/* wall time */
	int64_t taken_us;	/* wall time: when it was taken over; 0: it was not */
	int64_t began_us;	/* monotonic, for the metrics */
	unsigned sequence_base; /* events before this attempt (a retried workflow goes on counting)
				 */
	struct mq_message *message; /* what it came in, until that is acked; NULL for one that was
				       taken over */
	uint64_t epoch;		    /* which connection that message's tag belongs to */
	enum job_verdict
		verdict; /* not JOB_GOOD: there is no workflow, only a message to be refused */
	char *verdict_text;
	bool given_up; /* by the broker: it came out of its dead letters, to become one of ours */

	struct call *calls, **calls_tail;
	int n_calls;

	/* ---- of the pass ---- */
	bool pass_due; /* something has come that it is to be passed for; with the ledger: replies
			  that are away come first */
	struct json_object *args; /* the job, parsed; NULL at rest */
	int64_t now_us;		  /* wall time: the same throughout a pass */
	struct stage stage;
	bool hushed;	 /* set by the engine: progress is not told, the broker has enough to do */
	unsigned untold; /* events that were left out for it; the engine counts and clears them */
	unsigned sequence;
	struct change change;
	char *refused;	       /* why PostgreSQL would not store the last change, or NULL */
	bool duplicate;	       /* the ledger found its job in a row already */
	int64_t not_before_us; /* monotonic: when the ledger is to try again */
};

/* ---- life cycle (engine) ---- */

/* An empty run with one reference. The job is to be read into run->job, args into run->args. */
struct run *run_new(const struct policy *policy);

/* Adds a call that stands in a row already. Its fields other than id and key are the engine's to
 * set. NULL: too many. */
struct call *run_restore_call(struct run *run, const struct agent *agent, const char *name);

/* Runs the workflow's function once. Afterwards run_has_news() says whether there is something to
 * commit. */
void run_pass(struct run *run, int64_t wall_us);

/* Ends it from outside instead: what a pass has planned and not committed is dropped. `code` is the
 * dead letter's reason; NULL: it is cancelled, and there is none. */
void run_give_up(struct run *run, const char *code, const char *text, int64_t wall_us);

bool run_has_news(const struct run *run);

/* The change is committed: forget it. What it was to cause must have been taken out of it. */
void run_settle(struct run *run);

/* Nothing to do until a reply lands: gives back the parsed forms. */
void run_rest(struct run *run);

/*
 * Nothing will land for a while, and nothing waits to be committed: gives back what stands in its
 * rows or can be made again (call_give_back). A run that waits for an agent to think has little
 * else.
 */
void run_give_back(struct run *run);

/* Whether a pass can read all its replies. If not, those that are away come first
 * (engine/ledger.h).
 */
bool run_is_whole(const struct run *run);

struct run *run_ref(struct run *run);
/* Drops a reference; true when it was the last and the run is gone. */
bool run_unref(struct run *run);

/* ---- for workflows and agents ---- */

/*
 * Asks for a call by its name, 1 to NAME_MAX_BYTES of printable ASCII, unique within the workflow.
 * True: it was asked for before and is under way or has landed. False: it needs its request by
 * call_send() in this pass, being new or taken over from a dead worker. The order of a new one is
 * the number of calls so far plus one.
 */
bool run_ask(struct run *run, const struct agent *agent, const char *name, struct call **call);

/*
 * The body of its request and the row's input (input NULL: the request itself); both are taken
 * over. Here as below, what is taken over is an object that json_begin() has opened: it is closed
 * and released by whom it is given to.
 */
void call_send(struct call *call, struct strbuf *request, struct strbuf *input);

/* Its reply, or NULL while it has not landed. */
struct reply *call_reply(struct call *call);

/* What the row is to show of its result (taken over). Set once, in the pass in which it landed;
 * later settings are ignored. */
void call_summary(struct call *call, struct strbuf *summary);
bool call_wants_summary(const struct call *call);

/* A row for work of ours that is done at once: no request, landed as it is made. Does nothing when
 * it is there already. Takes over `input` and `output`. */
void run_note(struct run *run, const char *agent_name, const char *name, int order,
	      struct strbuf *input, struct strbuf *output);

/* The calls that follow belong to this stage; its progress is told with the first of them. */
void run_stage(struct run *run, const char *name, const char *message);

/*
 * A row for work of ours that takes its time, such as one topic of many: planned when it is first
 * asked for (with `input`, taken over), landed by item_end() in a later pass or the same.
 */
struct call *run_item(struct run *run, const char *agent_name, const char *name, int order,
		      struct strbuf *input);

/* Ends an item with what the row is to show (taken over), or with an error (NULL: it went well).
 * Does nothing to one that has ended. */
void item_end(struct call *item, struct strbuf *output, const char *error);

/* Whether a call of this name landed in this very pass: what is to be written once is written now.
 */
bool run_landed_now(const struct run *run, const char *name);

/* Of a call that is new in this pass: its row's order, and its row's agent_name (a literal). */
void call_label(struct call *call, const char *agent_name, int order);

/*
 * A call's name made of a prefix and an id that somebody else chose: PREFIX_ID where that may stand
 * in a header, else PREFIX_ and a UUID named after the id.
 */
enum { CALL_NAME_SIZE = NAME_MAX_BYTES + 1 };
void call_name(char out[CALL_NAME_SIZE], const char *prefix, const char *id);

/* Writes a row beside (takes over `row`). */
void run_save(struct run *run, enum save_kind kind, struct strbuf *row);

/* The cpoa_status of the podcast that the job's task_id names. */
void run_save_stage(struct run *run, const char *stage);

const char *run_str(struct run *run, const char *field); /* of the job's arguments */
struct json_object *run_obj(struct run *run, const char *field);

/* The id that the terminal event will have. */
struct uuid run_terminal_id(const struct run *run);

/*
 * The trace context of a part of the run (its own id, or a call's): the job's trace, or one named
 * after the workflow; the span is named after the part. So it is the same for whoever runs it, and
 * another once the workflow is retried.
 */
struct trace run_trace(const struct run *run, const struct uuid *part);

/* How it ended. Everything is taken over; see struct event_parts. Without a `ui` one is made of the
 * rest. */
struct ending {
	enum run_status status;
	const char
		*code; /* of the failure: the dead letter's reason; NULL unless failed. A literal */
	const char *error; /* error_message; NULL: none. Copied */
	struct strbuf *context, *result, *error_details, *ui, *stream; /* NULL: none */
	const char *ui_event;
};

enum progress run_end(struct run *run, struct ending *ending);

#endif
