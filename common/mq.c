/*
 * The connection and what is read from it. Publishing and the commands are in mq_calls.c, the
 * putting together of messages in mq_frames.c.
 *
 * What rabbitmq-c 0.11 does, and this relies on (librabbitmq/amqp_socket.c, amqp_connection.c):
 * - frames that arrive while an RPC waits are queued, and amqp_simple_wait_frame_noblock() hands
 *   them out first; they live in the channel's pool, which is not recycled while one is queued.
 * - a wait sends the heartbeats that are due, and reports a peer that has been silent for two.
 * - sends wait without end, but only while the peer lets itself be heard (next_recv_heartbeat).
 *   A broker in alarm does so and still reads nothing: TCP_USER_TIMEOUT ends that wait.
 * - both its TCP and its OpenSSL sends use MSG_NOSIGNAL: SIGPIPE needs no attention.
 */
#include "cpoa/mq.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cpoa/clock.h"
#include "cpoa/tls.h"
#include "mq_private.h"

enum {
	FRAME_MAX = 131072,
	CHANNELS_MAX = 8,
	GOODBYE_MS = 2000,
	CONNECT_MS = 10000,
	EXPLAIN_MS = 2000,
	UNSENT_MS = 3 * MQ_HEARTBEAT_S * 1000,
	OUT_MAX = 1 << 30,
};

