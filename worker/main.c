/* cpoa: one binary, a table of subcommands. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/manual.h"
#include "ctl/output.h"

const struct command *const command_table[] = {
	&cmd_worker, &cmd_migrate,    &cmd_topology, &cmd_enqueue, &cmd_workflow, &cmd_dead,
	&cmd_events, &cmd_asf_bridge, &cmd_harvest,  &cmd_doctor,  &cmd_prune,	  &cmd_bench,
	&cmd_health, &cmd_version,    &cmd_help,     NULL,
};

enum { COMMANDS_MAX = 32 };

const struct command *command_find(const char *name)
{
	const char *names[COMMANDS_MAX];
	struct err e = {0};
	int n = 0, found;

	for (; command_table[n] && n < COMMANDS_MAX; n++)
		names[n] = command_table[n]->name;
	found = args_choose("command of cpoa", name, names, n, &e);
	if (found < 0)
		complain(&e);
	return found < 0 ? NULL : command_table[found];
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
	const struct command *c;

	if (argc == 1) {
		list(stdout);
		return EXIT_DONE;
	}
	/* For the build: neither is in the list. */
	if (strcmp(argv[1], "--man") == 0) {
		manual_page(stdout);
		return EXIT_DONE;
	}
	if (argc == 3 && strcmp(argv[1], "--completion") == 0 && strcmp(argv[2], "bash") == 0) {
		manual_completion(stdout);
		return EXIT_DONE;
	}
	c = command_find(argv[1]);
	if (c)
		command_help(c);
	return c ? EXIT_DONE : EXIT_USAGE;
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

static void leave(int signal)
{
	_exit(128 + signal);
}

/* Whether all that was printed has gone out. A reader that has gone away has had enough (head). */
static bool printed(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};
	bool lost = fflush(stdout) != 0;

	return !(lost || ferror(stdout)) || (poll(&out, 1, 0) > 0 && (out.revents & POLLERR));
}

static int run(int argc, char **argv)
{
	const struct command *c;

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
	c = command_find(argv[1]);
	if (!c)
		return EXIT_USAGE;
	if (asks_for_help(argc - 1, argv + 1)) {
		command_help(c);
		if (c == &cmd_worker)
			worker_help();
		return EXIT_DONE;
	}
	return c->main(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int code;

	/* The first process of a container is ended by no signal that it does not handle. Commands
	 * that end in an order of their own block these or put handlers of their own in place. */
	if (getpid() == 1) {
		signal(SIGTERM, leave);
		signal(SIGINT, leave);
	}
	/* A peer that is gone is an error code to us, in every library, and never a signal. */
	signal(SIGPIPE, SIG_IGN);
	code = run(argc, argv);
	if (printed())
		return code;
	say("what was printed could not be written whole; is the disk full?");
	return code == EXIT_DONE ? EXIT_FAILED : code;
}
