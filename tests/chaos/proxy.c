/*
 * chaos_proxy: a network that can be made bad. One thread, epoll, loopback alone.
 *
 * Commands are lines on stdin; each is answered by a line on stdout: "ok", "port N" or "error WHY".
 *
 *	listen NAME HOST PORT  opens a port of its own and forwards it to there: "port N"
 *	NAME pass              forwards; what was swallowed stays so
 *	NAME delay MS          every piece arrives so much later, in both directions
 *	NAME dribble N         at most N bytes every 10 ms in each direction
 *	NAME cut N             each connection is closed after N more bytes (both directions)
 *	NAME reset             present connections are reset (RST); new ones are forwarded
 *	NAME swallow [N]       nothing arrives any more, and nobody is told; on present connections
 *	                       only after N more bytes from who has connected, so in mid-sentence
 *	NAME refuse            the port is closed until "pass"; present connections are reset
 *
 * A swallowed connection is half open for ever, also after "pass", and no end of it hears that the
 * other has closed; while it lasts, new ones are taken and swallowed. It ends with its stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINKS_MAX = 8, PIECE = 16384, HELD_MAX = 1 << 20, TICK_MS = 10, NAME_SIZE = 16, LINE = 256 };

enum mode { PASS, DELAY, DRIBBLE, CUT, SWALLOW, REFUSE };

struct link {
	char name[NAME_SIZE];
	struct sockaddr_in target, own;
	int listener; /* -1: refused */
	enum mode mode;
	int64_t amount; /* of the mode: ms or bytes */
};

/* Bytes on their way, with the time at which they may arrive. */
struct piece {
	struct piece *next;
	int64_t due_ms;
	size_t at, len;
	char bytes[];
};

/* One end of a connection. What is read here is held in `to`, and written to its peer. */
struct end {
	int fd; /* -1: closed */
	bool eof;
	struct piece *head, *tail; /* for the peer */
	size_t held;
};

struct tube {
	struct tube *next;
	struct link *link;
	struct end end[2]; /* 0: who has connected; 1: the target */
	int64_t left;	   /* bytes until it is cut or swallowed; -1: it is not */
	bool swallowed, dead, ready;
};

static struct link links[LINKS_MAX];
static int n_links, epoll_fd;
static struct tube *tubes;
static bool tick; /* another 10 ms have passed */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *or_die(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ---- sockets ---- */

static void watch(int fd, void *what)
{
	/* Level triggered and always both: the tick decides what is done. */
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = what};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
		abort();
}

static void unblock(int fd)
{
	int one = 1;

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static bool open_listener(struct link *l)
{
	int one = 1;
	socklen_t len = sizeof(l->own);

	l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)setsockopt(l->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->listener, (struct sockaddr *)&l->own, sizeof(l->own)) != 0 ||
	    listen(l->listener, 512) != 0)
		return false;
	(void)getsockname(l->listener, (struct sockaddr *)&l->own, &len);
	watch(l->listener, l);
	return true;
}

static void close_listener(struct link *l)
{
	if (l->listener >= 0)
		close(l->listener);
	l->listener = -1;
}

static void close_end(struct end *e, bool reset)
{
	const struct linger nothing = {.l_onoff = 1, .l_linger = 0};

	if (e->fd < 0)
		return;
	if (reset)
		(void)setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &nothing, sizeof(nothing));
	close(e->fd);
	e->fd = -1;
}

static void kill_tube(struct tube *t, bool reset)
{
	t->dead = true;
	for (int i = 0; i < 2; i++)
		close_end(&t->end[i], reset);
}

static void take_connection(struct link *l)
{
	struct tube *t;
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC), target;

	if (fd < 0)
		return;
	target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Loopback: it answers at once, or there is nobody. */
	if (connect(target, (struct sockaddr *)&l->target, sizeof(l->target)) != 0) {
		struct end e = {.fd = fd};

		close(target);
		close_end(&e, true);
		return;
	}
	t = or_die(calloc(1, sizeof(*t)));
	unblock(fd);
	unblock(target);
	t->link = l;
	t->end[0].fd = fd;
	t->end[1].fd = target;
	t->left = l->mode == CUT ? l->amount : -1;
	t->swallowed = l->mode == SWALLOW;
	t->next = tubes;
	tubes = t;
	watch(fd, t);
	watch(target, t);
}

