/* links: cpoa_world cpoa_db cpoa_mq */
/* What protects the agents: places, rates, breakers; and that what waits for them is not harmed. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "orders.h"

/* A breaker that opens and tries soon. A call has its attempts and its time to spare. */
#define BREAKER                                                                                   \
	"CPOA_BREAKER_FAILURES=10", "CPOA_BREAKER_SECONDS=0.2", "CPOA_BREAKER_PAUSE_SECONDS=0.4", \
		"CPOA_BREAKER_PAUSE_MAX_SECONDS=0.4", "CPOA_SERVICE_RETRY_COUNT=5",               \
		"CPOA_SERVICE_RETRY_BACKOFF_FACTOR=0.05"

enum { PAUSE_MIN_MS = 200, SLACK_MS = 15, STORM = 40 };

static const char pswa_state[] = "cpoa_agent_breaker_state{agent=\"pswa\"}";
static const char pswa_submits[] = "agent=pswa&kind=submit";
static const char state_of_all[] =
	"SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1";

static void publish(struct world *w, int first, int n)
{
	for (int i = first; i < first + n; i++) {
		struct job_spec job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);

		world_post(w, &job);
	}
	world_flush(w);
}

/* ---- what the agents saw ---- */

struct calls {
	struct json_object *array;
	int n;
};

static struct calls calls_of(struct world *w, const char *query)
{
	struct calls calls = {.array = world_calls(w, query)};

	calls.n = (int)json_object_array_length(calls.array);
	return calls;
}

static int64_t time_of(const struct calls *calls, int i)
{
	struct json_object *call = json_object_array_get_idx(calls->array, (size_t)i);

	return json_object_get_int64(json_any(call, "time_ms"));
}

static bool call_has_fault(const struct calls *calls, int i)
{
	struct json_object *call = json_object_array_get_idx(calls->array, (size_t)i);

	return json_str(call, "fault") != NULL;
}

/* How many came in the `ms` from the i-th on. */
static int within(const struct calls *calls, int i, int64_t ms)
{
	int n = 0;

	for (int j = i; j < calls->n && time_of(calls, j) < time_of(calls, i) + ms; j++)
		n++;
	return n;
}

/* ---- conditions ---- */

struct wish {
	struct world *w;
	int worker;
	const char *what;
	int value;
};

static bool shows(void *ctx)
{
	struct wish *wish = ctx;

	return (int)metric(wish->w, wish->worker, wish->what) == wish->value;
}

static void await_metric(struct world *w, int worker, const char *what, int value)
{
	cr_assert(await(shows, &(struct wish){w, worker, what, value}, SOON_MS), "%s is %g, not %d",
		  what, metric(w, worker, what), value);
}

static bool called(void *ctx)
{
	struct wish *wish = ctx;

	return world_call_count(wish->w, wish->what) >= wish->value;
}

static void await_calls(struct world *w, const char *query, int n)
{
	cr_assert(await(called, &(struct wish){w, 0, query, n}, SOON_MS), "%s: never %d", query, n);
}

static void expect_all(struct world *w, const char *status, int n)
{
	world_await_ends(w, n, 3 * SOON_MS);
	same(world_rows(w, "%s", state_of_all), world_format(w, "%s|%d", status, n));
	cr_assert_eq(world_contradictions(w), 0);
}

/* How long a job takes that does not need PSWA. */
static int64_t another_job(struct world *w, const char *name)
{
	int64_t begun = clock_mono_ms();

	order(w, "snippet_generation", name, "{\"topic_info\":{\"title_suggestion\":\"Bees\"}}");
	same(json_at(world_end(w, world_id(w, name)), "data.status"), "completed");
	return clock_mono_ms() - begun;
}

/* Podcasts that fail until the breaker of PSWA is open. */
static int storm(struct world *w, const char *const *environment)
{
	int worker;

	world_agents(w, "--fault", "pswa:503=1", "--latency-pswa", "40");
	worker = world_worker_with(w, true, environment);
	cr_assert_eq((int)metric(w, worker, pswa_state), 0, "it is there from the start");
	publish(w, 0, STORM);
	await_metric(w, worker, pswa_state, 2);
	await_calls(w, "agent=wcha&kind=submit", STORM);
	return worker;
}

#define STORM_WORKER(...) ((const char *const[]){BREAKER, __VA_ARGS__, NULL})

/* ---- the breaker ---- */

