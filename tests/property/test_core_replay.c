/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
/*
 * Podcasts as they may go: agents that answer well, late, badly or not at all, and workers that die
 * at any moment. What must hold is design.md §5, as far as the core can break it.
 *
 * Each history has a seed of its own. CPOA_SEED=N runs the one that was told, alone.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/core_help.h"

enum { HISTORIES = 4000, STEPS_MAX = 20000, CRASHES_MAX = 8, CLAIMS_MAX = 6 };

struct history {
	struct help_world w;
	struct rng dice;
	struct run *run;
	struct mq_message message;
	char label[64];
	int crashes, claims, steps;
	bool frozen; /* the wall clock stands still */
	bool given_up;
};

static struct history h;

static int64_t roll(int64_t lo, int64_t hi)
{
	return rng_between(&h.dice, lo, hi);
}

static bool chance(int percent)
{
	return roll(1, 100) <= percent;
}

/* ---- answers ---- */

static const char *const jobs[] = {
	HELP_JOB,
	"{\"topic\":\"\xE2\x82\xAC\",\"task_id\":\"" HELP_TASK "\"}",
	"{\"topic\":\"B\",\"task_id\":\"" HELP_TASK
	"\",\"client_id\":\"c\",\"voice_params\":{\"pitch\":1},"
	"\"user_preferences\":{\"preferred_vfa_pitch\":2},\"test_scenarios\":{\"pswa\":\"x\"}}",
};

/* clang-format off */
static const char *const results[3][4] = {
	{"{\"status\":\"success\",\"content\":\"bees \\u0000 \xFF\",\"source_urls\":[\"u\"],\"message\":\"m\"}",
	 "{\"status\":\"success\",\"content\":\"much\"}",
	 "{\"status\":\"success\",\"content\":\"x\",\"source_urls\":{}}",
	 "{\"status\":\"failure\",\"content\":null,\"message\":\"nothing \xFF\"}"},
	{"{\"script_data\":{\"script_id\":\"s\",\"title\":\"t\",\"segments\":[1e400,1.10]}}",
	 "{\"script_id\":\"s\",\"title\":\"t \\ud800\",\"segments\":[]}",
	 "{\"script_id\":\"s\",\"title\":\"t\",\"segments\":[[[[]]]],\"status\":\"x\"}",
	 "{\"error\":\"LLM_PROCESSING_ERROR\",\"message\":\"\\u0001\"}"},
	{"{\"status\":\"success\",\"audio_filepath\":\"gs://x\",\"stream_id\":\"s1\",\"tts_settings_used\":{\"pitch\":-0.0}}",
	 "{\"status\":\"success\",\"audio_filepath\":\"gs://x\",\"stream_id\":\"\xC3\xA4 b\"}",
	 "{\"status\":\"skipped\"}",
	 "{\"status\":\"success\",\"stream_id\":7}"},
};
static const char *const garbage[] = {
	"", "{", "[]", "null", "\xFF", "<html>", "{}", "{\"status\":7}", "{\"status\":\"SUCCESS\"}",
	"{\"status\":\"FAILURE\"}", "{\"task_id\":\"t\"}", "{\"status\":\"SUCCESS\",\"result\":[]}",
	"{\"status\":\"SUCCESS\",\"result\":{}}", "{\"message\":\"\\u0000\"}",
	"{\"status\":\"PROCESSING_CONFLICT\"}",
};
/* clang-format on */
static const int statuses[] = {200, 201, 202, 204, 301, 400, 404, 408, 409, 425, 429, 500, 503};
static const int passing[] = {408, 409, 425, 429, 500, 502, 503, 504};
static const char *const states[] = {"PENDING", "STARTED", "PROGRESS", "RETRY"};

#define ANY(list) (list)[roll(0, (int64_t)(sizeof(list) / sizeof(*(list))) - 1)]

static const char *result_for(const struct call *call)
{
	/* Mostly what leads on: else few histories would see the later stages. */
	return results[call->agent->index][chance(80) ? roll(0, 1) : roll(2, 3)];
}

static void answer_well(const struct call *call, struct help_answer *a, char *body, size_t size)
{
	bool polled = call->state == CALL_ACCEPTED;

	a->status = 200;
	if (!polled && chance(50)) {
		a->status = 202;
		snprintf(body, size, "{\"task_id\":\"t%d\",\"status_url\":\"/t\"}", h.steps);
	} else if (polled && chance(50)) {
		a->status = 202;
		snprintf(body, size, "{\"status\":\"%s\",\"result\":null}", ANY(states));
	} else if (polled) {
		a->status = chance(80) ? 200 : 500;
		snprintf(body, size, "{\"status\":\"SUCCESS\",\"result\":%s}", result_for(call));
	} else {
		snprintf(body, size, "%s", result_for(call));
	}
}

