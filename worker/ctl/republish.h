/*
 * republish: refused jobs go back to where they were sent: claimed, published with confirm and
 * mandatory, then marked.
 *
 * A claim is a number of the leases' sequence, alive as long as this session holds its advisory
 * lock: two operators never publish the same letter, and what a dead one had in hand is free. It is
 * not a row lock, for a worker that refuses the job again must be able to say so meanwhile; the
 * letter is then dead again, and the mark leaves it so. A crash between confirm and mark publishes
 * the same message_id again: a job that was admitted is a duplicate then, one that was refused is
 * the same dead letter.
 */
#ifndef CTL_REPUBLISH_H
#define CTL_REPUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/db.h"
#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "engine/settings.h"

#include "ctl/args.h"
#include "ctl/audit.h"

struct republish {
	const struct settings *settings;
	struct db *db;
	struct mq *mq; /* made when it is needed */
	const struct audit *audit;
	const char *state;	     /* of the letters: dead or discarded */
	const struct arg_list *sets; /* --set */
	int64_t claim;
};

struct republished {
	const char *id;
	bool done;
	char why[256]; /* when it was not */
};

/* Takes a claim on the session. False: ERR_LOST. */
MUST_CHECK bool republish_begin(struct republish *r, struct err *e);
void republish_end(struct republish *r);

/* At most CHANGE_BATCH. An exit code: when it is not EXIT_DONE it has said why, and the rest is to
 * be left alone. */
int republish_letters(struct republish *r, struct republished *list, int n);

#endif
