/* links: cpoa_world cpoa_db cpoa_mq */
/* The desk of dead letters: cpoa dead (interface.md §6). */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#define DEAD_IS	    "SELECT count(*) FROM dead_letters WHERE state = 'dead'"
#define LEASE_CLASS "1129336641"
#define NO_TOPIC    "{\"task_id\":\"0b2a9c5e-27a4-4f6b-9a55-0d8e1f6f2a11\"}"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;
	struct err e = {0};

	cr_assert_eq(json_read(text, strlen(text), 64, JSON_STRICT, &o, &e), JSON_OK, "%s: %s",
		     e.text, text);
	return o;
}

/* A job that is refused with that body. */
static void post(struct world *w, const char *name, const char *body)
{
	struct job_spec job = world_podcast_spec(w, name, NULL);

	job.body = body;
	world_post(w, &job);
}

static void await_dead(struct world *w, int n)
{
	cr_assert(await_rows(w, world_format(w, "%d", n), DEAD_IS, SOON_MS), "%s of %d",
		  world_rows(w, DEAD_IS), n);
}

/* A line of shell; "$CPOA_BIN" is the program. */
static int shell(struct world *w, const char **out, const char *line)
{
	return world_run(w, out,
			 (const char *const[]){
				 "/bin/sh", "-c",
				 world_format(w, "CPOA=%s; %s", getenv("CPOA_BIN"), line), NULL});
}

static struct world *open_with_refused(int n)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (int i = 0; i < n; i++)
		post(w, world_format(w, "r%d", i), NO_TOPIC);
	world_flush(w);
	await_dead(w, n);
	return w;
}

/* ---- looking ---- */

Test(desk_dead, list_and_stats_tell_what_broke)
{
	struct world *w = open_with_refused(3);
	const char *out;
	struct json_object *o;

	post(w, "broken", "{");
	world_flush(w);
	await_dead(w, 4);
	world_sql(w, "UPDATE dead_letters SET last_failed_at = now() - interval '3 hours'"
		     " WHERE message_id = 'r0'");

	cr_assert_eq(world_cpoa(w, &out, "dead", "stats", "--json"), DONE);
	*strchr(out, '\n') = '\0';
	o = parse(out);
	same(json_at(o, "count"), "3");
	same(json_at(o, "reason"), "invalid_job");
	same(json_at(o, "type"), "podcast_generation");
	has(json_at(o, "error"), "'topic'");
	json_put(&o);
	cr_assert_eq(world_cpoa(w, &out, "dead", "stats"), DONE);
	has(out, "COUNT  REASON");
	has(out, "invalid_json");

	cr_assert_eq(world_cpoa(w, &out, "dead", "list", "--ids", "--since", "2h"), DONE);
	same(out, world_format(w, "%s\n",
			       world_rows(w, "SELECT id FROM dead_letters WHERE"
					     " message_id <> 'r0' ORDER BY"
					     " last_failed_at DESC, id DESC")));
	cr_assert_eq(world_cpoa(w, &out, "dead", "list", "--until", "2h", "--json"), DONE);
	o = parse(out);
	same(json_at(o, "message_id"), "r0");
	same(json_at(o, "state"), "dead");
	json_put(&o);
	cr_assert_eq(world_cpoa(w, &out, "dead", "list", "--error", "^the body.*JSON", "--ids"),
		     DONE);
	same(out, world_format(w, "%s\n",
			       world_rows(w, "SELECT id FROM dead_letters WHERE"
					     " message_id = 'broken'")));
	cr_assert_eq(world_cpoa(w, NULL, "dead", "list", "--reason", "nothing"), NO_MATCH);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "list", "--state", "replayed"), NO_MATCH);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "list", "--state", "gone"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "list", "--error", "("), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "list", "--since", "soon"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "list", "--id", "one"), USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "dance"), USAGE);
	world_close(w);
}

