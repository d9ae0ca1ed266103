/* links: cpoa_world cpoa_db cpoa_mq */
/* What comes to the door: refused, duplicate, admitted (interface.md §3, §6). */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#define TASK	      "\"task_id\":\"0b2a9c5e-27a4-4f6b-9a55-0d8e1f6f2a11\""
#define BODY(members) "{\"topic\":\"t\"," TASK members "}"

static struct job_spec job_with(struct world *w, const char *name, const char *body)
{
	struct job_spec job = world_podcast_spec(w, name, NULL);

	if (body)
		job.body = body;
	return job;
}

static void expect_settled(struct world *w)
{
	world_expect_settled(w);
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"
			   " WHERE overall_status NOT IN ('completed')"),
	     "0");
}

/* ---- bodies ---- */

static const struct {
	const char *name, *body, *reason, *text;
} bodies[] = {
	/* clang-format off */
	{"empty", " ", "invalid_json", "body"},
	{"half", "{\"topic\":\"t\",", "invalid_json", "body"},
	{"two", "{} {}", "invalid_json", "body"},
	{"python", "{'topic':'t'}", "invalid_json", "body"},
	{"array", "[]", "invalid_job", "object"},
	{"string", "\"topic\"", "invalid_job", "object"},
	{"null", "null", "invalid_job", "object"},
	{"nothing", "{}", "invalid_job", "'topic'"},
	{"no-topic", "{" TASK "}", "invalid_job", "'topic'"},
	{"blank-topic", "{\"topic\":\" \\t\"," TASK "}", "invalid_job", "'topic'"},
	{"number-topic", "{\"topic\":7," TASK "}", "invalid_job", "'topic'"},
	{"no-task", "{\"topic\":\"t\"}", "invalid_job", "'task_id'"},
	{"bad-task", "{\"topic\":\"t\",\"task_id\":\"1\"}", "invalid_job", "'task_id'"},
	{"null-task", "{\"topic\":\"t\",\"task_id\":null}", "invalid_job", "'task_id'"},
	{"bad-user", BODY(",\"user_id\":\"ann\""), "invalid_job", "'user_id'"},
	{"bad-client", BODY(",\"client_id\":[]"), "invalid_job", "'client_id'"},
	{"bad-voice", BODY(",\"voice_params\":\"loud\""), "invalid_job", "'voice_params'"},
	{"bad-preferences", BODY(",\"user_preferences\":[1]"), "invalid_job", "'user_preferences'"},
	{"bad-scenarios", BODY(",\"test_scenarios\":1"), "invalid_job", "'test_scenarios'"},
	{"number-scenario", BODY(",\"test_scenarios\":{\"pswa\":1}"), "invalid_job", "test_scenarios.pswa"},
	{"crlf-scenario", BODY(",\"test_scenarios\":{\"vfa\":\"x\\r\\nX-Evil: 1\"}"), "invalid_job", "test_scenarios.vfa"},
	{"nul", BODY(",\"client_id\":\"a\\u0000b\""), "unstorable", "body"},
	{"nul-key", BODY(",\"a\\u0000b\":1"), "unstorable", "body"},
	{"utf8", BODY(",\"client_id\":\"\xff\xfe\""), "unstorable", "body"},
	{"overlong", BODY(",\"client_id\":\"\xc0\xaf\""), "unstorable", "body"},
	{"surrogate", BODY(",\"client_id\":\"\xed\xa0\x80\""), "unstorable", "body"},
	{"huge-number", BODY(",\"voice_params\":{\"pitch\":1e999999}"), "unstorable", "body"},
	/* clang-format on */
};

