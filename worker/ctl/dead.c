/* cpoa dead: which one. */
#include "ctl/dead.h"

#include <string.h>

#include "ctl/ctl.h"
#include "ctl/output.h"

static int dead_main(int argc, char **argv)
{
	static const struct subcommand table[] = {
		{"list", dead_list},	 {"show", dead_show},
		{"stats", dead_stats},	 {"replay", dead_replay},
		{"edit", dead_edit},	 {"discard", dead_discard},
		{"export", dead_export}, {0},
	};

	return subcommand_run("dead", table, argc, argv);
}

const struct command cmd_dead = {
	.name = "dead",
	.main = dead_main,
	.summary = "dead letters: list, stats, show, replay, edit, discard, export",
	.usage = "usage: cpoa dead list|stats|export [FILTER ...] [--json] [--ids]\n"
		 "       cpoa dead show ID [--payload|--headers] [--json]\n"
		 "       cpoa dead replay ID ...|FILTER [--from-start] [--set k=v ...] [CHANGE "
		 "...]\n"
		 "       cpoa dead discard ID ...|FILTER [CHANGE ...]\n"
		 "       cpoa dead edit ID [--json FILE|- | --set k=v ...] [--dry-run] "
		 "[--reason-text T] [--as NAME]\n"
		 "\n"
		 "A dead letter is a job that was refused, or a workflow that failed for good.\n"
		 "\n"
		 "  list     the newest first; --ids: one id a line\n"
		 "  stats    what broke: counted by reason, type and error\n"
		 "  show     one, with its payload and what was done with it; --payload: that "
		 "alone\n"
		 "  replay   a failed workflow goes on from its last good call; a refused job is "
		 "published again as it came\n"
		 "  edit     mends the payload of a refused job, in $EDITOR without options; the "
		 "original is kept\n"
		 "  discard  nobody will replay it (but --state discarded does)\n"
		 "  export   all of it, a JSON object a line\n"
		 "\n"
		 "FILTER:\n"
		 "  --id N         one of these (may be given many times)\n"
		 "  --reason R     e.g. invalid_job, failed_vfa_request_exception\n"
		 "  --type T       e.g. podcast_generation\n"
		 "  --since T      last failed after: 2h (ago), or 2025-06-14T09:30:00Z\n"
		 "  --until T      last failed before\n"
		 "  --error RE     the error matches this regular expression\n"
		 "  --state S      dead (the default), replayed, discarded, all\n"
		 "  --limit N      list, stats: at most so many (50). replay, discard: more is "
		 "refused "
		 "(1000)\n"
		 "\n"
		 "CHANGE, for replay and discard:\n"
		 "  --dry-run        how many, by reason and type, and a sample; does nothing\n"
		 "  --yes            does not ask; needed for a filter where stdin is no terminal\n"
		 "  --rate N/s       at most so many a second\n"
		 "  --reason-text T  why; stands in the audit (table replays)\n"
		 "  --as NAME        who you are, where all are one user (in a pod)\n"
		 "  --json           what became of each, a JSON object a line\n"
		 "  --from-start     replay: a failed workflow keeps no call\n"
		 "  --set k=v        replay: an argument of a refused job: text. k:=v is a JSON "
		 "value, a.b=v nests\n"
		 "\n"
		 "Ctrl-C finishes what is in hand and prints the command that goes on; nothing is "
		 "replayed twice.\n"
		 "Exit code 1: some could not be replayed; 3: nothing matches; 4: no server; 5: "
		 "refused.\n",
};
