/* subcommand: which one. */
#include <string.h>

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

enum { SUBCOMMANDS_MAX = 16 };

int subcommand_run(const char *command, const struct subcommand *table, int argc, char **argv)
{
	AUTO(strbuf_release) struct strbuf what;
	const char *names[SUBCOMMANDS_MAX];
	struct err e = {0};
	int n = 0, chosen;

	for (; table[n].name && n < SUBCOMMANDS_MAX; n++)
		names[n] = table[n].name;
	strbuf_init(&what, ERR_TEXT_MAX);
	strbuf_addf(&what, "subcommand of `cpoa %s`", command);
	if (argc < 2) {
		strbuf_reset(&what);
		for (int i = 0; i < n; i++)
			strbuf_addf(&what, "%s%s", i ? ", " : "", names[i]);
		say("`cpoa %s` needs one of %s; `cpoa %s --help` explains them", command, what.buf,
		    command);
		return EXIT_USAGE;
	}
	chosen = args_choose(what.buf, argv[1], names, n, &e);
	if (chosen >= 0)
		return table[chosen].main(argc - 1, argv + 1);
	return complain(&e);
}
