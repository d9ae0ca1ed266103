/* links: cpoa_world cpoa_db cpoa_mq */
/* What a sender may do to us and to others: each of these once did. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "orders.h"

/* ---- reply_to ---- */

/* A name of this form makes RabbitMQ 3.10 decode it as a process, and its channel crashes. */
Test(hostile, reply_to_that_kills_channels_harms_no_other)
{
	enum { OTHERS = 12 };
	static const char poison[] = "amq.rabbitmq.reply-to.g2dkABByZXBseUAxMjM=.aaa";
	struct world *w = world_open();

	world_agents(w, "--latency", "20");
	world_worker(w, NULL);
	for (int i = 0; i < OTHERS; i++) {
		struct job_spec job = world_podcast_spec(w, world_format(w, "p%d", i), NULL);

		if (i == OTHERS / 2)
			job.reply_to = poison;
		world_post(w, &job);
	}
	world_flush(w);
	world_await_ends(w, OTHERS, SOON_MS);
	world_end(w, world_podcast(w, "later", NULL));
	cr_assert_eq(world_contradictions(w), 0);
	cr_assert_eq(world_call_count(w, "agent=vfa"), OTHERS + 1);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     world_format(w, "completed|%d", OTHERS + 1));
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_expect_settled(w);
	world_close(w);
}

/* The same to several at once: as many askers as sent the job again. */
Test(hostile, a_job_sent_again_by_many_at_once_is_told_to_each)
{
	enum { ASKERS = 4 };
	static const char *const tags[ASKERS] = {"asker0", "asker1", "asker2", "asker3"};
	struct world *w = world_open();
	struct job_spec job = world_podcast_spec(w, "asked", NULL);
	const struct seen *end;
	struct err e;
	char queues[ASKERS][MQ_SHORT_MAX + 1];

	world_agents(w, NULL);
	world_worker(w, NULL);
	world_publish(w, &job);
	end = world_event(w, NULL, world_id(w, "asked"), 0, SOON_MS);
	for (int i = 0; i < ASKERS; i++) {
		cr_assert(mq_declare_queue(world_mq(w), "", true, NULL, 0, queues[i], &e), "%s",
			  e.text);
		cr_assert(mq_consume(world_mq(w), queues[i], tags[i], false, &e), "%s", e.text);
	}
	for (int i = 0; i < ASKERS; i++) {
		job.reply_to = queues[i];
		job.correlation_id = tags[i];
		world_post(w, &job);
	}
	world_flush(w);
	for (int i = 0; i < ASKERS; i++) {
		const struct mq_message *m = world_delivery(w, tags[i], SOON_MS);

		same(m->correlation_id, tags[i]);
		same(m->message_id, end->message->message_id);
		same(m->body, end->message->body);
	}
	cr_assert_eq(world_contradictions(w), 0);
	cr_assert_eq(world_call_count(w, "agent=wcha"), 1);
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_expect_settled(w);
	world_close(w);
}

/* ---- many values ---- */

/* "user_preferences" with `n` times `value`. */
static const char *preferences(struct world *w, int n, const char *value)
{
	const size_t len = strlen(value) + 1;
	char *list = xmalloc((size_t)n * len + 1);
	const char *member;

	for (int i = 0; i < n; i++) {
		memcpy(list + (size_t)i * len, value, len - 1);
		list[(size_t)(i + 1) * len - 1] = ',';
	}
	list[(size_t)n * len - 1] = '\0';
	member = world_format(w, "\"user_preferences\":{\"a\":[%s]}", list);
	free(list);
	return member;
}

static bool six_asked(void *w)
{
	return world_stat(w, "wcha", "in_flight") >= 6;
}

Test(hostile, jobs_of_many_small_values_take_little_memory)
{
	struct world *w = world_open();
	const char *many = preferences(w, 300000, "{}"), *some = preferences(w, 40000, "1");
	int worker;

	world_agents(w, "--latency", "2000");
	/* AddressSanitizer keeps what was freed: 256 MiB of it unless told otherwise. */
	worker = world_worker(w, "ASAN_OPTIONS=quarantine_size_mb=1");
	for (int i = 0; i < 3; i++)
		world_podcast(w, world_format(w, "many%d", i), many);
	for (int i = 0; i < 6; i++)
		world_podcast(w, world_format(w, "some%d", i), some);
	for (int i = 0; i < 3; i++)
		world_expect_refused(w, world_format(w, "many%d", i), "invalid_json", "too many");
	cr_assert(await(six_asked, w, SOON_MS));
	cr_assert_lt(worker_status(w, worker, "VmRSS"), 250L << 10, "%ld kB",
		     worker_status(w, worker, "VmRSS"));
	world_control(w, "{\"latency\":0}");
	world_await_ends(w, 6, SOON_MS);
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     "completed|6");
	world_expect_settled(w);
	world_close(w);
}

