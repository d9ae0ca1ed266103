/* cpoa worker: runs until SIGTERM. */
#include <mimalloc.h>
#include <sched.h>
#include <stdio.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"
#include "cpoa/notify.h"
#include "cpoa/pages.h"

#include "admin.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "engine/build.h"
#include "engine/fault.h"
#include "engine/lifecycle.h"

enum { LOOK_MS = 20, SETTLED_MS = 5000, KEEP_MS = 1000 };

#pragma weak mi_option_set_default

/* What systemd's watchdog is told is what /livez says: every thread ticks. Returns the milliseconds
 * to the next time; -1: there is no watchdog. */
static int64_t feed_watchdog(const struct house *house)
{
	int64_t period_us = notify_watchdog_us(), now = clock_mono_us();
	bool alive = true;

	if (period_us == 0)
		return -1;
	for (int i = 0; i < THREAD_COUNT; i++)
		alive &= house_ticks(house, (enum thread_index)i, now);
	if (alive)
		notify_send("WATCHDOG=1");
	return period_us / 3000 + 1;
}

/* Waits for `ms` (-1: however long it takes) whether a signal asks for the end. */
static bool asked_to_end(const struct house *house, const sigset_t *set, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms, left = ms, feed;

	do {
		feed = feed_watchdog(house);
		if (ending_signal_wait(set, feed < 0 || (ms >= 0 && left < feed) ? left : feed))
			return true;
		left = ms < 0 ? ms : until - clock_mono_ms();
	} while (ms < 0 || left > 0);
	return false;
}

/* Until nothing is held, the time is up, or a second signal hurries. */
static void drain(struct house *house, const sigset_t *set)
{
	int64_t now = clock_mono_us(), until = now + house->settings->drain_us, feed = now;

	notify_send("STOPPING=1");
	log_info("draining", log_int("cpoa.inflight", atomic_load(&house->inflight)), LOG_END);
	house_drain(house);
	for (; !house_empty(house) && now < until; now = clock_mono_us()) {
		if (now >= feed)
			feed = now + feed_watchdog(house) * 1000;
		if (ending_signal_wait(set, LOOK_MS)) {
			log_warn("a second signal: what is in flight is left to others", LOG_END);
			return;
		}
	}
}

static int run(const struct settings *settings)
{
	struct house house;
	struct httpd *admin;
	struct err e = {0};
	sigset_t set = ending_signals_block();

	if (!house_start(&house, settings, &e)) {
		fprintf(stderr, "cpoa worker: %s\n", e.text);
		return EXIT_USAGE;
	}
	admin = admin_start(&house, &e);
	if (!admin && e.class != ERR_NONE) {
		fprintf(stderr, "cpoa worker: %s\n", e.text);
		house_stop(&house);
		return EXIT_USAGE;
	}
	log_info("worker started", log_str("service.version", CPOA_VERSION),
		 log_str("service.commit", CPOA_COMMIT), log_int("cpoa.threads", settings->threads),
		 log_int("cpoa.inflight_limit", settings->max_inflight), LOG_END);
	notify_send("READY=1");
	if (!asked_to_end(&house, &set, SETTLED_MS)) {
		pages_give_back();
		(void)asked_to_end(&house, &set, -1);
	}
	drain(&house, &set);
	house_stop(&house);
	httpd_stop(admin);
	log_info("worker ended", LOG_END);
	return EXIT_DONE;
}

/*
 * What one podcast gives back the next one takes: pages that are free go back to the kernel after a
 * second, and not after mimalloc's 25 ms, which was a page fault for each call. An environment that
 * says otherwise (MIMALLOC_DECOMMIT_DELAY) is heard.
 */
static void keep_memory(void)
{
	if (mi_option_set_default) /* sanitizers have an allocator of their own */
		mi_option_set_default(mi_option_decommit_delay, KEEP_MS);
}

/*
 * Its threads wake each other for every message and every answer, and a thread that has just been
 * woken need not take the core from one that works: with that they do a tenth less. They sleep and
 * wake as soon as ever where a core is free (sched(7), SCHED_BATCH).
 */
static void work_in_batches(void)
{
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){.sched_priority = 0});
}

static int worker_main(int argc, char **argv)
{
	struct settings settings;
	struct err e = {0};
	int code;

	if (argc > 1) {
		fprintf(stderr,
			"cpoa worker: '%.64s' is no option of it; it is configured by the "
			"environment alone\n",
			argv[1]);
		return EXIT_USAGE;
	}
	if (!fault_setup(&e) || !settings_load(&settings, &e)) {
		fprintf(stderr, "cpoa worker: %s\n", e.text);
		return EXIT_USAGE;
	}
	log_setup((enum log_level)settings.log_level, (enum log_format)settings.log_format, "cpoa",
		  CPOA_VERSION);
	log_thread_name("main");
	keep_memory();
	work_in_batches();
	code = run(&settings);
	settings_release(&settings);
	return code;
}

void worker_help(void)
{
	settings_help(stdout);
}

const struct command cmd_worker = {
	.name = "worker",
	.main = worker_main,
	.summary = "runs a worker until SIGTERM",
	.usage = "usage: cpoa worker\n\n"
		 "Takes jobs from RabbitMQ and runs them until SIGTERM or SIGINT; then takes "
		 "nothing new, lets what is in flight\n"
		 "land for CPOA_DRAIN_SECONDS, leaves the rest to other workers, and ends with 0. "
		 "A second signal hurries.\n\n"
		 "Configured by the environment, and by .env in the working directory:\n\n",
};