Test(jobs, with_bodies_that_are_none_are_refused)
{
	struct world *w = world_open();
	const size_t n = sizeof(bodies) / sizeof(*bodies);

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (size_t i = 0; i < n; i++) {
		struct job_spec job = job_with(w, bodies[i].name, bodies[i].body);

		world_post(w, &job);
	}
	world_flush(w);
	world_end(w, world_podcast(w, "a-good-one", NULL));
	for (size_t i = 0; i < n; i++)
		world_expect_refused(w, bodies[i].name, bodies[i].reason, bodies[i].text);
	same(world_rows(w, "SELECT count(*), count(DISTINCT fingerprint) FROM dead_letters"),
	     world_format(w, "%zu|%zu", n, n));
	/* The message as it was, to be mended and sent again. */
	same(world_rows(w, "SELECT convert_from(body, 'UTF8'), exchange, routing_key, type,"
			   " headers->>'X-Idempotency-Key', properties->>'content_type',"
			   " properties->>'message_id', workflow_id FROM dead_letters"
			   " WHERE message_id = 'half'"),
	     "{\"topic\":\"t\",|cpoa.jobs|podcast_generation|podcast_generation|half|"
	     "application/json|half|null");
	cr_assert_eq(world_call_count(w, "agent=wcha"), 1);
	cr_assert_eq((int)metric(w, 0,
				 "cpoa_dead_letters_total{type=\"podcast_generation\","
				 "reason=\"unstorable\"}"),
		     6);
	cr_assert_eq((int)metric(w, 0,
				 "cpoa_jobs_total{type=\"podcast_generation\","
				 "outcome=\"refused\"}"),
		     (int)n);
	cr_assert_eq((int)metric(w, 0,
				 "cpoa_jobs_total{type=\"podcast_generation\","
				 "outcome=\"admitted\"}"),
		     1);
	expect_settled(w);
	world_close(w);
}

Test(jobs, deeper_than_allowed_are_refused)
{
	struct world *w = world_open();
	struct job_spec job;
	char open[41], close[41];

	memset(open, '[', 40);
	memset(close, ']', 40);
	open[40] = close[40] = '\0';
	world_agents(w, NULL);
	world_worker(w, NULL);
	job = job_with(w, "deep",
		       world_format(w, BODY(",\"voice_params\":{\"x\":%s%s}"), open, close));
	world_publish(w, &job);
	world_expect_refused(w, "deep", "invalid_json", "body");
	open[28] = close[28] = '\0';
	job = job_with(w, "deep-enough",
		       world_format(w, BODY(",\"voice_params\":{\"x\":%s%s}"), open, close));
	world_publish(w, &job);
	world_end(w, world_id(w, "deep-enough"));
	expect_settled(w);
	world_close(w);
}

Test(jobs, larger_than_allowed_are_refused)
{
	struct world *w = world_open();
	struct job_spec job;
	char *body = xmalloc(3 << 20);

	world_agents(w, NULL);
	world_worker(w, NULL);
	memset(body, ' ', 3 << 20);
	memcpy(body, "{\"topic\":\"t\"", 12);
	memcpy(body + 12, "," TASK "}", strlen("," TASK "}"));
	job = job_with(w, "fits", body);
	job.body_len = 1 << 20;
	world_publish(w, &job);
	job = job_with(w, "one-too-many", body);
	job.body_len = (1 << 20) + 1;
	world_publish(w, &job);
	job = job_with(w, "huge", body);
	job.body_len = 3 << 20;
	world_publish(w, &job);
	world_expect_refused(w, "one-too-many", "too_large", "1048577");
	world_expect_refused(w, "huge", "too_large", "3145728");
	same(json_at(world_end(w, world_id(w, "fits")), "data.status"), "completed");
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "2");
	expect_settled(w);
	free(body);
	world_close(w);
}

/* ---- properties and headers ---- */

static void spoil(struct job_spec *job, int how)
{
	static const char long_key[] = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
				       "kkkkkkkkkkkkkkkkkkkkkkkkk"
				       "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
				       "kkkkkkkkkkkkkkkkkkkkkkkkk"
				       "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
				       "kkkkkkkkkkkkkkkkkkkkkkkkk"
				       "kkkkkkkkkkkk";
	static const char *const keys[] = {"",	    "a\r\nX-Evil: 1", "a\nb", "caf\xc3\xa9",
					   "a\x7f", long_key};
	static const char *const ids[] = {"42", "", "not-a-uuid\r\nX-Evil: 1"};

	if (how < 6)
		job->headers[0].value = keys[how];
	else if (how < 9)
		job->headers[1].value = ids[how - 6];
	else if (how == 9)
		job->correlation_id = "a\r\nb";
	else if (how == 10)
		job->reply_to = "a\nb";
	else if (how == 11)
		job->content_type = "text/plain";
}

