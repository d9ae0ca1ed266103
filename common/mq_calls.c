/*
 * What is asked of the broker: topology, consuming, publishing.
 */
#include "cpoa/mq.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cpoa/clock.h"

#include "mq_private.h"

enum {
	PROPERTIES_MAX = 120000, /* bytes; they and all headers must fit into one frame */
	ARGUMENTS_MAX = 16,
	SILENCE_SPARE_MS = 500, /* before rabbitmq-c calls it silence */
	SILENCE_LOOK_MS = 50,	/* how often the kernel is asked, at most */
};

static amqp_bytes_t bytes_of(const char *s)
{
	return (amqp_bytes_t){.len = strlen(s), .bytes = (void *)(uintptr_t)s};
}

/* rabbitmq-c would write the low 8 bits of the length, and garble the frame (amqp_framing.c). */
static bool short_enough(const char *what, const char *s, struct err *e)
{
	if (!s || strlen(s) <= MQ_SHORT_MAX)
		return true;
	return err_set(e, ERR_USAGE, "%s: more than %d bytes", what, MQ_SHORT_MAX);
}

/* After an RPC, once its answer has been copied. */
static bool asked(struct mq *mq, const char *what, struct err *e)
{
	if (!mq_reply(mq, what, amqp_get_rpc_reply(mq->conn), e))
		return false;
	amqp_maybe_release_buffers(mq->conn);
	return true;
}

static bool sent(struct mq *mq, const char *what, int status, struct err *e)
{
	return status == AMQP_STATUS_OK || mq_lost(mq, what, status, e);
}

static bool usable(struct mq *mq, const char *what, struct err *e)
{
	if (!mq->lost && !mq->channel_closed)
		return true;
	return mq_lost(mq, what, AMQP_STATUS_SOCKET_CLOSED, e);
}

/* ---- topology ---- */

bool mq_declare_exchange(struct mq *mq, const char *name, const char *kind, struct err *e)
{
	if (!short_enough("exchange", name, e) || !usable(mq, "declare exchange", e))
		return false;
	amqp_exchange_declare(mq->conn, MQ_CHANNEL, bytes_of(name), bytes_of(kind), 0, 1, 0, 0,
			      amqp_empty_table);
	return asked(mq, "declare exchange", e);
}

static amqp_table_entry_t argument_entry(const struct mq_argument *arg)
{
	amqp_table_entry_t entry = {.key = bytes_of(arg->name)};

	if (arg->text) {
		entry.value.kind = AMQP_FIELD_KIND_UTF8;
		entry.value.value.bytes = bytes_of(arg->text);
	} else {
		entry.value.kind = AMQP_FIELD_KIND_I64;
		entry.value.value.i64 = arg->number;
	}
	return entry;
}

bool mq_declare_queue(struct mq *mq, const char *name, bool exclusive,
		      const struct mq_argument *args, size_t n, char *made, struct err *e)
{
	amqp_table_entry_t entries[ARGUMENTS_MAX];
	amqp_table_t table = {(int)n, entries};
	amqp_queue_declare_ok_t *ok;

	assert(n <= ARGUMENTS_MAX);
	if (!short_enough("queue", name, e) || !usable(mq, "declare queue", e))
		return false;
	for (size_t i = 0; i < n; i++)
		entries[i] = argument_entry(&args[i]);
	ok = amqp_queue_declare(mq->conn, MQ_CHANNEL, bytes_of(name), 0, !exclusive, exclusive, 0,
				table);
	if (ok && made)
		mq_copy_short(made, ok->queue);
	return asked(mq, "declare queue", e);
}

bool mq_inspect_queue(struct mq *mq, const char *name, uint32_t *ready, uint32_t *consumers,
		      struct err *e)
{
	amqp_queue_declare_ok_t *ok;

	if (!short_enough("queue", name, e) || !usable(mq, "inspect queue", e))
		return false;
	ok = amqp_queue_declare(mq->conn, MQ_CHANNEL, bytes_of(name), 1, 0, 0, 0, amqp_empty_table);
	if (ok && ready)
		*ready = ok->message_count;
	if (ok && consumers)
		*consumers = ok->consumer_count;
	return asked(mq, "inspect queue", e);
}