/* jsonb writes numbers out: 240 KB of these took 12 MB when somebody took them over, and 50,000
 * times 1e-16383 more than PostgreSQL can say, which would have ended every take-over there is. */
Test(hostile, numbers_that_grow_in_postgresql_are_refused)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	world_podcast(w, "many", preferences(w, 40000, "1e307"));
	world_podcast(w, "deep", preferences(w, 40000, "1e-16383"));
	world_podcast(w, "some", preferences(w, 1000, "1e307"));
	world_expect_refused(w, "many", "unstorable", "too long when they are written out");
	world_expect_refused(w, "deep", "unstorable", "too long when they are written out");
	same(json_at(world_end(w, world_id(w, "some")), "data.status"), "completed");
	same(world_rows(w, "SELECT max(length(trigger_event_details_json::text)) < 2 << 20"
			   " FROM workflow_instances"),
	     "t");
	world_expect_settled(w);
	world_close(w);
}

/* ---- the broker's own headers ---- */

/* A shovel keeps them, and a sender may make them up. */
Test(hostile, a_delivery_count_that_came_along_counts_nothing)
{
	struct world *w = world_open();
	struct job_spec job;

	world_agents(w, NULL);
	world_worker(w, NULL);
	job = world_podcast_spec(w, "shovelled", NULL);
	job.headers[2] = (struct mq_header){"x-delivery-count", "1000"};
	world_publish(w, &job);
	same(json_at(world_end(w, world_id(w, "shovelled")), "data.status"), "completed");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_expect_settled(w);
	world_close(w);
}

/* ---- another's workflow id ---- */

Test(hostile, a_failed_job_cannot_speak_for_another_workflow)
{
	struct world *w = world_open();
	const char *id = world_id(w, "victim");
	struct job_spec thief;

	world_agents(w, "--latency-pswa", "1500");
	world_worker(w, NULL);
	world_podcast(w, "victim", NULL);
	cr_assert(await_rows(w, "in_progress", "SELECT overall_status FROM workflow_instances",
			     SOON_MS));
	/* It fails by itself, in the very change that would admit it. */
	thief = order_spec(w, "topic_exploration", "thief", "{}");
	thief.headers[1].value = id;
	world_publish(w, &thief);
	world_expect_refused(w, "thief", "idempotency_conflict", "X-Workflow-ID");
	same(world_rows(w, "SELECT count(*) FROM dead_letters WHERE fingerprint = 'workflow:%s'",
			id),
	     "0");
	same(json_at(world_end(w, id), "data.status"), "completed");
	cr_assert_eq(world_events(w, NULL, NULL), 1);
	same(world_rows(w, "SELECT overall_status, trigger_event_type FROM workflow_instances"),
	     "completed|podcast_generation");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "1");
	world_expect_settled(w);
	world_close(w);
}

/* ---- headers of other kinds than text ---- */

static const char strange[] =
	"import os, sys, json, uuid, pika\n"
	"c = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']))\n"
	"ch = c.channel()\n"
	"ch.confirm_delivery()\n"
	"u = str(uuid.uuid4())\n"
	"nil = '00000000-0000-0000-0000-000000000000'\n"
	"jobs = {\n"
	"    'list': ({'X-Workflow-ID': [u]}, {}),\n"
	"    'void': ({'X-Workflow-ID': None}, {}),\n"
	"    'table': ({'X-Idempotency-Key': {'a': 'b'}}, {}),\n"
	"    'nil': ({'X-Workflow-ID': nil}, {}),\n"
	"    'nobody': ({}, {'user_id': nil}),\n"
	"}\n"
	"for name, (headers, more) in jobs.items():\n"
	"    ch.basic_publish('cpoa.jobs', 'podcast_generation',\n"
	"                     json.dumps({'topic': 't', 'task_id': u, **more}),\n"
	"                     pika.BasicProperties(content_type='application/json',\n"
	"                                          message_id=name, headers=headers),\n"
	"                     mandatory=True)\n"
	"c.close()\n";

Test(hostile, headers_that_are_no_text_are_refused)
{
	static const struct {
		const char *name, *text;
	} jobs[] = {
		{"list", "X-Workflow-ID"},	{"void", "X-Workflow-ID"},
		{"table", "X-Idempotency-Key"}, {"nil", "X-Workflow-ID"},
		{"nobody", "user_id"},
	};
	const char *python = getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3";
	struct world *w = world_open();

	if (world_run(w, NULL, (const char *const[]){python, "-c", "import pika", NULL}) != 0) {
		world_close(w);
		cr_skip("no python3-pika");
	}
	world_agents(w, NULL);
	world_worker(w, NULL);
	cr_assert_eq(world_run(w, NULL, (const char *const[]){python, "-c", strange, NULL}), 0);
	for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++)
		world_expect_refused(w, jobs[i].name, "invalid_job", jobs[i].text);
	world_end(w, world_podcast(w, "a-good-one", NULL));
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"), "1");
	world_expect_settled(w);
	world_close(w);
}
