/*
 * Publishings as frames in one buffer, and the buffer to the socket. rabbitmq-c gives each of a
 * publishing's three frames a send(2) of its own: two thirds of what an event cost us. Its own
 * encoders fill the frames (amqp_framing.h); only over TLS, where the socket is OpenSSL's, does it
 * send them itself.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mq_private.h"

enum {
	HEAD = 7,	       /* type, channel, size (AMQP 0-9-1 §4.2.3) */
	METHOD_HEAD = 4,       /* its number */
	PROPERTIES_HEAD = 12,  /* class, weight, the body's size (§4.2.6.1) */
	METHOD_MAX = 600,      /* basic.publish: two short strings, and some bits */
	PROPERTIES_MAX = 4096, /* without headers: short strings, some numbers */
	ENOUGH = 64 * 1024,    /* bytes that go at once rather than wait for more */
	KEEP_MAX = 256 * 1024, /* a larger buffer is given back */
	LOOK_MS = 100,	       /* how often a peer that takes nothing is looked after */
};

static void put16(char *at, uint16_t n)
{
	n = htobe16(n);
	memcpy(at, &n, sizeof(n));
}

static void put32(char *at, uint32_t n)
{
	n = htobe32(n);
	memcpy(at, &n, sizeof(n));
}

static void put64(char *at, uint64_t n)
{
	n = htobe64(n);
	memcpy(at, &n, sizeof(n));
}

/* Room for a frame of so many bytes; returns where its payload goes. */
static char *begin_frame(struct strbuf *out, size_t payload_max)
{
	if (!strbuf_grow(out, HEAD + payload_max + 1))
		BUG("more publishings at once than a buffer holds");
	return out->buf + out->len + HEAD;
}

static void end_frame(struct strbuf *out, uint8_t type, size_t payload)
{
	char *head = out->buf + out->len;

	head[0] = (char)type;
	put16(head + 1, MQ_CHANNEL);
	put32(head + 3, (uint32_t)payload);
	head[HEAD + payload] = (char)AMQP_FRAME_END;
	out->len += HEAD + payload + 1;
	out->buf[out->len] = '\0';
}

static bool add_method(struct strbuf *out, amqp_basic_publish_t *method)
{
	char *at = begin_frame(out, METHOD_MAX);
	amqp_bytes_t room = {METHOD_MAX - METHOD_HEAD, at + METHOD_HEAD};
	int n = amqp_encode_method(AMQP_BASIC_PUBLISH_METHOD, method, room);

	if (n < 0)
		return false;
	put32(at, AMQP_BASIC_PUBLISH_METHOD);
	end_frame(out, AMQP_FRAME_METHOD, METHOD_HEAD + (size_t)n);
	return true;
}

static bool add_properties(struct strbuf *out, amqp_basic_properties_t *props, size_t headers,
			   size_t body)
{
	size_t max = PROPERTIES_MAX + headers;
	char *at = begin_frame(out, max);
	amqp_bytes_t room = {max - PROPERTIES_HEAD, at + PROPERTIES_HEAD};
	int n = amqp_encode_properties(AMQP_BASIC_CLASS, props, room);

	if (n < 0)
		return false;
	put16(at, AMQP_BASIC_CLASS);
	put16(at + 2, 0);
	put64(at + 4, body);
	end_frame(out, AMQP_FRAME_HEADER, PROPERTIES_HEAD + (size_t)n);
	return true;
}

static void add_body(struct strbuf *out, const char *body, size_t len, size_t frame_max)
{
	while (len) {
		size_t n = len < frame_max ? len : frame_max;

		memcpy(begin_frame(out, n), body, n);
		end_frame(out, AMQP_FRAME_BODY, n);
		body += n;
		len -= n;
	}
}

bool mq_write(struct mq *mq, amqp_basic_publish_t *method, amqp_basic_properties_t *props,
	      size_t headers, const void *body, size_t len, struct err *e)
{
	size_t before = mq->out.len;

	if (!add_method(&mq->out, method) || !add_properties(&mq->out, props, headers, len)) {
		strbuf_cut(&mq->out, before);
		return err_set(e, ERR_USAGE, "publish: its properties do not fit into a frame");
	}
	add_body(&mq->out, body, len, (size_t)amqp_get_frame_max(mq->conn) - HEAD - 1);
	return (mq->corked && mq->out.len < ENOUGH) || mq_flush(mq, e);
}

/* Waits for the socket to take more. False: there is nobody any more. */
static bool may_go_on(struct mq *mq)
{
	struct pollfd fd = {.fd = mq_fd(mq), .events = POLLOUT};

	if (errno == EINTR)
		return true;
	if (errno != EAGAIN)
		return false;
	(void)poll(&fd, 1, LOOK_MS);
	return !mq_silent(mq);
}

bool mq_flush(struct mq *mq, struct err *e)
{
	size_t at = 0;

	while (at < mq->out.len) {
		ssize_t n = send(mq_fd(mq), mq->out.buf + at, mq->out.len - at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			at += (size_t)n;
		else if (!may_go_on(mq))
			return mq_lost(mq, "publish", AMQP_STATUS_SOCKET_ERROR, e);
	}
	if (mq->out.cap > KEEP_MAX)
		strbuf_release(&mq->out);
	strbuf_reset(&mq->out);
	return true;
}
