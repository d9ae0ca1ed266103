/*
 * speech.c - a script becomes sound
 *
 * Speaking takes longer than the HTTP thread may wait, so two threads do it, one script after the
 * other. espeak-ng is started without a shell and reads the script from its standard input: no
 * text of a request is ever an argument. It writes to a file beside the final one, which is
 * renamed when it is whole. speech.mutex guards the queue; a script itself belongs to whoever
 * holds a reference, and its `done` is atomic.
 */
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SPEAKER_N = 2,
	ESPEAK_MS_MAX = 120000,
	ESPEAK_CHECK_MS = 5,
	PATH_BYTES_MAX = 4096,
	TONE_MS = 2000,
};

struct speech {
	struct speech *next;
	atomic_int refs;
	atomic_bool done;
	unsigned long number; /* two scripts for one path must not share a temporary file */
	char *text;
	char *path;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread[SPEAKER_N];
	struct speech *first;
	struct speech *last;
	size_t waiting;
	unsigned long number;
	bool stopping;
	bool have_espeak; /* set before the threads are, and only read after */
} speech = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool speech_stopping(void)
{
	bool stopping;

	pthread_mutex_lock(&speech.mutex);
	stopping = speech.stopping;
	pthread_mutex_unlock(&speech.mutex);
	return stopping;
}

/* Ends the child when it takes too long or the program stops. True when it ended well. */
static bool wait_for(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = ESPEAK_CHECK_MS * 1000000L};
	int status = 0;

	for (long waited_ms = 0;; waited_ms += ESPEAK_CHECK_MS) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (ended < 0 && errno != EINTR)
			return false;
		if (waited_ms > ESPEAK_MS_MAX || speech_stopping()) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return false;
		}
		(void)nanosleep(&pause, NULL);
	}
}

static bool spawn_espeak(const char *script_path, const char *wav_path, pid_t *pid)
{
	char name[] = "espeak-ng", from_stdin[] = "--stdin", to_file[] = "-w";
	char path[PATH_BYTES_MAX];
	char *argv[] = {name, from_stdin, to_file, path, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s", wav_path);
	(void)sigemptyset(&none);
	if (posix_spawn_file_actions_init(&files) != 0)
		return false;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return false;
	}
	/* Our threads block the signals that main waits for; the child must not. */
	ok = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK) == 0 &&
	     posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
	     posix_spawn_file_actions_addopen(&files, 0, script_path, O_RDONLY, 0) == 0 &&
	     posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0) == 0 &&
	     posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0) == 0 &&
	     posix_spawnp(pid, name, &files, &attributes, argv, environ) == 0;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return ok;
}

static bool speak(const struct speech *script, const char *script_path, const char *wav_path)
{
	size_t len = strlen(script->text);
	FILE *file = fopen(script_path, "we");
	bool ok;
	pid_t pid;

	if (!file)
		return false;
	ok = fwrite(script->text, 1, len, file) == len;
	ok = fclose(file) == 0 && ok;
	ok = ok && spawn_espeak(script_path, wav_path, &pid) && wait_for(pid);
	(void)unlink(script_path);
	return ok;
}

static bool write_tone(const char *wav_path)
{
	FILE *file = fopen(wav_path, "we");
	bool ok;

	if (!file)
		return false;
	ok = wav_write_tone(file, TONE_MS);
	return fclose(file) == 0 && ok;
}

static void make_sound(const struct speech *script)
{
	char script_path[PATH_BYTES_MAX], wav_path[PATH_BYTES_MAX];
	bool ok;

	(void)snprintf(script_path, sizeof(script_path), "%s.%lu.txt", script->path,
		       script->number);
	(void)snprintf(wav_path, sizeof(wav_path), "%s.%lu.part", script->path, script->number);
	ok = speech.have_espeak && speak(script, script_path, wav_path);
	if (!ok && !speech_stopping())
		ok = write_tone(wav_path);
	if (ok && rename(wav_path, script->path) == 0)
		return;
	(void)unlink(wav_path);
	if (!speech_stopping())
		(void)fprintf(stderr, "cpoa-agents: cannot write %s\n", script->path);
}

static struct speech *next_script(void)
{
	struct speech *script;

	pthread_mutex_lock(&speech.mutex);
	while (!speech.first && !speech.stopping)
		pthread_cond_wait(&speech.changed, &speech.mutex);
	script = speech.stopping ? NULL : speech.first;
	if (script) {
		speech.first = script->next;
		if (!speech.first)
			speech.last = NULL;
		speech.waiting--;
	}
	pthread_mutex_unlock(&speech.mutex);
	return script;
}

static void *speaker_thread(void *unused)
{
	struct speech *script;

	(void)unused;
	while ((script = next_script()) != NULL) {
		make_sound(script);
		atomic_store(&script->done, true);
		speech_unref(script);
	}
	return NULL;
}

static bool in_search_path(const char *program)
{
	const char *path = getenv("PATH"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
	struct buf candidate = {0};
	bool found = false;

	while (!found && path && *path) {
		size_t len = strcspn(path, ":");

		candidate.len = 0;
		buf_add(&candidate, path, len);
		buf_addf(&candidate, "/%s", program);
		found = access(candidate.data, X_OK) == 0;
		path += len + (path[len] == ':');
	}
	buf_release(&candidate);
	return found;
}

bool speech_start(void)
{
	speech.have_espeak = in_search_path("espeak-ng");
	for (size_t i = 0; i < SPEAKER_N; i++) {
		if (pthread_create(&speech.thread[i], NULL, speaker_thread, NULL) != 0)
			return false;
	}
	return true;
}

void speech_stop(void)
{
	pthread_mutex_lock(&speech.mutex);
	speech.stopping = true;
	pthread_cond_broadcast(&speech.changed);
	pthread_mutex_unlock(&speech.mutex);
	for (size_t i = 0; i < SPEAKER_N; i++)
		pthread_join(speech.thread[i], NULL);
	while (speech.first) {
		struct speech *script = speech.first;

		speech.first = script->next;
		speech_unref(script);
	}
}

const char *speech_engine(void)
{
	return speech.have_espeak ? "espeak-ng" : "tone";
}

struct speech *speech_new(char *text, const char *path)
{
	struct speech *script = xcalloc(1, sizeof(*script));
	bool full;

	script->text = text;
	script->path = xstrdup(path);
	atomic_init(&script->refs, 1);
	pthread_mutex_lock(&speech.mutex);
	full = speech.waiting >= SPEECH_QUEUE_MAX;
	if (!full) {
		script->number = speech.number++;
		(void)speech_ref(script); /* the queue's */
		if (speech.last)
			speech.last->next = script;
		else
			speech.first = script;
		speech.last = script;
		speech.waiting++;
		pthread_cond_signal(&speech.changed);
	}
	pthread_mutex_unlock(&speech.mutex);
	if (full) {
		speech_unref(script);
		return NULL;
	}
	return script;
}

struct speech *speech_ref(struct speech *script)
{
	if (script)
		atomic_fetch_add(&script->refs, 1);
	return script;
}

void speech_unref(struct speech *script)
{
	if (!script || atomic_fetch_sub(&script->refs, 1) > 1)
		return;
	free(script->text);
	free(script->path);
	free(script);
}

bool speech_done(struct speech *script)
{
	return atomic_load(&script->done);
}
