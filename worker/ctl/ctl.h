/*
 * ctl: the subcommands. One file each; main.c holds their table. Data goes to stdout, words about
 * it to stderr; --json on every command that prints data; a table when stdout is a terminal
 * (interface.md §1).
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>

/* Exit codes (interface.md §1). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* in part, or the workflow failed */
	EXIT_USAGE = 2,	 /* arguments or configuration */
	EXIT_NO_MATCH = 3,
	EXIT_NO_SERVER = 4, /* no connection to RabbitMQ or PostgreSQL */
	EXIT_REFUSED = 5,   /* conflict, guard */
};

struct command {
	const char *name;
	/* argv[0] is the command's name. Returns an exit code. */
	int (*main)(int argc, char **argv);
	const char *summary; /* one line */
	const char *usage;   /* what `cpoa NAME --help` prints */
};

/* The parts of a command that has some; the table is closed by a NULL name. */
struct subcommand {
	const char *name;
	int (*main)(int argc, char **argv);
};

/* Runs the one that argv[1] names, from there on; else says which there are. */
int subcommand_run(const char *command, const struct subcommand *table, int argc, char **argv);

/* In the order of `cpoa help`; closed by NULL. */
extern const struct command *const command_table[];

/* Prints its usage. */
void command_help(const struct command *c);

extern const struct command cmd_worker, cmd_migrate, cmd_topology, cmd_enqueue, cmd_workflow,
	cmd_dead, cmd_events, cmd_asf_bridge, cmd_harvest, cmd_doctor, cmd_prune, cmd_bench,
	cmd_health, cmd_version, cmd_help;

/* The command of that name; NULL: there is none, and the nearest was said. */
const struct command *command_find(const char *name);

/* The table of options, for `cpoa worker --help`. */
void worker_help(void);

#endif
