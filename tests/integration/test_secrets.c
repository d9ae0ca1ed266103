/* links: cpoa_world cpoa_db cpoa_mq */
/* What must not be told: passwords; and what strangers say, which stays their words. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need_secret(void)
{
	if (!getenv("CPOA_TEST_SECRET"))
		cr_skip("CPOA_TEST_SECRET is unset");
}

TestSuite(secrets, .init = need_secret);
TestSuite(words);

/* ---- secrets ---- */

static void expect_secretless(struct world *w, int worker, const char *file)
{
	const char *out, *path = world_format(w, "/proc/%d/%s", (int)worker_pid(w, worker), file);

	cr_assert_eq(world_run(w, &out, (const char *const[]){"/bin/cat", path, NULL}), 0);
	cr_assert_gt(strlen(out), 0);
	cr_assert_null(strstr(out, getenv("CPOA_TEST_SECRET")), "%s: %s", path, out);
}

Test(secrets, a_running_worker_shows_no_secret)
{
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, world_format(w, "SCA_SERVICE_URL=http://me:%s@127.0.0.1:1/",
				     getenv("CPOA_TEST_SECRET")));
	expect_secretless(w, 0, "environ");
	expect_secretless(w, 0, "cmdline");
	expect_secretless(w, 0, "comm");
	/* It knows them all the same. */
	world_sql(w, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
		     "application_name = 'cpoa' AND datname = current_database()");
	same(json_at(world_end(w, world_podcast(w, "p", NULL)), "data.status"), "completed");
	world_close(w);
}

/* world_close() looks for it in the log and in the events. */
Test(secrets, the_password_in_an_agents_address_is_not_told)
{
	struct world *w = world_open();
	const char *secret = getenv("CPOA_TEST_SECRET");
	struct json_object *end;

	world_agents(w, NULL);
	world_worker(w, "CPOA_SERVICE_RETRY_COUNT=0", "CPOA_LOG_LEVEL=debug",
		     world_format(w, "WCHA_SERVICE_BASE_URL=http://me:%s@127.0.0.1:1", secret));
	end = world_end(w, world_podcast(w, "p", NULL));
	same(json_at(end, "data.status"), "failed");
	cr_assert_null(strstr(world_rows(w, "SELECT w::text, t::text, d::text FROM "
					    "workflow_instances w JOIN task_instances t USING "
					    "(workflow_id) LEFT JOIN dead_letters d USING "
					    "(workflow_id)"),
			      secret));
	world_close(w);
}

/* An address that cannot be read is seen when it is asked for, by events and rows too. */
Test(secrets, the_password_in_an_address_that_is_none_is_not_told)
{
	struct world *w = world_open();
	const char *secret = getenv("CPOA_TEST_SECRET");

	world_agents(w, "--style", "async");
	world_worker(w, "CPOA_SERVICE_RETRY_COUNT=0", "CPOA_LOG_LEVEL=debug",
		     world_format(w, "PSWA_SERVICE_URL=http://me:%s@[bad/", secret));
	same(json_at(world_end(w, world_podcast(w, "p", NULL)), "data.status"), "failed");
	cr_assert_null(strstr(world_rows(w, "SELECT w::text, t::text, d::text FROM "
					    "workflow_instances w JOIN task_instances t USING "
					    "(workflow_id) LEFT JOIN dead_letters d USING "
					    "(workflow_id)"),
			      secret));
	world_close(w);
}

Test(secrets, refusals_of_the_servers_tell_no_password)
{
	struct world *w = world_open();
	static const char *const wrong[] = {
		"POSTGRES_USER=nobody migrate status",
		"POSTGRES_DB=none migrate status",
		"POSTGRES_PASSWORD=${CPOA_TEST_SECRET}x migrate status",
		"POSTGRES_HOST= DATABASE_URL=postgresql://me:$CPOA_TEST_SECRET@127.0.0.1:1/x "
		"migrate status",
		"POSTGRES_HOST= DATABASE_URL=postgresql://me:$CPOA_TEST_SECRET@127.0.0.1:x/%zz "
		"migrate status",
		"POSTGRES_HOST= DATABASE_URL=postgresql://me:$CPOA_TEST_SECRET/x@127.0.0.1:1/x "
		"migrate status",
		"POSTGRES_HOST= DATABASE_URL=postgresql://me:x@$CPOA_TEST_SECRET@127.0.0.1:1/x "
		"migrate status",
		"AMQP_URL=amqp://me:$CPOA_TEST_SECRET/x@127.0.0.1:1/ topology apply",
		"AMQP_URL=amqp://me:$CPOA_TEST_SECRET@127.0.0.1:1/ topology apply",
		"AMQP_URL=amqp://me:$CPOA_TEST_SECRET@$AT/ topology apply",
		"AMQP_URL=amqp://me:$CPOA_TEST_SECRET@127.0.0.1:x/ topology apply",
		"AMQP_URL=nonsense:$CPOA_TEST_SECRET topology apply",
		"SCA_SERVICE_URL=ftp://me:$CPOA_TEST_SECRET@host/ topology apply",
		"CPOA_UNKNOWN=$CPOA_TEST_SECRET topology show",
		"ASF_NOTIFICATION_URL=http://me:$CPOA_TEST_SECRET@[bad/ asf-bridge",
		"PSWA_SERVICE_URL=http://me:$CPOA_TEST_SECRET@[bad/ doctor",
		"WCHA_SEARCH_URL=http://me:$CPOA_TEST_SECRET@127.0.0.1:1/ harvest x",
		"WCHA_SEARCH_URL=\"http://me:$CPOA_TEST_SECRET@127.0.0.1:1/?q={query}\" harvest x",
		"WCHA_SEARCH_URL=\"http://127.0.0.1:1/?k=$CPOA_TEST_SECRET&q={query}\" harvest x",
	};
	const char *at = strchr(getenv("AMQP_URL"), '@') + 1;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *split = strrchr(wrong[i], '=') + strcspn(strrchr(wrong[i], '='), " ");
		const char *out,
			*line = world_format(
				w, "CPOA_TEST_SECRET=%s; AT=%.*s; exec env %.*s %s%s 2>&1",
				getenv("CPOA_TEST_SECRET"), (int)strcspn(at, "/"), at,
				(int)(split - wrong[i]), wrong[i], getenv("CPOA_BIN"), split);

		world_run(w, &out, (const char *const[]){"/bin/sh", "-c", line, NULL});
		cr_expect_gt(strlen(out), 0, "%s", wrong[i]);
		cr_expect_null(strstr(out, getenv("CPOA_TEST_SECRET")), "%s", wrong[i]);
	}
	world_close(w);
}