/* What a sender wrote must not speak to the operator's terminal. */
Test(desk_dead, show_tells_all_and_nothing_that_a_terminal_obeys)
{
	struct world *w = open_with_refused(0);
	const char *id, *out;
	struct json_object *o;

	post(w, "evil", "{\"topic\":7,\"x\":\"\\u001b[2J\"}");
	world_flush(w);
	await_dead(w, 1);
	id = world_rows(w, "SELECT id FROM dead_letters");
	cr_assert_eq(world_cpoa(w, &out, "dead", "show", id), DONE);
	has(out, "invalid_job");
	has(out, "routing key");
	has(out, "X-Idempotency-Key");
	has(out, "payload");
	cr_assert(!strchr(out, 033));
	cr_assert_eq(world_cpoa(w, &out, "dead", "show", id, "--payload"), DONE);
	same(out, "{\"topic\":7,\"x\":\"\\u001b[2J\"}");
	cr_assert_eq(world_cpoa(w, &out, "dead", "show", id, "--json"), DONE);
	o = parse(out);
	same(json_at(o, "body.topic"), "7");
	same(json_at(o, "headers.X-Idempotency-Key"), "evil");
	same(json_at(o, "history"), "[]");
	json_put(&o);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "show", "999"), NO_MATCH);

	post(w, "bytes", "\xff\xfe");
	world_flush(w);
	await_dead(w, 2);
	cr_assert_eq(
		world_cpoa(w, &out, "dead", "export", "--reason", "invalid_json", "--state", "all"),
		DONE);
	o = parse(out);
	same(json_at(o, "body_hex"), "fffe");
	same(json_at(o, "message_id"), "bytes");
	json_put(&o);
	world_close(w);
}

/* ---- replaying jobs ---- */

/* Where it went first, with its own properties, and without what others have added. */
Test(desk_dead, replay_publishes_the_message_as_it_came)
{
	struct world *w = world_open();
	struct mq *mq = world_mq(w);
	struct job_spec job = world_podcast_spec(w, "whole", NULL);
	struct mq_message *m;
	struct err e = {0};
	int worker;

	world_agents(w, NULL);
	worker = world_worker(w, NULL);
	job.correlation_id = "c-1";
	job.reply_to = "answers";
	job.body = NO_TOPIC;
	for (size_t i = 0; i < 12; i++)
		if (!job.headers[i].name) {
			job.headers[i] = (struct mq_header){
				"traceparent",
				"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
			job.headers[i + 1] = (struct mq_header){"tenant", "t1"};
			job.headers[i + 2] = (struct mq_header){"x-first-death-reason", "old"};
			job.headers[i + 3] = (struct mq_header){"x-replay-count", "7"};
			break;
		}
	world_publish(w, &job);
	await_dead(w, 1);
	worker_signal(w, worker, SIGTERM);
	worker_wait_exit(w, worker, SOON_MS);

	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--yes"),
		     DONE);
	cr_assert(mq_consume(mq, "cpoa.jobs.podcast_generation", "look", false, &e), "%s", e.text);
	m = world_delivery(w, "look", SOON_MS);
	same(m->exchange, "cpoa.jobs");
	same(m->routing_key, "podcast_generation");
	same(m->message_id, "whole");
	same(m->correlation_id, "c-1");
	same(m->reply_to, "answers");
	same(m->content_type, "application/json");
	cr_assert_eq(m->delivery_mode, 2);
	same(m->body, NO_TOPIC);
	same(mq_header(m, "X-Idempotency-Key"), "whole");
	same(mq_header(m, "X-Workflow-ID"), world_id(w, "whole"));
	same(mq_header(m, "tenant"), "t1");
	same(mq_header(m, "traceparent"),
	     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	cr_assert_null(mq_header(m, "x-first-death-reason"));
	same(mq_header(m, "x-replay-count"), "1");
	same(mq_header(m, "x-replay-id"), world_rows(w, "SELECT replay_id FROM replays"));
	cr_assert_not_null(mq_header(m, "x-replayed-by"));
	same(world_rows(w, "SELECT state, replay_count FROM dead_letters"), "replayed|1");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--yes"),
		     NO_MATCH, "twice is once");
	world_close(w);
}

/* The worker may refuse it again before the replay has marked it: dead is what it is then. */
Test(desk_dead, replay_of_what_is_refused_again_leaves_it_dead)
{
	enum { N = 300 };
	struct world *w = open_with_refused(N);
	const char *out;

	cr_assert_eq(world_cpoa(w, &out, "dead", "replay", "--reason", "invalid_job", "--yes"),
		     DONE);
	has(out, world_format(w, "replayed %d of %d dead letters", N, N));
	await_dead(w, N);
	same(world_rows(w,
			"SELECT count(*), min(replay_count), max(replay_count) FROM dead_letters"),
	     world_format(w, "%d|1|1", N));
	same(world_rows(w, "SELECT count(*), count(DISTINCT dead_letter_id) FROM replays WHERE"
			   " outcome = 'replayed'"),
	     world_format(w, "%d|%d", N, N));
	world_close(w);
}

