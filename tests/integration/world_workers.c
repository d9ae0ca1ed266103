/* world: workers, and commands that end by themselves. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world_parts.h"

/* ---- workers ---- */

static const char *program(void)
{
	const char *other = getenv("CPOA_WORKER_BIN");

	return other ? other : getenv("CPOA_BIN");
}

static int start_worker(struct world *w, bool ready, const char *const *argv,
			const char *const *environment)
{
	int index = w->n_workers++;
	struct child *c = &w->worker[index];
	struct environment env;
	char text[32];

	cr_assert_lt(index, WORKERS_MAX);
	snprintf(c->log, sizeof(c->log), "%.400s/worker%d.log", w->folder, index);
	c->port = free_port();
	world_environment(w, &env);
	snprintf(text, sizeof(text), "%d", c->port);
	environment_set(&env, "CPOA_HTTP_PORT", text);
	for (; *environment; environment++)
		environment_put(&env, *environment);
	child_start(c, w->folder, argv, &env, -1);
	environment_release(&env);
	if (ready)
		cr_assert(await_ready(w, index, 200, SOON_MS), "worker %d is not ready: %s", index,
			  file_read(c->log));
	return index;
}

int world_worker_with(struct world *w, bool ready, const char *const *environment)
{
	const char *argv[] = {program(), "worker", NULL};

	return start_worker(w, ready, argv, environment);
}

int world_bridge(struct world *w, bool ready, const char *rebuild_since)
{
	const char *url = world_asf_url(w);
	const char *argv[] = {program(), "asf-bridge", rebuild_since ? "--rebuild-since" : NULL,
			      rebuild_since, NULL};
	const char *environment[] = {
		world_format(w, "ASF_NOTIFICATION_URL=%s/asf/internal/notify_new_audio", url),
		world_format(w, "CPOA_ASF_SEND_UI_UPDATE_URL=%s/asf/internal/send_ui_update", url),
		NULL};

	return start_worker(w, ready, argv, environment);
}

pid_t worker_pid(struct world *w, int worker)
{
	return w->worker[worker].pid;
}

int worker_port(struct world *w, int worker)
{
	return w->worker[worker].port;
}

void worker_signal(struct world *w, int worker, int signal)
{
	cr_assert_eq(kill(w->worker[worker].pid, signal), 0);
}

bool worker_runs(struct world *w, int worker)
{
	return !child_ended(&w->worker[worker]);
}

void worker_forget(struct world *w, int worker)
{
	cr_assert(worker == w->n_workers - 1 && !worker_runs(w, worker));
	cr_assert_eq(remove(w->worker[worker].log), 0);
	w->worker[--w->n_workers] = (struct child){0};
}

int worker_wait_exit(struct world *w, int worker, int64_t ms)
{
	struct child *c = &w->worker[worker];

	cr_assert(child_wait(c, ms), "worker %d does not end: %s", worker, c->log);
	return c->code;
}

int worker_get(struct world *w, int worker, const char *path, const char **body)
{
	char url[128], *answer;
	int status;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", w->worker[worker].port, path);
	status = http_exchange("GET", url, NULL, &answer);
	world_keep(w, answer, free);
	if (body)
		*body = answer;
	return status;
}

struct readiness {
	struct world *w;
	int worker, status;
};

static bool is_ready(void *ctx)
{
	struct readiness *r = ctx;

	return !worker_runs(r->w, r->worker) ||
	       worker_get(r->w, r->worker, "/readyz", NULL) == r->status;
}

bool await_ready(struct world *w, int worker, int status, int64_t ms)
{
	return await(is_ready, &(struct readiness){w, worker, status}, ms) &&
	       worker_runs(w, worker);
}

double metric(struct world *w, int worker, const char *name)
{
	size_t n = strlen(name);
	const char *body;

	cr_assert_eq(worker_get(w, worker, "/metrics", &body), 200);
	for (const char *line = body; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && line[n] == ' ')
			return strtod(line + n, NULL);
	}
	return -1;
}

bool log_contains(struct world *w, int worker, const char *text)
{
	char *log = file_read(w->worker[worker].log);
	bool found = strstr(log, text) != NULL;

	free(log);
	return found;
}

