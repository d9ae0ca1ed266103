/* world: the stand-in agents, and a stand-in ASF. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/json.h"

#include "world_parts.h"

/* ---- stand-in agents ---- */

/* Starts one and reads where it listens; `url` has room for 64 bytes. */
static void start_standin(struct world *w, struct child *c, const char *name, const char *port,
			  char *url, const char *const *options)
{
	const char *argv[ARGUMENTS_MAX] = {getenv("CPOA_AGENTS_BIN"), "--port", port};
	struct environment env;
	char line[256] = "";
	size_t n = 3, have = 0;
	int out[2];

	for (; *options; options++)
		argv[n++] = *options;
	snprintf(c->log, sizeof(c->log), "%.400s/%s.log", w->folder, name);
	cr_assert_eq(pipe(out), 0);
	world_environment(w, &env);
	child_start(c, w->folder, argv, &env, out[1]);
	environment_release(&env);
	close(out[1]);
	while (have < sizeof(line) - 1 && !strchr(line, '\n')) {
		struct pollfd p = {.fd = out[0], .events = POLLIN};
		ssize_t got = poll(&p, 1, SOON_MS) > 0 ? read(out[0], line + have, 1) : 0;

		cr_assert_gt(got, 0, "%s does not start: %s", name, file_read(c->log));
		line[have += (size_t)got] = '\0';
	}
	close(out[0]);
	cr_assert_eq(sscanf(line, "cpoa-agents listening on %63s", url), 1, "%s", line);
}

void world_agents_with(struct world *w, const char *const *options)
{
	start_standin(w, &w->agents, "agents", "0", w->agents_url, options);
}

const char *world_agents_url(struct world *w)
{
	return w->agents_url;
}

void world_agents_signal(struct world *w, int signal_number)
{
	kill(w->agents.pid, signal_number);
}

/* ---- a stand-in ASF ---- */

static void put_json(void *o)
{
	json_object_put(o);
}

const char *world_asf_url(struct world *w)
{
	if (!w->asf.port)
		w->asf.port = free_port();
	return world_format(w, "http://127.0.0.1:%d", w->asf.port);
}

void world_asf_with(struct world *w, const char *const *options)
{
	const char *argv[ARGUMENTS_MAX] = {"--asf-journal", "asf.journal"};
	char port[16], url[64];
	size_t n = 2;

	for (; *options; options++)
		argv[n++] = *options;
	world_asf_url(w);
	snprintf(port, sizeof(port), "%d", w->asf.port);
	start_standin(w, &w->asf, "asf", port, url, argv);
}

void world_asf_kill(struct world *w)
{
	child_kill(&w->asf);
}

void world_asf_control(struct world *w, const char *json)
{
	char *answer;

	cr_assert_eq(http_exchange("POST", world_format(w, "%s/control", world_asf_url(w)), json,
				   &answer),
		     200, "%s", answer);
	free(answer);
}

struct json_object *world_asf_streams(struct world *w)
{
	struct json_object *streams = NULL;
	struct err e = {0};
	char *answer;

	if (http_exchange("GET", world_format(w, "%s/asf/streams", world_asf_url(w)), NULL,
			  &answer) == 200)
		cr_assert_eq(json_read(answer, strlen(answer), 4, JSON_STRICT, &streams, &e),
			     JSON_OK, "%s", e.text);
	free(answer);
	return streams ? world_keep(w, streams, put_json) : NULL;
}

const char *world_asf_journal(struct world *w)
{
	char path[PATH_SIZE + 32];

	snprintf(path, sizeof(path), "%.400s/asf.journal", w->folder);
	return world_keep(w, file_read(path), free);
}