Test(desk_dead, replay_with_mended_arguments)
{
	struct world *w = open_with_refused(2);
	const char *out, *id = world_rows(w, "SELECT min(id) FROM dead_letters");

	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--yes",
				"--set", "topic:=7"),
		     REFUSED, "it would be refused again");
	same(world_rows(w, "SELECT outcome, detail LIKE '%%topic%%' FROM replays"),
	     "refused|t\nrefused|t");
	await_dead(w, 2);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", id, "--set", "topic=Tea"), DONE);
	world_await_ends(w, 1, SOON_MS);
	same(world_rows(w,
			"SELECT state, convert_from(original_body, 'UTF8'),"
			" convert_from(body, 'UTF8')::json->>'topic', edited_at IS NOT NULL"
			" FROM dead_letters WHERE id = %s",
			id),
	     "replayed|" NO_TOPIC "|Tea|t");

	/* By hand, then as it stands. */
	id = world_rows(w, "SELECT max(id) FROM dead_letters");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "edit", id, "--set", "topic="), REFUSED);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "edit", id), USAGE, "no terminal, no editor");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "edit", id, "--set", "topic:=7", "--dry-run"),
		     REFUSED);
	cr_assert_eq(world_cpoa(w, &out, "dead", "edit", id, "--set", "topic=Rain", "--dry-run"),
		     DONE);
	has(out, "would edit");
	same(world_rows(w,
			"SELECT count(*) FROM dead_letters WHERE edited_at IS NOT NULL AND"
			" id = %s",
			id),
	     "0");
	same(world_rows(w, "SELECT count(*) FROM replays WHERE action = 'edit'"), "0");
	cr_assert_eq(shell(w, &out,
			   world_format(w,
					"echo '{\"topic\":\"Rain\",\"task_id\":\"%s\"}' |"
					" $CPOA dead edit %s --json - --reason-text 'no topic'",
					world_id(w, "task"), id)),
		     DONE);
	has(out, "edited");
	same(world_rows(w, "SELECT action, outcome, reason FROM replays WHERE action = 'edit'"),
	     "edit|edited|no topic");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", id), DONE);
	world_await_ends(w, 2, SOON_MS);
	cr_assert_eq(world_cpoa(w, &out, "dead", "show", id), DONE);
	has(out, "what was done");
	has(out, "no topic");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "edit", id, "--set", "topic=x"), REFUSED);
	world_close(w);
}

Test(desk_dead, replay_of_what_no_queue_takes_says_so)
{
	struct world *w = open_with_refused(2);

	world_sql(w, "UPDATE dead_letters SET routing_key = 'nowhere' WHERE message_id = 'r0'");
	world_sql(w, "UPDATE dead_letters SET exchange = 'no.such' WHERE message_id = 'r1'");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--state", "dead", "--yes"), REFUSED);
	same(world_rows(w, "SELECT d.message_id, r.outcome, r.detail LIKE '%%topology apply%%' FROM"
			   " replays r JOIN dead_letters d ON d.id = r.dead_letter_id ORDER BY 1"),
	     "r0|refused|t\nr1|refused|t");
	same(world_rows(w, "SELECT state, claimed_by, replay_count FROM dead_letters ORDER BY id"),
	     "dead|null|0\ndead|null|0");
	world_close(w);
}

Test(desk_dead, replay_does_not_send_half_a_message)
{
	struct world *w = open_with_refused(0);
	char *body = malloc((1 << 20) + 64);

	memset(body, ' ', (1 << 20) + 63);
	body[0] = '{';
	body[(1 << 20) + 62] = '}';
	body[(1 << 20) + 63] = '\0';
	post(w, "huge", body);
	world_flush(w);
	free(body);
	await_dead(w, 1);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "too_large", "--yes"),
		     REFUSED);
	has(world_rows(w, "SELECT detail FROM replays"), "bytes were kept");
	world_close(w);
}

/* ---- claims ---- */

Test(desk_dead, replay_leaves_alone_what_another_has_in_hand)
{
	struct world *w = open_with_refused(2);

	world_sql(w, "UPDATE dead_letters SET claimed_by = 777");
	world_sql(w, "SELECT pg_advisory_lock(" LEASE_CLASS ", 777)");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--yes"),
		     REFUSED);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "discard", "--reason", "invalid_job", "--yes"),
		     REFUSED);
	same(world_rows(w, "SELECT DISTINCT state, replay_count FROM dead_letters"), "dead|0");
	/* It has died in the middle of it. */
	world_sql(w, "SELECT pg_advisory_unlock(" LEASE_CLASS ", 777)");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--yes"),
		     DONE);
	same(world_rows(w, "SELECT DISTINCT replay_count FROM dead_letters"), "1");
	world_close(w);
}

