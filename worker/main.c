/* cpoa: one binary, a table of subcommands. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

const struct command *const command_table[] = {
	&cmd_worker, &cmd_migrate, &cmd_topology, &cmd_enqueue, &cmd_workflow,
	&cmd_dead,   &cmd_events,  &cmd_harvest,  &cmd_doctor,	&cmd_prune,
	&cmd_health, &cmd_version, &cmd_help,	  NULL,
};

static const struct command *find(const char *name)
{
	for (int i = 0; command_table[i]; i++)
		if (strcmp(command_table[i]->name, name) == 0)
			return command_table[i];
	return NULL;
}

static void list(FILE *out)
{
	fputs("usage: cpoa COMMAND [ARGUMENT ...]\n\n", out);
	for (int i = 0; command_table[i]; i++)
		fprintf(out, "  %-10s %s\n", command_table[i]->name, command_table[i]->summary);
	fputs("\n`cpoa COMMAND --help` explains each.\n", out);
}

void command_help(const struct command *c)
{
	fputs(c->usage, stdout);
}

static int help_main(int argc, char **argv)
{
	const struct command *c = argc > 1 ? find(argv[1]) : NULL;

	if (c)
		command_help(c);
	else
		list(stdout);
	return argc > 1 && !c ? EXIT_USAGE : EXIT_DONE;
}

const struct command cmd_help = {
	.name = "help",
	.main = help_main,
	.summary = "this list, or one command's usage",
	.usage = "usage: cpoa help [COMMAND]\n",
};

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const struct command *c;

	/* A peer that is gone is an error code to us, in every library, and never a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		list(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		list(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return cmd_version.main(1, argv + 1);
	c = find(argv[1]);
	if (!c) {
		fprintf(stderr, "cpoa: there is no command '%.64s'; `cpoa help` lists them\n",
			argv[1]);
		return EXIT_USAGE;
	}
	if (asks_for_help(argc - 1, argv + 1)) {
		command_help(c);
		if (c == &cmd_worker)
			worker_help();
		return EXIT_DONE;
	}
	return c->main(argc - 1, argv + 1);
}