Test(jobs, with_bad_headers_are_refused)
{
	static const char *const texts[] = {
		"X-Idempotency-Key", "X-Idempotency-Key", "X-Idempotency-Key", "X-Idempotency-Key",
		"X-Idempotency-Key", "X-Idempotency-Key", "X-Workflow-ID",     "X-Workflow-ID",
		"X-Workflow-ID",     "correlation_id",	  "reply_to",	       "content_type"};
	struct world *w = world_open();
	struct job_spec job;

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (int i = 0; i < 12; i++) {
		job = world_podcast_spec(w, world_format(w, "h%d", i), NULL);
		spoil(&job, i);
		world_publish(w, &job);
	}
	for (int i = 0; i < 12; i++)
		world_expect_refused(w, world_format(w, "h%d", i), "invalid_job", texts[i]);
	job = world_podcast_spec(w, "anonymous", NULL);
	job.message_id = NULL;
	world_publish(w, &job);
	cr_assert(await_rows(w, "invalid_job",
			     "SELECT reason FROM dead_letters WHERE message_id IS NULL", SOON_MS));
	has(world_rows(w, "SELECT error_text FROM dead_letters WHERE message_id IS NULL"),
	    "message_id");

	/* Broken trace headers are no reason to refuse, and go nowhere. */
	job = world_podcast_spec(w, "traced", NULL);
	job.headers[2] = (struct mq_header){"traceparent", "00-zz\r\nX-Evil: 1"};
	job.headers[3] = (struct mq_header){"tracestate", "a=1\r\nX-Evil: 1"};
	world_publish(w, &job);
	world_end(w, world_id(w, "traced"));
	same(json_at(world_calls(w, "agent=pswa"), "0.headers.tracestate"), "absent");
	cr_assert_eq(world_call_count(w, "agent=wcha"), 1);
	expect_settled(w);
	world_close(w);
}

/* ---- types ---- */

Test(jobs, of_unknown_types_are_refused)
{
	struct world *w = world_open();
	struct job_spec job = world_podcast_spec(w, "stranger", NULL);

	world_agents(w, NULL);
	world_worker(w, NULL);
	cr_assert_eq(world_api(w, "POST",
			       "/api/bindings/{vhost}/e/cpoa.jobs/q/cpoa.jobs.podcast_generation",
			       "{\"routing_key\":\"video_generation\"}"),
		     201);
	job.routing_key = "video_generation";
	world_publish(w, &job);
	world_expect_refused(w, "stranger", "unknown_type", "video_generation");
	/* What was put into the queue by hand is what its queue is for. */
	job = world_podcast_spec(w, "by-hand", NULL);
	job.exchange = "";
	job.routing_key = "cpoa.jobs.podcast_generation";
	world_publish(w, &job);
	same(json_at(world_end(w, world_id(w, "by-hand")), "data.status"), "completed");
	expect_settled(w);
	world_close(w);
}

/* ---- good and bad together ---- */

Test(jobs, good_ones_do_not_suffer_from_bad_ones_beside_them)
{
	static const char *const bad[] = {"{", "{}", BODY(",\"x\":\"\\u0000\""),
					  BODY(",\"x\":1e999999"), BODY(",\"x\":\"\xff\"")};
	struct world *w = world_open();

	world_agents(w, NULL);
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	for (int i = 0; i < 200; i++) {
		struct job_spec job = job_with(w, world_format(w, "j%d", i),
					       i % 10 == 0 ? bad[i / 10 % 5] : NULL);

		world_post(w, &job);
	}
	world_flush(w);
	world_worker(w, NULL);
	world_await_ends(w, 180, 30000);
	cr_assert(await_rows(w, "20", "SELECT count(*) FROM dead_letters", SOON_MS));
	same(world_rows(w, "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1"),
	     "completed|180");
	cr_assert_eq(world_stat(w, "pswa", "submits"), 180);
	cr_assert_eq(world_events(w, "completed", NULL), 180);
	expect_settled(w);
	world_close(w);
}

/* ---- duplicates ---- */

static void expect_told_again(struct world *w, const char *id, int index)
{
	const struct seen *first = world_event(w, "completed", id, 0, SOON_MS);
	const struct seen *again = world_event(w, "completed", id, index, SOON_MS);

	same(again->message->message_id, first->message->message_id);
	same(again->message->body, first->message->body);
}

