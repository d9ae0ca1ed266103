/*
 * mq: one RabbitMQ connection with one channel, over rabbitmq-c; the only files that include it.
 *
 * rabbitmq-c is not thread-safe and sends heartbeats only inside its calls: a connection belongs to
 * one thread, which must call mq_next() at least every MQ_TICK_MS. Every frame that a broker may
 * send of its own accord (deliveries, confirms, returns, a cancelled consumer, connection.blocked,
 * a close) comes out of mq_next() as an event, so nothing piles up unread. Bodies have a ceiling:
 * what is longer is read off the wire and dropped, and its message says so.
 *
 * An error of class ERR_LOST means that the connection is gone: mq_close() it and open another.
 * ERR_REJECT is a refusal by the broker (a queue of another kind, no permission); AMQP closes the
 * channel then, so that connection is gone as well. ERR_USAGE is ours, before a byte was sent (a
 * name of more than MQ_SHORT_MAX bytes, headers that fit no frame): it stands.
 */
#ifndef CPOA_MQ_H
#define CPOA_MQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/err.h"

enum {
	MQ_HEARTBEAT_S = 10,
	MQ_TICK_MS = 1000, /* a fraction of the heartbeat */
	MQ_RPC_TIMEOUT_MS = 10000,
	MQ_HEADERS_MAX = 64,
	MQ_HEADER_VALUE_MAX = 8192,
	MQ_SHORT_MAX = 255, /* bytes of an AMQP short string */
};

struct mq;

struct mq_options {
	const char *url; /* amqp:// or amqps:// */
	const char *ca_file, *cert_file,
		*key_file; /* NULL or "": the system's CAs, no client certificate */
	const char *name;  /* shown in the broker's list of connections */
	size_t body_max;   /* bytes of a delivered body that are kept */
	int64_t connect_timeout_ms;
};

struct mq_header {
	const char *name,
		*value; /* every kind of value as text; tables, arrays and voids are left out */
};

/*
 * A message as it was delivered or returned. All in one block: mq_message_free. Strings are
 * NUL-terminated UTF-8; a NUL and each byte of broken UTF-8 has become 0x01 in them, so whoever
 * refuses control characters refuses it too. Not the body.
 */
struct mq_message {
	struct mq_message *next; /* its owner's */
	uint64_t tag;		 /* for ack and nack; void when the connection is gone */
	bool redelivered;
	const char *consumer_tag;
	const char *exchange, *routing_key;
	/* properties; NULL when absent */
	const char *content_type, *message_id, *correlation_id, *reply_to, *type, *app_id,
		*expiration, *content_encoding;
	uint8_t delivery_mode; /* 0 when absent */
	uint64_t timestamp;    /* seconds since 1970; 0 when absent */
	struct mq_header *headers;
	size_t n_headers;
	bool headers_cut; /* there were more than MQ_HEADERS_MAX, or longer than MQ_HEADER_VALUE_MAX
			   */
	const char *body; /* body_len bytes and a NUL */
	size_t body_len;  /* what is here */
	uint64_t body_size; /* what was sent; more than body_len: it was cut at the ceiling */
};

void mq_message_free(struct mq_message *m); /* NULL is fine; any thread */

/* The value of a header (names compare without case), or NULL. */
const char *mq_header(const struct mq_message *m, const char *name);

enum mq_kind {
	MQ_NOTHING,   /* the time is up */
	MQ_DELIVERY,  /* .message: the caller's to free */
	MQ_CONFIRMED, /* the broker has taken publishing `seq` (and all before, if `multiple`) */
	MQ_REFUSED,   /* the broker has refused it (basic.nack) */
	MQ_RETURNED,  /* unroutable and mandatory: .message; its MQ_CONFIRMED follows */
	MQ_CANCELLED, /* the broker has ended consumer .consumer_tag (its queue is gone) */
	MQ_BLOCKED,   /* the broker takes no publishing for now (alarm); .text says why */
	MQ_UNBLOCKED,
};

struct mq_event {
	enum mq_kind kind;
	struct mq_message *message;
	uint64_t seq;
	bool multiple;
	char text[MQ_SHORT_MAX + 1];
};

/* NULL on failure: ERR_LOST when the broker is not there, ERR_USAGE when it refuses us or the URL
 * is none. */
