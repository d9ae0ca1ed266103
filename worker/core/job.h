/*
 * job: what a message asks for, once it has been read and found good (interface.md §3).
 */
#ifndef CORE_JOB_H
#define CORE_JOB_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "cpoa/arena.h"
#include "cpoa/digest.h"
#include "cpoa/mq.h"
#include "cpoa/trace.h"
#include "cpoa/uuid.h"

#include "core/workflow.h"

/* Why a job was not taken: the dead letter's reason. */
enum job_verdict {
	JOB_GOOD,
	JOB_INVALID_JSON,
	JOB_INVALID_JOB,
	JOB_UNKNOWN_TYPE,
	JOB_TOO_LARGE,
	JOB_UNSTORABLE,
	JOB_IDEMPOTENCY_CONFLICT,
	JOB_CRASH_LOOP, /* it was delivered again and again, and whoever had it came to no end */
	/* what the broker has given up, before any worker could */
	JOB_EXPIRED,
	JOB_DELIVERY_LIMIT,
	JOB_QUEUE_FULL,
	JOB_BROKER_REJECTED,
	JOB_VERDICTS
};

/* "invalid_json" … */
const char *job_reason(enum job_verdict verdict);

/*
 * What the broker says of a message that it has dead-lettered. Its exchange becomes the one that it
 * was sent to, where the broker tells; the sentence goes into e->text.
 */
enum job_verdict job_given_up(struct mq_message *m, struct err *e);

/* All strings live in the arena of the run that the job belongs to. */
struct job {
	const struct workflow *workflow;
	struct uuid workflow_id;
	bool workflow_id_given; /* by X-Workflow-ID */
	const char *key;	/* idempotency key: printable ASCII */
	const char *text;	/* the arguments as compact JSON */
	size_t text_len;
	uint8_t digest[DIGEST_SIZE];	       /* of text */
	struct uuid user_id;		       /* zero: none */
	const char *client_id;		       /* NULL: none */
	const char *task_id;		       /* NULL: none */
	const char *reply_to, *correlation_id; /* NULL: none */
	bool traced;			       /* parent came with the job */
	struct trace parent;
	const char *tracestate; /* NULL: none */
	int64_t published_us;	/* wall time by the sender's clock; 0: unknown */
};

/*
 * Reads a message for `workflow` (NULL: its type is unknown) into *job, strings in the arena. Not
 * JOB_GOOD: e->text is a sentence that says what was wrong and where. On JOB_GOOD *args is a new
 * reference to the parsed arguments.
 */
enum job_verdict job_read(struct job *job, struct arena *arena, const struct workflow *workflow,
			  const struct mq_message *m, struct json_object **args,
			  struct err *e) MUST_CHECK;

/* Copies what the arguments say of whom the job is for: client_id and task_id. */
void job_names(struct job *job, struct arena *arena, struct json_object *args);

/* Whether a text may become a header's value: 1 to `max` printable ASCII characters. */
bool header_safe(const char *s, size_t max);

/*
 * Checks for the arguments of workflows: false (ERR_REJECT) and a sentence that names the field.
 * `max` counts characters. An absent or null optional field is fine.
 */
MUST_CHECK bool arg_text(struct json_object *args, const char *field, bool required, size_t max,
			 struct err *e);
MUST_CHECK bool arg_uuid(struct json_object *args, const char *field, bool required, struct err *e);
MUST_CHECK bool arg_kind(struct json_object *args, const char *field, enum json_type type,
			 struct err *e);

#endif