bool mq_inspect_exchange(struct mq *mq, const char *name, struct err *e)
{
	if (!short_enough("exchange", name, e) || !usable(mq, "inspect exchange", e))
		return false;
	/* The kind is not compared (AMQP 0-9-1, exchange.declare, passive). */
	amqp_exchange_declare(mq->conn, MQ_CHANNEL, bytes_of(name), bytes_of("direct"), 1, 0, 0, 0,
			      amqp_empty_table);
	return asked(mq, "inspect exchange", e);
}

bool mq_bind(struct mq *mq, const char *queue, const char *exchange, const char *routing_key,
	     struct err *e)
{
	if (!short_enough("queue", queue, e) || !short_enough("exchange", exchange, e) ||
	    !short_enough("routing key", routing_key, e) || !usable(mq, "bind", e))
		return false;
	amqp_queue_bind(mq->conn, MQ_CHANNEL, bytes_of(queue), bytes_of(exchange),
			bytes_of(routing_key), amqp_empty_table);
	return asked(mq, "bind", e);
}

bool mq_delete_queue(struct mq *mq, const char *name, struct err *e)
{
	if (!short_enough("queue", name, e) || !usable(mq, "delete queue", e))
		return false;
	amqp_queue_delete(mq->conn, MQ_CHANNEL, bytes_of(name), 0, 0);
	return asked(mq, "delete queue", e);
}

/* ---- consuming ---- */

bool mq_prefetch(struct mq *mq, uint16_t prefetch, struct err *e)
{
	assert(prefetch > 0); /* 0 means no limit */
	if (!usable(mq, "prefetch", e))
		return false;
	amqp_basic_qos(mq->conn, MQ_CHANNEL, 0, prefetch, 0);
	return asked(mq, "prefetch", e);
}

bool mq_consume(struct mq *mq, const char *queue, const char *tag, bool no_ack, struct err *e)
{
	if (!short_enough("queue", queue, e) || !short_enough("consumer", tag, e) ||
	    !usable(mq, "consume", e))
		return false;
	amqp_basic_consume(mq->conn, MQ_CHANNEL, bytes_of(queue), bytes_of(tag), 0, no_ack, 0,
			   amqp_empty_table);
	return asked(mq, "consume", e);
}

bool mq_cancel(struct mq *mq, const char *tag, struct err *e)
{
	if (!short_enough("consumer", tag, e) || !usable(mq, "cancel", e))
		return false;
	amqp_basic_cancel(mq->conn, MQ_CHANNEL, bytes_of(tag));
	return asked(mq, "cancel", e);
}

bool mq_ack(struct mq *mq, uint64_t tag, bool multiple, struct err *e)
{
	return usable(mq, "ack", e) &&
	       sent(mq, "ack", amqp_basic_ack(mq->conn, MQ_CHANNEL, tag, multiple), e);
}

bool mq_nack(struct mq *mq, uint64_t tag, bool requeue, struct err *e)
{
	return usable(mq, "nack", e) &&
	       sent(mq, "nack", amqp_basic_nack(mq->conn, MQ_CHANNEL, tag, 0, requeue), e);
}

/* ---- publishing ---- */

bool mq_confirm_select(struct mq *mq, struct err *e)
{
	if (!usable(mq, "confirms", e))
		return false;
	amqp_confirm_select(mq->conn, MQ_CHANNEL);
	if (!asked(mq, "confirms", e))
		return false;
	mq->confirms = true;
	mq->published = 0;
	return true;
}

/* Refused before a byte of it is sent, as half a message would cost the connection. */
static bool check_publish(const struct mq_publish *p, struct err *e)
{
	size_t total = 0;

	if (!short_enough("exchange", p->exchange, e) ||
	    !short_enough("routing key", p->routing_key, e) ||
	    !short_enough("content type", p->content_type, e) ||
	    !short_enough("message id", p->message_id, e) ||
	    !short_enough("correlation id", p->correlation_id, e) ||
	    !short_enough("reply-to", p->reply_to, e) || !short_enough("type", p->type, e))
		return false;
	for (size_t i = 0; i < p->n_headers; i++) {
		if (!short_enough("header name", p->headers[i].name, e))
			return false;
		total += strlen(p->headers[i].name) + strlen(p->headers[i].value) + 6;
	}
	if (p->n_headers > MQ_HEADERS_MAX || total > PROPERTIES_MAX)
		return err_set(e, ERR_USAGE, "headers: more than %d or %d bytes", MQ_HEADERS_MAX,
			       PROPERTIES_MAX);
	return true;
}

