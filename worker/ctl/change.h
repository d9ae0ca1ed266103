/*
 * change: what all commands that change many things have in common: they can be tried without
 * effect, refuse more than was meant, ask before they begin, keep to a rate, and end at Ctrl-C in a
 * state from which the same command goes on.
 */
#ifndef CTL_CHANGE_H
#define CTL_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/err.h"

#include "ctl/args.h"
#include "ctl/audit.h"

enum { CHANGE_LIMIT = 1000, CHANGE_LIMIT_MAX = 10000000, CHANGE_BATCH = 200, CHANGE_SAMPLE = 10 };

struct change_options {
	bool dry_run, yes, json;
	const char *reason_text, *as, *rate_text; /* NULL: not given */
	int64_t limit;
};

/* "s" unless it is one. */
const char *plural(int64_t n);

/* Rows of a command's table of options. */
#define CHANGE_OPTIONS(c)                                                                          \
	{"dry-run", .flag = &(c).dry_run}, {"yes", .flag = &(c).yes}, {"json", .flag = &(c).json}, \
		{"reason-text", .text = &(c).reason_text}, {"as", .text = &(c).as},                \
		{"rate", .text = &(c).rate_text},                                                  \
	{                                                                                          \
		"limit", .number = &(c).limit, .min = 1, .max = CHANGE_LIMIT_MAX                   \
	}

/*
 * Whether to go on with `n` things that were chosen: EXIT_DONE, or the exit code with which to end.
 * `thing` is what they are, in the singular. `named`: the user has named each by its id, so there
 * is nothing to confirm.
 */
int change_agree(const struct change_options *c, const char *verb, const char *thing, int64_t n,
		 bool named);

/* More was chosen than --limit allows: says so and returns EXIT_REFUSED. */
int change_too_many(const struct change_options *c, const char *verb, const char *thing, int64_t n);

/* ---- pace ---- */

struct pace {
	int64_t rate; /* a second; 0: as fast as it goes */
	int64_t begun_us, spent;
};

/* "20" or "20/s"; NULL: no limit. False (ERR_USAGE): a sentence. */
MUST_CHECK bool pace_begin(struct pace *p, const char *text, struct err *e);

/* How many of `want` may be done now, waiting for the first. 0: interrupted. */
int pace_take(struct pace *p, int want);

/* ---- groups: what was chosen, counted ---- */

enum { GROUPS_MAX = 64 };

struct group {
	const char *first, *second; /* of whoever adds them */
	int64_t n;
};

struct groups {
	struct group item[GROUPS_MAX];
	int n;
	int64_t rest; /* of those for which there was no room */
};

void groups_add(struct groups *g, const char *first, const char *second);
/* As a table with these titles, the largest first. */
void groups_print(struct groups *g, const char *first, const char *second);
/* [{first:…,second:…,"count":n}]; a new reference. */
struct json_object *groups_json(struct groups *g, const char *first, const char *second);

#endif
