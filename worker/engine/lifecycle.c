/* lifecycle: starting, draining, stopping. */
#include "engine/lifecycle.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/log.h"

#include "engine/caller.h"
#include "engine/fault.h"
#include "engine/harvester.h"
#include "engine/intake.h"
#include "engine/ledger.h"
#include "engine/outbox.h"
#include "engine/pool.h"
#include "engine/stats.h"
#include "engine/tracer.h"

enum { CLEAR_MS = 5000, FLUSH_MS = 5000, SPANS_MS = 2000, LOOK_MS = 5, REST_LOOK_MS = 1000 };

static void name_worker(struct house *house)
{
	char host[64];
	struct rng rng;

	if (gethostname(host, sizeof(host)) != 0)
		snprintf(host, sizeof(host), "unknown");
	host[sizeof(host) - 1] = '\0';
	/* It goes into a statement: what a host name may hold (RFC 1123), and nothing else. */
	for (char *p = host; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *p))
			*p = '-';
	/* Host and process id come again when a container is started anew: what follows does not,
	 * so that nobody takes the new one for the old one come back. */
	rng_seed(&rng, 0);
	snprintf(house->worker_name, sizeof(house->worker_name), "%s:%ld:%08llx", host,
		 (long)getpid(), (unsigned long long)rng_between(&rng, 0, UINT32_MAX));
}

bool house_start(struct house *house, const struct settings *settings, struct err *e)
{
	int64_t now = clock_mono_us();
	bool started;

	memset(house, 0, sizeof(*house));
	house->settings = settings;
	house->look_us = REST_LOOK_MS * INT64_C(1000);
	settings_policy(settings, &house->policy);
	name_worker(house);
	for (int i = 0; i < THREAD_COUNT; i++)
		atomic_store(&house->tick_us[i], now);
	stats_setup(house);
	pthread_mutex_init(&house->gate, NULL);
	pthread_mutex_lock(&house->gate);
	started = http_global_init(e) && tracer_start(house, e) &&
		  (house->caller = caller_start(house, e)) &&
		  (house->harvester = harvester_start(house, e)) &&
		  (house->outbox = outbox_start(house, e)) &&
		  (house->intake = intake_start(house, e)) &&
		  (house->pool = pool_start(house, (int)settings->threads, e)) &&
		  (house->ledger = ledger_start(house, e));
	pthread_mutex_unlock(&house->gate);
	if (!started)
		house_stop(house);
	return started;
}

void house_drain(struct house *house)
{
	FAULT(draining);
	atomic_store(&house->draining, true);
	intake_poke(house->intake);
}

bool house_empty(const struct house *house)
{
	return atomic_load(&house->inflight) == 0;
}

/* Every run is void from now on, and each part gives up what it holds of them. */
static void clear(struct house *house)
{
	int64_t until = clock_mono_us() + (int64_t)CLEAR_MS * 1000;

	FAULT(clearing);
	atomic_store(&house->stopping, true);
	while (!house_empty(house) && clock_mono_us() < until) {
		caller_recall(house->caller);
		harvester_recall(house->harvester);
		usleep(LOOK_MS * 1000);
	}
	if (!house_empty(house))
		log_warn("workflows are still held; their claims end with the session",
			 log_int("cpoa.inflight", atomic_load(&house->inflight)), LOG_END);
}

void house_stop(struct house *house)
{
	if (house->ledger && house->caller)
		clear(house);
	if (house->intake)
		intake_stop(house->intake);
	if (house->caller)
		caller_stop(house->caller);
	if (house->harvester)
		harvester_stop(house->harvester);
	if (house->pool)
		pool_stop(house->pool);
	if (house->outbox)
		outbox_stop(house->outbox, FLUSH_MS);
	if (house->ledger)
		ledger_stop(house->ledger);
	if (house->tracer)
		tracer_stop(house->tracer, SPANS_MS);
	ledger_free(house->ledger);
	outbox_free(house->outbox);
	pool_free(house->pool);
	harvester_free(house->harvester);
	caller_free(house->caller);
	intake_free(house->intake);
	tracer_free(house->tracer);
	pthread_mutex_destroy(&house->gate);
	stats_release();
}
