/* args: from our table to getopt_long's, and its complaints as sentences. */
#include "ctl/args.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/nearest.h"
#include "cpoa/strbuf.h"

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

/* "--stauts=x": the name alone is compared. NULL: it is near to none. */
static const char *meant_option(const char *given, const struct arg_option *options)
{
	size_t n = strcspn(given + 2, "=");
	struct nearest meant = nearest_to(given + 2, n);

	for (; options->name; options++)
		nearest_try(&meant, options->name);
	return meant.found;
}

/* getopt_long has just passed the argument that it does not like, unless that is a cluster of short
 * options. */
static bool complain(const char *command, int c, char **argv, const struct arg_option *options,
		     struct err *e)
{
	const char *meant;

	if (c == ':')
		return err_set(e, ERR_USAGE, "--%s needs a value; `cpoa %s --help` explains it",
			       options[optopt - FIRST].name, command);
	if (optopt >= FIRST)
		return err_set(e, ERR_USAGE, "--%s takes no value", options[optopt - FIRST].name);
	if (optopt)
		return err_set(e, ERR_USAGE,
			       "'-%c' is no option of `cpoa %s`; `cpoa %s --help` lists them",
			       optopt, command, command);
	meant = meant_option(argv[optind - 1], options);
	if (meant)
		return err_set(e, ERR_USAGE,
			       "'%.64s' is no option of `cpoa %s`; is --%s meant? `cpoa %s --help` "
			       "lists them",
			       argv[optind - 1], command, meant, command);
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

int args_choose(const char *what, const char *given, const char *const *choices, int n,
		struct err *e)
{
	AUTO(strbuf_release) struct strbuf all;
	struct nearest meant = nearest_to(given, strlen(given));

	strbuf_init(&all, ERR_TEXT_MAX);
	for (int i = 0; i < n; i++) {
		if (strcmp(given, choices[i]) == 0)
			return i;
		nearest_try(&meant, choices[i]);
		strbuf_addf(&all, "%s%s", i ? ", " : "", choices[i]);
	}
	if (meant.found)
		err_set(e, ERR_USAGE, "'%.64s' is no %s; is '%s' meant?", given, what, meant.found);
	else
		err_set(e, ERR_USAGE, "'%.64s' is no %s; there are %s", given, what, all.buf);
	return -1;
}
