/*
 * mq_private: what the files of mq share, and nobody else sees.
 */
#ifndef MQ_PRIVATE_H
#define MQ_PRIVATE_H

#include <amqp.h>
#include <amqp_framing.h>

#include "cpoa/mq.h"
#include "cpoa/strbuf.h"
#include "mq_frames.h"

enum { MQ_CHANNEL = 1 };

struct mq {
	amqp_connection_state_t conn;
	bool lost;	     /* there is nobody to say goodbye to */
	bool channel_closed; /* by the broker; the connection can still be closed in good order */
	bool confirms;
	bool tls;	    /* rabbitmq-c sends what is published; else we do (mq_write.c) */
	bool corked;	    /* what is published waits in `out` */
	struct strbuf out;  /* whole frames */
	uint64_t published; /* since confirms were asked for */
	int64_t look_at_ms; /* monotonic: when the kernel is asked again whether the peer is there
			     */
	struct mq_incoming in;
};

/* Each sets `e` and returns false; `what` begins the text. */
bool mq_lost(struct mq *mq, const char *what, int status, struct err *e);

/* True when the reply is a good one. */
bool mq_reply(struct mq *mq, const char *what, amqp_rpc_reply_t reply, struct err *e);

/* Whether nothing has been heard of the peer for so long that it is gone. */
bool mq_silent(struct mq *mq);

/* Sends a publishing, or puts it with those that wait. `headers`: at least the bytes that its
 * headers take. Not over TLS. */
bool mq_write(struct mq *mq, amqp_basic_publish_t *method, amqp_basic_properties_t *props,
	      size_t headers, const void *body, size_t len, struct err *e);

/* Sends what waits. */
bool mq_flush(struct mq *mq, struct err *e);

#endif
