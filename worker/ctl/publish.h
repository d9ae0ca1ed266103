/* publish: one message, taken by the broker or refused: mandatory, confirmed, sent again once when
 * no confirm comes. */
#ifndef CTL_PUBLISH_H
#define CTL_PUBLISH_H

#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "engine/settings.h"

/*
 * Publishes on a connection of its own. Returns an exit code; when it is not EXIT_DONE it has said
 * on stderr why. The second attempt carries the same message_id: whoever receives both takes them
 * for one.
 */
int publish(const struct settings *s, const struct mq_publish *message);

#endif
