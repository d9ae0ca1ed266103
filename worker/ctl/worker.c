/* cpoa worker: runs until SIGTERM. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cpoa/clock.h"
#include "cpoa/log.h"
#include "cpoa/notify.h"

#include "admin.h"
#include "ctl/ctl.h"
#include "engine/build.h"
#include "engine/lifecycle.h"

enum { LOOK_MS = 20, KEEP_BYTES = 16 << 20, PAD_BYTES = 256 << 10 };

static sigset_t ending_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return set;
}

/* Waits for a signal; 0 when the time is up first (-1: never). */
static int wait_signal(const sigset_t *set, int64_t timeout_ms)
{
	struct timespec t = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
	int signal = 0;

	if (timeout_ms < 0)
		return sigwait(set, &signal) == 0 ? signal : 0;
	signal = sigtimedwait(set, NULL, &t);
	return signal > 0 ? signal : 0;
}

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
		if (wait_signal(set, LOOK_MS)) {
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
	sigset_t set = ending_signals();

	/* Blocked before there are threads, so that every thread has them blocked and main alone
	 * receives them. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
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
	while (!wait_signal(&set, feed_watchdog(&house)))
		;
	drain(&house, &set);
	house_stop(&house);
	httpd_stop(admin);
	log_info("worker ended", LOG_END);
	return EXIT_DONE;
}

/*
 * What one podcast gives back the next one takes: without this, glibc returns memory to the kernel
 * and asks for it again thousands of times a second.
 */
static void keep_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	mallopt(M_TOP_PAD, PAD_BYTES);
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
	if (!settings_load(&settings, &e)) {
		fprintf(stderr, "cpoa worker: %s\n", e.text);
		return EXIT_USAGE;
	}
	log_setup((enum log_level)settings.log_level, (enum log_format)settings.log_format, "cpoa",
		  CPOA_VERSION);
	log_thread_name("main");
	keep_memory();
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
