/*
 * world: a test's own database, vhost, stand-in agents and workers; and how it looks at them.
 *
 * world_open() makes a database (a copy of one that `cpoa migrate` has made) and a vhost on the
 * servers of the environment (tests/servers.sh), where workers have a role that only works;
 * world_close() ends the workers by SIGTERM, looks for a clean end, for sanitizers' reports in
 * their logs and for the servers' passwords in all that was said, and removes all. A test that dies
 * takes its processes along; its folder with their logs stays, and its database too.
 *
 * Whatever is waited for is a condition with a deadline. Whatever goes wrong fails the test that
 * runs: nothing here returns an error. What functions return belongs to the world.
 */
#ifndef WORLD_H
#define WORLD_H

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cpoa/err.h"
#include "cpoa/mq.h"

enum { SOON_MS = 20000 }; /* what should happen at once, on a busy machine under sanitizers */

struct world;

struct world *world_open(void);
/* Its workers work as the owner of the database: nothing is granted to anybody there. */
struct world *world_open_unmigrated(void);
void world_close(struct world *w);
/* world_close without the demand that workers end well: for tests that have broken something. */
void world_abandon(struct world *w);

/* The folder of this world; files in it are gone with it. */
const char *world_folder(struct world *w);
/* The same name is the same UUID in this world, and another one in each other. */
const char *world_id(struct world *w, const char *name);

/* Whether `condition(ctx)` came true within `ms`; it is asked every 10 ms. */
MUST_CHECK bool await(bool (*condition)(void *ctx), void *ctx, int64_t ms);
/* Passes `ms` doing nothing, where what is tested is that nothing happens. */
void let_pass(int64_t ms);

/* ---- stand-in agents ---- */

void world_agents_with(struct world *w, const char *const *options);
#define world_agents(w, ...) world_agents_with(w, (const char *const[]){__VA_ARGS__, NULL})
const char *world_agents_url(struct world *w);
/* SIGSTOP holds every answer back until SIGCONT. */
void world_agents_signal(struct world *w, int signal_number);
/* POST /control. */
void world_control(struct world *w, const char *json);
/* GET /calls?QUERY, an array. */
struct json_object *world_calls(struct world *w, const char *query);
int world_call_count(struct world *w, const char *query);
/* A number of GET /stats. */
int64_t world_stat(struct world *w, const char *agent, const char *member);

/* ---- a stand-in ASF: cpoa-agents again, on a port of its own that outlives it ---- */

void world_asf_with(struct world *w, const char *const *options);
#define world_asf(w, ...) world_asf_with(w, (const char *const[]){__VA_ARGS__, NULL})
const char *world_asf_url(struct world *w);
/* It forgets its map; world_asf starts it again. */
void world_asf_kill(struct world *w);
void world_asf_control(struct world *w, const char *json);
/* Its map, stream to path; NULL: it does not answer. */
struct json_object *world_asf_streams(struct world *w);
/* Whatever any of them has taken, a JSON object a line. */
const char *world_asf_journal(struct world *w);

/* ---- workers and other programs ---- */

/* "NAME=value"s replace what the world gives. The first waits for /readyz to say 200. */
int world_worker_with(struct world *w, bool ready, const char *const *environment);
#define world_worker(w, ...) world_worker_with(w, true, (const char *const[]){__VA_ARGS__, NULL})
#define world_worker_unready(w, ...) \
	world_worker_with(w, false, (const char *const[]){__VA_ARGS__, NULL})
/* `cpoa asf-bridge` for the stand-in ASF, counted among the workers. `rebuild_since`: NULL or
 * "24h".
 */
int world_bridge(struct world *w, bool ready, const char *rebuild_since);
pid_t worker_pid(struct world *w, int worker);
int worker_port(struct world *w, int worker);
void worker_signal(struct world *w, int worker, int signal);
/* Its exit code, or 128 + the signal that ended it. */
int worker_wait_exit(struct world *w, int worker, int64_t ms);
bool worker_runs(struct world *w, int worker);
/* Makes room for another one, when the last one has ended. */
void worker_forget(struct world *w, int worker);
/* GET on its port: the status (0: no answer); *body (may be NULL) is the world's. */
int worker_get(struct world *w, int worker, const char *path, const char **body);
bool await_ready(struct world *w, int worker, int status, int64_t ms);
/* The value of "name{label=\"value\"}" in /metrics; -1 when it is not there. */
double metric(struct world *w, int worker, const char *name);
bool log_contains(struct world *w, int worker, const char *text);
MUST_CHECK bool await_log(struct world *w, int worker, const char *text, int64_t ms);
/* A number from /proc/PID/status, e.g. "Threads" or "VmRSS" (kB). */
long worker_status(struct world *w, int worker, const char *field);

/* How a command ends (interface.md §1). */
enum {
	DONE = 0,
	FAILED = 1,
	USAGE = 2,
	NO_MATCH = 3,
	NO_SERVER = 4,
	REFUSED = 5,
	INTERRUPTED = 130,
};

/* `cpoa ARGUMENTS` with the environment of a worker, but `migrate` as the owner of the tables; the
 * exit code. *out (may be NULL): stdout. */
int world_cpoa_with(struct world *w, const char **out, const char *const *arguments);
#define world_cpoa(w, out, ...) \
	world_cpoa_with(w, out, (const char *const[]){"cpoa", __VA_ARGS__, NULL})
