/* links: cpoa_world cpoa_db cpoa_mq */
/*
 * `cpoa asf-bridge` between a real broker and a stand-in ASF (agents.md §2.7, §2.8, §8), which
 * keeps its map in memory and a journal of all that it has ever taken.
 */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

enum { MANY = 1000, RESTARTS = 5, LONG_MS = 90000 };

/* ---- what the ASF has taken ---- */

static int count(const char *text, const char *part)
{
	int n = 0;

	while ((text = strstr(text, part))) {
		n++;
		text += strlen(part);
	}
	return n;
}

static int taken(struct world *w, const char *part)
{
	return count(world_asf_journal(w), part);
}

struct want {
	struct world *w;
	const char *part;
	int n;
};

static bool has_taken(void *ctx)
{
	const struct want *want = ctx;

	return taken(want->w, want->part) >= want->n;
}

static void await_taken(struct world *w, const char *part, int n, int64_t ms)
{
	cr_assert(await(has_taken, &(struct want){w, part, n}, ms), "%d of %d: %s", taken(w, part),
		  n, part);
}

/* `part` is a metric's name. */
static bool has_counted(void *ctx)
{
	const struct want *want = ctx;

	return metric(want->w, 0, want->part) >= want->n;
}

/* Messages that the bridge has not acked yet wait or are in its hands. */
static bool drained(void *ctx)
{
	struct world *w = ctx;

	return worker_get(w, 0, "/readyz", NULL) == 200 && world_queue(w, "cpoa.events.asf") == 0 &&
	       metric(w, 0, "cpoa_bridge_pending{kind=\"stream\"}") == 0 &&
	       metric(w, 0, "cpoa_bridge_pending{kind=\"ui\"}") == 0;
}

/* ---- events that nobody but us has made: straight to the bridge's queue, for they are no whole
 * ones ---- */

static void post_event(struct world *w, const char *client, int n, const char *kind, int64_t age_ms,
		       const char *more)
{
	char time[CLOCK_TEXT_SIZE];
	struct job_spec event = {.exchange = "",
				 .routing_key = "cpoa.events.asf",
				 .content_type = "application/cloudevents+json"};

	clock_text(time, clock_wall_us() - age_ms * 1000);
	event.body = world_format(
		w,
		"{\"specversion\":\"1.0\",\"type\":\"aethercast.cpoa.podcast_generation.%s\","
		"\"subject\":\"workflow of %s\",\"time\":\"%s\",\"data\":{\"ui\":{\"client_id\":"
		"\"%s\",\"event_name\":\"generation_status\",\"data\":{\"n\":%d}}%s}}",
		kind, client, time, client, n, more ? more : "");
	world_post(w, &event);
}

static void apply_topology(struct world *w)
{
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
}

/* ---- tests ---- */

static void await_errors(struct world *w, const char *kind)
{
	const char *name =
		world_format(w, "cpoa_bridge_requests_total{kind=\"%s\",outcome=\"5xx\"}", kind);

	cr_assert(await(has_counted, &(struct want){w, name, 1}, LONG_MS), "%s", name);
}

static void order_podcasts(struct world *w, int from, int n)
{
	for (int i = from; i < from + n; i++) {
		const char *name = world_format(w, "podcast %d", i);
		struct job_spec job = world_podcast_spec(
			w, name, world_format(w, "\"client_id\":\"client %d\"", i));

		world_post(w, &job);
	}
	world_flush(w);
}

/* Every stream and every terminal update, by what PostgreSQL knows of them. */
static void expect_all_told(struct world *w)
{
	const char *journal = world_asf_journal(w);

	for (int i = 0; i < MANY; i++) {
		const char *id = world_id(w, world_format(w, "podcast %d", i));
		const char *stream = world_rows(w,
						"SELECT context_data_json->>'stream_id' FROM "
						"workflow_instances WHERE workflow_id = '%s'",
						id);
		const char *update = world_format(
			w,
			"\"client_id\":\"client %d\",\"event_name\":\"generation_status\",\"data\":"
			"{\"message\":\"Podcast generation complete!\"",
			i);

		has(journal, world_format(w, "{\"stream_id\":\"%s\",\"filepath\":\"gs:", stream));
		has(journal, update);
	}
}

