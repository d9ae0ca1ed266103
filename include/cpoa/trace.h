/*
 * trace: W3C Trace Context (Recommendation of 2021-11-23), as far as a carrier needs it: read
 * `traceparent`, go on from it with a span of our own, write it. An unreadable parent starts a new
 * trace (§3.2.2.3); `tracestate` is carried along as it came, and dropped when it is malformed or
 * longer than 512 bytes (§3.3.1.5). Any thread.
 */
#ifndef CPOA_TRACE_H
#define CPOA_TRACE_H

#include <stdbool.h>
#include <stdint.h>

enum { TRACE_PARENT_SIZE = 56, TRACE_STATE_MAX = 512 };

struct trace {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t flags;
};

/* A new trace with a new span, sampled. */
struct trace trace_new(void);

/* The same trace and flags, a new span. */
struct trace trace_child(const struct trace *parent);

/* Reads a traceparent; false, and *out untouched, when it is none. `text` may be NULL. */
bool trace_parse(struct trace *out, const char *text);
void trace_text(const struct trace *t, char out[TRACE_PARENT_SIZE]);

/* Whether a tracestate may be passed on: 1 to TRACE_STATE_MAX printable ASCII characters. */
bool trace_state_ok(const char *text);

#endif
