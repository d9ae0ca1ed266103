/* links: cpoa_world cpoa_db cpoa_mq */
/* What a worker logs of a workflow: ids that lead on to its trace and rows, and no payload. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "world_parts.h"

static const char trace[] = "4bf92f3577b34da6a3ce929d0e0e4736";

/* ---- the log as JSON ---- */

/* Every line is an object with what each has; those about a workflow have its trace. */
static void expect_line(struct json_object *line)
{
	static const char *const members[] = {
		"@timestamp",	   "log.level",		 "message", "ecs.version", "service.name",
		"service.version", "process.thread.name"};

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		cr_assert(json_str(line, members[i]), "no %s: %s", members[i],
			  json_object_to_json_string(line));
	if (json_str(line, "call.name"))
		cr_assert(json_str(line, "workflow.id") && json_str(line, "cpoa.agent"));
	if (json_str(line, "workflow.id"))
		cr_assert_eq(strlen(json_str(line, "trace.id")), 32);
}

static struct json_object *read_line(const char *text, size_t len)
{
	struct json_object *line = NULL;
	struct err e;

	cr_assert_eq(json_read(text, len, JSON_DEPTH_MAX, JSON_STRICT, &line, &e), JSON_OK, "%.*s",
		     (int)len, text);
	expect_line(line);
	return line;
}

/* The only line with this message; *n (may be NULL): how many there are. */
static struct json_object *line_of(struct world *w, int worker, const char *message, int *n)
{
	char *log = file_read(w->worker[worker].log);
	struct json_object *found = NULL;
	int count = 0;

	for (char *at = log, *end; (end = strchr(at, '\n')); at = end + 1) {
		struct json_object *line = read_line(at, (size_t)(end - at));

		if (strcmp(json_str(line, "message"), message) == 0 && count++ == 0)
			found = line;
		else
			json_put(&line);
	}
	free(log);
	if (n)
		*n = count;
	else
		cr_assert_eq(count, 1, "'%s' %d times", message, count);
	return found;
}

/* "a.b" is one member's name in a log. */
static const char *member(struct json_object *line, const char *name)
{
	struct json_object *value = json_any(line, name);

	return value ? json_object_get_string(value) : "absent";
}

static void expect_members(struct json_object *line, const char *const *rows)
{
	for (; *rows; rows += 2)
		cr_assert(strstr(member(line, rows[0]), rows[1]), "%s: %s", rows[0],
			  json_object_to_json_string(line));
	json_put(&line);
}

#define expect_says(w, message, ...) \
	expect_members(line_of(w, 0, message, NULL), (const char *const[]){__VA_ARGS__, NULL})

/* ---- */

static void order(struct world *w, const char *name)
{
	struct job_spec job = world_podcast_spec(w, name, NULL);

	job.headers[2] = (struct mq_header){
		"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
	world_publish(w, &job);
	world_end(w, world_id(w, name));
}

Test(lines, tell_of_a_retry_and_of_the_end)
{
	struct world *w = world_open();
	int n;

	world_agents(w, "--fault", "pswa:503=first:1");
	world_worker(w, NULL);
	order(w, "tides");
	cr_assert(await_log(w, 0, "workflow ended", SOON_MS));
	expect_says(w, "a call is submitted again", "log.level", "info", "workflow.id",
		    world_id(w, "tides"), "trace.id", trace, "call.name", "pswa", "cpoa.agent",
		    "PSWA", "cpoa.call.retries", "1", "error.message", "HTTP 503",
		    "cpoa.call.wait_ms", "");
	expect_says(w, "workflow ended", "log.level", "info", "workflow.id", world_id(w, "tides"),
		    "trace.id", trace, "event.outcome", "completed", "workflow.type",
		    "podcast_generation");
	line_of(w, 0, "a call failed", &n);
	cr_assert_eq(n, 0);
	cr_assert_not(log_contains(w, 0, "The story of tides"), "no payload");
	world_close(w);
}

Test(lines, tell_of_a_refusal_and_of_a_failure)
{
	struct world *w = world_open();
	struct job_spec bad = world_podcast_spec(w, "bad", NULL);

	world_agents(w, "--fault", "vfa:400=1");
	world_worker(w, NULL);
	order(w, "tides");
	cr_assert(await_log(w, 0, "workflow ended", SOON_MS));
	expect_says(w, "a call failed", "log.level", "warn", "workflow.id", world_id(w, "tides"),
		    "trace.id", trace, "call.name", "vfa", "cpoa.agent", "VFA", "error.code",
		    "http", "http.response.status_code", "400", "error.message", "400");
	expect_says(w, "workflow ended", "log.level", "warn", "trace.id", trace, "event.outcome",
		    "failed", "error.code", "failed_vfa_request_exception");
	bad.body = "{\"secret topic\":";
	world_publish(w, &bad);
	cr_assert(await_log(w, 0, "job refused", SOON_MS));
	expect_says(w, "job refused", "log.level", "warn", "error.code", "invalid_json",
		    "message.id", "bad");
	cr_assert_not(log_contains(w, 0, "secret topic"));
	world_close(w);
}

Test(lines, tell_of_a_take_over)
{
	struct world *w = world_open();

	world_agents(w, "--latency-pswa", "1500");
	world_worker(w, NULL);
	world_podcast(w, "killed", NULL);
	cr_assert(await_rows(w, "1", "SELECT count(*) FROM task_instances WHERE call_name = 'pswa'",
			     SOON_MS));
	worker_signal(w, 0, SIGKILL);
	worker_wait_exit(w, 0, SOON_MS);
	worker_forget(w, 0);
	world_worker(w, NULL);
	world_end(w, world_id(w, "killed"));
	cr_assert(await_log(w, 0, "workflow ended", SOON_MS));
	/* Nobody sent a trace: it is named after the workflow. */
	expect_says(w, "workflow taken over", "log.level", "info", "workflow.id",
		    world_id(w, "killed"), "trace.id", "", "cpoa.claims", "2");
	world_close(w);
}

/* Debug shows each request, and still no body. */
Test(lines, of_debug_show_each_answer_and_no_payload)
{
	struct world *w = world_open();
	int n;

	world_agents(w, "--style", "async");
	world_worker(w, "CPOA_LOG_LEVEL=debug");
	order(w, "tides");
	cr_assert(await_log(w, 0, "workflow ended", SOON_MS));
	expect_says(w, "workflow admitted", "trace.id", trace, "log.level", "debug");
	expect_members(line_of(w, 0, "an agent's answer", &n),
		       (const char *const[]){"call.name", "wcha", "http.request.method", "POST",
					     "http.response.status_code", "202", NULL});
	cr_assert_eq(n, world_call_count(w, ""));
	cr_assert_not(log_contains(w, 0, "The story of tides"));
	world_close(w);
}

/* A line for people begins with when and how bad, and goes on in words. */
Test(lines, of_text_are_for_people)
{
	struct world *w = world_open();

	world_agents(w, "--fault", "pswa:503=first:1");
	world_worker(w, "CPOA_LOG_FORMAT=text");
	order(w, "tides");
	cr_assert(await_log(w, 0, "workflow ended", SOON_MS));
	cr_assert(log_contains(w, 0, "INFO  [pool] a call is submitted again workflow.id="));
	cr_assert(log_contains(w, 0,
			       " call.name=pswa cpoa.agent=PSWA error.message=\"PSWA "
			       "answered HTTP 503"));
	world_close(w);
}
