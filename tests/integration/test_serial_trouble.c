/* links: cpoa_world cpoa_db cpoa_mq */
/* What disturbs the whole broker: an alarm, in which it takes nothing from anybody. */
#include "world.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/clock.h"

enum { PODCASTS = 5 };

/* As tests/servers.sh starts it; not Debian's wrapper, which insists on a user of its own. */
static const char rabbitmqctl[] = "/usr/lib/rabbitmq/bin/rabbitmqctl";

static long port_of_broker(void)
{
	char path[512], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/mq/port",
		 getenv("CPOA_TEST_SERVERS") ? getenv("CPOA_TEST_SERVERS") : "");
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return strtol(line, NULL, 10);
}

/* The share of the machine's memory beyond which the broker raises its alarm. */
static int set_watermark(struct world *w, const char *share)
{
	const char *home = world_format(w, "HOME=%s/mq/home", getenv("CPOA_TEST_SERVERS"));
	const char *epmd = world_format(w, "ERL_EPMD_PORT=%ld", port_of_broker() + 2);

	return world_run(w, NULL,
			 (const char *const[]){"/usr/bin/env", home, epmd,
					       "RABBITMQ_NODENAME=cpoa@localhost",
					       "RABBITMQ_CONF_ENV_FILE=/dev/null", rabbitmqctl,
					       "-q", "set_vm_memory_high_watermark", share, NULL});
}

/* Work goes on, and what cannot be told meanwhile is told afterwards. */
Test(serial_trouble, an_alarm_delays_events_and_loses_none)
{
	struct world *w = world_open();
	const char *ended = world_format(w, "completed|%d", PODCASTS);
	bool done, told;
	int waiting, alive;

	if (access(rabbitmqctl, X_OK) != 0 || port_of_broker() == 0) {
		world_close(w);
		cr_skip("no broker of tests/servers.sh, or no rabbitmqctl");
	}
	world_agents(w, NULL);
	world_worker(w, NULL);
	/* The alarm takes its time, and no podcast is to end before it is raised. */
	world_agents_signal(w, SIGSTOP);
	for (int i = 0; i < PODCASTS; i++)
		world_podcast(w, world_format(w, "p%d", i), NULL);
	world_expect_loss(w); /* it is told to the test's own connection too */
	cr_assert_eq(set_watermark(w, "0.0001"), 0);
	world_agents_signal(w, SIGCONT);

	/* Nothing may fail before the alarm is over: the server is everybody's. */
	done = await_rows(w, ended,
			  "SELECT overall_status, count(*) FROM workflow_instances GROUP BY 1",
			  SOON_MS);
	told = await_rows(w, "0", "SELECT count(*) FROM outbox_events", 1000);
	waiting = (int)world_count(w, "SELECT count(*) FROM outbox_events");
	alive = worker_get(w, 0, "/livez", NULL);
	cr_assert_eq(set_watermark(w, "0.4"), 0);

	cr_assert(done, "work stands still");
	cr_assert(!told && waiting >= PODCASTS, "%d events wait", waiting);
	cr_assert_eq(alive, 200);
	world_await_ends(w, PODCASTS, SOON_MS);
	cr_assert_eq(world_contradictions(w), 0);
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	world_podcast(w, "afterwards", NULL);
	world_await_ends(w, PODCASTS + 1, SOON_MS);
	same(world_rows(w, "SELECT count(*) FROM dead_letters"), "0");
	world_close(w);
}

/* What `cpoa doctor --json` says while a server is in trouble, and how it ends. */
static int ask_doctor(struct world *w, const char **out)
{
	return world_cpoa(w, out, "doctor", "--json");
}

Test(serial_trouble, the_doctor_tells_of_an_alarm)
{
	struct world *w = world_open();
	const char *out;
	int code;

	if (access(rabbitmqctl, X_OK) != 0 || port_of_broker() == 0) {
		world_close(w);
		cr_skip("no broker of tests/servers.sh, or no rabbitmqctl");
	}
	world_agents(w, "--style", "mixed");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	world_expect_loss(w);
	cr_assert_eq(set_watermark(w, "0.0001"), 0);
	code = ask_doctor(w, &out);
	cr_assert_eq(set_watermark(w, "0.4"), 0);
	cr_assert_eq(code, 1, "%s", out);
	has(out, "the broker takes no publishing for now: low on memory");
	has(out, "rabbitmq-diagnostics alarms");
	world_close(w);
}

Test(serial_trouble, the_doctor_does_not_wait_for_a_frozen_server)
{
	struct world *w = world_open();
	int64_t began = clock_mono_ms();
	const char *out;
	int code;

	world_agents(w, "--style", "mixed");
	world_servers(w, "pause", "pg", NULL);
	code = ask_doctor(w, &out);
	world_servers(w, "resume", "pg", NULL);
	cr_assert_eq(code, 4, "%s", out);
	has(out, "timeout expired");
	has(out, "a firewall in between");
	has(out, "tda: http");
	cr_expect_lt(clock_mono_ms() - began, SOON_MS + 10000);
	world_close(w);
}