/* ---- words of strangers ---- */

/* A line of its own, a terminal's escape, SQL, a shell, U+2028, an override of the direction. */
#define EVIL                                                        \
	"x\n{\"log.level\":\"error\"}\033[2J'; DROP TABLE leases; " \
	"--$(id)`id`\xE2\x80\xA8\xE2\x80\xAE"
#define EVIL_JSON \
	"x\\r\\nX-Evil: 1\\n\\u001b[2J'; DROP TABLE leases; --$(id)`id`\\u2028\\u202e\\u0085"
#define EVIL_TEXT \
	"x\r\nX-Evil: 1\n\033[2J'; DROP TABLE leases; --$(id)`id`\xE2\x80\xA8\xE2\x80\xAE\xC2\x85"

static void expect_harmless(const char *where, const char *text)
{
	static const char *const evil[] = {"\033", "\xE2\x80\xA8", "\xE2\x80\xAE", "\xC2\x85",
					   "\r"};

	for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++)
		cr_expect_null(strstr(text, evil[i]), "%zu in %s: %s", i, where, text);
}

/* Every line is one of ours. */
static void expect_own_lines(struct world *w, const char *format)
{
	bool json = strcmp(format, "json") == 0;
	const char *out, *log = world_format(w, "%s/worker0.log", world_folder(w));
	const char *count = world_format(w, "grep -cvE '%s' %s",
					 json ? "^[{]\"@timestamp.*[}]$"
					      : "^[0-9]{4}-[0-9-]+ [0-9:.]+ (INFO |WARN |ERROR)",
					 log);

	cr_assert_eq(world_run(w, &out, (const char *const[]){"/bin/cat", log, NULL}), 0);
	expect_harmless("the log", out);
	world_run(w, &out, (const char *const[]){"/bin/sh", "-c", count, NULL});
	cr_expect_str_eq(out, "0\n", "%s", out);
}

static void say_evil_things(const char *format)
{
	struct world *w = world_open();
	struct job_spec job;
	const char *out;

	world_agents(w, NULL);
	world_worker(w, world_format(w, "CPOA_LOG_FORMAT=%s", format));
	job = world_podcast_spec(w, "refused", NULL);
	job.message_id = EVIL;
	world_publish(w, &job);
	job = world_podcast_spec(w, "unknown", NULL);
	job.headers[1].value = EVIL;
	world_publish(w, &job);
	job = world_podcast_spec(w, "good", NULL);
	job.body = world_format(w,
				"{\"topic\":\"" EVIL_JSON
				"\",\"task_id\":\"%s\",\"client_id\":\"" EVIL_JSON
				"\",\"user_preferences\":{\"" EVIL_JSON "\":\"" EVIL_JSON "\"}}",
				world_id(w, "task of good"));
	job.body_len = 0;
	world_publish(w, &job);
	same(json_at(world_end(w, world_id(w, "good")), "data.status"), "completed");
	same(json_at(world_end(w, world_id(w, "good")), "data.client_id"), EVIL_TEXT);
	same(json_at(world_calls(w, "agent=wcha"), "0.body.topic"), EVIL_TEXT);
	same(json_at(world_calls(w, "agent=pswa"), "0.headers.x-evil"), "absent");
	cr_assert(await_rows(w, "invalid_job|2",
			     "SELECT reason, count(*) FROM dead_letters GROUP BY 1", SOON_MS));
	same(world_rows(w, "SELECT count(*) FROM leases"), "1");
	expect_own_lines(w, format);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "list"), 0);
	expect_harmless("workflow list", out);
	cr_assert_eq(world_cpoa(w, &out, "workflow", "show", world_id(w, "good")), 0);
	expect_harmless("workflow show", out);
	world_close(w);
}

Test(words, of_strangers_stay_words_in_logs_of_json)
{
	say_evil_things("json");
}

Test(words, of_strangers_stay_words_in_logs_of_text)
{
	say_evil_things("text");
}
