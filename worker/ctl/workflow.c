/* cpoa workflow: which one. */
#include "ctl/workflow.h"

#include <string.h>

#include "ctl/ctl.h"
#include "ctl/output.h"

const char *cell_text(const struct db_result *r, int row, int column)
{
	return db_is_null(r, row, column) ? NULL : db_text(r, row, column);
}

static int workflow_main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*main)(int argc, char **argv);
	} table[] = {{"list", workflow_list}, {"show", workflow_show}};

	if (argc < 2) {
		say("`cpoa workflow` needs list or show; `cpoa workflow --help` explains them");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(argv[1], table[i].name) == 0)
			return table[i].main(argc - 1, argv + 1);
	say("'%.64s' is neither list nor show; `cpoa workflow --help` explains them", argv[1]);
	return EXIT_USAGE;
}

const struct command cmd_workflow = {
	.name = "workflow",
	.main = workflow_main,
	.summary = "what PostgreSQL knows of them: list, show",
	.usage = "usage: cpoa workflow list [--type T] [--status S] [--since 2h] [--limit N] "
		 "[--json]\n"
		 "       cpoa workflow show ID [--json]\n"
		 "\n"
		 "  list  the newest first\n"
		 "  show  one with its calls as a timeline, its errors and its result\n"
		 "\n"
		 "  --type T    e.g. podcast_generation\n"
		 "  --status S  in_progress, completed, completed_with_errors, failed, cancelled\n"
		 "  --since D   started within the last 90s, 15m, 2h, 30d\n"
		 "  --limit N   at most so many; 50 by default\n"
		 "  --json      everything, times in RFC 3339\n"
		 "\n"
		 "Exit code 3: nothing matches; 4: no PostgreSQL.\n",
};