static struct timeval timeval_of(int64_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* ---- errors ---- */

bool mq_lost(struct mq *mq, const char *what, int status, struct err *e)
{
	mq->lost = true;
	return err_set(e, ERR_LOST, "%s: RabbitMQ: %s", what, amqp_error_string2(status));
}

/* What the same attempt on another connection would meet again is a refusal. */
static enum err_class reply_class(uint16_t code)
{
	switch (code) {
	case AMQP_CONNECTION_FORCED: /* an operator, or a node that stops */
	case AMQP_RESOURCE_ERROR:
	case AMQP_INTERNAL_ERROR:
	case AMQP_CHANNEL_ERROR:
	case AMQP_UNEXPECTED_FRAME:
		return ERR_LOST;
	default:
		return ERR_REJECT;
	}
}

static bool set_reply(struct err *e, const char *what, uint16_t code, amqp_bytes_t words)
{
	char text[MQ_SHORT_MAX + 1];

	mq_copy_short(text, words);
	err_set(e, reply_class(code), "%s: RabbitMQ: %s", what, text);
	snprintf(e->code, sizeof(e->code), "%u", (unsigned)code);
	return false;
}

static bool closed_by(struct mq *mq, const char *what, const amqp_method_t *method, struct err *e)
{
	if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
		const amqp_connection_close_t *close = method->decoded;
		amqp_connection_close_ok_t ok = {0};

		set_reply(e, what, close->reply_code, close->reply_text);
		if (!mq->lost)
			amqp_send_method(mq->conn, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
		mq->lost = true;
	} else {
		const amqp_channel_close_t *close = method->decoded;

		assert(method->id == AMQP_CHANNEL_CLOSE_METHOD);
		set_reply(e, what, close->reply_code, close->reply_text);
		mq->channel_closed = true;
	}
	return false;
}

bool mq_reply(struct mq *mq, const char *what, amqp_rpc_reply_t reply, struct err *e)
{
	switch (reply.reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return true;
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		return closed_by(mq, what, &reply.reply, e);
	case AMQP_RESPONSE_NONE:
	case AMQP_RESPONSE_LIBRARY_EXCEPTION:
	default:
		return mq_lost(mq, what, reply.library_error, e);
	}
}

/* ---- opening ---- */

static bool has(const char *s)
{
	return s && *s;
}

/* rabbitmq-c says only that there is no connection; which may pass, or be a certificate's fault. */
static bool tls_error(const struct mq_options *o, const struct amqp_connection_info *to, int status,
		      struct err *e)
{
	char port[8], words[TLS_TEXT_MAX];
	const struct tls_peer peer = {.host = to->host,
				      .port = port,
				      .ca_file = o->ca_file,
				      .cert_file = o->cert_file,
				      .key_file = o->key_file,
				      .timeout_ms = EXPLAIN_MS};

	snprintf(port, sizeof(port), "%u", (unsigned)to->port & 0xFFFF);
	if (tls_explain(&peer, words))
		return err_set(e, ERR_USAGE, "RabbitMQ at %s:%d: %s", to->host, to->port, words);
	if (status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED)
		return err_set(e, ERR_USAGE,
			       "RabbitMQ at %s:%d: its certificate is for another host: rabbitmq-c "
			       "looks for the host among its DNS names alone, so connect by a name",
			       to->host, to->port);
	return err_set(e, ERR_LOST, "RabbitMQ at %s:%d: %s", to->host, to->port,
		       amqp_error_string2(status));
}

static bool is_garbled(int status)
{
	return status == AMQP_STATUS_SOCKET_ERROR || status == AMQP_STATUS_CONNECTION_CLOSED ||
	       status == AMQP_STATUS_BAD_AMQP_DATA ||
	       status == AMQP_STATUS_INCOMPATIBLE_AMQP_VERSION;
}

/* Somebody who waits for TLS takes AMQP for rubbish, and says so in TLS. */
static bool wants_tls(const struct amqp_connection_info *to, int status)
{
	char port[8];
	const struct tls_peer peer = {.host = to->host, .port = port, .timeout_ms = EXPLAIN_MS};

	snprintf(port, sizeof(port), "%u", (unsigned)to->port & 0xFFFF);
	return is_garbled(status) && tls_speaks(&peer);
}

static bool is_tls_error(int status)
{
	return status == AMQP_STATUS_SSL_ERROR || status == AMQP_STATUS_SSL_CONNECTION_FAILED ||
	       status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED ||
	       status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED;
}

static bool open_error(struct mq *mq, const struct mq_options *o,
		       const struct amqp_connection_info *to, int status, struct err *e)
{
	mq->lost = true;
	if (is_tls_error(status))
		return tls_error(o, to, status, e);
	return err_set(e, ERR_LOST, "RabbitMQ at %s:%d: %s", to->host, to->port,
		       amqp_error_string2(status));
}

static amqp_socket_t *tls_socket(struct mq *mq, const struct mq_options *o, struct err *e)
{
	const char *ca = has(o->ca_file) ? o->ca_file : tls_system_ca_file;
	amqp_socket_t *socket = amqp_ssl_socket_new(mq->conn);

	if (!socket) {
		err_set(e, ERR_LOST, "RabbitMQ: no TLS socket");
		return NULL;
	}
	amqp_ssl_socket_set_verify_peer(socket, 1);
	amqp_ssl_socket_set_verify_hostname(socket, 1);
	amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
	if (amqp_ssl_socket_set_cacert(socket, ca) != AMQP_STATUS_OK) {
		err_set(e, ERR_USAGE, "RabbitMQ: cannot read certificates from %s", ca);
		return NULL;
	}
	if (has(o->cert_file) &&
	    amqp_ssl_socket_set_key(socket, o->cert_file,
				    has(o->key_file) ? o->key_file : o->cert_file) !=
		    AMQP_STATUS_OK) {
		err_set(e, ERR_USAGE, "RabbitMQ: cannot use the client certificate in %s",
			o->cert_file);
		return NULL;
	}
	return socket;
}

static bool open_socket(struct mq *mq, const struct mq_options *o,
			const struct amqp_connection_info *to, struct err *e)
{
	struct timeval wait =
		timeval_of(o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CONNECT_MS);
	amqp_socket_t *socket;
	int status, unsent_ms = UNSENT_MS;

	amqp_set_handshake_timeout(mq->conn, &wait);
	socket = to->ssl ? tls_socket(mq, o, e) : amqp_tcp_socket_new(mq->conn);
	if (!socket)
		return to->ssl ? false : err_set(e, ERR_LOST, "RabbitMQ: no socket");
	status = amqp_socket_open_noblock(socket, to->host, to->port, &wait);
	if (status != AMQP_STATUS_OK)
		return open_error(mq, o, to, status, e);
	setsockopt(amqp_get_sockfd(mq->conn), IPPROTO_TCP, TCP_USER_TIMEOUT, &unsent_ms,
		   sizeof(unsent_ms));
	return true;
}

static amqp_bytes_t bytes_of(const char *s)
{
	return (amqp_bytes_t){.len = strlen(s), .bytes = (void *)(uintptr_t)s};
}

static amqp_table_entry_t yes(const char *key)
{
	return (amqp_table_entry_t){
		.key = bytes_of(key),
		.value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1},
	};
}

/*
 * A refusal while logging in is about the URL: a password, a virtual host, a permission. In TLS 1.3
 * a server that dislikes our certificate says so only here.
 */
static bool login_error(struct mq *mq, const struct mq_options *o,
			const struct amqp_connection_info *to, amqp_rpc_reply_t reply,
			struct err *e)
{
	int status = reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION ? reply.library_error
									 : AMQP_STATUS_OK;

	mq_reply(mq, "login", reply, e);
	if (is_tls_error(status))
		return tls_error(o, to, status, e);
	if (!to->ssl && wants_tls(to, status))
		return err_set(
			e, ERR_USAGE,
			"RabbitMQ at %s:%d: it speaks TLS: the URL is to begin with amqps://",
			to->host, to->port);
	if (e->class == ERR_REJECT || status == AMQP_STATUS_INCOMPATIBLE_AMQP_VERSION ||
	    status == AMQP_STATUS_BROKER_UNSUPPORTED_SASL_METHOD)
		e->class = ERR_USAGE;
	return false;
}

