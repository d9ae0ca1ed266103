/* notify: sd_notify's protocol, without libsystemd. */
#include "cpoa/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool notify_send(const char *state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;
	bool sent;
	int fd;

	if (n < 2 || n >= sizeof(address.sun_path) || !strchr("/@", *path))
		return false;
	memcpy(address.sun_path, path, n);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) >= 0;
	close(fd);
	return sent;
}

int64_t notify_watchdog_us(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long n = us ? strtoll(us, NULL, 10) : 0;

	if (pid && *pid && strtoll(pid, NULL, 10) != getpid())
		return 0;
	return n > 0 ? n : 0;
}
