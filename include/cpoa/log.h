/*
 * log: one event a line, on stderr.
 *
 * As JSON with the field names of the Elastic Common Schema ("@timestamp", "log.level", "message",
 * "service.name", "process.thread.name", and the fields of the call), or as text for people. Every
 * value is escaped and cut at LOG_VALUE_MAX bytes, so that nothing a peer sends can break a line or
 * flood the log; broken UTF-8 is replaced. A line is written by one write(2). Payloads and secrets
 * are never logged: pass ids, counts and sentences.
 *
 *	log_info("workflow ended", log_uuid("workflow.id", &id), log_str("event.outcome",
 * "success"), LOG_END);
 *
 * Any thread. log_setup() before threads are started.
 */
#ifndef CPOA_LOG_H
#define CPOA_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cpoa/err.h"
#include "cpoa/uuid.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT };

enum { LOG_VALUE_MAX = 1024 };

enum log_kind { LOG_KIND_END, LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_UUID, LOG_KIND_HEX };

struct log_field {
	enum log_kind kind;
	const char *key; /* a literal */
	const char *s;	 /* may be NULL: the field is left out */
	int64_t n;
	struct uuid id; /* zero: the field is left out */
};

#define LOG_END ((struct log_field){.kind = LOG_KIND_END})

static inline struct log_field log_str(const char *key, const char *value)
{
	return (struct log_field){.kind = LOG_KIND_STR, .key = key, .s = value};
}

static inline struct log_field log_int(const char *key, int64_t value)
{
	return (struct log_field){.kind = LOG_KIND_INT, .key = key, .n = value};
}

static inline struct log_field log_uuid(const char *key, const struct uuid *id)
{
	return (struct log_field){.kind = LOG_KIND_UUID, .key = key, .id = *id};
}

/* 16 bytes as 32 hexadecimal characters: a trace id. */
static inline struct log_field log_hex(const char *key, const struct uuid *id)
{
	return (struct log_field){.kind = LOG_KIND_HEX, .key = key, .id = *id};
}

static inline struct log_field log_err(const struct err *e)
{
	return log_str("error.message", e->text);
}

/* `service`, `version`: literals, in every line. */
void log_setup(enum log_level least, enum log_format format, const char *service,
	       const char *version);

/* The name of the calling thread in its lines and for the kernel (15 characters). */
void log_thread_name(const char *name);

bool log_wants(enum log_level level);

/* `message` is a literal; then fields, closed by LOG_END. */
void log_line(enum log_level level, const char *message, ...);

/*
 * A place that speaks as often as others fail, such as once for each request to a server that is
 * down: it may say LOG_A_SECOND lines a second. A static one a place; any thread.
 */
struct log_limit {
	_Atomic int64_t second;
	atomic_int said, unsaid;
};
enum { LOG_A_SECOND = 50 };

/* Whether it may speak now. *unsaid: how many times it has been silent since it last spoke, which
 * belongs into the line ("log.suppressed", see log_count). */
bool log_may(struct log_limit *limit, int *unsaid);

/* A number that is left out when it is 0. */
static inline struct log_field log_count(const char *key, int64_t n)
{
	return n ? log_int(key, n) : log_str(key, NULL);
}

/* Its fields are not even put together when nobody wants them. */
#define log_debug(...) (log_wants(LOG_DEBUG) ? log_line(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
