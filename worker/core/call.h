/*
 * call: one call of an agent, as a pure transition.
 *
 * A call is asked for by name, planned (a row is written), submitted, perhaps accepted (202) and
 * polled, and lands: it has a reply, which is a result or a failure, and never changes again. Every
 * attempt carries the same idempotency key.
 *
 *	PLANNED ─▶ SUBMITTING ─▶ LANDED
 *	              │  ▲  └─▶ ACCEPTED ─▶ POLLING ─▶ LANDED
 *	              └──┘ retry, conflict, lost task ──┘
 *
 * call_answer() takes what came of one request and says what to do next (struct errand): nothing
 * here waits, sends, or looks at a clock. What is retried, for how long, and what ends a call:
 * agents.md §0, §2.0, §5.
 *
 * A call belongs to its run, and is in exactly one place: with its run, or with the caller
 * (engine/caller.h) on an errand.
 */
#ifndef CORE_CALL_H
#define CORE_CALL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "cpoa/backoff.h"
#include "cpoa/json.h"
#include "cpoa/mailbox.h"
#include "cpoa/uuid.h"

#include "core/policy.h"

struct call;
struct run;

/* What came of a call. */
enum reply_kind {
	REPLY_RESULT,	   /* a result that the agent's accept() took */
	REPLY_UNREACHABLE, /* no answer: connection, time, size */
	REPLY_HTTP,	   /* an answer whose status is a failure */
	REPLY_NOT_JSON,	   /* an answer that is no JSON object */
	REPLY_REPORTED,	   /* the agent says that it failed */
	REPLY_MALFORMED,   /* a result that lacks what it must have */
	REPLY_TASK_FAILED, /* the agent's task ended in FAILURE */
	REPLY_TIMED_OUT,   /* no result within the call's whole time */
	REPLY_KINDS
};

/*
 * The reply of a call: kept as text (what the row holds), parsed when somebody reads it. `error` is
 * NULL for a result, else a sentence for people; the body is then what the agent said, if anything.
 * One that is away may not be read: call_recall() comes first.
 */
struct reply {
	enum reply_kind kind;
	int http_status; /* 0: none */
	bool polled;	 /* a poll brought it, not the submission */
	char *error;
	char *text; /* the body as JSON text, or NULL */
	size_t text_len;
	bool away;		  /* its text stands in its row alone; text_len stays */
	struct json_object *body; /* its parsed form, once somebody has needed it: reply_body() */
};

/* "result", "unreachable" …: as the row has it, and metrics. */
const char *reply_kind_name(enum reply_kind kind);

/* The body; NULL when there is none. Valid until the run rests. */
struct json_object *reply_body(struct reply *reply);
const char *reply_string(struct reply *reply, const char *key);

/* The text of one member of the body, without reading the others: to be written on as it stands
 * (json_add_text). */
struct json_slice reply_member(const struct reply *reply, const char *key);

/*
 * The beginning of a member that is a string, without reading the rest: at least `max` bytes where
 * it has as many, and what comes after them is not to be relied on. NULL: no string; free() it.
 */
char *reply_start(struct reply *reply, const char *key, size_t max);

/* For an agent's accept(): it was a result (takes over `body`), or it was not (adds a reference to
 * `body`, may be NULL). The text is written when the body is not the very answer. */
void reply_result(struct reply *reply, struct json_object *body);
void reply_failure(struct reply *reply, enum reply_kind kind, struct json_object *body,
		   const char *fmt, ...) PRINTF_LIKE(4, 5);
void reply_release(struct reply *reply);

/* Its text goes, if it has one; it is away then. */
void reply_give_back(struct reply *reply);

/* Its text, of what was read or made, unless it has one. */
void reply_write(struct reply *reply);

/* An agent: who is called, and how its answers are read. One file each in agents/. */
struct agent {
	const char *name;  /* "PSWA": in task_instances and in sentences */
	const char *label; /* "pswa": in metrics, idempotency keys, test_scenarios */
	unsigned index;	   /* its place in policy.agent */
	bool local;	   /* answered by the ledger from our own tables, not over HTTP */
	/* Reads a result (a JSON object) and makes it the reply by reply_result or reply_failure.
	 * Once per call. */
	void (*accept)(const struct call *call, struct json_object *result, struct reply *reply);
};

enum call_state { CALL_PLANNED, CALL_SUBMITTING, CALL_ACCEPTED, CALL_LANDED };

/* What a change must store of a call. */
enum call_news { CALL_NEW = 1, CALL_TAKEN = 2, CALL_ENDED = 4 };

/* What to do next about a call. */
enum errand_kind {
	ERRAND_NONE, /* nothing: it has landed */
	ERRAND_SUBMIT,
	ERRAND_POLL,
};

