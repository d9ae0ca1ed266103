/* proc: reading /proc. */
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpoa/clock.h"

enum { END_MS = 10000, TICK_MS = 10 };

struct stat_line {
	pid_t pid, parent;
	double cpu_s; /* its own, and that of its children that have ended */
};

struct stat_table {
	struct stat_line *line;
	size_t n, cap;
};

static bool read_stat(pid_t pid, struct stat_line *line)
{
	char path[64], text[1024], *p;
	unsigned long utime, stime;
	long cutime, cstime;
	int parent;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')'); /* the name before it may hold anything */
	if (!p || sscanf(p + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
			 &parent, &utime, &stime, &cutime, &cstime) != 5)
		return false;
	line->pid = pid;
	line->parent = parent;
	line->cpu_s = ((double)(utime + stime) + (double)(cutime + cstime)) /
		      (double)sysconf(_SC_CLK_TCK);
	return true;
}

static struct stat_table read_all(void)
{
	struct stat_table t = {0};
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (t.n == t.cap) {
			t.cap = t.cap ? 2 * t.cap : 256;
			t.line = xrealloc(t.line, t.cap * sizeof(*t.line));
		}
		if (read_stat((pid_t)strtol(entry->d_name, NULL, 10), &t.line[t.n]))
			t.n++;
	}
	if (dir)
		closedir(dir);
	return t;
}

static double tree_cpu_s(const struct stat_table *t, pid_t pid, bool alone)
{
	double sum = 0;

	for (size_t i = 0; pid > 0 && i < t->n; i++) {
		if (t->line[i].pid == pid)
			sum += t->line[i].cpu_s;
		else if (t->line[i].parent == pid && !alone)
			sum += tree_cpu_s(t, t->line[i].pid, false);
	}
	return sum;
}

long proc_status(pid_t pid, const char *field)
{
	char path[64], text[256];
	size_t len = strlen(field);
	long value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(text, sizeof(text), f))
		if (strncmp(text, field, len) == 0 && text[len] == ':')
			value = strtol(text + len + 1, NULL, 10);
	fclose(f);
	return value;
}

int64_t proc_cpu_ns(pid_t pid)
{
	char path[300];
	struct dirent *entry;
	long long sum = 0, ns;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%lld", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return sum;
}

/* ---- watching ---- */

static double machine_busy_s(void)
{
	unsigned long user, nice, system, irq, softirq;
	FILE *f = fopen("/proc/stat", "re");
	double s = 0;

	if (!f)
		return 0;
	if (fscanf(f, "cpu %lu %lu %lu %*u %*u %lu %lu", &user, &nice, &system, &irq, &softirq) ==
	    5)
		s = (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
	fclose(f);
	return s;
}

bool watch_add(struct watches *w, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	long pid = equals ? strtol(equals + 1, NULL, 10) : 0;

	if (pid <= 0 || w->n == WATCH_MAX)
		return err_set(e, ERR_USAGE, "'%s' is not NAME=PID, or there are too many", text);
	w->of[w->n++] = (struct watch){
		.name = xstrndup(text, (size_t)(equals - text)),
		.pid = (pid_t)pid,
	};
	return true;
}

void watch_begin(struct watches *w)
{
	struct stat_table t = read_all();

	w->wall_s = -(double)clock_mono_us() / 1e6;
	w->machine_s = -machine_busy_s();
	for (int i = 0; i < w->n; i++)
		w->of[i].cpu_s = -tree_cpu_s(&t, w->of[i].pid, w->of[i].alone);
	free(t.line);
}

void watch_end(struct watches *w)
{
	struct stat_table t = read_all();

	w->wall_s += (double)clock_mono_us() / 1e6;
	w->machine_s += machine_busy_s();
	for (int i = 0; i < w->n; i++)
		w->of[i].cpu_s += tree_cpu_s(&t, w->of[i].pid, w->of[i].alone);
	free(t.line);
}

double watch_others_percent(const struct watches *w)
{
	double others = w->machine_s, cores = (double)sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < w->n; i++)
		others -= w->of[i].cpu_s;
	return others > 0 && w->wall_s > 0 ? 100 * others / w->wall_s / cores : 0;
}

/* ---- a child ---- */

static char **environment;

void proc_keep_environment(void)
{
	size_t n = 0;

	while (environ[n])
		n++;
	environment = xcalloc(n + 1, sizeof(*environment));
	while (n--)
		environment[n] = xstrdup(environ[n]);
}

bool proc_start(char *const argv[], pid_t *pid, struct err *e)
{
	pid_t parent = getpid();

	*pid = fork();
	if (*pid < 0)
		return err_errno(e, ERR_RETRY, errno, "fork");
	if (*pid > 0)
		return true;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	execve(argv[0], argv, environment ? environment : environ);
	fprintf(stderr, "bench: cannot run %s\n", argv[0]);
	_exit(127);
}

bool proc_runs(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

void proc_end(pid_t pid)
{
	int64_t until = clock_mono_ms() + END_MS;

	kill(pid, SIGTERM);
	while (proc_runs(pid) && clock_mono_ms() < until)
		poll(NULL, 0, TICK_MS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