Test(jobs, that_come_again_are_done_once)
{
	struct world *w = world_open();
	struct job_spec job = world_podcast_spec(w, "twice", NULL), other;
	const char *id = world_id(w, "twice");

	world_agents(w, "--latency", "100");
	world_worker(w, NULL);
	world_publish(w, &job);
	world_publish(w, &job);
	world_end(w, id);

	/* After the end its terminal event is sent again, the same to the byte. */
	world_publish(w, &job);
	expect_told_again(w, id, 1);
	/* The resend need not know the workflow's id, and may have another message_id. */
	other = job;
	other.message_id = "third";
	other.headers[1] = (struct mq_header){0};
	world_publish(w, &other);
	expect_told_again(w, id, 2);

	other = world_podcast_spec(w, "ten", NULL);
	for (int i = 0; i < 10; i++)
		world_post(w, &other);
	world_flush(w);
	world_end(w, world_id(w, "ten"));

	same(world_rows(w, "SELECT count(*), sum(claims) FROM workflow_instances"), "2|2");
	cr_assert_eq(world_call_count(w, "agent=wcha"), 2);
	cr_assert_eq(world_call_count(w, "agent=vfa"), 2);
	cr_assert_eq(world_events(w, "started", NULL), 2);
	cr_assert_eq(world_contradictions(w), 0);
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	expect_settled(w);
	world_close(w);
}

Test(jobs, that_come_again_are_told_to_whoever_asks_again)
{
	struct world *w = world_open();
	struct job_spec job = world_podcast_spec(w, "asked", NULL);
	struct mq_message *m;
	struct err e;
	char queue[MQ_SHORT_MAX + 1];

	world_agents(w, NULL);
	world_worker(w, NULL);
	world_publish(w, &job);
	world_end(w, world_id(w, "asked"));
	cr_assert(mq_declare_queue(world_mq(w), "", true, NULL, 0, queue, &e), "%s", e.text);
	cr_assert(mq_consume(world_mq(w), queue, "replies", false, &e), "%s", e.text);
	job.reply_to = queue;
	job.correlation_id = "once more";
	world_publish(w, &job);
	m = world_delivery(w, "replies", SOON_MS);
	same(m->correlation_id, "once more");
	same(m->body, world_event(w, "completed", NULL, 0, SOON_MS)->message->body);
	world_close(w);
}

Test(jobs, that_contradict_earlier_ones_are_refused)
{
	struct world *w = world_open();
	struct job_spec job, other;

	world_agents(w, NULL);
	world_worker(w, NULL);
	job = world_podcast_spec(w, "first", NULL);
	world_publish(w, &job);
	world_end(w, world_id(w, "first"));

	other = job;
	other.message_id = "other-body";
	other.headers[1] = (struct mq_header){0};
	other.body = BODY("");
	world_publish(w, &other);
	world_expect_refused(w, "other-body", "idempotency_conflict", "idempotency key");

	/* The same body, written in another way, is the same job. */
	other.message_id = "other-form";
	other.body =
		world_format(w, " { \"topic\" : \"The story of first\" ,\n \"task_id\":\"%s\"} ",
			     world_id(w, "task of first"));
	world_publish(w, &other);
	expect_told_again(w, world_id(w, "first"), 1);

	/* Another job may not take a workflow's id, nor write into its rows. */
	other = world_podcast_spec(w, "thief", NULL);
	other.headers[1].value = world_id(w, "first");
	world_publish(w, &other);
	world_expect_refused(w, "thief", "idempotency_conflict", "X-Workflow-ID");
	same(world_rows(w, "SELECT count(*), min(idempotency_key) FROM workflow_instances"),
	     "1|first");
	same(world_rows(w, "SELECT count(*) FROM task_instances"), "4");
	cr_assert_eq(world_call_count(w, "agent=wcha"), 1);

	/* Both at once, in one batch. */
	job = world_podcast_spec(w, "a", NULL);
	other = world_podcast_spec(w, "b", NULL);
	other.headers[1].value = world_id(w, "a");
	world_post(w, &job);
	world_post(w, &other);
	world_flush(w);
	world_end(w, world_id(w, "a"));
	cr_assert(await_rows(w, "3", "SELECT count(*) FROM dead_letters", SOON_MS));
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"), "2");
	expect_settled(w);
	world_close(w);
}