static void put_text(amqp_basic_properties_t *props, amqp_flags_t flag, amqp_bytes_t *to,
		     const char *from)
{
	if (!from)
		return;
	props->_flags |= flag;
	*to = bytes_of(from);
}

static void fill_properties(amqp_basic_properties_t *props, const struct mq_publish *p,
			    amqp_table_entry_t *entries)
{
	put_text(props, AMQP_BASIC_CONTENT_TYPE_FLAG, &props->content_type, p->content_type);
	put_text(props, AMQP_BASIC_MESSAGE_ID_FLAG, &props->message_id, p->message_id);
	put_text(props, AMQP_BASIC_CORRELATION_ID_FLAG, &props->correlation_id, p->correlation_id);
	put_text(props, AMQP_BASIC_REPLY_TO_FLAG, &props->reply_to, p->reply_to);
	put_text(props, AMQP_BASIC_TYPE_FLAG, &props->type, p->type);
	props->_flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
	props->delivery_mode =
		p->persistent ? AMQP_DELIVERY_PERSISTENT : AMQP_DELIVERY_NONPERSISTENT;
	if (p->timestamp > 0) {
		props->_flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		props->timestamp = (uint64_t)p->timestamp;
	}
	for (size_t i = 0; i < p->n_headers; i++) {
		entries[i].key = bytes_of(p->headers[i].name);
		entries[i].value.kind = AMQP_FIELD_KIND_UTF8;
		entries[i].value.value.bytes = bytes_of(p->headers[i].value);
	}
	if (p->n_headers > 0) {
		props->_flags |= AMQP_BASIC_HEADERS_FLAG;
		props->headers = (amqp_table_t){(int)p->n_headers, entries};
	}
}

/*
 * A peer that has been silent for two heartbeats is gone. Of those who find that out,
 * amqp_basic_publish() alone waits for ever, for whatever may still come (rabbitmq-c 0.11,
 * amqp_try_recv(): a deadline in no seconds is none): so it must not be the first. The kernel knows
 * what it knows, even of what nobody has read yet.
 */
bool mq_silent(struct mq *mq)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	int64_t heartbeat_ms = 1000 * (int64_t)amqp_get_heartbeat(mq->conn),
		now_ms = clock_mono_ms();

	if (now_ms < mq->look_at_ms)
		return false;
	mq->look_at_ms = now_ms + SILENCE_LOOK_MS;
	return heartbeat_ms > 0 && getsockopt(mq_fd(mq), IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_last_data_recv >= 2 * heartbeat_ms - SILENCE_SPARE_MS;
}

static size_t headers_size(const struct mq_publish *p)
{
	enum { AROUND = 16 }; /* lengths and kind */
	size_t size = 0;

	for (size_t i = 0; i < p->n_headers; i++)
		size += strlen(p->headers[i].name) + strlen(p->headers[i].value) + AROUND;
	return size;
}

/*
 * Over TLS amqp_basic_publish() copies each of the three frames into one buffer and sends it by
 * itself. A body that fills its last frame to the byte (a multiple of 131064) leaves MSG_MORE
 * standing, and waits 200 ms in the kernel unless something follows it.
 */
bool mq_publish(struct mq *mq, const struct mq_publish *p, uint64_t *seq, struct err *e)
{
	amqp_table_entry_t entries[MQ_HEADERS_MAX];
	amqp_basic_properties_t props = {0};
	amqp_basic_publish_t method = {.exchange = bytes_of(p->exchange),
				       .routing_key = bytes_of(p->routing_key),
				       .mandatory = p->mandatory};
	amqp_bytes_t body = {.len = p->len, .bytes = (void *)(uintptr_t)p->body};

	if (!check_publish(p, e) || !usable(mq, "publish", e))
		return false;
	if (mq_silent(mq))
		return mq_lost(mq, "publish", AMQP_STATUS_HEARTBEAT_TIMEOUT, e);
	fill_properties(&props, p, entries);
	if (mq->tls ? !sent(mq, "publish",
			    amqp_basic_publish(mq->conn, MQ_CHANNEL, method.exchange,
					       method.routing_key, p->mandatory, 0, &props, body),
			    e)
		    : !mq_write(mq, &method, &props, headers_size(p), p->body, p->len, e))
		return false;
	if (mq->confirms)
		mq->published++;
	if (seq)
		*seq = mq->published;
	return true;
}
