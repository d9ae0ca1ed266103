/*
 * load: publishes the jobs of a tally at their times, and hears how they end.
 *
 * One thread; a connection for jobs, many of them unconfirmed at a time, and one for events, which
 * is made anew when it is lost (what ended meanwhile stays open in the tally). The jobs' connection
 * is not: a load that was interrupted is another load.
 */
#ifndef CTL_LOAD_H
#define CTL_LOAD_H

#include "cpoa/mq.h"

#include "client/listener.h"
#include "ctl/mix.h"
#include "ctl/tally.h"
#include "engine/settings.h"

enum { LOAD_WINDOW = 1024 /* jobs that the broker has not confirmed */ };

struct load {
	struct mix mix;
	double rate;   /* jobs a second; 0: all at once */
	int64_t total; /* jobs */
	struct tally tally;

	struct mq *jobs;
	struct listener events;
	int64_t began_us;
	uint64_t settled;	 /* all publishings up to this number are confirmed */
	bool taken[LOAD_WINDOW]; /* of those after it, by number */
	int64_t moved_us;	 /* when a job was published or confirmed last */
	int64_t late_us;	 /* the most that a job was published after its time */
	struct strbuf body;
};

/* The first block is set by the caller, the tally initialised. */
MUST_CHECK bool load_open(struct load *l, const struct settings *s, struct err *e);
void load_close(struct load *l);

/* Publishes what is due, hears what has come; waits at most `max_ms` when neither is anything.
 * False: no more can be published. */
MUST_CHECK bool load_turn(struct load *l, int max_ms, struct err *e);

/* Whether nothing has moved for so long, though something was due. */
bool load_stands(const struct load *l, int64_t timeout_us);

static inline bool load_published(const struct load *l)
{
	return l->tally.n == l->total && l->settled == (uint64_t)l->total;
}

static inline bool load_over(const struct load *l)
{
	return load_published(l) && l->tally.ended == l->total;
}

#endif
