/*
 * workflow: a kind of job, and the pure function that runs it. One file each in workflows/, and
 * their table.
 */
#ifndef CORE_WORKFLOW_H
#define CORE_WORKFLOW_H

#include <json-c/json.h>
#include <stdbool.h>

#include "cpoa/err.h"

struct run;

enum progress { RUN_WAITING, RUN_ENDED };

struct workflow {
	const char *type; /* queue, routing key, row, metric label */
	unsigned index;	  /* its place in the table */

	/* Checks the job's arguments: false (ERR_REJECT) and a sentence that names the field. */
	bool (*check)(struct json_object *args, struct err *e);

	/*
	 * Runs from the top each time a reply lands (core/run.h). Asks for calls, reads replies,
	 * and says RUN_WAITING, or ends by run_end() and says RUN_ENDED. Pure: no clock, socket,
	 * lock or SQL, no state of its own.
	 */
	enum progress (*step)(struct run *run);

	/*
	 * Ends it from outside: as failed (a crash loop, a text that cannot be stored), `code`
	 * being the dead letter's reason, or with a NULL code as cancelled. Like step, but with
	 * what has landed and nothing more.
	 */
	void (*give_up)(struct run *run, const char *code, const char *text);

	/* What users are shown at first, and at the end when all went well. */
	const char *started_message, *completed_message;
};

#endif