MUST_CHECK struct mq *mq_open(const struct mq_options *o, struct err *e);

/* Says goodbye when the connection still stands. NULL is fine. */
void mq_close(struct mq *mq);
void mq_close_ptr(struct mq **mq); /* for AUTO */

/*
 * The next thing that the broker has to say, waiting at most `timeout_ms` for it (0: only what has
 * come). False: ERR_LOST (or ERR_REJECT with the broker's words).
 */
MUST_CHECK bool mq_next(struct mq *mq, struct mq_event *event, int timeout_ms, struct err *e);

/* The socket, for poll(2). Readable is a hint: call mq_next(…, 0, …) until MQ_NOTHING before
 * waiting on it. */
int mq_fd(const struct mq *mq);

/* ---- topology ---- */

struct mq_argument {
	const char *name;
	const char *text; /* or */
	int64_t number;	  /* when text is NULL */
};

MUST_CHECK bool mq_declare_exchange(struct mq *mq, const char *name, const char *kind,
				    struct err *e); /* durable */
/* Durable; args in any order. With `name` "" and exclusive, `made` (MQ_SHORT_MAX + 1 bytes, may be
 * NULL) gets the name. */
MUST_CHECK bool mq_declare_queue(struct mq *mq, const char *name, bool exclusive,
				 const struct mq_argument *args, size_t n, char *made,
				 struct err *e);
/* Counts without changing anything; ERR_REJECT when there is no such queue. Either count may be
 * NULL. */
MUST_CHECK bool mq_inspect_queue(struct mq *mq, const char *name, uint32_t *ready,
				 uint32_t *consumers, struct err *e);
/* Likewise: ERR_REJECT when there is no such exchange. Its kind is not looked at. */
MUST_CHECK bool mq_inspect_exchange(struct mq *mq, const char *name, struct err *e);
MUST_CHECK bool mq_bind(struct mq *mq, const char *queue, const char *exchange,
			const char *routing_key, struct err *e);
MUST_CHECK bool mq_delete_queue(struct mq *mq, const char *name, struct err *e);

/* ---- consuming ---- */

/* At most `prefetch` unacked deliveries for each consumer that is started afterwards (1..65535). */
MUST_CHECK bool mq_prefetch(struct mq *mq, uint16_t prefetch, struct err *e);
/* `tag`: chosen by us, unique on this connection. no_ack: the broker forgets what it has sent. */
MUST_CHECK bool mq_consume(struct mq *mq, const char *queue, const char *tag, bool no_ack,
			   struct err *e);
MUST_CHECK bool mq_cancel(struct mq *mq, const char *tag, struct err *e);
MUST_CHECK bool mq_ack(struct mq *mq, uint64_t tag, bool multiple, struct err *e);
MUST_CHECK bool mq_nack(struct mq *mq, uint64_t tag, bool requeue, struct err *e);

/* ---- publishing ---- */

struct mq_publish {
	const char *exchange, *routing_key;
	const char *content_type, *message_id, *correlation_id, *reply_to, *type; /* NULL: absent */
	bool persistent, mandatory;
	int64_t timestamp; /* seconds; 0: absent */
	const struct mq_header *headers;
	size_t n_headers;
	const void *body;
	size_t len;
};

/* From here on every publishing is confirmed by an event. */
MUST_CHECK bool mq_confirm_select(struct mq *mq, struct err *e);

/* *seq (may be NULL) is the number that its MQ_CONFIRMED will carry. Returns before the broker has
 * it. */
MUST_CHECK bool mq_publish(struct mq *mq, const struct mq_publish *p, uint64_t *seq, struct err *e);

/*
 * Holds back what is published, so that many publishings go by one system call and share packets
 * (the broker reads as often as it is sent to); off again sends it all. Between the two only
 * mq_publish() may be called. What cannot be sent then is told by the next call.
 */
void mq_cork(struct mq *mq, bool on);

/* ---- asking what would be (mq_probe.c) ---- */

/*
 * Whether we may publish to that exchange: publishes in a transaction that is rolled back, so that
 * no queue ever sees it. The channel is of no other use afterwards.
 */
MUST_CHECK bool mq_try_publish(struct mq *mq, const char *exchange, struct err *e);

#endif
