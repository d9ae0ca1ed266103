/*
 * publish: messages, each taken by the broker or refused: mandatory, confirmed, sent again once
 * when no confirm comes.
 */
#ifndef CTL_PUBLISH_H
#define CTL_PUBLISH_H

#include <stdbool.h>

#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "engine/settings.h"

struct publishing {
	struct mq_publish message;
	enum { FATE_OPEN, FATE_TAKEN, FATE_REFUSED } fate;
	char why[256]; /* when it was refused */
	/* its own */
	uint64_t seq;
	bool returned;
};

/* It is not to be published, or was not taken. */
void publishing_refuse(struct publishing *p, const char *why);

/*
 * Publishes those whose fate is open, until none is. *mq is the connection (NULL: none yet), kept
 * for the next time; a lost one is made anew. Returns an exit code; when it is not EXIT_DONE it has
 * said on stderr why, and the broker may have some of those that are still open. A second attempt
 * carries the same message_id: whoever receives both takes them for one.
 */
int publish_all(const struct settings *s, struct mq **mq, struct publishing *list, int n);

#endif