static bool login(struct mq *mq, const struct mq_options *o, const struct amqp_connection_info *to,
		  struct err *e)
{
	amqp_table_entry_t capabilities[] = {
		yes("publisher_confirms"),	     yes("basic.nack"),
		yes("consumer_cancel_notify"),	     yes("connection.blocked"),
		yes("authentication_failure_close"),
	};
	amqp_table_entry_t entries[] = {
		{.key = bytes_of("capabilities"),
		 .value = {.kind = AMQP_FIELD_KIND_TABLE,
			   .value.table = {sizeof(capabilities) / sizeof(capabilities[0]),
					   capabilities}}},
		{.key = bytes_of("connection_name"),
		 .value = {.kind = AMQP_FIELD_KIND_UTF8,
			   .value.bytes = bytes_of(has(o->name) ? o->name : "cpoa")}},
	};
	amqp_table_t properties = {sizeof(entries) / sizeof(entries[0]), entries};
	/* "amqp://host/" means the virtual host "" (RabbitMQ URI spec), which nobody intends */
	amqp_rpc_reply_t reply = amqp_login_with_properties(
		mq->conn, has(to->vhost) ? to->vhost : "/", CHANNELS_MAX, FRAME_MAX, MQ_HEARTBEAT_S,
		&properties, AMQP_SASL_METHOD_PLAIN, to->user, to->password);

	return reply.reply_type == AMQP_RESPONSE_NORMAL || login_error(mq, o, to, reply, e);
}

static bool open_connection(struct mq *mq, const struct mq_options *o,
			    const struct amqp_connection_info *to, struct err *e)
{
	struct timeval wait = timeval_of(MQ_RPC_TIMEOUT_MS);

	if (!open_socket(mq, o, to, e) || !login(mq, o, to, e))
		return false;
	amqp_set_rpc_timeout(mq->conn, &wait);
	amqp_channel_open(mq->conn, MQ_CHANNEL);
	if (!mq_reply(mq, "open channel", amqp_get_rpc_reply(mq->conn), e))
		return false;
	amqp_maybe_release_buffers(mq->conn);
	return true;
}

struct mq *mq_open(const struct mq_options *o, struct err *e)
{
	struct amqp_connection_info to;
	char *url = xstrdup(o->url ? o->url : ""); /* is cut to pieces, which `to` points at */
	size_t url_len = strlen(url);
	struct mq *mq = NULL;

	if (amqp_parse_url(url, &to) != AMQP_STATUS_OK) {
		err_set(e, ERR_USAGE,
			"the RabbitMQ URL cannot be read; it has the form "
			"amqp://user:password@host:port/vhost (or amqps://)");
	} else {
		mq = xcalloc(1, sizeof(*mq));
		mq->in.body_max = o->body_max;
		mq->tls = to.ssl;
		strbuf_init(&mq->out, OUT_MAX);
		mq->conn = amqp_new_connection();
		if (!mq->conn)
			BUG("out of memory");
		if (!open_connection(mq, o, &to, e)) {
			mq_close(mq);
			mq = NULL;
		}
	}
	explicit_bzero(url, url_len);
	free(url);
	return mq;
}

void mq_close(struct mq *mq)
{
	struct timeval wait = timeval_of(GOODBYE_MS);

	if (!mq)
		return;
	if (!mq->lost && amqp_get_sockfd(mq->conn) >= 0) {
		amqp_set_rpc_timeout(mq->conn, &wait);
		amqp_connection_close(mq->conn, AMQP_REPLY_SUCCESS);
	}
	amqp_destroy_connection(mq->conn);
	mq_incoming_release(&mq->in);
	strbuf_release(&mq->out);
	free(mq);
}

void mq_close_ptr(struct mq **mq)
{
	mq_close(*mq);
	*mq = NULL;
}

int mq_fd(const struct mq *mq)
{
	return amqp_get_sockfd(mq->conn);
}

void mq_cork(struct mq *mq, bool on)
{
	int cork = on;
	struct err e;

	mq->corked = on;
	/* A hint: where there is no such socket option, every publishing goes by itself. */
	if (mq->tls)
		(void)setsockopt(mq_fd(mq), IPPROTO_TCP, TCP_CORK, &cork, sizeof(cork));
	else if (!on && !mq->lost)
		(void)mq_flush(mq, &e);
}

/* ---- reading ---- */

static void confirmed(struct mq_event *event, enum mq_kind kind, uint64_t seq, bool multiple)
{
	event->kind = kind;
	event->seq = seq;
	event->multiple = multiple;
}

