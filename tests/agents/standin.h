/*
 * standin.h - the stand-in agents: every type and every function of the program.
 *
 * The way of a request:
 *
 *   http.c      collects it, and hands a struct request to
 *   route.c     which finds the agent, asks faults.c whether to misbehave, store.c whether the
 *               key is known, and the agent (wcha.c ... tda.c) for the work; the outcome is a
 *               struct answer, which
 *   http.c      sends, perhaps after
 *   hold.c      has kept it for the agent's thinking time.
 *
 * Threads: the one MHD thread runs all of the above, so none of it takes a lock. Beside it stand
 * hold.c's timer thread and speech.c's two; each has its own mutex, shown in its file, and main,
 * which only waits for a signal.
 *
 * Memory: small allocations abort when there is none (buf.c); whatever a client can make large
 * has a limit below.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MUST_CHECK    __attribute__((warn_unused_result))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- limits ---- */

enum {
	BODY_MAX = 4 << 20,	      /* bytes of a request's body; more is 413 */
	JSON_DEPTH_MAX = 64,	      /* nesting of a request's body */
	FAULTS_MAX = 64,	      /* --fault options */
	RECORD_BYTES_MAX = 256 << 20, /* of bodies that /calls keeps, whatever --record says */
	STORE_BYTES_MAX = 256 << 20, /* of results that the store keeps, whatever --remember says */
	STORE_TASKS_MIN = 20000,     /* tasks that --remember 0 keeps where polls need them */
	SPEECH_QUEUE_MAX = 10000,    /* scripts waiting to be spoken */
	FLOOD_BYTES = 64 << 20,	     /* length of the body of the fault "oversize" */
	DRIP_MS = 50,		     /* pause between two bytes of the fault "slow" */
	SLOW_POLL_MS = 2000,	     /* how long the scenario "slow_poll" holds an answer */
	SPEECH_CHECK_MS = 20,	     /* how often a held answer looks whether its sound is done */
};

/* ---- buf.c: a string that grows; all zero is an empty one ---- */

struct buf {
	char *data; /* NUL-terminated once anything was added, else NULL */
	size_t len;
	size_t cap;
};

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
char *xstrdup(const char *text);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds text as a JSON string with its quotes, or null. Bytes above 0x7f become \u00xx, so that
 * the result is valid JSON whatever a header held. */
void buf_add_quoted(struct buf *b, const char *text);
/* Hands the string over; the buf is empty after. Never NULL. */
char *buf_take(struct buf *b);
void buf_release(struct buf *b);

/* ---- text.c: hashes, ids, clocks, UTF-8, JSON helpers ---- */

/* 128 bits made from an agent and a key: the task's id, and the store's index. */
struct id {
	uint64_t high;
	uint64_t low;
};

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);
struct id id_make(const char *agent, const char *key);
void id_format(struct id id, char uuid[37]);
bool id_parse(const char *uuid, struct id *id) MUST_CHECK;
int64_t ms_to_us(long ms);
int64_t clock_us(void);	     /* monotonic */
int64_t clock_wall_ms(void); /* since 1970 */
/* A moment of 2025 that depends on nothing but the hash, as 2025-03-04T05:06:07Z. */
void time_from_hash(uint64_t hash, char text[32]);
size_t utf8_count(const char *text);		    /* characters */
size_t utf8_prefix(const char *text, size_t chars); /* bytes of the first so many characters */
bool is_blank(const char *text);		    /* NULL counts as blank */
/* The member's text, or NULL when it is absent or no string. */
const char *json_text(const struct json_object *object, const char *name);
struct json_object *json_member(const struct json_object *object, const char *name);
void json_put_text(struct json_object *object, const char *name, const char *text);
/* Sets every member of the patch in the object; null removes (RFC 7396, top level only). */
void json_patch(struct json_object *object, const char *patch);
/* Puts bytes into the middle of every string that has a space in it. Ids, paths and statuses
 * have none: only prose is tainted. Returns the new value, a reference for the caller. */
struct json_object *json_taint(struct json_object *value, const char *bytes, size_t len);

/* ---- the six agents ---- */

enum agent_id { WCHA, PSWA, VFA, SCA, IGA, TDA, AGENT_N };

