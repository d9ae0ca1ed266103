/*
 * mq_frames: puts the frames of one message together; rabbitmq-c hands them out one by one.
 */
#ifndef MQ_FRAMES_H
#define MQ_FRAMES_H

#include <amqp.h>
#include <amqp_framing.h>

#include "cpoa/mq.h"

/* The message that is coming in: a method that announces it, a header, and body frames. */
struct mq_incoming {
	size_t body_max;   /* set once */
	enum mq_kind kind; /* MQ_DELIVERY, MQ_RETURNED, or MQ_NOTHING: none is under way */
	uint64_t tag;
	bool redelivered;
	char consumer_tag[MQ_SHORT_MAX + 1];
	char exchange[MQ_SHORT_MAX + 1];
	char routing_key[MQ_SHORT_MAX + 1];
	struct mq_message *message; /* from the header on */
	uint64_t received;	    /* bytes of its body, kept or not */
};

/* Copies at most MQ_SHORT_MAX bytes as text and ends them. */
void mq_copy_short(char out[MQ_SHORT_MAX + 1], amqp_bytes_t from);

void mq_begin_delivery(struct mq_incoming *in, const amqp_basic_deliver_t *method);
void mq_begin_return(struct mq_incoming *in, const amqp_basic_return_t *method);

/* Both copy what they need. False: out of order, so the stream is not to be trusted any more. */
MUST_CHECK bool mq_take_header(struct mq_incoming *in, const amqp_basic_properties_t *properties,
			       uint64_t body_size);
MUST_CHECK bool mq_take_body(struct mq_incoming *in, amqp_bytes_t part);

/* The message, now the caller's, if it is whole; else NULL. */
struct mq_message *mq_take_whole(struct mq_incoming *in);

void mq_incoming_release(struct mq_incoming *in);

#endif