Test(desk_dead, replay_by_two_operators_does_each_once)
{
	enum { N = 400 };
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (int i = 0; i < N; i++)
		post(w, world_format(w, "r%d", i), NO_TOPIC);
	world_flush(w);
	await_dead(w, N);
	shell(w, NULL,
	      "for i in 1 2 3; do $CPOA dead replay --reason invalid_job --set topic=Two --yes"
	      " --limit 400 >/dev/null 2>&1 & done; wait");
	world_await_ends(w, N, 60000);
	same(world_rows(w, "SELECT count(*) FROM replays WHERE outcome = 'replayed'"),
	     world_format(w, "%d", N));
	same(world_rows(w, "SELECT count(*) FROM dead_letters WHERE state = 'replayed' AND"
			   " replay_count = 1"),
	     world_format(w, "%d", N));
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"), world_format(w, "%d", N));
	world_close(w);
}

/* Ctrl-C finishes what is in hand; the same command goes on. */
Test(desk_dead, replay_of_jobs_is_interrupted_and_goes_on)
{
	enum { N = 240 };
	struct world *w = open_with_refused(N);
	static const char *const replay[] = {"dead",  "replay",	   "--reason", "invalid_job",
					     "--set", "topic=Tea", "--yes",    "--rate",
					     "50/s",  NULL};
	int64_t done;

	cr_assert_eq(world_interrupt(w, NULL, "SELECT count(*) FROM replays", 40, replay), 130);
	done = world_count(w, "SELECT count(*) FROM replays WHERE outcome = 'replayed'");
	cr_assert(done >= 40 && done < N, "%d", (int)done);
	cr_assert_eq(world_count(w, "SELECT count(*) FROM dead_letters WHERE state = 'replayed'"),
		     done);
	same(world_rows(w, "SELECT count(claimed_by) FROM dead_letters"), "0");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--set",
				"topic=Tea", "--yes"),
		     DONE);
	world_await_ends(w, N, 60000);
	same(world_rows(w, "SELECT count(*), count(DISTINCT dead_letter_id) FROM replays"),
	     world_format(w, "%d|%d", N, N));
	world_close(w);
}

Test(desk_dead, replay_without_a_broker_changes_nothing)
{
	struct world *w = open_with_refused(2);

	cr_assert_eq(shell(w, NULL,
			   "AMQP_URL=amqp://guest:guest@127.0.0.1:1/ $CPOA dead replay --reason"
			   " invalid_job --yes"),
		     NO_SERVER);
	same(world_rows(w, "SELECT state, claimed_by, replay_count FROM dead_letters"),
	     "dead|null|0\ndead|null|0");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--yes"),
		     DONE);
	same(world_rows(w, "SELECT DISTINCT replay_count FROM dead_letters"), "1");
	world_close(w);
}

/* ---- discarding ---- */

Test(desk_dead, discard_and_take_it_back)
{
	struct world *w = open_with_refused(3);
	const char *out, *id = world_rows(w, "SELECT min(id) FROM dead_letters");

	cr_assert_eq(world_cpoa(w, &out, "dead", "discard", "--reason", "invalid_job", "--dry-run"),
		     DONE);
	has(out, "would discard 3 dead letters");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "discard", "--reason", "invalid_job"), REFUSED);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "discard"), USAGE);
	await_dead(w, 3);
	cr_assert_eq(world_cpoa(w, &out, "dead", "discard", id, "--reason-text", "spam"), DONE);
	has(out, "discarded 1 of 1 dead letter ");
	same(world_rows(w, "SELECT state FROM dead_letters ORDER BY id"), "discarded\ndead\ndead");
	same(world_rows(w, "SELECT action, outcome, reason FROM replays"),
	     "discard|discarded|spam");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", id), NO_MATCH);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", id, "--state", "discarded", "--set",
				"topic=After all"),
		     DONE);
	world_await_ends(w, 1, SOON_MS);
	same(world_rows(w, "SELECT state FROM dead_letters WHERE id = %s", id), "replayed");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", id, "--state", "replayed"), USAGE);
	world_close(w);
}

/* ---- guards ---- */

Test(desk_dead, more_than_the_limit_is_refused)
{
	struct world *w = open_with_refused(4);
	const char *out;

	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--limit",
				"3", "--yes"),
		     REFUSED);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--yes"), USAGE, "everything there is?");
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job", "--rate",
				"0/s", "--yes"),
		     USAGE);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "invalid_job"), REFUSED);
	cr_assert_eq(world_cpoa(w, &out, "dead", "replay", "--reason", "invalid_job", "--dry-run",
				"--json"),
		     DONE);
	has(out, "\"count\":4");
	same(world_rows(w, "SELECT count(*) FROM replays"), "0");
	/* A terminal is asked, and the number is to be typed. */
	if (shell(w, NULL, "command -v script >/dev/null") == 0) {
		cr_assert_eq(shell(w, &out,
				   "printf '3\\n' | script -qec \"$CPOA dead replay --reason "
				   "invalid_job\" /dev/null"),
			     REFUSED);
		has(out, "replay 4 dead letters? Type 4 to go on");
		same(world_rows(w, "SELECT count(*) FROM replays"), "0");
	}
	world_close(w);
}