static bool unexpected(struct mq *mq, struct err *e)
{
	return mq_lost(mq, "reading", AMQP_STATUS_UNEXPECTED_STATE, e);
}

static bool on_method(struct mq *mq, const amqp_method_t *method, struct mq_event *event,
		      struct err *e)
{
	if (mq->in.kind != MQ_NOTHING && method->id != AMQP_CONNECTION_CLOSE_METHOD &&
	    method->id != AMQP_CHANNEL_CLOSE_METHOD)
		return unexpected(mq, e); /* within a message (AMQP 0-9-1 §4.2.6) */
	switch (method->id) {
	case AMQP_BASIC_DELIVER_METHOD:
		mq_begin_delivery(&mq->in, method->decoded);
		return true;
	case AMQP_BASIC_RETURN_METHOD:
		mq_begin_return(&mq->in, method->decoded);
		return true;
	case AMQP_BASIC_ACK_METHOD: {
		const amqp_basic_ack_t *ack = method->decoded;

		confirmed(event, MQ_CONFIRMED, ack->delivery_tag, ack->multiple);
		return true;
	}
	case AMQP_BASIC_NACK_METHOD: {
		const amqp_basic_nack_t *nack = method->decoded;

		confirmed(event, MQ_REFUSED, nack->delivery_tag, nack->multiple);
		return true;
	}
	case AMQP_BASIC_CANCEL_METHOD:
		event->kind = MQ_CANCELLED;
		mq_copy_short(event->text, ((amqp_basic_cancel_t *)method->decoded)->consumer_tag);
		return true;
	case AMQP_CHANNEL_CLOSE_METHOD:
	case AMQP_CONNECTION_CLOSE_METHOD:
		return closed_by(mq, "channel", method, e);
	default:
		return unexpected(mq, e);
	}
}

/* On channel 0, between the frames of a message as well. */
static bool on_connection_method(struct mq *mq, const amqp_method_t *method, struct mq_event *event,
				 struct err *e)
{
	switch (method->id) {
	case AMQP_CONNECTION_BLOCKED_METHOD:
		event->kind = MQ_BLOCKED;
		mq_copy_short(event->text, ((amqp_connection_blocked_t *)method->decoded)->reason);
		return true;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		event->kind = MQ_UNBLOCKED;
		return true;
	case AMQP_CONNECTION_CLOSE_METHOD:
		return closed_by(mq, "connection", method, e);
	default:
		return unexpected(mq, e);
	}
}

static void whole_message(struct mq *mq, struct mq_event *event)
{
	enum mq_kind kind = mq->in.kind;

	event->message = mq_take_whole(&mq->in);
	if (event->message)
		event->kind = kind;
}

static bool on_frame(struct mq *mq, const amqp_frame_t *frame, struct mq_event *event,
		     struct err *e)
{
	switch (frame->frame_type) {
	case AMQP_FRAME_METHOD:
		if (frame->channel == 0)
			return on_connection_method(mq, &frame->payload.method, event, e);
		return on_method(mq, &frame->payload.method, event, e);
	case AMQP_FRAME_HEADER:
		if (!mq_take_header(&mq->in, frame->payload.properties.decoded,
				    frame->payload.properties.body_size))
			return unexpected(mq, e);
		whole_message(mq, event);
		return true;
	case AMQP_FRAME_BODY:
		if (!mq_take_body(&mq->in, frame->payload.body_fragment))
			return unexpected(mq, e);
		whole_message(mq, event);
		return true;
	default:
		return true; /* a heartbeat that was queued while an RPC waited */
	}
}

bool mq_next(struct mq *mq, struct mq_event *event, int timeout_ms, struct err *e)
{
	int64_t until = timeout_ms > 0 ? clock_mono_ms() + timeout_ms : 0;

	event->kind = MQ_NOTHING;
	event->message = NULL;
	event->text[0] = '\0';
	if (mq->lost || mq->channel_closed)
		return mq_lost(mq, "reading", AMQP_STATUS_SOCKET_CLOSED, e);
	while (event->kind == MQ_NOTHING) {
		struct timeval wait = timeval_of(timeout_ms > 0 ? timeout_ms : 0);
		amqp_frame_t frame;
		int status = amqp_simple_wait_frame_noblock(mq->conn, &frame, &wait);

		if (status == AMQP_STATUS_TIMEOUT)
			return true;
		if (status != AMQP_STATUS_OK)
			return mq_lost(mq, "reading", status, e);
		if (!on_frame(mq, &frame, event, e))
			return false;
		/* Everything was copied, so even a half-read message keeps nothing in the pool. */
		amqp_maybe_release_buffers(mq->conn);
		if (timeout_ms > 0)
			timeout_ms = (int)(until - clock_mono_ms());
	}
	return true;
}
