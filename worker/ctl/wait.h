/*
 * wait: until a job that was published has ended. Events tell of it; in case one is missed, or none
 * comes because the job was refused, PostgreSQL is looked into when it is configured.
 */
#ifndef CTL_WAIT_H
#define CTL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/client.h"

#include "ctl/spinner.h"
#include "engine/settings.h"

enum { WAIT_STAGE_SIZE = 64 };

struct wait {
	const struct settings *settings;
	struct cpoa_client *client; /* follows events since before the job was published */
	const char *type, *workflow_id, *message_id;
	const char *key;       /* given by the user, or NULL: then the job may be one that was there
				  already */
	const char *arguments; /* of the job: under that key there may be one with others, which is
				  none of ours */
	bool json;	       /* print events as they are */
	int64_t timeout_us;    /* 0: none */
	int64_t began_us;      /* monotonic, of the publishing */
	int64_t began_wall_us;

	/* its own */
	struct db *db;
	int64_t look_at_ms;
	bool row_ended; /* seen in the row already: its event should be here any moment */
	bool told_other, told_no_db;
	struct spinner spinner;
	char stage[WAIT_STAGE_SIZE]; /* that it is in, as far as it was heard */
};

/* Prints stages and result; returns the exit code. */
int wait_for_end(struct wait *w);

#endif
