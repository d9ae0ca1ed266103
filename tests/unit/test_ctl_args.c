/* links: cpoa_ctl */
#include "ctl/args.h"

#include <criterion/criterion.h>
#include <string.h>

#include "cpoa/err.h"

enum { WORDS = 16 };

struct values {
	bool json;
	const char *type;
	int64_t limit, since_us;
	struct arg_list list;
	struct args operands;
	struct err e;
};

/* The words are split at blanks into `line`, which the values point into. */
static bool parse(struct values *v, char *line)
{
	const struct arg_option options[] = {
		{"json", .flag = &v->json},
		{"type", .text = &v->type},
		{"limit", .number = &v->limit, .min = 1, .max = 100},
		{"since", .duration_us = &v->since_us},
		{"arg", .list = &v->list},
		{0},
	};
	char name[] = "list", *argv[WORDS] = {name}, *save = NULL;
	int argc = 1;

	memset(v, 0, sizeof(*v));
	v->limit = 50;
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		cr_assert_lt(argc, WORDS - 1);
		argv[argc++] = word;
	}
	if (!args_parse(&v->operands, "workflow list", argc, argv, options, &v->e))
		return false;
	/* argv is ours and ends here. */
	v->operands.item = NULL;
	return true;
}

Test(ctl_args, every_kind_of_value_and_untouched_defaults)
{
	char line[] = "--type=podcast --limit 7 one --json --since 2h --arg a=1 --arg b=2",
	     none[] = "";
	struct values v;

	cr_assert(parse(&v, line), "%s", v.e.text);
	cr_expect(v.json);
	cr_expect_str_eq(v.type, "podcast");
	cr_expect_eq(v.limit, 7);
	cr_expect_eq(v.since_us, INT64_C(7200000000));
	cr_expect_eq(v.list.n, 2);
	cr_expect_str_eq(v.list.item[0], "a=1");
	cr_expect_str_eq(v.list.item[1], "b=2");
	cr_expect_eq(v.operands.n, 1, "operands stand between options");
	cr_assert(parse(&v, none));
	cr_expect_eq(v.limit, 50);
	cr_expect_null(v.type);
	cr_expect_eq(v.operands.n, 0);
}

Test(ctl_args, a_lone_dash_is_a_value_and_two_end_the_options)
{
	char dash[] = "--type -", ended[] = "-- --json --nothing";
	struct values v;

	cr_assert(parse(&v, dash), "%s", v.e.text);
	cr_expect_str_eq(v.type, "-");
	cr_assert(parse(&v, ended), "%s", v.e.text);
	cr_expect_not(v.json);
	cr_expect_eq(v.operands.n, 2);
}

Test(ctl_args, complaints_name_the_argument)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"--frob", "'--frob'"},
		{"x --frob=1 y", "'--frob=1'"},
		{"-x", "'-x'"},
		{"--type", "--type needs a value"},
		{"--json=1", "--json takes no"},
		{"--limit 0", "--limit is '0'"},
		{"--limit 101", "1 to 100"},
		{"--limit 7x", "'7x'"},
		{"--limit 99999999999999999999", "--limit"},
		{"--since soon", "--since is 'soon'"},
		{"--since -1", "--since"},
		{"--frob", "`cpoa workflow list --help`"},
		{"--tpye x", "is --type meant?"},
		{"--sinse=2h", "is --since meant?"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		char *line = xstrdup(rows[r].line);
		struct values v;

		cr_expect_not(parse(&v, line), "%s", rows[r].line);
		cr_expect_eq(v.e.class, ERR_USAGE, "%s", rows[r].line);
		cr_expect(strstr(v.e.text, rows[r].says), "%s: %s", rows[r].line, v.e.text);
		free_ptr(&line);
	}
}

Test(ctl_args, a_list_has_a_ceiling)
{
	char name[] = "list", option[] = "--arg", value[] = "v";
	char *argv[2 * ARGS_LIST_MAX + 4] = {name};
	struct arg_list list = {.n = 0};
	const struct arg_option options[] = {{"arg", .list = &list}, {0}};
	struct args operands;
	struct err e = {0};

	for (int i = 0; i <= ARGS_LIST_MAX; i++) {
		argv[1 + 2 * i] = option;
		argv[2 + 2 * i] = value;
	}
	cr_assert(args_parse(&operands, "c", 1 + 2 * ARGS_LIST_MAX, argv, options, &e), "%s",
		  e.text);
	cr_expect_eq(list.n, ARGS_LIST_MAX);
	list.n = 0;
	cr_expect_not(args_parse(&operands, "c", 3 + 2 * ARGS_LIST_MAX, argv, options, &e));
}

Test(ctl_args, operands_are_counted)
{
	char one[] = "one", two[] = "two", *items[] = {one, two};
	struct args operands = {.n = 2, .item = items};
	struct err e = {0};

	cr_expect(args_count(&operands, "c", 1, 2, "an id", &e));
	cr_expect_not(args_count(&operands, "c", 0, 1, "an id", &e));
	cr_expect(strstr(e.text, "'two'"), "%s", e.text);
	operands.n = 0;
	cr_expect_not(args_count(&operands, "c", 1, 1, "an id", &e));
	cr_expect(strstr(e.text, "needs an id"), "%s", e.text);
}

Test(ctl_args, a_choice_is_one_of_several)
{
	static const char *const colours[] = {"red", "green", "blue"};
	struct err e = {0};

	cr_expect_eq(args_choose("colour", "blue", colours, 3, &e), 2);
	cr_expect_eq(args_choose("colour", "gren", colours, 3, &e), -1);
	cr_expect_str_eq(e.text, "'gren' is no colour; is 'green' meant?");
	cr_expect_eq(e.class, ERR_USAGE);
	cr_expect_eq(args_choose("colour", "", colours, 3, &e), -1);
	cr_expect_str_eq(e.text, "'' is no colour; there are red, green, blue");
}
