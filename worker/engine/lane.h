/*
 * lane: a publishing connection and what is on its way over it. The outbox has two: one for events,
 * one for the replies that somebody asked for by name, so that no name that a sender chose can hold
 * up an event.
 *
 * What is published is kept until the broker has confirmed it. When the connection is lost, what
 * was not confirmed is published again on the next one; then one at a time, for one of them may be
 * why it was lost (RabbitMQ 3.10 crashes a channel over certain reply_to addresses). What was alone
 * on a connection that was lost goes behind all others.
 *
 * The outbox's thread alone.
 */
#ifndef ENGINE_LANE_H
#define ENGINE_LANE_H

#include "cpoa/backoff.h"
#include "cpoa/mq.h"

#include "engine/house.h"

struct lane {
	struct house *house;
	const char *name; /* of its connection */
	bool replies;	  /* publishes to reply_to, and gives one up after some tries; else to
			     cpoa.events */
	atomic_bool *up;  /* told whether it stands; NULL: nobody asks */
	/* An event is confirmed, or (a reply, or progress) given up; it is handed over. */
	void (*done)(void *ctx, struct event *event);
	void *ctx;

	struct mq *mq;	 /* NULL: no connection */
	bool blocked;	 /* the broker takes nothing now */
	size_t suspects; /* of what is not confirmed, how many were on the way when the last
			    connection was lost */
	bool careful;	 /* one at a time, until there are no suspects */
	struct mail_list waiting;
	struct mail_list sent; /* in the order of their numbers */
	size_t n_sent;
	struct backoff backoff;
	int64_t retry_at_us;
};

void lane_init(struct lane *lane);

/* Frees what it still has, through `drop`. */
void lane_release(struct lane *lane, void (*drop)(void *ctx, struct event *event));

void lane_add(struct lane *lane, struct event *event);

/* Connects if that is due and there is something to publish (always, for events), publishes, hears.
 */
void lane_turn(struct lane *lane, int64_t now_us);

/* Whether lane_turn has more to do at once. */
bool lane_busy(const struct lane *lane);

bool lane_empty(const struct lane *lane);

/* How long the thread may wait because of it, at most `max_ms`. */
int lane_wait_ms(const struct lane *lane, int64_t now_us, int max_ms);

#endif
