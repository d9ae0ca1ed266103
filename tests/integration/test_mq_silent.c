/* links: cpoa_mq */
/* A broker that says nothing any more on a connection that stands. */
#include "cpoa/mq.h"

#include <amqp.h>
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/clock.h"

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void pass_on(int listener, int to)
{
	struct sockaddr_in target = loopback(to);
	struct pollfd end[2] = {{.fd = accept(listener, NULL, NULL), .events = POLLIN},
				{.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN}};
	char bytes[4096];

	if (connect(end[1].fd, (struct sockaddr *)&target, sizeof(target)) != 0)
		_exit(1);
	while (poll(end, 2, -1) > 0)
		for (int i = 0; i < 2; i++) {
			ssize_t n = end[i].revents ? read(end[i].fd, bytes, sizeof(bytes)) : -1;

			if (end[i].revents && (n <= 0 || write(end[!i].fd, bytes, (size_t)n) != n))
				_exit(0);
		}
}

/* A process that passes one connection on to the broker's port; stopped, it is a broker that is
 * silent on a connection that stands. */
static pid_t relay(int to, int *port)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in own = loopback(0);
	socklen_t len = sizeof(own);
	pid_t pid;

	cr_assert_eq(bind(listener, (struct sockaddr *)&own, len), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&own, &len), 0);
	*port = ntohs(own.sin_port);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pass_on(listener, to);
		_exit(0);
	}
	close(listener);
	return pid;
}

/* Whoever publishes without a pause is the first to find out. */
Test(mq_silent, publishing_ends, .timeout = 60)
{
	char parts[256], url[320];
	struct amqp_connection_info broker;
	struct mq_options o = {.url = url, .body_max = 1024, .connect_timeout_ms = 5000};
	struct mq_publish p = {.exchange = "", .routing_key = "nobody", .body = "x", .len = 1};
	const char *whole = getenv("AMQP_URL");
	struct err e = {0};
	struct mq *mq;
	int64_t since;
	pid_t pid;
	int port;

	if (!whole)
		cr_skip("AMQP_URL is unset");
	snprintf(parts, sizeof(parts), "%s", whole);
	cr_assert_eq(amqp_parse_url(parts, &broker), AMQP_STATUS_OK);
	pid = relay(broker.port, &port);
	snprintf(url, sizeof(url), "amqp://%s:%s@127.0.0.1:%d/", broker.user, broker.password,
		 port);
	mq = mq_open(&o, &e);
	cr_assert(mq, "%s", e.text);
	cr_assert(mq_confirm_select(mq, &e), "%s", e.text);
	kill(pid, SIGSTOP);
	since = clock_mono_ms();
	while (mq_publish(mq, &p, NULL, &e))
		poll(NULL, 0, 100);
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	since = clock_mono_ms() - since;
	cr_assert(since > 10000 && since < 2000 * MQ_HEARTBEAT_S + 20000, "after %lld ms",
		  (long long)since);
	mq_close(mq);
	kill(pid, SIGKILL);
}
