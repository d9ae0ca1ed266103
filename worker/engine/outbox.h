/*
 * outbox: the thread that publishes events and hears their confirms. Events go out in the order in
 * which they come, so in order for each workflow. What is lost with a connection is published
 * again, except progress, which is sent once at most.
 */
#ifndef ENGINE_OUTBOX_H
#define ENGINE_OUTBOX_H

#include "engine/house.h"

MUST_CHECK struct outbox *outbox_start(struct house *house, struct err *e);

/* Publishes what it has, for at most `timeout_ms`, and ends the thread. What is left has its row.
 */
void outbox_stop(struct outbox *outbox, int64_t timeout_ms);
void outbox_free(struct outbox *outbox);

/* Committed events to be published; the list is taken over. Any thread; never blocks. */
void outbox_publish(struct outbox *outbox, struct mail_list *events);

/* Events in hand, confirmed or not. Any thread. */
int64_t outbox_pending(const struct outbox *outbox);

#endif
