/* world: processes, their environment and their ports. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
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

enum { LOG_MAX = 64 << 20, PORTS_FROM = 61000, PORTS = 4000 };

/* ---- environment ---- */

void environment_put(struct environment *env, const char *entry)
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

void environment_set(struct environment *env, const char *name, const char *value)
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

bool child_ended(void *child)
{
	struct child *c = child;
	int status;

	if (c->reaped || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return c->reaped;
	c->reaped = true;
	c->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

bool child_wait(struct child *c, int64_t ms)
{
	return await(child_ended, c, ms);
}

void child_kill(struct child *c)
{
	if (!child_ended(c))
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

int free_port(void)
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