Test(asf_bridge, every_stream_and_every_terminal_update_arrives_through_restarts_and_errors,
     .timeout = 120)
{
	struct world *w = world_open();
	int bridge;

	world_agents(w, "--record", "0");
	world_asf(w, NULL);
	bridge = world_bridge(w, true, NULL);
	world_worker(w, "CPOA_LOG_LEVEL=warn");
	for (int i = 0; i < RESTARTS; i++) {
		if (i == 2)
			world_asf_control(w, "{\"asf_status\":500}");
		order_podcasts(w, i * MANY / RESTARTS, MANY / RESTARTS);
		if (i == 2) {
			await_errors(w, "stream");
			await_errors(w, "ui");
			world_asf_control(w, "{\"asf_status\":0}");
		}
		/* In the midst of it. */
		await_taken(w, "\"kind\":\"stream\"", i * MANY / RESTARTS + 10, LONG_MS);
		world_asf_kill(w);
		let_pass(300);
		world_asf(w, NULL);
	}
	world_await_ends(w, MANY, LONG_MS);
	cr_assert(await(drained, w, LONG_MS));
	expect_all_told(w);
	cr_assert_gt(metric(w, bridge,
			    "cpoa_bridge_requests_total{kind=\"stream\",outcome=\"unreachable\"}"),
		     0);
	cr_assert_eq(
		metric(w, bridge, "cpoa_bridge_pushes_total{kind=\"stream\",outcome=\"taken\"}"),
		MANY);
	world_close(w);
}

Test(asf_bridge, updates_keep_the_order_of_their_client_and_old_ones_are_given_up)
{
	struct world *w = world_open();
	const char *journal;
	int bridge;

	apply_topology(w);
	world_asf(w, NULL);
	world_asf_control(w, "{\"asf_status\":500}");
	bridge = world_bridge(w, true, NULL);
	post_event(w, "old", 1, "progress", 61000, NULL);
	for (int n = 0; n < 50; n++)
		for (int c = 0; c < 4; c++)
			post_event(w, world_format(w, "c%d", c), n, "progress", 0, NULL);
	post_event(w, "c3", 99, "completed", 0, NULL);
	world_flush(w);
	cr_assert(await(has_counted,
			&(struct want){w, "cpoa_bridge_events_total{outcome=\"passed_on\"}", 202},
			SOON_MS));
	/* Also the one that is being asked, when its answer comes. */
	cr_assert(await(
		has_counted,
		&(struct want){w, "cpoa_bridge_pushes_total{kind=\"ui\",outcome=\"superseded\"}",
			       50},
		SOON_MS));
	world_asf_control(w, "{\"asf_status\":0}");
	await_taken(w, "\"kind\":\"ui\"", 3 * 50 + 1, SOON_MS);
	cr_assert(await(drained, w, SOON_MS));
	journal = world_asf_journal(w);
	for (int c = 0; c < 3; c++) {
		const char *at = journal;

		for (int n = 0; n < 50; n++) {
			at = strstr(at, world_format(w,
						     "\"client_id\":\"c%d\",\"event_name\":"
						     "\"generation_status\",\"data\":{\"n\":%d}",
						     c, n));
			cr_assert_not_null(at, "client c%d, update %d is not behind %d", c, n,
					   n - 1);
		}
	}
	cr_assert_eq(count(journal, "\"client_id\":\"c3\""), 1, "its end supersedes the rest");
	cr_assert_eq(count(journal, "\"client_id\":\"old\""), 0);
	cr_assert_eq(metric(w, bridge, "cpoa_bridge_pushes_total{kind=\"ui\",outcome=\"too_old\"}"),
		     1);
	cr_assert_eq(
		metric(w, bridge, "cpoa_bridge_pushes_total{kind=\"ui\",outcome=\"superseded\"}"),
		50);
	world_close(w);
}

Test(asf_bridge, a_client_that_is_never_answered_holds_up_nobody)
{
	struct world *w = world_open();
	int64_t began;

	apply_topology(w);
	world_asf(w, "--asf-stuck", "stuck");
	world_bridge(w, true, NULL);
	for (int n = 0; n < 3000; n++)
		post_event(w, "stuck", n, "progress", 0, NULL);
	post_event(w, "fine", 1, "progress", 0,
		   ",\"stream\":{\"stream_id\":\"s\",\"filepath\":\"gs://a\"}");
	began = clock_mono_ms();
	world_flush(w);
	await_taken(w, "\"client_id\":\"fine\"", 1, 9000);
	await_taken(w, "\"stream_id\":\"s\"", 1, 9000);
	/* One request takes ten seconds to be given up: nobody has waited for it. */
	cr_assert_lt(clock_mono_ms() - began, 10000);
	world_asf_control(w, "{\"asf_stuck\":\"\"}");
	world_close(w);
}