enum header_id {
	HEADER_KEY,
	HEADER_WORKFLOW,
	HEADER_SCENARIO,
	HEADER_TRACEPARENT,
	HEADER_TRACESTATE,
	HEADER_CONTENT_TYPE,
	HEADER_USER_AGENT,
	HEADER_AUTHORIZATION,
	HEADER_N
};
extern const char *const header_names[HEADER_N]; /* lower case */

enum query_id {
	QUERY_AGENT,
	QUERY_KEY,
	QUERY_WORKFLOW,
	QUERY_KIND,
	QUERY_Q,
	QUERY_FORMAT,
	QUERY_TOPIC,
	QUERY_N
};
extern const char *const query_names[QUERY_N];

/* One HTTP request, complete; all of it belongs to http.c and lives until the answer is sent. */
struct request {
	const char *method;
	const char *path;
	const char *header[HEADER_N]; /* NULL when absent */
	const char *query[QUERY_N];
	const char *host; /* what the client calls us, or NULL */
	const char *body; /* NUL-terminated */
	size_t body_len;
	bool json_valid;	  /* the body is JSON */
	struct json_object *json; /* NULL for null, or when not valid */
};

/* What an agent is given to work with: a request that its check has passed. */
struct job {
	const struct agent *agent;
	const struct request *request;
	const struct json_object *body;
	uint64_t hash;	       /* of agent and key: whatever a result invents comes from it */
	const char *audio_dir; /* NULL: no sound is made */
};

/* What came of the work. state is Celery's word, http the status of the poll that tells of it,
 * and of the POST in sync style. */
struct outcome {
	const char *state; /* "SUCCESS" or "FAILURE" */
	unsigned http;
	struct json_object *result;
	const char *wrap;      /* the member that holds the result in async style, or NULL */
	bool wrap_sync;	       /* and in sync style too */
	struct speech *speech; /* the answer is ready when this is, or NULL */
};

/* A refusal at the POST itself, in both styles. */
struct refusal {
	unsigned http;
	const char *code;
	const char *message;
};

/* A behaviour that X-Test-Scenario (or error_trigger) asks for. At most one of the groups is
 * set: refuse at the POST; replace the result; patch the result of the work. */
struct scenario {
	const char *name;
	const char *state;    /* NULL: SUCCESS */
	const char *replace;  /* a JSON object in place of the result; the work is not done */
	const char *echo;     /* member of the request that is copied into it */
	const char *patch;    /* members that differ from the true result */
	unsigned http;	      /* of the result; 0: 200 */
	unsigned refuse_http; /* answer the POST with this and the text of `replace` */
	bool wrap_sync;	      /* sync style wraps the result as async does */
	bool nul;	      /* \u0000 in every text of the result */
	bool slow_poll;	      /* answers are held SLOW_POLL_MS */
};

struct agent {
	enum agent_id id;
	const char *name;	 /* as options and /calls write it */
	const char *title;	 /* as error codes write it */
	const char *path[2];	 /* that POST works on; the second may be NULL */
	const char *status_path; /* what a status_url begins with */
	const char *wrap;	 /* see struct outcome */
	const char *busy_state;	 /* between PENDING and the end */
	unsigned conflict_http;	 /* of a poll that ends in PROCESSING_CONFLICT */
	bool key_required;
	bool body_optional;
	bool (*check)(const struct json_object *body, struct refusal *refusal);
	void (*work)(const struct job *job, struct outcome *outcome);
	const struct scenario *scenarios; /* ends with a NULL name */
};

extern const struct agent wcha_agent, pswa_agent, vfa_agent, sca_agent, iga_agent, tda_agent;
extern const struct agent *const agents[AGENT_N];

const struct agent *agent_by_name(const char *name, size_t len); /* NULL when unknown */
const struct agent *agent_by_path(const char *path);
/* The scenario that the request asks for: the agent's own, else one that all agents have. */
const struct scenario *agent_scenario(const struct agent *agent, const struct request *request);
/* Does the work, or what the scenario puts in its place. */
void agent_work(const struct job *job, const struct scenario *scenario, struct outcome *outcome);
bool refuse(struct refusal *refusal, const char *code, const char *message); /* false */

/* ---- faults.c: planned misbehaviour ---- */

enum fault_phase { PHASE_SUBMIT, PHASE_POLL, PHASE_TERMINAL };

