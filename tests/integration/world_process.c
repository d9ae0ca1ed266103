/* world: the processes. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "world_parts.h"

enum { ARGUMENTS_MAX = 40, LOG_MAX = 64 << 20, PORTS_FROM = 61000, PORTS = 4000 };

/* ---- environment ---- */

static void environment_put(struct environment *env, const char *entry)
{
	size_t n = strcspn(entry, "=") + 1;
	int i = 0;

	while (i < env->n && strncmp(env->entry[i], entry, n) != 0)
		i++;
	if (i == env->n) {
		cr_assert_lt(env->n, ENVIRONMENT_MAX);
		env->entry[++env->n] = NULL;
	} else {
		free(env->entry[i]);
	}
	env->entry[i] = xstrdup(entry);
}

static void environment_set(struct environment *env, const char *name, const char *value)
{
	char entry[1024];

	cr_assert_lt(snprintf(entry, sizeof(entry), "%s=%s", name, value), (int)sizeof(entry));
	environment_put(env, entry);
}

void environment_release(struct environment *env)
{
	while (env->n)
		free(env->entry[--env->n]);
}

static void inherit(struct environment *env)
{
	static const char *const names[] = {
		"PATH",
		"HOME",
		"LANG",
		"ASAN_OPTIONS",
		"UBSAN_OPTIONS",
		"LSAN_OPTIONS",
		"RUN_SH_MARK",
		"POSTGRES_HOST",
		"POSTGRES_PORT",
		"POSTGRES_USER",
		"POSTGRES_PASSWORD",
		"POSTGRES_SSLMODE",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (getenv(names[i]))
			environment_set(env, names[i], getenv(names[i]));
}

static void set_agents(struct world *w, struct environment *env)
{
	static const struct {
		const char *name, *variable, *path;
	} agents[] = {
		{"WCHA", "WCHA_SERVICE_BASE_URL", ""},
		{"PSWA", "PSWA_SERVICE_URL", "/v1/weave_script"},
		{"VFA", "VFA_SERVICE_URL", "/v1/forge_voice"},
		{"SCA", "SCA_SERVICE_URL", "/craft_snippet"},
		{"IGA", "IGA_SERVICE_URL", ""},
		{"TDA", "TDA_SERVICE_URL", "/discover_topics"},
	};
	char text[256];

	for (size_t i = 0; i < sizeof(agents) / sizeof(*agents); i++) {
		snprintf(text, sizeof(text), "%s%s",
			 w->agents_url[0] ? w->agents_url : "http://127.0.0.1:1", agents[i].path);
		environment_set(env, agents[i].variable, text);
		snprintf(text, sizeof(text), "CPOA_%s_POLLING_INTERVAL_SECONDS=0.1",
			 agents[i].name);
		environment_put(env, text);
	}
}

void world_environment(struct world *w, struct environment *env)
{
	*env = (struct environment){0};
	inherit(env);
	environment_set(env, "AMQP_URL", w->amqp_url);
	environment_set(env, "POSTGRES_DB", w->name);
	if (!w->as_owner && getenv("CPOA_TEST_WORK_USER"))
		environment_set(env, "POSTGRES_USER", getenv("CPOA_TEST_WORK_USER"));
	set_agents(w, env);
	environment_put(env, "CPOA_SERVICE_RETRY_BACKOFF_FACTOR=0.05");
	environment_put(env, "CPOA_HTTP_PORT=0");
	environment_put(env, "CPOA_HTTP_BIND=127.0.0.1");
	environment_put(env, "CPOA_LOG_FORMAT=json");
	environment_put(env, "CPOA_DRAIN_SECONDS=5");
	/* Many workers on few cores: each with as many threads as a small machine has. */
	environment_put(env, "CPOA_WORKER_THREADS=2");
}

/* ---- processes ---- */

/* The first of argv is a path. setpriv sees to it that it ends with the thread that has started it.
 */
void child_start(struct child *c, const char *folder, const char *const *argv,
		 const struct environment *env, int out)
{
	char *arguments[ARGUMENTS_MAX] = {xstrdup("/usr/bin/setpriv"), xstrdup("--pdeathsig"),
					  xstrdup("KILL"), xstrdup("--")};
	posix_spawn_file_actions_t files;
	int n = 4, errnum;

	for (int i = 0; argv[i]; i++) {
		cr_assert_lt(n, ARGUMENTS_MAX - 1);
		arguments[n++] = xstrdup(argv[i]);
	}
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addchdir_np(&files, folder);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, c->log,
					 O_WRONLY | O_CREAT | O_APPEND, 0644);
	posix_spawn_file_actions_adddup2(&files, out >= 0 ? out : STDERR_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	c->reaped = false;
	errnum = posix_spawn(&c->pid, arguments[0], &files, NULL, arguments, env->entry);
	cr_assert_eq(errnum, 0, "%s: %d", argv[0], errnum);
	posix_spawn_file_actions_destroy(&files);
	while (n)
		free(arguments[--n]);
}

static bool ended(void *ctx)
{
	struct child *c = ctx;
	int status;

	if (c->reaped || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return c->reaped;
	c->reaped = true;
	c->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

bool child_wait(struct child *c, int64_t ms)
{
	return await(ended, c, ms);
}

void child_kill(struct child *c)
{
	if (!ended(c))
		kill(c->pid, SIGKILL);
	cr_assert(child_wait(c, 5000), "process %ld cannot be killed", (long)c->pid);
}

char *file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	struct strbuf sb;
	char buf[4096];
	size_t n;

	strbuf_init(&sb, LOG_MAX);
	while (f && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		for (size_t i = 0; i < n; i++)
			strbuf_addc(&sb, buf[i] ? buf[i] : '?');
	if (f)
		fclose(f);
	return strbuf_detach(&sb, NULL);
}

/* Keeps a port for this test: other tests that run at the same time look for one too. Until the
 * test ends. */
static bool reserve(int port)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* An abstract name (unix(7)): there is no file, and it goes with the process. */
	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "cpoa test port %d", port);
	if (bind(s, (const struct sockaddr *)&name, sizeof(name)) == 0)
		return true;
	close(s);
	return false;
}

static int free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	unsigned seed = (unsigned)getpid() ^ (unsigned)clock_mono_us();

	/* Outside of the kernel's range for outgoing connections, of which one might come between.
	 */
	for (int tries = 0; tries < 200; tries++) {
		int port = PORTS_FROM + rand_r(&seed) % PORTS, s = socket(AF_INET, SOCK_STREAM, 0);
		int bound;

		at.sin_port = htons((uint16_t)port);
		bound = bind(s, (const struct sockaddr *)&at, sizeof(at));
		close(s);
		if (bound == 0 && reserve(port))
			return port;
	}
	cr_assert_fail("no free port");
	return 0;
}

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
	return !ended(&w->worker[worker]);
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

	return ended(p->c) || world_count(p->w, "%s", p->sql) >= p->n;
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
