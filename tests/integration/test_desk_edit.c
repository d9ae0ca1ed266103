/* links: cpoa_world cpoa_db cpoa_mq */
/* cpoa dead edit, by hand: in an editor on a terminal. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define NO_TOPIC "{\"task_id\":\"0b2a9c5e-27a4-4f6b-9a55-0d8e1f6f2a11\"}"

/* A line of shell; "$CPOA" is the program. */
static int shell(struct world *w, const char **out, const char *line)
{
	return world_run(w, out,
			 (const char *const[]){
				 "/bin/sh", "-c",
				 world_format(w, "CPOA=%s; %s", getenv("CPOA_BIN"), line), NULL});
}

static struct world *open_with_letter(void)
{
	struct world *w = world_open();
	struct job_spec job = world_podcast_spec(w, "r", NULL);

	world_agents(w, NULL);
	world_worker(w, NULL);
	job.body = NO_TOPIC;
	world_publish(w, &job);
	cr_assert(await_rows(w, "dead", "SELECT state FROM dead_letters", SOON_MS));
	return w;
}

/* On a terminal, with `editor` (a line of shell; "$1" is the file). */
static int edit_with(struct world *w, const char *editor, const char *id, const char **out)
{
	world_run(w, NULL,
		  (const char *const[]){"/bin/sh", "-c",
					world_format(w,
						     "cd %s && printf '#!/bin/sh\n%%s\n' \"$0\" "
						     ">editor && chmod 700 editor",
						     world_folder(w)),
					editor, NULL});
	return shell(
		w, out,
		world_format(
			w,
			"cd %s; mkdir -p tmp; export VISUAL= EDITOR=./editor TMPDIR=tmp; "
			"script -qec \"$CPOA dead edit %s --reason-text typo --as Jo\" /dev/null",
			world_folder(w), id));
}

static const char *files(struct world *w)
{
	const char *out;

	shell(w, &out, world_format(w, "cat %s/tmp/* 2>&-", world_folder(w)));
	return out;
}

Test(desk_edit, in_an_editor)
{
	struct world *w = open_with_letter();
	const char *out, *id = world_rows(w, "SELECT id FROM dead_letters");
	static const char body[] = "SELECT convert_from(body, 'UTF8') FROM dead_letters";

	if (shell(w, NULL, "command -v script >/dev/null") != 0)
		cr_skip("there is no script(1)");
	/* What is given up, and what is left as it was. */
	cr_assert_eq(edit_with(w, "echo no >\"$1\"; exit 1", id, &out), USAGE, "%s", out);
	has(out, "nothing was changed");
	cr_assert_eq(edit_with(w, "stat -c %a \"$1\" >mode", id, &out), DONE, "%s", out);
	has(out, "that is what it was");
	same(files(w), "");
	/* What cannot be taken is not lost with it. */
	cr_assert_eq(edit_with(w, "echo '{\"topic\":\"Tides' >\"$1\"", id, &out), USAGE, "%s", out);
	has(out, "is kept in tmp/");
	same(files(w), "{\"topic\":\"Tides\n");
	shell(w, NULL, world_format(w, "rm %s/tmp/*", world_folder(w)));
	cr_assert_eq(edit_with(w, "echo '{\"topic\":7}' >\"$1\"", id, &out), REFUSED, "%s", out);
	has(out, "topic");
	has(out, "is kept in tmp/");
	shell(w, NULL, world_format(w, "rm %s/tmp/*", world_folder(w)));
	same(world_rows(w, "%s", body), NO_TOPIC);
	same(world_rows(w, "SELECT count(*) FROM replays"), "0");

	cr_assert_eq(edit_with(w, "sed -i 's/{/{\"topic\":\"Tides\",/' \"$1\"", id, &out), DONE,
		     "%s", out);
	has(out, "edited");
	same(files(w), "");
	shell(w, &out, world_format(w, "cat %s/mode", world_folder(w)));
	same(out, "600\n");
	same(world_rows(w, "SELECT action, outcome, reason, who LIKE 'Jo as _%%' FROM replays"),
	     "edit|edited|typo|t");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", id), DONE);
	world_await_ends(w, 1, SOON_MS);
	same(world_rows(w, "SELECT trigger_event_details_json->>'topic' FROM workflow_instances"),
	     "Tides");
	world_close(w);
}