/* Any program likewise; arguments[0] is its path. */
int world_run(struct world *w, const char **out, const char *const *arguments);
/* `cpoa ARGUMENTS`, which gets Ctrl-C once the count that `sql` gives is `n` or more; the exit
 * code. *said (may be NULL): stderr. */
int world_interrupt(struct world *w, const char **said, const char *sql, int64_t n,
		    const char *const *arguments);
/* tests/servers.sh VERB $CPOA_TEST_SERVERS SERVER [MODE]. Skips the test without CPOA_TEST_SERVERS.
 */
void world_servers(struct world *w, const char *verb, const char *server, const char *mode);

/* ---- jobs ---- */

/* A message as it stands: NULL is absent. */
struct job_spec {
	const char *exchange;	 /* NULL: cpoa.jobs */
	const char *routing_key; /* NULL: podcast_generation */
	const char *content_type, *message_id, *correlation_id, *reply_to;
	struct mq_header headers[12]; /* closed by a NULL name */
	const char *body;
	size_t body_len; /* 0: as long as the string */
};

/* Published and confirmed. */
void world_publish(struct world *w, const struct job_spec *job);
/* Published; world_flush waits for the confirms of all. */
void world_post(struct world *w, const struct job_spec *job);
void world_flush(struct world *w);

/*
 * A podcast as a gateway would order it: message_id and X-Idempotency-Key are `name`, the
 * X-Workflow-ID is world_id(name), the task_id world_id("task of NAME"); `more` are further members
 * of the body, as "\"client_id\":\"c\"" (NULL: none). Returns the workflow's id.
 */
const char *world_podcast(struct world *w, const char *name, const char *more);
/* The same as a message, to be changed before it is published. Its strings are the world's. */
struct job_spec world_podcast_spec(struct world *w, const char *name, const char *more);

/* ---- events ---- */

struct seen {
	const char *kind; /* "started" … */
	struct mq_message *message;
	struct json_object *body;
};

/*
 * The index-th event (from 0) of that kind about that workflow, waiting for it. Kind NULL: the
 * terminal ones; workflow NULL: any.
 */
const struct seen *world_event(struct world *w, const char *kind, const char *workflow, int index,
			       int64_t ms);
/* The first terminal event's body. */
struct json_object *world_end(struct world *w, const char *workflow);
/* How many have come by now. */
int world_events(struct world *w, const char *kind, const char *workflow);
/* Waits until `n` workflows have had their terminal event. */
void world_await_ends(struct world *w, int n, int64_t ms);
/* How many terminal events say something else than the first about the same workflow. */
int world_contradictions(struct world *w);
/* From now on a lost connection is opened again: for tests that restart RabbitMQ. */
void world_expect_loss(struct world *w);
/* Lets go of the test's own database session, before PostgreSQL is restarted. */
void world_forget_db(struct world *w);
/* The connection, for what has no verb here. */
struct mq *world_mq(struct world *w);
/* The next delivery of another consumer (`tag`) than the world's own. */
struct mq_message *world_delivery(struct world *w, const char *tag, int64_t ms);

/* ---- PostgreSQL ---- */

/* All rows, cells joined by '|' and rows by '\n', NULL as "null". */
const char *world_rows(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
int64_t world_count(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void world_sql(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* In a session of its own, as one transaction. */
void world_sql_as_superuser(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Waits until the query gives that text. */
MUST_CHECK bool await_rows(struct world *w, const char *expected, const char *sql, int64_t ms);
const char *world_format(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- RabbitMQ's management API and other HTTP ---- */

/* METHOD on "/api/…"; {vhost} in the path is this world's. The status. */
int world_api(struct world *w, const char *method, const char *path, const char *body);
/* Messages that wait in a queue (delivered ones that are not acked do not count). */
int world_queue(struct world *w, const char *queue);
/* As a consumer that takes a job of this type and will not have it; requeue: "true" or "false". */
void world_reject(struct world *w, const char *type, const char *requeue);

/* ---- the record ---- */

/* The file with what was published, came, was admitted and was refused by now:
 * tests/contract/recorded.js reads it. */
const char *world_record(struct world *w);

/* ---- what many tests expect ---- */

/* Waits until the agents have had `n` such calls (a query as of world_calls). */
void world_await_calls(struct world *w, const char *query, int n);
/* Waits until that call of the only workflow that makes one is a task which its agent has accepted:
 * what is not committed yet would be submitted again. */
void world_await_accepted(struct world *w, const char *call);
/* The dead letter of the message with that id has that reason, and the text in its error. */
void world_expect_refused(struct world *w, const char *name, const char *reason, const char *text);
/* The first worker holds nothing, and no event or message waits. */
void world_expect_settled(struct world *w);
/* Waits until `n` podcasts, and nothing else, have completed, each told in one way. */
void world_expect_completed(struct world *w, int n);

/* ---- looking at JSON ---- */

/* What stands at "a.b.0.c": a string itself, else its JSON; "absent" when nothing does. */
const char *json_at(struct json_object *o, const char *path);

#define same(actual, expected) cr_assert_str_eq(actual, expected)
#define has(text, part)	       cr_assert(strstr(text, part) != NULL, "'%s' is not in: %s", part, text)

#endif