/* ---- bytes ---- */

static void drop_pieces(struct end *e)
{
	while (e->head) {
		struct piece *p = e->head;

		e->head = p->next;
		free(p);
	}
	e->tail = NULL;
	e->held = 0;
}

static void hold(struct end *e, const char *bytes, size_t len, int64_t due_ms)
{
	struct piece *p = or_die(malloc(sizeof(*p) + len));

	*p = (struct piece){.due_ms = due_ms, .len = len};
	memcpy(p->bytes, bytes, len);
	if (e->tail)
		e->tail->next = p;
	else
		e->head = p;
	e->tail = p;
	e->held += len;
}

static void swallow(struct tube *t)
{
	t->swallowed = true;
	drop_pieces(&t->end[0]);
	drop_pieces(&t->end[1]);
}

/* There is no more to be read from it. Level triggered: or it would be told again and again. */
static void note_eof(struct end *e)
{
	e->eof = true;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, e->fd, NULL);
}

static void read_end(struct tube *t, struct end *e, int64_t now)
{
	char bytes[PIECE];
	int64_t delay = t->link->mode == DELAY ? t->link->amount : 0;
	ssize_t n;

	while (!t->dead && !e->eof && e->held < HELD_MAX) {
		n = recv(e->fd, bytes, sizeof(bytes), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0 && !t->swallowed) {
			kill_tube(t, true);
			return;
		}
		if (n <= 0) {
			note_eof(e);
			return;
		}
		if (!t->swallowed)
			hold(e, bytes, (size_t)n, now + delay);
	}
}

/* Whether what goes on from there counts towards the end. */
static bool counts(const struct tube *t, const struct end *from)
{
	return t->left >= 0 && (t->link->mode != SWALLOW || from == &t->end[0]);
}

/* How many bytes may go on now; negative: as many as there are. */
static int64_t allowance(const struct tube *t, const struct end *from)
{
	if (t->link->mode == DRIBBLE)
		return tick ? t->link->amount : 0;
	return counts(t, from) ? t->left : -1;
}

static void write_end(struct tube *t, struct end *from, struct end *to, int64_t now)
{
	int64_t may = allowance(t, from);

	while (!t->dead && from->head && from->head->due_ms <= now && may != 0) {
		struct piece *p = from->head;
		size_t len = p->len - p->at;
		ssize_t n;

		if (may > 0 && (int64_t)len > may)
			len = (size_t)may;
		n = send(to->fd, p->bytes + p->at, len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			kill_tube(t, true);
			return;
		}
		p->at += (size_t)n;
		from->held -= (size_t)n;
		may -= may > 0 ? n : 0;
		if (counts(t, from) && (t->left -= n) <= 0) {
			if (t->link->mode == SWALLOW)
				swallow(t);
			else
				kill_tube(t, false);
			return;
		}
		if (p->at == p->len) {
			from->head = p->next;
			if (!from->head)
				from->tail = NULL;
			free(p);
		}
	}
	if (!t->dead && from->eof && !from->head && !t->swallowed)
		(void)shutdown(to->fd, SHUT_WR);
}

static void turn_tube(struct tube *t, int64_t now)
{
	for (int i = 0; i < 2 && !t->dead; i++)
		read_end(t, &t->end[i], now);
	for (int i = 0; i < 2 && !t->dead; i++)
		write_end(t, &t->end[i], &t->end[!i], now);
	if (!t->dead && t->end[0].eof && t->end[1].eof && !t->end[0].head && !t->end[1].head)
		kill_tube(t, false);
}

static void turn_all(void)
{
	static int64_t last_tick;
	int64_t now = now_ms();

	tick = now >= last_tick + TICK_MS;
	if (tick)
		last_tick = now;
	for (struct tube **at = &tubes; *at;) {
		struct tube *t = *at;

		if (t->ready || t->end[0].head || t->end[1].head)
			turn_tube(t, now);
		t->ready = false;
		if (!t->dead) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		drop_pieces(&t->end[0]);
		drop_pieces(&t->end[1]);
		free(t);
	}
}

