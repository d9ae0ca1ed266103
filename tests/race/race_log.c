/* Many threads log into one pipe; every line arrives whole, once, and in the order of its thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/json.h"
#include "cpoa/log.h"

enum { THREADS = 4, LINES = 2000 };

static void *log_lines(void *arg)
{
	int number = *(int *)arg;
	char name[24];

	snprintf(name, sizeof(name), "thread-%d", number);
	log_thread_name(name);
	for (int i = 0; i < LINES; i++)
		log_info("line", log_int("thread", number), log_int("n", i),
			 log_str("text", "a \"b\"\n\xFF"), LOG_END);
	return NULL;
}

static int check_line(const char *line, size_t len, int next[THREADS])
{
	struct json_object *o;
	char name[32];
	struct err e;
	int64_t thread;
	int bad;

	if (json_read(line, len, 1, JSON_STRICT, &o, &e) != JSON_OK) {
		printf("%s: %s", e.text, line);
		return 1;
	}
	thread = json_num(o, "thread", -1);
	snprintf(name, sizeof(name), "thread-%d", (int)thread);
	bad = thread < 0 || thread >= THREADS || json_num(o, "n", -1) != next[thread]++ ||
	      strcmp(json_str(o, "process.thread.name"), name) != 0;
	if (bad)
		printf("unexpected: %s", line);
	json_put(&o);
	return bad;
}

int main(void)
{
	pthread_t thread[THREADS];
	int number[THREADS], next[THREADS] = {0}, fd[2], bad = 0;
	size_t size = 0;
	char *line = NULL;
	FILE *in;

	if (pipe(fd) != 0 || dup2(fd[1], STDERR_FILENO) < 0)
		return 1;
	close(fd[1]);
	log_setup(LOG_INFO, LOG_JSON, "race", "0");
	for (int i = 0; i < THREADS; i++) {
		number[i] = i;
		if (pthread_create(&thread[i], NULL, log_lines, &number[i]) != 0)
			return 1;
	}
	in = fdopen(fd[0], "r");
	for (int i = 0; i < THREADS * LINES && !bad; i++) {
		ssize_t len = getline(&line, &size, in);

		bad = len < 0 || check_line(line, (size_t)len, next);
	}
	for (int i = 0; i < THREADS && !bad; i++)
		pthread_join(thread[i], NULL);
	free(line);
	return bad;
}
