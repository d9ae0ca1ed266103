/*
 * event: what the world is told (interface.md §4). CloudEvents 1.0, structured mode, in JSON.
 *
 * An event is made by the pass that it tells of, stored with that pass's change (all but progress),
 * published after the commit, struck out after the broker's confirm. Its id is named after workflow
 * and sequence, so that it is the same however often it is made or sent.
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/mailbox.h"
#include "cpoa/uuid.h"

struct run;

enum event_kind {
	EVENT_STARTED,
	EVENT_PROGRESS,
	EVENT_COMPLETED,
	EVENT_FAILED,
	EVENT_CANCELLED,
	EVENT_KINDS
};

const char *event_kind_name(enum event_kind kind); /* "started" … */
bool event_kind_from_name(const char *name, enum event_kind *kind);

struct event {
	struct mail mail;
	struct uuid id, workflow_id;
	const char *type; /* the workflow's: a literal */
	enum event_kind kind;
	char *body;
	size_t len;
	char *reply_to, *correlation_id; /* NULL: nobody waits for it by name */
	bool stored;			 /* has a row to be struck out */
	int64_t lease;			 /* whose row it is */

	bool reply_only; /* goes to reply_to alone */

	/* the outbox's */
	uint64_t seq;	      /* the number of its publishing */
	int64_t published_us; /* wall time of it */
	unsigned tries;	      /* connections that were lost over it */
};

/* What distinguishes one event from another; NULL: absent. All of it is borrowed. */
struct event_parts {
	enum event_kind kind;
	unsigned sequence;
	const char *status;   /* "in_progress" … */
	const char *ui_event; /* "generation_status" or "task_error" */
	/* JSON objects as text: */
	const char *ui; /* its data */
	const char *result;
	const char *error;
	const char *stream;
};

/* "podcast_generation.completed": its routing key, and its row's type. */
enum { EVENT_KEY_SIZE = 96 };
void event_key(const struct event *event, char out[EVENT_KEY_SIZE]);

/* The id that the event with this sequence has or will have. */
struct uuid event_id(const struct uuid *workflow_id, unsigned sequence);

/* A new event of a run at its present time; event_free it. */
struct event *event_make(struct run *run, const struct event_parts *parts);
void event_free(struct event *event); /* NULL is fine */

#endif