/* For a while: pauses, and between them one request. */
static void expect_probes(struct world *w)
{
	int before = world_call_count(w, pswa_submits), probes;
	struct calls calls;

	let_pass(2500);
	calls = calls_of(w, pswa_submits);
	probes = calls.n - before;
	cr_assert(probes >= 3 && probes <= 2500 / PAUSE_MIN_MS + 1, "%d", probes);
	for (int i = before + 1; i < calls.n; i++)
		cr_assert_geq(time_of(&calls, i) - time_of(&calls, i - 1), PAUSE_MIN_MS - SLACK_MS);
}

/* One, then two at a time, then four: each takes the agent's 40 ms, and only when they are back the
 * next go. */
static void expect_no_herd(struct world *w, int n)
{
	struct calls calls = calls_of(w, pswa_submits);
	int first = 0;

	while (first < calls.n && call_has_fault(&calls, first))
		first++;
	cr_assert_eq(calls.n - first, n);
	cr_assert_leq(within(&calls, first, 38), 1);
	cr_assert_leq(within(&calls, first, 76), 3);
	cr_assert_leq(within(&calls, first, 114), 7);
}

Test(limits, an_agent_that_only_fails_is_left_alone_until_it_is_back)
{
	struct world *w = world_open();
	int worker = storm(w, STORM_WORKER(NULL));

	cr_assert(await_log(w, worker, "the breaker of an agent is open", SOON_MS));
	publish(w, STORM, STORM);
	await_calls(w, "agent=wcha&kind=submit", 2 * STORM);
	expect_probes(w);
	cr_assert_eq(world_events(w, NULL, NULL), 0, "none fails");
	cr_assert_gt(metric(w, worker, "cpoa_call_waits_total{agent=\"pswa\",reason=\"breaker\"}"),
		     STORM);
	cr_assert_lt(another_job(w, "another"), 2000, "other agents are asked as ever");
	cr_assert_eq((int)metric(w, worker, "cpoa_agent_breaker_state{agent=\"sca\"}"), 0);
	world_control(w, "{\"faults\":[]}");
	expect_all(w, "completed", 2 * STORM + 1);
	await_metric(w, worker, pswa_state, 0);
	cr_assert(log_contains(w, worker, "the breaker of an agent has closed"));
	expect_no_herd(w, 2 * STORM);
	/* What tried in vain was an attempt, and nobody has had more than are allowed. */
	same(world_rows(w, "SELECT max(retry_count) <= 5 FROM task_instances"), "t");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_close(w);
}

/* It never comes back: nobody waits for longer than a call may take. */
Test(limits, patience_with_a_breaker_ends)
{
	struct world *w = world_open();
	int worker = storm(w, STORM_WORKER("CPOA_PSWA_POLLING_TIMEOUT_SECONDS=3"));

	expect_all(w, "failed", STORM);
	cr_assert_geq((int)metric(w, worker, pswa_state), 1);
	same(world_rows(w,
			"SELECT count(*) > %d FROM workflow_instances WHERE error_message LIKE"
			" '%%PSWA was not asked within 3 s: its breaker is open%%'",
			STORM / 2),
	     "t");
	same(world_rows(w, "SELECT DISTINCT reason FROM dead_letters"),
	     "failed_pswa_request_exception");
	world_close(w);
}