struct log_line {
	struct world *w;
	int worker;
	const char *text;
};

static bool is_logged(void *ctx)
{
	struct log_line *l = ctx;

	return log_contains(l->w, l->worker, l->text);
}

bool await_log(struct world *w, int worker, const char *text, int64_t ms)
{
	return await(is_logged, &(struct log_line){w, worker, text}, ms);
}

long worker_status(struct world *w, int worker, const char *field)
{
	char path[64], *text, *at;
	long value = -1;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)worker_pid(w, worker));
	text = file_read(path);
	at = strstr(text, field);
	if (at && at[strlen(field)] == ':')
		value = strtol(at + strlen(field) + 1, NULL, 10);
	free(text);
	return value;
}

/* ---- commands ---- */

/* Its stdout goes to the file `out`, which has room for PATH_SIZE + 32 bytes. */
static void start_command(struct world *w, struct child *c, char *out, const char *const *arguments)
{
	struct environment env;
	int fd;

	*c = (struct child){0};
	w->n_commands++;
	snprintf(c->log, sizeof(c->log), "%.400s/command%d.log", w->folder, w->n_commands);
	snprintf(out, PATH_SIZE + 32, "%.400s/command%d.out", w->folder, w->n_commands);
	fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	cr_assert_geq(fd, 0);
	world_environment(w, &env);
	child_start(c, w->folder, arguments, &env, fd);
	environment_release(&env);
	close(fd);
}

/* What it wrote to stderr, told when it ended badly, is the world's. */
static const char *end_command(struct world *w, struct child *c, const char *const *arguments)
{
	const char *said;

	cr_assert(child_wait(c, 60000), "%s %s does not end", arguments[0], arguments[1]);
	said = world_keep(w, file_read(c->log), free);
	if (c->code)
		fprintf(stderr, "%s %s: exit code %d: %s\n", arguments[0], arguments[1], c->code,
			said);
	return said;
}

int world_run(struct world *w, const char **out, const char *const *arguments)
{
	struct child c;
	char path[PATH_SIZE + 32];

	start_command(w, &c, path, arguments);
	end_command(w, &c, arguments);
	if (out)
		*out = world_keep(w, file_read(path), free);
	return c.code;
}

struct progress {
	struct world *w;
	struct child *c;
	const char *sql;
	int64_t n;
};

static bool has_come_far(void *ctx)
{
	struct progress *p = ctx;

	return child_ended(p->c) || world_count(p->w, "%s", p->sql) >= p->n;
}

int world_interrupt(struct world *w, const char **said, const char *sql, int64_t n,
		    const char *const *arguments)
{
	const char *argv[ARGUMENTS_MAX] = {getenv("CPOA_BIN")}, *words;
	struct child c;
	char path[PATH_SIZE + 32];

	for (int i = 0; arguments[i]; i++)
		argv[i + 1] = arguments[i];
	start_command(w, &c, path, argv);
	cr_assert(await(has_come_far, &(struct progress){w, &c, sql, n}, SOON_MS), "%s: never %d",
		  sql, (int)n);
	if (!c.reaped)
		kill(c.pid, SIGINT);
	words = end_command(w, &c, argv);
	if (said)
		*said = words;
	return c.code;
}

int world_cpoa_with(struct world *w, const char **out, const char *const *arguments)
{
	const char *argv[ARGUMENTS_MAX] = {getenv("CPOA_BIN")};
	bool as_owner = w->as_owner;
	int code;

	for (int i = 1; arguments[i]; i++)
		argv[i] = arguments[i];
	w->as_owner = as_owner || (argv[1] && strcmp(argv[1], "migrate") == 0);
	code = world_run(w, out, argv);
	w->as_owner = as_owner;
	return code;
}

void world_servers(struct world *w, const char *verb, const char *server, const char *mode)
{
	const char *argv[] = {"/bin/bash", getenv("CPOA_SERVERS_SH"),
			      verb,	   getenv("CPOA_TEST_SERVERS"),
			      server,	   mode,
			      NULL};

	if (!argv[1] || !argv[3])
		cr_skip("CPOA_TEST_SERVERS is unset");
	cr_assert_eq(world_run(w, NULL, argv), 0);
}
