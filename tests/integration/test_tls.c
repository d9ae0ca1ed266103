/* links: cpoa_world cpoa_db cpoa_mq */
/* TLS to PostgreSQL, RabbitMQ and agents: what holds works, and what does not is refused in words.
 */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"

static void need_tls(void)
{
	if (!getenv("CPOA_TEST_TLS") || !getenv("CPOA_TEST_AMQPS_PORT"))
		cr_skip("CPOA_TEST_TLS is unset: tests/servers.sh start DIR --tls");
}

TestSuite(tls, .init = need_tls);

static const char *pem(struct world *w, const char *name)
{
	return world_format(w, "%s/%s.pem", getenv("CPOA_TEST_TLS"), name);
}

static const char *amqps(struct world *w, const char *host, int port)
{
	return world_format(w, "AMQP_URL=amqps://guest:%s@%s:%d/%s", getenv("CPOA_TEST_SECRET"),
			    host, port, world_rows(w, "SELECT current_database()"));
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static int port_of(const char *url)
{
	return number(strrchr(url, ':') + 1);
}

/* ---- what holds ---- */

static bool all_by_tls(void *w)
{
	return strcmp(world_rows(w, "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN "
				    "pg_stat_activity USING (pid) WHERE datname = "
				    "current_database() AND application_name = 'cpoa'"),
		      "t") == 0;
}

Test(tls, a_podcast_with_all_three)
{
	static struct front agents = {.certificate = "good"};
	struct world *w = world_open();
	const char *base;

	world_agents(w, NULL);
	agents.to = port_of(world_agents_url(w));
	front_start(&agents);
	base = world_format(w, "https://localhost:%d", agents.port);
	world_worker(w, amqps(w, "localhost", number(getenv("CPOA_TEST_AMQPS_PORT"))),
		     world_format(w, "AMQP_CA_FILE=%s", pem(w, "ca")),
		     world_format(w, "AMQP_CERT_FILE=%s", pem(w, "client")),
		     world_format(w, "AMQP_KEY_FILE=%s/client.key", getenv("CPOA_TEST_TLS")),
		     "POSTGRES_HOST=localhost",
		     "POSTGRES_SSLMODE=", world_format(w, "POSTGRES_SSLROOTCERT=%s", pem(w, "ca")),
		     world_format(w, "CPOA_AGENTS_CA_FILE=%s", pem(w, "ca")),
		     world_format(w, "WCHA_SERVICE_BASE_URL=%s", base),
		     world_format(w, "PSWA_SERVICE_URL=%s/v1/weave_script", base),
		     world_format(w, "VFA_SERVICE_URL=%s/v1/forge_voice", base));
	cr_assert(await(all_by_tls, w, SOON_MS));
	same(json_at(world_end(w, world_podcast(w, "secret", NULL)), "data.status"), "completed");
	cr_assert_eq(world_call_count(w, ""), 3);
	cr_assert(log_contains(w, 0, "lease taken"));
	world_close(w);
}

/* ---- what does not ---- */

/* A command's words, which must be a refusal of the configuration. */
static const char *refusal(struct world *w, const char *variables, const char *command)
{
	const char *out, *line = world_format(w, "exec env %s %s %s 2>&1", variables,
					      getenv("CPOA_BIN"), command);

	cr_expect_eq(world_run(w, &out, (const char *const[]){"/bin/sh", "-c", line, NULL}), 2,
		     "%s: %s", variables, out);
	return out;
}

static void expect_words(const char *text, const char *words, const char *mend)
{
	has(text, words);
	has(text, mend);
}

/* The certificate, what is wrong with it, and what to do about that. NULL: no TLS at all. */
static const struct {
	const char *certificate, *words, *mend;
} bad[] = {
	{"expired", "its certificate has expired", "have it renewed"},
	{"other", "is for another host than \"localhost\"", "connect by a name"},
	{"self", "its certificate is self-signed", "CA file"},
	{NULL, "it speaks no TLS", "turn TLS on there"},
};
enum { BAD = sizeof(bad) / sizeof(*bad) };

Test(tls, postgresql_that_does_not_hold)
{
	static struct front fronts[BAD];
	struct world *w = world_open();

	for (int i = 0; i < BAD; i++) {
		fronts[i] = (struct front){.certificate = bad[i].certificate,
					   .postgres = true,
					   .to = number(getenv("POSTGRES_PORT"))};
		front_start(&fronts[i]);
		expect_words(refusal(w,
				     world_format(w,
						  "POSTGRES_HOST=localhost POSTGRES_PORT=%d "
						  "POSTGRES_SSLMODE= POSTGRES_SSLROOTCERT=%s",
						  fronts[i].port, pem(w, "ca")),
				     "migrate status"),
			     bad[i].words, bad[i].mend);
	}
	/* The same by DATABASE_URL, and without a CA file: then the system's count. */
	has(refusal(w,
		    world_format(w,
				 "POSTGRES_HOST= POSTGRES_SSLMODE= DATABASE_URL='postgresql://"
				 "cpoa@localhost:%d/cpoa?sslrootcert=%s'",
				 fronts[0].port, pem(w, "ca")),
		    "migrate status"),
	    "has expired, on 20");
	has(refusal(w, "POSTGRES_HOST=localhost POSTGRES_SSLMODE=verify-full", "migrate status"),
	    "a CA that is not in /etc/ssl/certs/ca-certificates.crt");
	world_close(w);
}

Test(tls, rabbitmq_that_does_not_hold)
{
	static struct front fronts[BAD];
	struct world *w = world_open();
	int amqp =
		port_of(world_format(w, "%.*s", (int)strcspn(strstr(getenv("AMQP_URL"), "@"), "/"),
				     strstr(getenv("AMQP_URL"), "@")));
	int tls = number(getenv("CPOA_TEST_AMQPS_PORT"));

	for (int i = 0; i < BAD; i++) {
		fronts[i] = (struct front){.certificate = bad[i].certificate,
					   .to = amqp,
					   .says = bad[i].certificate ? NULL : "AMQP 0-9-1"};
		front_start(&fronts[i]);
		expect_words(
			refusal(w,
				world_format(w, "%s AMQP_CA_FILE=%s",
					     amqps(w, "localhost", fronts[i].port), pem(w, "ca")),
				"topology apply"),
			bad[i].words, bad[i].mend);
	}
	has(refusal(w, amqps(w, "localhost", tls), "topology apply"),
	    "signed by a CA that is not in");
	has(refusal(w,
		    world_format(w, "%s AMQP_CA_FILE=%s", amqps(w, "127.0.0.1", tls), pem(w, "ca")),
		    "topology apply"),
	    "connect by a name");
	has(refusal(w,
		    world_format(w, "%s AMQP_CA_FILE=%s AMQP_CERT_FILE=%s AMQP_KEY_FILE=%s/%s",
				 amqps(w, "localhost", tls), pem(w, "ca"), pem(w, "stranger"),
				 getenv("CPOA_TEST_TLS"), "stranger.key"),
		    "topology apply"),
	    "it refuses us (tlsv1 alert unknown ca)");
	has(refusal(w, world_format(w, "AMQP_URL=amqp://guest:x@localhost:%d/", tls),
		    "topology apply"),
	    "begin with amqps://");
	has(refusal(w, world_format(w, "%s AMQP_CA_FILE=/nowhere", amqps(w, "localhost", tls)),
		    "topology apply"),
	    "/nowhere");
	world_close(w);
}

Test(tls, an_agent_that_does_not_hold)
{
	static struct front fronts[BAD];
	struct world *w = world_open();

	world_agents(w, NULL);
	for (int i = 0; i < BAD; i++) {
		const char *id = world_format(w, "job%d", i);
		struct json_object *end;
		int worker;

		fronts[i] = (struct front){.certificate = bad[i].certificate,
					   .to = port_of(world_agents_url(w)),
					   .says = bad[i].certificate ? NULL
								      : "HTTP/1.1 400 No\r\n\r\n"};
		front_start(&fronts[i]);
		worker = world_worker(w, "CPOA_SERVICE_RETRY_COUNT=0",
				      world_format(w, "CPOA_AGENTS_CA_FILE=%s", pem(w, "ca")),
				      world_format(w, "WCHA_SERVICE_BASE_URL=https://localhost:%d",
						   fronts[i].port));
		end = world_end(w, world_podcast(w, id, NULL));
		same(json_at(end, "data.status"), "failed");
		expect_words(json_at(end, "data.error.message"), bad[i].words, bad[i].mend);
		worker_signal(w, worker, SIGTERM);
		cr_assert_eq(worker_wait_exit(w, worker, SOON_MS), 0);
	}
	cr_assert_eq(world_call_count(w, ""), 0);
	cr_assert(world_worker_unready(w, "CPOA_AGENTS_CA_FILE=/nowhere") == BAD);
	cr_assert_eq(worker_wait_exit(w, BAD, SOON_MS), 2);
	cr_assert(log_contains(w, BAD, "CPOA_AGENTS_CA_FILE"));
	world_abandon(w);
}

/* What listens and goes away at once: a proxy without anybody behind it. */
Test(tls, a_handshake_that_is_broken_off)
{
	static struct front silent = {.says = ""};
	struct world *w = world_open();

	front_start(&silent);
	has(refusal(w,
		    world_format(w, "%s AMQP_CA_FILE=%s", amqps(w, "localhost", silent.port),
				 pem(w, "ca")),
		    "topology apply"),
	    "broke the TLS handshake off");
	world_worker(w, "CPOA_SERVICE_RETRY_COUNT=0",
		     world_format(w, "WCHA_SERVICE_BASE_URL=https://localhost:%d", silent.port));
	has(json_at(world_end(w, world_podcast(w, "p", NULL)), "data.error.message"),
	    "broke the TLS handshake off");
	world_close(w);
}

/* A worker goes on trying, for a certificate may be renewed; and says each time why. */
Test(tls, a_worker_waits_for_a_certificate_that_holds)
{
	static struct front front = {.certificate = "expired", .postgres = true};
	struct world *w = world_open();
	int worker;

	front.to = number(getenv("POSTGRES_PORT"));
	front_start(&front);
	worker = world_worker_unready(w, "POSTGRES_HOST=localhost", "POSTGRES_SSLMODE=",
				      world_format(w, "POSTGRES_PORT=%d", front.port),
				      world_format(w, "POSTGRES_SSLROOTCERT=%s", pem(w, "ca")));
	cr_assert(await_log(w, worker, "has expired", SOON_MS));
	cr_assert(worker_runs(w, worker));
	front.certificate = "good";
	cr_assert(await_ready(w, worker, 200, SOON_MS));
	world_close(w);
}