enum fault_effect {
	EFFECT_NONE,
	EFFECT_STATUS,
	EFFECT_RESET,
	EFFECT_CUT,
	EFFECT_HANG,
	EFFECT_GARBAGE,
	EFFECT_OVERSIZE,
	EFFECT_SLOW,
	EFFECT_UTF8,
	EFFECT_NUL,
	EFFECT_CONFLICT,
};

struct fault_kind {
	const char *name;
	enum fault_effect effect;
	unsigned http;
	bool on_submit;
	bool on_poll;
};

struct fault {
	const struct agent *agent; /* NULL: all */
	const struct fault_kind *kind;
	enum fault_phase phase;
	double rate;	  /* of requests; 0 when first counts */
	unsigned first;	  /* requests per key */
	long retry_after; /* seconds; -1: not given */
};

/* "[AGENT:]KIND[:SECONDS]=RATE", see README.md. False with a text for people in error. */
bool fault_parse(const char *spec, struct fault *fault, char error[128]) MUST_CHECK;

/* ---- options.c: what can be set, at start and by POST /control ---- */

enum style { STYLE_SYNC, STYLE_ASYNC, STYLE_MIXED };

struct options {
	long port;
	const char *bind;
	long record_max;
	long remember_max;
	char *audio_dir;
	FILE *log; /* a line a request, or NULL */
	/* from here on POST /control may change it */
	enum style style;
	long latency_ms;
	long agent_latency_ms[AGENT_N]; /* -1: latency_ms */
	long polls;			/* the first that may bring a task's result; 0: any */
	struct fault faults[FAULTS_MAX];
	size_t fault_n;
	char *evil_status_url;
	unsigned long seed;
	long retry_after; /* seconds that 503 and 409 answers tell; -1: none */
	long asf_status;  /* what the ASF answers in place of its own; 0: its own */
	char *asf_stuck;  /* the client whose updates the ASF never answers, or NULL */
	char *asf_journal;
	long collector; /* what POST /v1/traces answers; 0: nothing, ever */
};

/* Returns false after printing why (or the help) to stderr. */
bool options_parse(struct options *options, int argc, char **argv) MUST_CHECK;
/* Applies the members of a JSON object, all or none. */
bool options_control(struct options *options, struct json_object *changes,
		     char error[160]) MUST_CHECK;
void options_release(struct options *options);
long options_latency_ms(const struct options *options, const struct agent *agent);
/* The fault that this request is to meet, or NULL. attempt counts from 1 per agent and key. */
const struct fault *faults_pick(const struct options *options, enum fault_phase phase,
				const struct agent *agent, uint64_t hash, unsigned attempt);

/* ---- store.c: idempotency keys and tasks ---- */

/* One key of one agent: how often it was seen, and what came of it. */
struct entry {
	struct id id;
	struct entry *chain; /* next in the hash bucket */
	struct entry *newer; /* next in age */
	const struct agent *agent;
	unsigned submits; /* attempts, faults included */
	unsigned polls;
	unsigned terminal_polls;
	bool done; /* the work was done: what follows is set */
	uint64_t body_hash;
	const char *state;
	unsigned http;
	const char *wrap;
	bool wrap_sync;
	char *result; /* JSON text */
	size_t result_len;
	int64_t accepted_us;
	int64_t ready_us;
	struct speech *speech;
	enum fault_effect taint; /* of the latest submission: NONE, NUL or UTF8 */
	bool slow_poll;
};

struct store {
	struct entry **bucket;
	size_t bucket_n; /* a power of two */
	size_t count;
	size_t bytes;
	struct entry *oldest;
	struct entry *newest;
};

void store_init(struct store *store);
void store_release(struct store *store);
struct entry *store_find(const struct store *store, struct id id);
struct entry *store_add(struct store *store, struct id id, const struct agent *agent);
/* Takes over outcome's result (as text) and speech. */
void store_finish(struct store *store, struct entry *entry, struct outcome *outcome);
/* Forgets the oldest entries down to max; no entry may be in hand. */
void store_trim(struct store *store, size_t max);

/* ---- record.c: what GET /calls tells ---- */

enum call_kind { CALL_SUBMIT, CALL_POLL, CALL_PAGE, CALL_ASF, CALL_SPANS, CALL_UNKNOWN };