/* Whether something waits for a time, not for a socket. */
static bool anything_held(void)
{
	for (struct tube *t = tubes; t; t = t->next)
		if (t->end[0].head || t->end[1].head)
			return true;
	return false;
}

/* ---- commands ---- */

static void say(const char *text)
{
	puts(text);
	fflush(stdout);
}

static void set_mode(struct link *l, enum mode mode, int64_t amount)
{
	bool reset = mode == REFUSE;

	l->mode = mode;
	l->amount = amount;
	if (mode == REFUSE)
		close_listener(l);
	else if (l->listener < 0 && !open_listener(l))
		abort();
	for (struct tube *t = tubes; t; t = t->next) {
		if (t->link != l)
			continue;
		t->left = mode == CUT || (mode == SWALLOW && amount) ? amount : -1;
		if (mode == SWALLOW && !amount)
			swallow(t);
		if (reset)
			kill_tube(t, true);
	}
}

static void reset_link(struct link *l)
{
	set_mode(l, PASS, 0);
	for (struct tube *t = tubes; t; t = t->next)
		if (t->link == l)
			kill_tube(t, true);
}

static void add_link(const char *name, const char *host, const char *port)
{
	struct link *l = &links[n_links];
	char text[32];

	if (n_links == LINKS_MAX) {
		say("error too many");
		return;
	}
	*l = (struct link){.target.sin_family = AF_INET, .own.sin_family = AF_INET};
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->target.sin_port = htons((uint16_t)strtol(port, NULL, 10));
	l->own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (inet_pton(AF_INET, host, &l->target.sin_addr) != 1 || !open_listener(l)) {
		say("error no such address, or no port");
		return;
	}
	n_links++;
	snprintf(text, sizeof(text), "port %d", ntohs(l->own.sin_port));
	say(text);
}

static void on_command(struct link *l, const char *what, const char *amount)
{
	static const char *const modes[] = {
		[PASS] = "pass", [DELAY] = "delay",	[DRIBBLE] = "dribble",
		[CUT] = "cut",	 [SWALLOW] = "swallow", [REFUSE] = "refuse"};
	int64_t n = amount ? strtoll(amount, NULL, 10) : 0;

	if (strcmp(what, "reset") == 0) {
		reset_link(l);
		say("ok");
		return;
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(what, modes[i]) != 0)
			continue;
		set_mode(l, (enum mode)i, n);
		say("ok");
		return;
	}
	say("error no such command");
}

static void on_line(char *line)
{
	char *rest = NULL, *word[4] = {NULL};

	for (int i = 0; i < 4; i++)
		word[i] = strtok_r(i ? NULL : line, " \n", &rest);
	if (word[0] && strcmp(word[0], "listen") == 0 && word[3]) {
		add_link(word[1], word[2], word[3]);
		return;
	}
	for (int i = 0; word[1] && i < n_links; i++)
		if (strcmp(links[i].name, word[0]) == 0) {
			on_command(&links[i], word[1], word[2]);
			return;
		}
	say("error listen NAME HOST PORT, or NAME COMMAND");
}

static void on_stdin(void)
{
	static char line[LINE];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, line + len, sizeof(line) - 1 - len);
	char *end;

	if (n <= 0)
		exit(0);
	len += (size_t)n;
	line[len] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		on_line(line);
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
	if (len == sizeof(line) - 1)
		len = 0;
}

int main(void)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL}, got[64];

	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) != 0)
		return 1;
	for (;;) {
		int n = epoll_wait(epoll_fd, got, 64, anything_held() ? TICK_MS : -1);

		for (int i = 0; i < n; i++) {
			struct link *l = got[i].data.ptr;

			if (!l)
				on_stdin();
			else if (l >= links && l < links + LINKS_MAX && l->listener >= 0)
				take_connection(l);
			else if (l < links || l >= links + LINKS_MAX)
				((struct tube *)got[i].data.ptr)->ready = true;
		}
		turn_all();
	}
}
