/*
 * span: one span of a trace as OTLP has it (opentelemetry-proto 1.x, JSON encoding): filled in on
 * the stack of whoever has worked, copied by the tracer, written as JSON by the tracer's thread.
 * Names and values are cut at SPAN_VALUE_MAX bytes; what is no UTF-8 is replaced.
 */
#ifndef ENGINE_SPAN_H
#define ENGINE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/mailbox.h"
#include "cpoa/strbuf.h"
#include "cpoa/trace.h"

/* OTLP's numbers. */
enum span_kind { SPAN_INTERNAL = 1, SPAN_CLIENT = 3, SPAN_PRODUCER = 4, SPAN_CONSUMER = 5 };

enum { SPAN_ATTRIBUTES_MAX = 20, SPAN_VALUE_MAX = 256, SPAN_TEXT_MAX = 2048 };

struct span_attribute {
	const char *key; /* a literal */
	bool is_text;
	int64_t n; /* the value, or where in `text` it begins */
};

struct span {
	struct mail mail;
	struct trace trace; /* with its own span id */
	uint8_t parent[8];  /* zeros: none */
	uint8_t link[8];    /* a span of the same trace that it goes on from; zeros: none */
	enum span_kind kind;
	int64_t start_us, end_us; /* wall time */
	bool failed;
	size_t name, state, message; /* in `text`; state (tracestate) and message: 0 is none */
	int64_t taken_us;	     /* when it was taken over from another worker; 0: never */
	int64_t claims;		     /* how many workers have had it by then */
	int n;
	struct span_attribute attributes[SPAN_ATTRIBUTES_MAX];
	size_t used;
	char text[SPAN_TEXT_MAX]; /* last: only `used` bytes of it are kept */
};

/* An empty one with its name. */
void span_begin(struct span *span, enum span_kind kind, const struct trace *trace,
		const char *name);

/* Attributes; a NULL value is left out. The keys are literals. What has no room is dropped. */
void span_text(struct span *span, const char *key, const char *value);
void span_number(struct span *span, const char *key, int64_t value);

/* It failed: error.type, and the status' message (may be NULL). */
void span_fail(struct span *span, const char *type, const char *message);

/* The job's tracestate (may be NULL). */
void span_state(struct span *span, const char *tracestate);

/* How many bytes of the struct are in use. */
size_t span_size(const struct span *span);

/* Appends it as a JSON object. */
void span_json(struct strbuf *out, const struct span *span);

/* Appends {"key":…,"value":{"stringValue":…}}. */
void span_pair(struct strbuf *out, const char *key, const char *value);

#endif