struct call {
	struct call *next;
	unsigned long n;
	int64_t time_ms;
	const struct agent *agent; /* NULL: no agent's route */
	enum call_kind kind;
	char *method;
	char *path;
	char *header[HEADER_N];
	char *body; /* as it came when it is JSON, else NULL */
	size_t bytes;
	unsigned status; /* 0: no answer */
	const char *fault;
	bool repeat;
};

struct record {
	struct call *first;
	struct call *last;
	size_t count;
	size_t bytes;
	unsigned long n;
};

/* status, fault, repeat, kind and agent are what the caller fills in of the note. */
void record_add(struct record *record, const struct request *request, const struct call *note,
		size_t max);
/* The same as a line of text, for whoever reads a million of them: see README.md. */
void record_line(FILE *log, const struct request *request, const struct call *note);
void record_clear(struct record *record);
/* Writes the calls that the request's query asks for as a JSON array. */
void record_write(const struct record *record, const struct request *request, struct buf *out);

/* ---- route.c, admin.c: from a request to its answer ---- */

struct stats {
	unsigned long submits, distinct_keys, repeats, polls, key_conflicts;
	unsigned long in_flight, max_in_flight; /* submits that wait for their answer */
};

struct standin {
	struct options options;
	struct store store;
	struct record record;
	struct stats stats[AGENT_N];
	struct json_object *streams; /* the ASF's map; NULL: empty */
};

enum manner { ANSWER_PLAIN, ANSWER_RESET, ANSWER_HANG, ANSWER_CUT, ANSWER_DRIP, ANSWER_FLOOD };

struct answer {
	enum manner manner;
	unsigned status;
	char *body; /* owned */
	size_t len;
	long retry_after; /* -1: no header */
	const char *type; /* NULL: application/json */
	int64_t due_us;	  /* not before */
	struct speech *speech;
	const struct agent *agent; /* whose in_flight counts this; NULL: nobody's */
};

/* Fills the answer, which the caller ends by route_end. Never blocks. */
void route(struct standin *standin, const struct request *request, struct answer *answer);
void route_end(struct standin *standin, struct answer *answer);
/* The routes that are no agent's; false when the path is none of them. */
bool admin_route(struct standin *standin, const struct request *request, struct answer *answer);
void answer_text(struct answer *answer, unsigned status, struct buf *body); /* takes the body */
void answer_json(struct answer *answer, unsigned status, struct json_object *body); /* takes it */
void answer_error(struct answer *answer, unsigned status, const char *code, const char *message);

/* ---- asf.c: what the orchestrator used to push to ---- */

/* False when the path is none of its. */
bool asf_route(struct standin *standin, const struct request *request, struct answer *answer);

/* ---- web.c: a search engine and what it finds, for whoever harvests the web by himself ---- */

/* False when the path is none of its. */
bool web_route(const struct options *options, const struct request *request, struct answer *answer);
enum { WCHA_PARAGRAPHS = 7 };
/* wcha.c: the n-th paragraph on a topic. */
void wcha_paragraph(struct buf *out, size_t n, const char *topic);

/* ---- hold.c: connections that wait, all in one thread ---- */

#define HOLD_FOREVER INT64_MAX

/* resume is called from the timer thread, without a lock held. */
bool hold_start(void (*resume)(void *connection)) MUST_CHECK;
/* Any thread. The connection must be suspended already. It is resumed at due_us, or with
 * HOLD_FOREVER when its peer (socket fd) has gone. False when the program is stopping: the
 * caller keeps the connection. */
bool hold_until(void *connection, int fd, int64_t due_us) MUST_CHECK;
bool hold_stopping(void);
/* Resumes all that are held, and ends the thread. */
void hold_stop(void);

/* ---- speech.c, wav.c: a script becomes sound ---- */

bool speech_start(void) MUST_CHECK;
void speech_stop(void);
const char *speech_engine(void); /* "espeak-ng" or "tone" */
/* Takes text over. The sound is in path when speech_done(); NULL when too much is waiting. */
struct speech *speech_new(char *text, const char *path);
struct speech *speech_ref(struct speech *script);
void speech_unref(struct speech *script); /* NULL is fine */
bool speech_done(struct speech *script);
bool wav_write_tone(FILE *file, unsigned duration_ms) MUST_CHECK;

/* ---- http.c: the server ---- */

bool http_start(struct standin *standin, unsigned *port) MUST_CHECK;
void http_stop(void);
void http_resume(void *connection); /* for hold_start */

#endif