/* ---- what the broker has given up ---- */

static void set_policy(struct world *w, const char *definition)
{
	int status =
		world_api(w, "PUT", "/api/policies/{vhost}/test",
			  world_format(w,
				       "{\"pattern\":\"^cpoa\\\\.jobs\\\\.snippet_generation$\","
				       "\"apply-to\":\"queues\",\"definition\":{%s}}",
				       definition));

	cr_assert(status == 201 || status == 204, "%d", status);
}

static void publish_snippet(struct world *w, const char *name)
{
	struct job_spec job = {.routing_key = "snippet_generation",
			       .content_type = "application/json",
			       .message_id = name,
			       .headers = {{"X-Workflow-ID", world_id(w, name)}},
			       .body = "{\"topic_info\":{\"title_suggestion\":\"Tea\"}}"};

	world_post(w, &job);
}

Test(desk_dead, drains_what_has_expired_and_replays_it)
{
	enum { N = 50 };
	struct world *w = world_open();

	world_agents(w, NULL);
	/* Nobody takes snippets for now. */
	world_worker(w, "CPOA_WORKFLOWS=podcast_generation");
	set_policy(w, "\"message-ttl\":50");
	for (int i = 0; i < N; i++)
		publish_snippet(w, world_format(w, "s%d", i));
	world_flush(w);
	await_dead(w, N);
	same(world_rows(w, "SELECT DISTINCT reason, exchange, routing_key, type, workflow_id FROM"
			   " dead_letters"),
	     "expired|cpoa.jobs|snippet_generation|snippet_generation|null");
	has(world_rows(w, "SELECT min(error_text) FROM dead_letters"),
	    "cpoa.jobs.snippet_generation");
	cr_assert_eq(world_queue(w, "cpoa.dead"), 0);
	cr_assert_eq(world_api(w, "DELETE", "/api/policies/{vhost}/test", NULL), 204);
	let_pass(200);
	cr_assert_eq(world_cpoa(w, NULL, "dead", "replay", "--reason", "expired", "--yes"), DONE);
	world_worker(w, NULL);
	world_await_ends(w, N, 60000);
	same(world_rows(w, "SELECT DISTINCT state FROM dead_letters"), "replayed");
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"), world_format(w, "%d", N));
	world_close(w);
}

Test(desk_dead, drains_what_was_rejected_or_delivered_too_often)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, "CPOA_WORKFLOWS=podcast_generation");
	publish_snippet(w, "rejected");
	world_flush(w);
	world_reject(w, "snippet_generation", "false");
	await_dead(w, 1);
	same(world_rows(w, "SELECT reason FROM dead_letters"), "broker_rejected");

	set_policy(w, "\"delivery-limit\":1");
	let_pass(300);
	publish_snippet(w, "again");
	world_flush(w);
	world_reject(w, "snippet_generation", "true");
	world_reject(w, "snippet_generation", "true");
	await_dead(w, 2);
	same(world_rows(w, "SELECT reason FROM dead_letters WHERE message_id = 'again'"),
	     "delivery_limit");
	world_close(w);
}

/* At least once out of the broker, and once in the table, whoever dies meanwhile. */
Test(desk_dead, drains_all_though_its_worker_dies)
{
	enum { N = 600 };
	struct world *w = world_open();
	int first;

	world_agents(w, NULL);
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	for (int i = 0; i < N; i++) {
		struct job_spec job = {.exchange = "cpoa.dead",
				       .routing_key = "snippet_generation",
				       .message_id = world_format(w, "d%d", i),
				       .body = "{}"};

		world_post(w, &job);
	}
	world_flush(w);
	first = world_worker_unready(w, NULL);
	cr_assert(await_rows(w, "t", "SELECT count(*) > 0 FROM dead_letters", SOON_MS));
	worker_signal(w, first, SIGKILL);
	worker_wait_exit(w, first, SOON_MS);
	world_worker(w, NULL);
	await_dead(w, N);
	same(world_rows(w, "SELECT count(*), count(DISTINCT message_id), min(reason), max(reason)"
			   " FROM dead_letters"),
	     world_format(w, "%d|%d|broker_rejected|broker_rejected", N, N));
	cr_assert_eq(world_queue(w, "cpoa.dead"), 0);
	world_close(w);
}