static void roll_answer(const struct call *call, struct help_answer *a, char *body, size_t size)
{
	int64_t luck = roll(1, 100);

	*a = (struct help_answer){.body = body};
	body[0] = '\0';
	if (chance(10))
		a->retry_after_ms = roll(1, 90000);
	if (luck <= 60) {
		answer_well(call, a, body, size);
	} else if (luck <= 75) {
		a->status = ANY(passing);
	} else if (luck <= 90) {
		a->kind = (enum answer_kind)roll(ANSWER_UNREACHABLE, ANSWER_BROKEN);
		a->body = NULL;
	} else if (luck <= 97) {
		a->status = ANY(statuses);
		snprintf(body, size, "%s", ANY(garbage));
	} else {
		a->kind = chance(50) ? ANSWER_TOO_LARGE : ANSWER_REFUSED;
		a->body = NULL;
	}
}

/* ---- a worker's life and death ---- */

static void tick(int64_t ms)
{
	h.w.mono_us += ms * 1000;
	if (!h.frozen)
		h.w.wall_us += ms * 1000 + roll(0, 999);
}

/* The broker delivers again what was not acked; else the row is claimed. */
static void crash(void)
{
	run_unref(h.run);
	h.run = NULL;
	h.crashes++;
	tick(roll(0, 5000));
	if (!h.w.admitted) {
		h.run = help_run(&h.w, &h.message);
		return;
	}
	h.run = help_take_over(&h.w);
	h.claims++;
}

static bool dies(void)
{
	return h.crashes < CRASHES_MAX && chance(6);
}

/* What follows a pass: committed, or lost on the way with everything that was not. */
static void commit_or_die(void)
{
	if (!run_has_news(h.run))
		return;
	if (dies())
		crash();
	else
		help_commit(&h.w, h.run);
}

static void first_pass(void)
{
	if (h.run->taken_over && h.claims > CLAIMS_MAX) {
		run_give_up(h.run, "crash_loop", "too many died", h.w.wall_us);
		h.given_up = true;
	} else {
		run_pass(h.run, h.w.wall_us);
	}
	h.run->taken_over = false;
	if (!h.run->change.ended)
		help_resume(&h.w, h.run);
	run_rest(h.run);
	commit_or_die();
}

/* Time goes on to the answer of the request that is out. */
static void next_answer(struct call *call)
{
	struct help_answer a;
	char body[600];

	tick(call->errand.delay_ms);
	if (dies()) {
		crash();
		return;
	}
	tick(chance(90) ? roll(0, 3000) : roll(0, 30000));
	roll_answer(call, &a, body, sizeof(body));
	help_after(&h.w, h.run, help_hear(&h.w, call, &a));
	commit_or_die();
}

static void begin(uint64_t seed)
{
	h = (struct history){.w = help_world()};
	rng_seed(&h.dice, seed);
	rng_seed(&h.w.rng, seed + 1);
	snprintf(h.label, sizeof(h.label), "CPOA_SEED=%llu", (unsigned long long)seed);
	h.w.label = h.label;
	h.w.policy.retries = (unsigned)roll(0, 4);
	h.frozen = chance(50);
	h.message = help_message(ANY(jobs));
	h.message.reply_to = chance(50) ? "amq.reply" : NULL;
	h.claims = 1;
	h.run = help_run(&h.w, &h.message);
}

static void live(void)
{
	while (!h.w.ended) {
		struct call *call = help_out(h.run);

		cr_assert_lt(h.steps++, STEPS_MAX, "%s: it does not end", h.label);
		if (h.w.admitted && !h.run->taken_over) {
			cr_assert_not_null(call, "%s: it waits for nothing", h.label);
			next_answer(call);
		} else {
			first_pass();
		}
	}
}

/* ---- what must hold ---- */

static unsigned sequence_of(const struct help_event *event)
{
	return (unsigned)strtoul(help_at(event->body, "/sequence") + 1, NULL, 10);
}

