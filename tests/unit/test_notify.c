/* links: cpoa_base */
/* notify: sd_notify's datagrams, received. */
#include <criterion/criterion.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cpoa/notify.h"

/* A socket as systemd has it; `name` is its place in the abstract namespace. */
static int listen_as(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path + 1, name, strlen(name));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
		     0);
	return fd;
}

static void expect_text(int fd, const char *text)
{
	char got[64] = "";

	cr_assert_eq(recv(fd, got, sizeof(got) - 1, 0), (ssize_t)strlen(text));
	cr_assert_str_eq(got, text);
}

Test(notify, an_abstract_socket)
{
	char name[64], variable[80];
	int fd;

	snprintf(name, sizeof(name), "cpoa-test-%ld", (long)getpid());
	snprintf(variable, sizeof(variable), "@%s", name);
	fd = listen_as(name);
	setenv("NOTIFY_SOCKET", variable, 1);
	cr_assert(notify_send("READY=1"));
	expect_text(fd, "READY=1");
	cr_assert(notify_send("STOPPING=1"));
	expect_text(fd, "STOPPING=1");
	close(fd);
	cr_assert_not(notify_send("WATCHDOG=1"));
}

Test(notify, nobody_who_wants_to_know)
{
	char longer[300];

	unsetenv("NOTIFY_SOCKET");
	cr_assert_not(notify_send("READY=1"));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	for (const char *const *bad =
		     (const char *const[]){"", "@", "relative", "/nowhere/at/all", longer, NULL};
	     *bad; bad++) {
		setenv("NOTIFY_SOCKET", *bad, 1);
		cr_assert_not(notify_send("READY=1"), "%s", *bad);
	}
}

Test(notify, the_watchdogs_time)
{
	char mine[32];

	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	cr_assert_eq(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "3000000", 1);
	cr_assert_eq(notify_watchdog_us(), 3000000);
	setenv("WATCHDOG_PID", "1", 1);
	cr_assert_eq(notify_watchdog_us(), 0);
	snprintf(mine, sizeof(mine), "%ld", (long)getpid());
	setenv("WATCHDOG_PID", mine, 1);
	cr_assert_eq(notify_watchdog_us(), 3000000);
	setenv("WATCHDOG_USEC", "-5", 1);
	cr_assert_eq(notify_watchdog_us(), 0);
}
