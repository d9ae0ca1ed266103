/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
/* A podcast whose workers die: another one goes on from its rows. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "podcast_help.h"

TestSuite(taken_over, .init = setup, .fini = teardown);

/* Throws the run away and goes on with one made of the rows, as another worker would. */
static void take_over(void)
{
	run_unref(run);
	run = help_take_over(&world);
	run_pass(run, world.wall_us);
	if (!run->change.ended)
		help_resume(&world, run);
	run_rest(run);
	if (run_has_news(run))
		help_commit(&world, run);
}

static const struct help_answer *script_of(size_t variant, size_t *n)
{
	static const struct help_answer straight[] = {
		{0, 200, HELP_WEB, 0}, {0, 200, HELP_SCRIPT, 0}, {0, 200, HELP_AUDIO, 0}};
	static const struct help_answer polled[] = {
		{0, 202, "{\"task_id\":\"w\",\"status_url\":\"/w\"}", 0},
		{0, 202, "{\"status\":\"STARTED\"}", 0},
		{0, 200, "{\"status\":\"SUCCESS\",\"result\":" HELP_WEB "}", 0},
		{0, 503, NULL, 0},
		{0, 202, "{\"task_id\":\"p\",\"status_url\":\"/p\"}", 0},
		{0, 404, NULL, 0},
		{0, 200, HELP_SCRIPT, 0},
		{0, 409, NULL, 0},
		{0, 202, "{\"task_id\":\"v\",\"status_url\":\"/v\"}", 0},
		{0, 500, "{\"status\":\"SUCCESS\",\"result\":" HELP_AUDIO "}", 0}};
	static const struct help_answer failing[] = {{0, 200, HELP_WEB, 0},
						     {0, 200, HELP_SCRIPT, 0},
						     {0, 400, "{\"message\":\"\\u0000\"}", 0}};

	*n = variant == 1 ? 10 : 3;
	return variant == 0 ? straight : variant == 1 ? polled : failing;
}

/* Runs it with an interruption before each answer whose bit is set. */
static void run_through(size_t variant, unsigned interruptions)
{
	size_t n;
	const struct help_answer *answers = script_of(variant, &n);

	start(HELP_FULL);
	for (size_t i = 0; i < n; i++) {
		if (interruptions >> i & 1)
			take_over();
		cr_assert_eq(world.ended, 0);
		land(answers[i].status, answers[i].body);
	}
	cr_assert_eq(world.ended, 1, "variant %zu, interruptions %x", variant, interruptions);
}

Test(taken_over, ends_with_the_same_event_to_the_byte)
{
	for (size_t variant = 0; variant < 3; variant++) {
		size_t n;
		char *whole;
		int events;

		(void)script_of(variant, &n);
		run_through(variant, 0);
		whole = xstrdup(world.terminal);
		events = world.n_events;
		for (unsigned bits = 1; bits < 1U << n; bits++) {
			/* Whoever takes over there polls the task that was lost; the script answers
			 * a submission. */
			if (variant == 1 && (bits & 1U << 6))
				continue;
			run_through(variant, bits);
			cr_assert_str_eq(world.terminal, whole, "variant %zu, at %x", variant,
					 bits);
			cr_assert_eq(world.n_events, events, "no stage is told twice");
		}
		free(whole);
	}
}

Test(taken_over, asks_for_nothing_that_has_landed)
{
	char *first;

	start(HELP_FULL);
	land(200, HELP_WEB);
	land(200, HELP_SCRIPT);
	first = xstrdup(help_call(run, "vfa")->request);
	take_over();
	cr_assert_eq(run->n_calls, 3);
	cr_assert_eq(help_out(run), help_call(run, "vfa"));
	cr_assert_str_eq(help_out(run)->request, first, "built again from the same replies");
	cr_assert_str_eq(help_out(run)->key, "key-1_vfa");
	cr_assert_eq(help_out(run)->order, 3);
	free(first);
}

Test(taken_over, after_its_last_reply_ends)
{
	start(HELP_FULL);
	land(200, HELP_WEB);
	land(200, HELP_SCRIPT);
	cr_assert(help_hear(&world, help_out(run),
			    &(struct help_answer){.status = 200, .body = HELP_AUDIO}));
	/* The reply is in a row, the end is not: as after a worker of another version. */
	help_keep_call(&world, help_call(run, "vfa"));
	take_over();
	cr_assert_eq(world.ended, 1);
	cr_assert_eq(world.status, STATUS_COMPLETED);
}
