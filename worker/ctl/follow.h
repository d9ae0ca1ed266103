/*
 * follow: what is published to cpoa.events, through an exclusive queue that goes when we do.
 *
 * A lost connection is made anew with a growing pause; what was published meanwhile is missed, and
 * whoever must not miss it looks into PostgreSQL (wait.c). follow_next() must be called at least
 * every second, for the heartbeat.
 */
#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

#include <json-c/json.h>
#include <stdint.h>

#include "cpoa/backoff.h"
#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "engine/settings.h"

struct follow {
	const struct settings *settings;
	const char *binding; /* "podcast_generation.#" */
	struct mq *mq;	     /* NULL: the connection is lost */
	struct backoff backoff;
	int64_t retry_at_ms; /* monotonic */
	int64_t lost_at_ms;
};

enum follow_news { FOLLOW_NOTHING, FOLLOW_EVENT, FOLLOW_LOST, FOLLOW_BACK };

/* Both strings must outlive it. False: the first connection could not be made. */
MUST_CHECK bool follow_open(struct follow *f, const struct settings *s, const char *binding,
			    struct err *e);
void follow_close(struct follow *f);

/* Waits for at most `timeout_ms`. On FOLLOW_EVENT *event is a new reference; on FOLLOW_LOST the
 * error says why. */
enum follow_news follow_next(struct follow *f, int timeout_ms, struct json_object **event,
			     struct err *e);

/* How long there has been no connection; 0: there is one. */
int64_t follow_lost_ms(const struct follow *f);

#endif
