/*
 * args: the arguments of a subcommand, by a table over getopt_long.
 *
 * One row an option: its name and where its value goes. Options and operands may be mixed, "--"
 * ends the options, and an unambiguous beginning of a name will do. Not for threads: getopt_long
 * keeps its place in globals.
 */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "cpoa/err.h"

enum { ARGS_LIST_MAX = 256, ARGS_OPTIONS_MAX = 24 };

/* The values of an option that may be given many times; they point into argv. */
struct arg_list {
	const char *item[ARGS_LIST_MAX];
	int n;
};

struct arg_option {
	const char *name; /* without the dashes; NULL closes the table */
	/* Exactly one of these is set. What is not given on the command line is left untouched. */
	bool *flag;
	const char **text;
	struct arg_list *list;
	int64_t *duration_us; /* "90s" "15m" "2h" "30d"; a bare number is seconds */
	int64_t *number;      /* min..max */
	int64_t min, max;
};

/* What is no option. */
struct args {
	int n;
	char **item;
};

/* `command` is the name as it was typed ("workflow list"). False (ERR_USAGE): a sentence that names
 * the argument. */
MUST_CHECK bool args_parse(struct args *operands, const char *command, int argc, char **argv,
			   const struct arg_option *options, struct err *e);

/* Whether there are `min` to `max` operands; `what` says what they are ("a workflow id"). */
MUST_CHECK bool args_count(const struct args *operands, const char *command, int min, int max,
			   const char *what, struct err *e);

/*
 * The place of `given` among `n` choices. -1 (ERR_USAGE): there is no such one, and the sentence
 * has the nearest, or all of them. `what` is what they are ("type", "subcommand of `cpoa
 * workflow`").
 */
MUST_CHECK int args_choose(const char *what, const char *given, const char *const *choices, int n,
			   struct err *e);

#endif
