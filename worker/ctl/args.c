/* args: from our table to getopt_long's, and its complaints as sentences. */
#include "ctl/args.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"

/* What getopt_long returns for row n is FIRST + n: no character, so never mistaken for a short
 * option. */
enum { FIRST = 256 };

static bool takes_value(const struct arg_option *o)
{
	return o->flag == NULL;
}

static int to_getopt(const struct arg_option *options, struct option out[ARGS_OPTIONS_MAX + 1])
{
	int n = 0;

	for (; options[n].name; n++) {
		assert(n < ARGS_OPTIONS_MAX);
		out[n] = (struct option){
			.name = options[n].name,
			.has_arg = takes_value(&options[n]) ? required_argument : no_argument,
			.val = FIRST + n,
		};
	}
	out[n] = (struct option){0};
	return n;
}

static bool set_number(const struct arg_option *o, const char *value, struct err *e)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (end == value || *end || errno || n < o->min || n > o->max)
		return err_set(e, ERR_USAGE,
			       "--%s is '%.64s'; it must be a number from %lld to %lld", o->name,
			       value, (long long)o->min, (long long)o->max);
	*o->number = n;
	return true;
}

static bool set(const struct arg_option *o, const char *value, struct err *e)
{
	if (o->flag)
		*o->flag = true;
	if (o->text)
		*o->text = value;
	if (o->number && !set_number(o, value, e))
		return false;
	if (o->duration_us && !clock_parse_duration(value, o->duration_us))
		return err_set(e, ERR_USAGE,
			       "--%s is '%.64s'; it must be a time such as 90s, 15m, 2h or 30d",
			       o->name, value);
	if (o->list) {
		if (o->list->n == ARGS_LIST_MAX)
			return err_set(e, ERR_USAGE, "--%s is given more than %d times", o->name,
				       ARGS_LIST_MAX);
		o->list->item[o->list->n++] = value;
	}
	return true;
}

/* getopt_long has just passed the argument that it does not like, unless that is a cluster of short
 * options. */
static bool complain(const char *command, int c, char **argv, const struct arg_option *options,
		     struct err *e)
{
	if (c == ':')
		return err_set(e, ERR_USAGE, "--%s needs a value; `cpoa %s --help` explains it",
			       options[optopt - FIRST].name, command);
	if (optopt >= FIRST)
		return err_set(e, ERR_USAGE, "--%s takes no value", options[optopt - FIRST].name);
	if (optopt)
		return err_set(e, ERR_USAGE,
			       "'-%c' is no option of `cpoa %s`; `cpoa %s --help` lists them",
			       optopt, command, command);
	return err_set(e, ERR_USAGE,
		       "'%.64s' is no option of `cpoa %s`, or stands for several; `cpoa %s --help` "
		       "lists them",
		       argv[optind - 1], command, command);
}

bool args_parse(struct args *operands, const char *command, int argc, char **argv,
		const struct arg_option *options, struct err *e)
{
	struct option table[ARGS_OPTIONS_MAX + 1];
	int n = to_getopt(options, table), c;

	opterr = 0;
	optind = 0; /* glibc: begin afresh */
	while ((c = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (c < FIRST || c >= FIRST + n)
			return complain(command, c, argv, options, e);
		if (!set(&options[c - FIRST], optarg, e))
			return false;
	}
	operands->n = argc - optind;
	operands->item = argv + optind;
	return true;
}

bool args_count(const struct args *operands, const char *command, int min, int max,
		const char *what, struct err *e)
{
	if (operands->n < min)
		return err_set(e, ERR_USAGE, "`cpoa %s` needs %s; `cpoa %s --help` explains it",
			       command, what, command);
	if (operands->n > max)
		return err_set(e, ERR_USAGE, "'%.64s' is one argument too many for `cpoa %s`",
			       operands->item[max], command);
	return true;
}