Test(limits, who_waits_for_a_breaker_can_be_cancelled_and_handed_on)
{
	struct world *w = world_open();
	int worker = storm(w, STORM_WORKER("CPOA_DRAIN_SECONDS=0.5"));
	int64_t begun = clock_mono_ms();

	cr_assert_eq(world_cpoa(w, NULL, "workflow", "cancel", world_id(w, "p3")), 0);
	same(json_at(world_end(w, world_id(w, "p3")), "data.status"), "cancelled");
	worker_signal(w, worker, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	cr_assert_lt(clock_mono_ms() - begun, 5000);
	same(world_rows(w, "SELECT count(*) FROM workflow_instances WHERE claimed_by = 0"),
	     world_format(w, "%d", STORM - 1));
	world_control(w, "{\"faults\":[]}");
	world_worker(w, NULL);
	world_await_ends(w, STORM, SOON_MS);
	same(world_rows(w, "%s ORDER BY 1", state_of_all),
	     world_format(w, "cancelled|1\ncompleted|%d", STORM - 1));
	world_close(w);
}

/* As it is set up from the start: what fails at this scale fails as it would without. */
Test(limits, a_few_workflows_use_up_their_attempts_and_fail)
{
	enum { FEW = 12 };
	struct world *w = world_open();
	int worker;

	world_agents(w, "--fault", "pswa:503=1");
	worker = world_worker(w, NULL);
	publish(w, 0, FEW);
	expect_all(w, "failed", FEW);
	cr_assert_eq(world_call_count(w, pswa_submits), 4 * FEW);
	cr_assert_eq((int)metric(w, worker, pswa_state), 0);
	cr_assert_not(log_contains(w, worker, "breaker"));
	world_close(w);
}

/* ---- what counts as a failure ---- */

static const struct {
	const char *fault;
	bool counts;
} faults[] = {
	{"503", true},	  {"500", true},  {"reset", true},  {"hang", true}, {"cut", true},
	{"429:0", false}, {"429", false}, {"503:1", false}, {"404", false}, {"garbage", false},
};

Test(limits, no_answer_and_5xx_count_against_an_agent_and_nothing_else)
{
	enum { SOME = 14, ROWS = sizeof(faults) / sizeof(*faults) };
	struct world *w = world_open();
	int worker, n = 0;

	world_agents(w, NULL);
	worker =
		world_worker(w, "CPOA_BREAKER_FAILURES=14", "CPOA_BREAKER_SECONDS=0",
			     "CPOA_BREAKER_PAUSE_SECONDS=0.3", "CPOA_BREAKER_PAUSE_MAX_SECONDS=0.3",
			     "CPOA_SERVICE_RETRY_COUNT=0", "CPOA_PSWA_SUBMIT_TIMEOUT_SECONDS=0.4");
	for (int i = 0; i < ROWS; i++) {
		world_control(w, world_format(w, "{\"faults\":[\"pswa:%s=1\"]}", faults[i].fault));
		publish(w, i * 100, SOME);
		world_await_ends(w, n += SOME, SOON_MS);
		cr_assert_eq((int)metric(w, worker, pswa_state), faults[i].counts ? 2 : 0, "%s",
			     faults[i].fault);
		/* An agent that asks for less is not back. */
		world_control(w, "{\"faults\":[\"pswa:429:0=1\"]}");
		world_end(w, world_podcast(w, world_format(w, "less%d", i), NULL));
		cr_assert_eq((int)metric(w, worker, pswa_state), faults[i].counts ? 2 : 0);
		/* One that succeeds closes it, or ends the run. */
		world_control(w, "{\"faults\":[]}");
		world_end(w, world_podcast(w, world_format(w, "good%d", i), NULL));
		n += 2;
		await_metric(w, worker, pswa_state, 0);
	}
	world_close(w);
}

/* ---- the rate ---- */

Test(limits, no_more_are_submitted_in_a_second_than_may_be)
{
	enum { RATE = 20, PODCASTS = 30, SUBMITS = 3 * PODCASTS };
	struct world *w = world_open();
	struct calls calls, before;
	int worker;

	world_agents(w, "--style", "async", "--fault", "pswa:503=first:2");
	/* The time that a call waits for its turn is not part of what it may take, also between its
	 * attempts: they come two seconds and more after each other. */
	worker = world_worker(
		w, "CPOA_PSWA_MAX_PER_SECOND=20", "CPOA_PSWA_POLLING_TIMEOUT_SECONDS=1.2",
		"CPOA_PSWA_POLLING_INTERVAL_SECONDS=0.1", "CPOA_SERVICE_RETRY_BACKOFF_FACTOR=0.01");
	publish(w, 0, PODCASTS);
	cr_assert_lt(another_job(w, "another"), 3000);
	expect_all(w, "completed", PODCASTS + 1);
	calls = calls_of(w, pswa_submits);
	before = calls_of(w, "agent=wcha&kind=submit");
	cr_assert_eq(calls.n, SUBMITS);
	for (int i = 0; i < calls.n; i++)
		cr_assert_leq(within(&calls, i, 1000), RATE + 4, "%d: %d", i,
			      within(&calls, i, 1000));
	cr_assert_leq(time_of(&before, before.n - 1), time_of(&calls, calls.n - 1) - 2000);
	cr_assert_gt(metric(w, worker, "cpoa_call_waits_total{agent=\"pswa\",reason=\"rate\"}"),
		     PODCASTS);
	world_close(w);
}

/* ---- places ---- */

Test(limits, a_line_at_one_agent_holds_up_no_other)
{
	struct world *w = world_open();
	int worker;

	world_agents(w, "--latency-pswa", "150");
	worker = world_worker(w, "CPOA_PSWA_MAX_CONCURRENT=1");
	publish(w, 0, STORM);
	await_calls(w, pswa_submits, 2);
	cr_assert_lt(another_job(w, "another"), 2000);
	cr_assert_lt(world_events(w, "completed", NULL), STORM, "they are still in line");
	expect_all(w, "completed", STORM + 1);
	cr_assert_eq(world_stat(w, "pswa", "max_in_flight"), 1);
	cr_assert_gt(
		metric(w, worker, "cpoa_call_waits_total{agent=\"pswa\",reason=\"concurrency\"}"),
		STORM / 2);
	world_close(w);
}
