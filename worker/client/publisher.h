/*
 * publisher: messages that the broker has for good: confirmed, mandatory, sent again where nobody
 * knows what became of them. One connection, made when it is needed and again when it is lost.
 *
 * Replies to reply_to "amq.rabbitmq.reply-to" come by the connection that the message went by, so
 * they are heard here too.
 */
#ifndef CLIENT_PUBLISHER_H
#define CLIENT_PUBLISHER_H

#include "cpoa/backoff.h"
#include "cpoa/mq.h"

#define REPLY_QUEUE "amq.rabbitmq.reply-to"

struct publisher {
	struct mq_options mq;
	void (*notice)(void *ctx, const char *text); /* may be NULL */
	/* A reply: it is handed over. */
	void (*reply)(void *ctx, struct mq_message *m);
	void *ctx;

	struct mq *conn; /* NULL: none */
	bool hears;	 /* for replies, on this connection */
	struct backoff backoff;
};

/* What is known of a message that was not taken. */
enum publisher_fate {
	PUBLISHER_TAKEN,
	PUBLISHER_UNSENT,
	PUBLISHER_UNKNOWN,
	PUBLISHER_UNROUTABLE,
	PUBLISHER_REFUSED
};

/* The first block is set by the caller. */
void publisher_init(struct publisher *p);
void publisher_release(struct publisher *p);

/* Connects if it is not connected. */
MUST_CHECK bool publisher_open(struct publisher *p, struct err *e);

/* Until `deadline_ms` (monotonic), with as many attempts as that takes. `reply`: it is subscribed
 * to replies first. */
enum publisher_fate publisher_send(struct publisher *p, const struct mq_publish *message,
				   bool reply, int64_t deadline_ms, struct err *e);

/* Takes in replies, waiting at most `timeout_ms`. False: the connection is lost, and with it every
 * reply that was to come by it. */
MUST_CHECK bool publisher_hear(struct publisher *p, int timeout_ms, struct err *e);

#endif