struct errand {
	enum errand_kind kind;
	int64_t delay_ms;
};

/* How a request ended, without HTTP's library: core links with none. */
enum answer_kind {
	ANSWER_CAME,
	ANSWER_UNREACHABLE,
	ANSWER_TIMEOUT,
	ANSWER_BROKEN,
	ANSWER_TOO_LARGE,
	ANSWER_REFUSED,
	ANSWER_NOT_ASKED /* its breaker has kept the call as long as a call may take */
};

struct answer {
	enum answer_kind kind;
	int status;
	int64_t retry_after_ms; /* -1: none */
	char *body;		/* free() it */
	size_t len;
	char *error; /* when nothing came; free() it */
	int64_t took_us;
};

/* How a call's time went by, as far as this worker has seen it: for whoever tells of it. */
struct call_times {
	unsigned requests, polls;
	int64_t submit_us;   /* in requests that submit */
	int64_t accepted_us; /* wall time of the 202, or of the first poll here; 0: none */
};

struct call {
	struct mail mail;  /* between its run and the caller */
	struct call *next; /* of its run, in the order of asking */
	struct run *run;
	const struct agent *agent; /* NULL: work of our own that has a row but no request */

	/* what its row holds */
	struct uuid id;		/* named after workflow and call: the same for whoever runs it */
	const char *name;	/* unique within the workflow: "pswa", "sca_<topic id>" */
	const char *agent_name; /* task_instances.agent_name */
	const char *stage;	/* "pswa_script_generation", or NULL */
	const char *key;	/* idempotency key: <job's key>_<name> */
	int order;
	char *input;	   /* input_params_json */
	char *summary;	   /* output_result_summary_json, once landed well */
	char *external_id; /* the agent's own task id, once accepted */
	char *status_url;  /* as the agent gave it */
	unsigned retries;  /* retry_count: submissions after the first, for whatever reason */
	int64_t planned_us, landed_us; /* wall time */
	struct reply reply;

	/* bookkeeping */
	enum call_state state;
	unsigned news;
	char *request; /* body of the submission, until it lands */
	size_t request_len;
	char *poll_url; /* status_url resolved */
	const char
		*scenario; /* "X-Test-Scenario: …" when the job has one for this agent, or NULL */
	char *trouble;	   /* why it was last submitted again, or NULL */
	unsigned attempts; /* submissions in this process */
	unsigned failures; /* of them, those that count against policy.retries */
	bool asked;	   /* its first request has gone out: the deadline runs from then */
	int64_t deadline_us;	 /* monotonic; 0: not begun */
	int64_t held_us;	 /* how long its agent's breaker has kept it (core/gate.h) */
	struct errand errand;	 /* what to do once the change is committed */
	struct answer answer;	 /* brought back by the caller */
	bool out;		 /* it is with the caller, or on its way back */
	struct call_times times; /* engine/spans.c's */
	void *flight;		 /* the caller's, while the call is with it */
};

/* The first errand of a call, new or taken over: submit, or poll on what an agent has accepted.
 * Starts its deadline. */
struct errand call_begin(struct call *call, const struct policy *policy, int64_t now_us);

/*
 * What call->answer means for the call, which is changed accordingly (news set); the answer is
 * consumed. `now_us` is monotonic, `wall_us` becomes landed_us. A relative status_url is left for
 * the engine to resolve: after CALL_TAKEN it must set poll_url, or call_fail().
 */
struct errand call_answer(struct call *call, const struct policy *policy, struct rng *rng,
			  int64_t now_us, int64_t wall_us);

/* Lands it as a failure. */
void call_fail(struct call *call, enum reply_kind kind, int64_t wall_us, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* The row's `reply` (JSON: kind, http_status, error, body) added to a buffer, and read again by
 * whoever takes the workflow over. */
void call_reply_write(const struct call *call, struct strbuf *sb);
bool call_reply_read(struct call *call, const char *text, size_t len) MUST_CHECK;
/* The row's error_details_json, NULL for a result. */
char *call_error_text(const struct call *call);

/* Gives back what only a pass needs. */
void call_rest(struct call *call);

/*
 * Gives back what stands in its row or can be made again, of a call that has no news: what its
 * commit needed, the reply's text, and the request of one that was accepted (for a task that its
 * agent has lost, the next pass builds it again, as for a call that was taken over). The call may
 * be out.
 */
void call_give_back(struct call *call);

/* The reply's text again, from the row's `reply`; false: it cannot be read, and the reply is as it
 * was. */
bool call_recall(struct call *call, const char *text, size_t len) MUST_CHECK;
void call_release(struct call *call);

#endif