static void check_events(void)
{
	unsigned last = 0;
	int ends = 0, starts = 0;

	for (int i = 0; i < h.w.n_events; i++) {
		const struct help_event *event = &h.w.events[i];
		unsigned sequence = sequence_of(event);
		struct uuid id = event_id(&h.w.job.workflow_id, sequence);
		bool end = event->kind != EVENT_STARTED && event->kind != EVENT_PROGRESS;

		cr_assert_gt(sequence, last, "%s: event %d has number %u", h.label, i, sequence);
		cr_assert(uuid_equal(&id, &event->id), "%s: event %d", h.label, i);
		cr_assert_eq(event->stored, event->kind != EVENT_PROGRESS, "%s", h.label);
		cr_assert_eq(event->reply_to != NULL, end && h.message.reply_to, "%s", h.label);
		cr_assert(utf8_ok(event->body, strlen(event->body)), "%s", h.label);
		last = sequence;
		ends += end;
		starts += event->kind == EVENT_STARTED;
	}
	cr_assert(starts == 1 && h.w.events[0].kind == EVENT_STARTED, "%s", h.label);
	cr_assert_eq(ends, 1, "%s", h.label);
	cr_assert_eq(h.w.sequence, last, "%s: the end is the last", h.label);
}

static void check_keys(void)
{
	for (int i = 0; i < h.w.n_rows; i++)
		for (int k = 0; k < i; k++) {
			cr_assert_str_neq(h.w.rows[i].key, h.w.rows[k].key, "%s", h.label);
			cr_assert_str_neq(h.w.rows[i].name, h.w.rows[k].name, "%s", h.label);
			cr_assert(!uuid_equal(&h.w.rows[i].id, &h.w.rows[k].id), "%s", h.label);
		}
}

/* The same job in a world without crashes, whose calls land at once with the replies that stand in
 * the rows. */
static void check_straight(void)
{
	struct help_world w = help_world();
	struct run *run = help_run(&w, &h.message);
	struct call *call;

	w.label = h.label;
	run_pass(run, w.wall_us);
	help_commit(&w, run);
	while ((call = help_out(run))) {
		const struct help_row *row = help_row(&h.w, call->name);

		cr_assert(row && row->reply, "%s", h.label);
		call->out = false;
		cr_assert(call_reply_read(call, row->reply, row->reply_len), "%s", h.label);
		call->news = CALL_ENDED;
		call->landed_us = w.wall_us;
		help_after(&w, run, true);
		help_commit(&w, run);
	}
	cr_assert_eq(w.ended, 1, "%s", h.label);
	cr_assert_str_eq(w.terminal, h.w.terminal, "%s", h.label);
	cr_assert_eq(w.status, h.w.status, "%s", h.label);
	cr_assert_eq(w.sequence, h.w.sequence, "%s", h.label);
	cr_assert_eq(w.n_events, h.w.n_events, "%s", h.label);
	run_unref(run);
	help_close(&w);
}

/* Had the last commit been lost, whoever took over would have told the same: the rows say it all.
 */
static void check_again(void)
{
	struct run *run = help_take_over(&h.w);

	run_pass(run, h.w.wall_us);
	cr_assert(run->change.ended, "%s", h.label);
	cr_assert_str_eq(run->change.terminal->body, h.w.terminal, "%s", h.label);
	cr_assert(uuid_equal(&run->change.terminal->id, &h.w.events[h.w.n_events - 1].id), "%s",
		  h.label);
	run_unref(run);
}

static void run_history(uint64_t seed)
{
	begin(seed);
	live();
	check_events();
	check_keys();
	if (!h.given_up) {
		check_again();
		if (h.frozen)
			check_straight();
	}
	run_unref(h.run);
	help_close(&h.w);
}

Test(replay, whatever_happens_a_podcast_ends_once_and_alike)
{
	const char *given = getenv("CPOA_SEED");
	int statuses_seen[RUN_STATUSES] = {0}, crashes = 0, given_up = 0, asked = 0;

	if (given) {
		run_history(strtoull(given, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
		run_history(seed);
		statuses_seen[h.w.status]++;
		crashes += h.crashes;
		given_up += h.given_up;
		asked += h.w.asked;
	}
	/* Dice that show one face prove nothing. */
	cr_assert_gt(statuses_seen[STATUS_COMPLETED], HISTORIES / 20);
	cr_assert_gt(statuses_seen[STATUS_COMPLETED_WITH_ERRORS], HISTORIES / 100);
	cr_assert_gt(statuses_seen[STATUS_FAILED], HISTORIES / 20);
	cr_assert_gt(crashes, HISTORIES / 2);
	cr_assert_gt(given_up, 0);
	cr_assert_gt(asked, 4 * HISTORIES);
}