Test(asf_bridge, what_the_asf_refuses_for_good_and_what_is_no_event_is_not_tried_for_ever)
{
	struct world *w = world_open();
	struct job_spec rubbish = {
		.exchange = "", .routing_key = "cpoa.events.asf", .body = "rubbish"};

	apply_topology(w);
	world_asf(w, NULL);
	world_bridge(w, true, NULL);
	world_post(w, &rubbish);
	post_event(w, "c", 1, "completed", 0, ",\"stream\":{\"stream_id\":\"s\"}");
	post_event(w, "c", 2, "completed", 0, ",\"stream\":{\"stream_id\":7}");
	world_flush(w);
	await_taken(w, "\"n\":2", 1, SOON_MS);
	cr_assert(await(drained, w, SOON_MS));
	cr_assert_eq(metric(w, 0, "cpoa_bridge_pushes_total{kind=\"stream\",outcome=\"refused\"}"),
		     1);
	cr_assert_eq(metric(w, 0, "cpoa_bridge_events_total{outcome=\"unreadable\"}"), 2);
	cr_assert(log_contains(w, 0, "ASF_NOTIFY_INVALID_FILEPATH"));
	world_close(w);
}

/* A stop with things in hand loses nothing; the next one goes on. */
Test(asf_bridge, what_a_bridge_leaves_the_next_one_takes_up)
{
	struct world *w = world_open();
	int bridge;

	apply_topology(w);
	bridge = world_bridge(w, true, NULL); /* there is no ASF */
	for (int i = 0; i < 100; i++)
		post_event(w, world_format(w, "c%d", i), i, "completed", 0,
			   world_format(w, ",\"stream\":{\"stream_id\":\"s%d\",\"filepath\":\"p\"}",
					i));
	world_flush(w);
	cr_assert(await_log(w, bridge, "nobody answers at the ASF", SOON_MS));
	worker_signal(w, bridge, SIGTERM);
	cr_assert_eq(worker_wait_exit(w, bridge, SOON_MS), 0);
	world_asf(w, NULL);
	bridge = world_bridge(w, true, NULL);
	await_taken(w, "\"kind\":\"stream\"", 100, SOON_MS);
	await_taken(w, "\"kind\":\"ui\"", 100, SOON_MS);
	worker_signal(w, bridge, SIGKILL);
	cr_assert_eq(worker_wait_exit(w, bridge, SOON_MS), 128 + SIGKILL);
	world_abandon(w);
}

struct map_size {
	struct world *w;
	int n;
};

static bool map_has(void *ctx)
{
	struct map_size *m = ctx;
	struct json_object *streams = world_asf_streams(m->w);

	return streams && json_object_object_length(streams) == m->n;
}

Test(asf_bridge, a_restarted_asf_is_given_its_streams_again)
{
	enum { N = 450 }; /* more than two pages */
	struct world *w = world_open();

	world_agents(w, "--record", "0");
	world_worker(w, "CPOA_LOG_LEVEL=warn");
	for (int i = 0; i < N; i++) {
		struct job_spec job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);

		world_post(w, &job);
	}
	world_flush(w);
	world_await_ends(w, N, LONG_MS);
	/* One that is too old to be given again, and one that failed. */
	world_sql(w,
		  "UPDATE workflow_instances SET end_timestamp = now() - interval '25 h' "
		  "WHERE workflow_id = '%s'",
		  world_id(w, "p0"));
	world_sql(w,
		  "UPDATE workflow_instances SET terminal_event_type = 'podcast_generation.failed' "
		  "WHERE workflow_id = '%s'",
		  world_id(w, "p1"));
	/* Nothing waits in the queue: what arrives comes from PostgreSQL. */
	cr_assert(mq_delete_queue(world_mq(w), "cpoa.events.asf", &(struct err){0}));
	world_asf(w, NULL);
	world_bridge(w, true, "24h");
	cr_assert(await(map_has, &(struct map_size){w, N - 2}, SOON_MS));
	/* And again, though nothing is to be told meanwhile. */
	world_asf_kill(w);
	cr_assert(await_log(w, 1, "nobody answers at the ASF", SOON_MS));
	world_asf(w, NULL);
	cr_assert(await(map_has, &(struct map_size){w, N - 2}, SOON_MS));
	cr_assert_eq(metric(w, 1, "cpoa_bridge_rebuilds_total"), 2);
	world_close(w);
}

Test(asf_bridge, probes_and_usage)
{
	struct world *w = world_open_unmigrated();
	const char *body;
	int bridge;

	cr_assert_eq(world_cpoa(w, NULL, "asf-bridge", "--rebuild-since", "yesterday"), 2);
	cr_assert_eq(world_cpoa(w, NULL, "asf-bridge", "now"), 2);
	bridge = world_bridge(w, true, NULL);
	cr_assert_eq(worker_get(w, bridge, "/livez", NULL), 200);
	cr_assert_eq(worker_get(w, bridge, "/readyz", &body), 200);
	has(body, "\"consuming\":\"ok\"");
	cr_assert_eq(worker_get(w, bridge, "/version", NULL), 200);
	cr_assert_eq(metric(w, bridge, "cpoa_amqp_connected"), 1);
	cr_assert_eq(metric(w, bridge, "cpoa_bridge_asf_up{kind=\"ui\"}"), 1);
	world_close(w);
}
