/*
 * audit: who changes what, when and why. Every command that changes something writes a row in
 * `replays` for each thing that it touches, in the transaction that touches it.
 *
 * A statement that does so takes the parameters of audit_params() as $1 to $7 and its own from $8:
 *
 *	"INSERT INTO replays (" AUDIT_COLUMNS ", dead_letter_id, outcome) SELECT " AUDIT_VALUES ",
 *…"
 */
#ifndef CTL_AUDIT_H
#define CTL_AUDIT_H

#include "cpoa/uuid.h"

#define AUDIT_COLUMNS "replay_id, action, who, host, reason, filter, version"
#define AUDIT_VALUES  "$1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text"

enum { AUDIT_PARAMS = 7 };

struct audit {
	char replay_id[UUID_TEXT_SIZE]; /* one a command */
	const char *action;		/* "replay" "retry" "cancel" "discard" "edit"; a literal */
	char who[128], host[128];	/* user of the system, or "NAME as USER"; host */
	const char *reason;		/* --reason-text, or NULL */
	char *command;			/* the command line, as it could be typed again */
};

/* `argv` is of the subcommand; `command` what stands before it ("cpoa dead"). */
void audit_begin(struct audit *a, const char *action, const char *reason, const char *command,
		 int argc, char **argv);
void audit_release(struct audit *a);

/* --reason-text, and --as: who it is, where everybody is the same user (in a container). Either may
 * be NULL. */
void audit_explain(struct audit *a, const char *reason, const char *as);

void audit_params(const struct audit *a, const char *params[AUDIT_PARAMS]);

#endif
