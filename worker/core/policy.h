/*
 * policy: the limits and times that runs and calls obey (interface.md §2). Filled in once at the
 * start from the settings, then read by every thread.
 */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include <stddef.h>
#include <stdint.h>

enum { AGENTS_MAX = 8 };

struct agent_policy {
	const char *url; /* where work is submitted; "" when the agent is not configured */
	int64_t submit_timeout_ms; /* for one request that submits */
	int64_t get_timeout_ms;	   /* for one request that polls */
	int64_t interval_ms;	   /* between two polls */
	int64_t total_ms;	   /* for the whole call, from its first request */
};

struct policy {
	unsigned retries;	   /* after the first attempt */
	int64_t backoff_ms;	   /* attempt n waits about backoff·2^n */
	size_t content_max;	   /* bytes of harvested text that PSWA is given */
	const char *websocket_url; /* what asf_websocket_url begins with */
	struct agent_policy agent[AGENTS_MAX];
};

enum {
	BACKOFF_MAX_MS = 60000,
	/* Headers and rows carry these: bounded at the door, so that nothing behind it needs to
	 * ask. */
	KEY_MAX = 255,		   /* bytes of a job's idempotency key */
	SCENARIO_MAX = 100,	   /* characters of a test scenario */
	NAME_MAX_BYTES = 200,	   /* bytes of a call's name */
	BODY_MAX = 1 << 20,	   /* bytes of a job */
	ANSWER_MAX = 4 << 20,	   /* bytes of an agent's answer */
	CALLS_MAX = 256,	   /* calls of one workflow */
	RUN_MEMORY_MAX = 32 << 20, /* bytes that one workflow may hold, answers included: its last
				      event has them, and RabbitMQ takes no more than 128 MiB */
};

#endif
