/* world_parts: what the files of world share. */
#ifndef WORLD_PARTS_H
#define WORLD_PARTS_H

#include <stdio.h>

#include "cpoa/db.h"
#include "cpoa/strbuf.h"

#include "world.h"

enum { WORKERS_MAX = 16, PATH_SIZE = 512, ENVIRONMENT_MAX = 80, ARGUMENTS_MAX = 40 };

struct child {
	pid_t pid;
	bool reaped;
	int code;
	int port;
	char log[PATH_SIZE];
};

/* "NAME=value"s for execve. */
struct environment {
	char *entry[ENVIRONMENT_MAX + 1];
	int n;
};

struct keepsake {
	struct keepsake *next;
	void *thing;
	void (*release)(void *thing);
};

struct world {
	char name[64]; /* of the database and of the vhost */
	char folder[PATH_SIZE];
	char amqp_url[256];
	struct uuid space;
	struct db *db;
	struct child agents, asf;
	char agents_url[64];
	struct child worker[WORKERS_MAX];
	int n_workers, n_commands;
	bool as_owner; /* what is started now works as the role that owns the tables */
	struct keepsake *kept;
	FILE *record;
	char record_path[2 * PATH_SIZE];

	/* world_events.c's */
	struct mq *mq;
	bool losses_expected;
	uint64_t published, confirmed;
	struct seen *seen;
	int n_seen, cap_seen;
	struct mq_message *deliveries; /* of other consumers, the newest first */
};

/* Released at the end of the world. */
void *world_keep(struct world *w, void *thing, void (*release)(void *thing));

/* ---- world_process.c ---- */

void environment_set(struct environment *env, const char *name, const char *value);
void environment_put(struct environment *env, const char *entry);
void environment_release(struct environment *env);
void world_environment(struct world *w, struct environment *env);
/* stdout goes to `out` (-1: to the log), stderr to the log. */
void child_start(struct child *c, const char *folder, const char *const *argv,
		 const struct environment *env, int out);
MUST_CHECK bool child_wait(struct child *c, int64_t ms);
/* A condition, of a struct child. */
bool child_ended(void *child);
void child_kill(struct child *c);
char *file_read(const char *path);
/* Nobody else's until the test ends. */
int free_port(void);

/* ---- world_servers.c ---- */

void world_make_database(struct world *w, bool migrated);
void world_make_vhost(struct world *w);
void world_drop(struct world *w);
/* The status (0: no answer, *error says why); *answer (may be NULL) to be freed. */
int http_exchange(const char *method, const char *url, const char *body, char **answer);

/* ---- world_record.c ---- */

void world_open_record(struct world *w);
void world_close_record(struct world *w);
void world_record_job(struct world *w, const struct mq_publish *p);
void world_record_event(struct world *w, const struct mq_message *m, struct json_object *body);

/* ---- world_events.c ---- */

void world_listen(struct world *w);
void world_stop_listening(struct world *w);

#endif
