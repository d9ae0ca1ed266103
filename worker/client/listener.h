/*
 * listener: what is published to cpoa.events, through an exclusive queue that goes when we do.
 *
 * A lost connection is made anew with a growing pause; what was published meanwhile is missed, and
 * whoever must not miss it looks into PostgreSQL. listener_next() must be called at least every
 * second, for the heartbeat.
 */
#ifndef CLIENT_LISTENER_H
#define CLIENT_LISTENER_H

#include <stdint.h>

#include "cpoa/backoff.h"
#include "cpoa/mq.h"

struct listener {
	struct mq_options mq;
	char binding[MQ_SHORT_MAX + 1]; /* "podcast_generation.#" */

	struct mq *conn; /* NULL: the connection is lost */
	struct backoff backoff;
	int64_t retry_at_ms; /* monotonic */
	int64_t lost_at_ms;
};

enum listener_news { LISTENER_NOTHING, LISTENER_MESSAGE, LISTENER_LOST, LISTENER_BACK };

/* The first block is set by the caller. False: the first connection could not be made. */
MUST_CHECK bool listener_open(struct listener *l, struct err *e);
void listener_close(struct listener *l);

/* Waits for at most `timeout_ms`. On LISTENER_MESSAGE *message is the caller's to free; on
 * LISTENER_LOST the error says why. */
enum listener_news listener_next(struct listener *l, int timeout_ms, struct mq_message **message,
				 struct err *e);

/* How long there has been no connection; 0: there is one. */
int64_t listener_lost_ms(const struct listener *l);

#endif
