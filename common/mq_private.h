/*
 * mq_private: what the files of mq share, and nobody else sees.
 */
#ifndef MQ_PRIVATE_H
#define MQ_PRIVATE_H

#include <amqp.h>
#include <amqp_framing.h>

#include "cpoa/mq.h"
#include "mq_frames.h"

enum { MQ_CHANNEL = 1 };

struct mq {
	amqp_connection_state_t conn;
	bool lost;	     /* there is nobody to say goodbye to */
	bool channel_closed; /* by the broker; the connection can still be closed in good order */
	bool confirms;
	uint64_t published; /* since confirms were asked for */
	int64_t look_at_ms; /* monotonic: when the kernel is asked again whether the peer is there
			     */
	struct mq_incoming in;
};

/* Each sets `e` and returns false; `what` begins the text. */
bool mq_lost(struct mq *mq, const char *what, int status, struct err *e);

/* True when the reply is a good one. */
bool mq_reply(struct mq *mq, const char *what, amqp_rpc_reply_t reply, struct err *e);

#endif
