/* cpoa workflow: which one. */
#include "ctl/workflow.h"

#include "ctl/args.h"
#include "ctl/ctl.h"
#include "workflows/workflows.h"

const char *const workflow_statuses[WORKFLOW_STATUSES] = {
	"in_progress", "completed", "completed_with_errors", "failed", "cancelled"};

void workflow_filter_params(const struct workflow_filter *f, struct workflow_params *p)
{
	*p = (struct workflow_params){.value = {f->type, f->status}};
	if (!f->since_us)
		return;
	clock_text(p->since, clock_wall_us() - f->since_us);
	p->value[2] = p->since;
}

bool workflow_could_match(const char *type, const char *status, struct err *e)
{
	if (type && args_choose("type of workflow", type, workflow_types, WORKFLOW_COUNT, e) < 0)
		return false;
	return !status || args_choose("status of a workflow", status, workflow_statuses,
				      WORKFLOW_STATUSES, e) >= 0;
}

static int workflow_main(int argc, char **argv)
{
	static const struct subcommand table[] = {
		{"list", workflow_list},
		{"show", workflow_show},
		{"cancel", workflow_cancel},
		{"retry", workflow_retry},
		{0},
	};

	return subcommand_run("workflow", table, argc, argv);
}

const struct command cmd_workflow = {
	.name = "workflow",
	.main = workflow_main,
	.summary = "what PostgreSQL knows of them: list, show; and cancel, retry",
	.usage = "usage: cpoa workflow list [--type T] [--status S] [--since 2h] [--limit N] "
		 "[--count|--ids] [--json]\n"
		 "       cpoa workflow show ID [--json]\n"
		 "       cpoa workflow cancel (ID ... | --type T --status S --since 2h) [CHANGE "
		 "...]\n"
		 "       cpoa workflow retry (ID ... | --type T --status S --since 2h) "
		 "[--from-start] "
		 "[CHANGE ...]\n"
		 "\n"
		 "  list    the newest first\n"
		 "  show    one with its calls as a timeline, its errors and its result\n"
		 "  cancel  its calls are given up and it ends as cancelled, within a second\n"
		 "  retry   one that failed or was cancelled goes on from its last good call\n"
		 "\n"
		 "  --type T    e.g. podcast_generation\n"
		 "  --status S  in_progress, completed, completed_with_errors, failed, cancelled\n"
		 "  --since D   started within the last 90s, 15m, 2h, 30d\n"
		 "  --limit N   at most so many; 50 by default. cancel, retry: 1000, and more is "
		 "refused\n"
		 "  --count     how many there are, by status and type\n"
		 "  --ids       the ids alone, one a line, for pipes\n"
		 "  --json      everything, times in RFC 3339\n"
		 "\n"
		 "CHANGE, for cancel and retry:\n"
		 "  --dry-run        says what would be done, and does nothing\n"
		 "  --yes            does not ask; needed for a filter where stdin is no terminal\n"
		 "  --rate N/s       at most so many a second\n"
		 "  --reason-text T  why; stands in the audit (table replays)\n"
		 "  --as NAME        who you are, where all are one user (in a pod)\n"
		 "  --from-start     retry: no call is kept\n"
		 "\n"
		 "Exit code 1: some could not be changed; 3: nothing matches; 4: no PostgreSQL; 5: "
		 "refused.\n",
};
