/* Questions whose answer changes nothing: what a doctor asks. */
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/mq.h"

#include "mq_private.h"

bool mq_try_publish(struct mq *mq, const char *exchange, struct err *e)
{
	const struct mq_publish nothing = {.exchange = exchange,
					   .routing_key = "cpoa.doctor.nothing"};

	amqp_tx_select(mq->conn, MQ_CHANNEL);
	if (!mq_reply(mq, "begin", amqp_get_rpc_reply(mq->conn), e) ||
	    !mq_publish(mq, &nothing, NULL, e))
		return false;
	/* The permission is looked at when it comes, its queues at the commit (rabbit_channel.erl).
	 */
	amqp_tx_rollback(mq->conn, MQ_CHANNEL);
	return mq_reply(mq, "publish", amqp_get_rpc_reply(mq->conn), e);
}

/* ---- who listens there ---- */

static bool wait_for(int fd, short what, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = what};

	return poll(&p, 1, timeout_ms) > 0;
}

static int connect_to(const char *host, int port, int timeout_ms)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char service[16];
	int fd = -1;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -1;
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			continue;
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
		    wait_for(fd, POLLOUT, timeout_ms))
			continue;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/*
 * A ClientHello without anything in it that could please a server (RFC 5246 §7.4.1.2): one that
 * speaks TLS answers by a handshake or an alert, a broker that does not by "AMQP" and its version.
 */
static enum mq_tongue ask_tongue(int fd, int timeout_ms)
{
	static const unsigned char hello[50] = {
		0x16,	     0x03, 0x01, 0x00, 45, /* a record of the handshake, 45 bytes */
		0x01,	     0x00, 0x00, 41,	   /* ClientHello, 41 bytes */
		0x03,	     0x03, /* TLS 1.2; 32 bytes that ought to be random; no session */
		[44] = 0x00, 0x02, 0xc0, 0x2f, /* one cipher */
		0x01,	     0x00,	       /* no compression */
	};
	enum { HANDSHAKE = 0x16, ALERT = 0x15 };
	unsigned char answer[8] = "";

	if (send(fd, hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello) ||
	    !wait_for(fd, POLLIN, timeout_ms) || recv(fd, answer, sizeof(answer), 0) <= 0)
		return MQ_TONGUE_NONE;
	if (memcmp(answer, "AMQP", 4) == 0)
		return MQ_TONGUE_AMQP;
	return answer[0] == HANDSHAKE || answer[0] == ALERT ? MQ_TONGUE_TLS : MQ_TONGUE_NONE;
}

enum mq_tongue mq_tongue(const char *url, int timeout_ms)
{
	struct amqp_connection_info to;
	char *copy = xstrdup(url); /* is cut to pieces, which `to` points at */
	size_t len = strlen(copy);
	enum mq_tongue tongue = MQ_TONGUE_NONE;
	int fd = -1;

	if (amqp_parse_url(copy, &to) == AMQP_STATUS_OK)
		fd = connect_to(to.host, to.port, timeout_ms);
	if (fd >= 0) {
		tongue = ask_tongue(fd, timeout_ms);
		close(fd);
	}
	explicit_bzero(copy, len);
	free(copy);
	return tongue;
}
