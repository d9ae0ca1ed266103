/*
 * web: the network between callers and agents, and the agents themselves. An agent keeps the
 * protocol of agents.md §2.0: one key is one piece of work, done once, whatever goes wrong on the
 * way. What it answers, and what goes wrong, is drawn anew for each request.
 */
#ifndef SIM_WEB_H
#define SIM_WEB_H

#include "cpoa/http.h"
#include "cpoa/uuid.h"

enum { WEB_WORKS = 512 };

/* What an agent knows of a key. */
struct work {
	char *key;
	int agent;
	struct uuid workflow_id;
	char *name; /* the call's */
	char *body; /* what it was first asked with */
	bool taken; /* accepted as a task */
	int task;   /* the task's number, in its status_url */
	int gone;   /* up to here, its tasks were said to be lost or in conflict: who polled one may
		       submit again */
	int polls_left; /* until it is done */
	char *result;	/* once it is done */
};

struct web {
	struct work work[WEB_WORKS];
	int n_work, tasks;
	int fault_per_mille; /* of requests that go wrong */
	struct http *clients;
};

extern struct web web;

void web_begin(void);
void web_end(void);

/* The URL of an agent, as a worker is told it. */
const char *web_url(int agent);

/* ---- between web.c and agents.c ---- */

struct exchange; /* a request on its way */

struct response {
	enum http_outcome outcome;
	int status;
	int64_t retry_after_ms;
	char *body; /* NULL: empty; the receiver's */
};

/* A submission has arrived; a poll of a task has. */
struct response agent_submitted(const char *key);
struct response agent_polled(const char *key, int task);

struct work *web_work(const char *key);

#endif
