/*
 * proc: other processes as /proc shows them: what CPU and memory they have used; and a worker as
 * our child. Linux only.
 */
#ifndef BENCH_PROC_H
#define BENCH_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cpoa/err.h"

enum { WATCH_MAX = 8 };

/* A process whose CPU is counted, with all that descend from it, also those that have ended. */
struct watch {
	const char *name;
	pid_t pid;    /* 0: not there yet */
	bool alone;   /* without its descendants */
	double cpu_s; /* between watch_begin and watch_end */
};

struct watches {
	struct watch of[WATCH_MAX];
	int n;
	double machine_s; /* busy time of all cores in between */
	double wall_s;
};

/* "NAME=PID". */
MUST_CHECK bool watch_add(struct watches *w, const char *text, struct err *e);
void watch_begin(struct watches *w);
void watch_end(struct watches *w);

/* The share of the machine's cores, in percent, that went to nobody who is watched. */
double watch_others_percent(const struct watches *w);

/* A number from /proc/PID/status, such as "VmHWM" (KiB) or "Threads"; 0 when there is none. */
long proc_status(pid_t pid, const char *field);

/* CPU that its threads have used, in ns: for what the clock ticks of the rest are too coarse. */
int64_t proc_cpu_ns(pid_t pid);

/* Children get the environment as it is now: settings_load() wipes what is secret out of ours. */
void proc_keep_environment(void);

/* Starts argv (NULL-terminated) as a child that dies with us. */
MUST_CHECK bool proc_start(char *const argv[], pid_t *pid, struct err *e);

/* Whether it still runs. */
bool proc_runs(pid_t pid);

/* SIGTERM, and SIGKILL after ten seconds. */
void proc_end(pid_t pid);

#endif
