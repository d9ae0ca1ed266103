/* span: what is put in, and how OTLP wants it written. */
#include "engine/span.h"

#include <inttypes.h>
#include <string.h>

#include "cpoa/json.h"

/* Where the copy begins; 0: no room. At 0 stands an empty text. */
static size_t keep(struct span *span, const char *value)
{
	size_t len = utf8_cut(value, strnlen(value, SPAN_VALUE_MAX + 1), SPAN_VALUE_MAX);
	size_t at = span->used;

	if (len + 1 > sizeof(span->text) - at)
		return 0;
	memcpy(span->text + at, value, len);
	span->text[at + len] = '\0';
	span->used += len + 1;
	return at;
}

void span_begin(struct span *span, enum span_kind kind, const struct trace *trace, const char *name)
{
	memset(span, 0, offsetof(struct span, text));
	span->kind = kind;
	span->trace = *trace;
	span->text[0] = '\0';
	span->used = 1;
	span->name = keep(span, name);
}

static void add(struct span *span, const char *key, bool is_text, int64_t n)
{
	if (span->n < SPAN_ATTRIBUTES_MAX)
		span->attributes[span->n++] =
			(struct span_attribute){.key = key, .is_text = is_text, .n = n};
}

void span_text(struct span *span, const char *key, const char *value)
{
	size_t at = value && *value ? keep(span, value) : 0;

	if (at)
		add(span, key, true, (int64_t)at);
}

void span_number(struct span *span, const char *key, int64_t value)
{
	add(span, key, false, value);
}

void span_fail(struct span *span, const char *type, const char *message)
{
	span->failed = true;
	span_text(span, "error.type", type);
	if (message && *message)
		span->message = keep(span, message);
}

/* Whole or not at all: half a list of members would mean something else. */
void span_state(struct span *span, const char *tracestate)
{
	size_t len = tracestate ? strlen(tracestate) : 0, at = span->used;

	if (len == 0 || len + 1 > sizeof(span->text) - at)
		return;
	memcpy(span->text + at, tracestate, len + 1);
	span->used += len + 1;
	span->state = at;
}

size_t span_size(const struct span *span)
{
	return offsetof(struct span, text) + span->used;
}

/* ---- JSON ---- */

/* Appends a text as a JSON string with its quotes. */
static void quote(struct strbuf *out, const char *text)
{
	size_t len = strlen(text);

	strbuf_addc(out, '"');
	for (size_t at = 0, n; at < len; at += n) {
		n = utf8_char(text + at, len - at);
		if (n == 0) {
			strbuf_adds(out, "\xEF\xBF\xBD");
			n = 1;
		} else if (text[at] == '"' || text[at] == '\\') {
			strbuf_addc(out, '\\');
			strbuf_addc(out, text[at]);
		} else if ((unsigned char)text[at] < 0x20) {
			strbuf_addf(out, "\\u%04x", (unsigned)text[at]);
		} else {
			strbuf_add(out, text + at, n);
		}
	}
	strbuf_addc(out, '"');
}

void span_pair(struct strbuf *out, const char *key, const char *value)
{
	strbuf_adds(out, "{\"key\":");
	quote(out, key);
	strbuf_adds(out, ",\"value\":{\"stringValue\":");
	quote(out, value);
	strbuf_adds(out, "}}");
}

static void add_hex(struct strbuf *out, const char *key, const uint8_t *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	strbuf_addf(out, "\"%s\":\"", key);
	for (size_t i = 0; i < n; i++) {
		strbuf_addc(out, hex[bytes[i] >> 4]);
		strbuf_addc(out, hex[bytes[i] & 15]);
	}
	strbuf_adds(out, "\"");
}

/* 64-bit numbers are strings in OTLP's JSON; times are in nanoseconds. */
static void add_time(struct strbuf *out, const char *key, int64_t us)
{
	strbuf_addf(out, "\"%s\":\"%" PRId64 "000\"", key, us);
}

static void add_number(struct strbuf *out, const char *key, int64_t n)
{
	strbuf_addf(out, "{\"key\":\"%s\",\"value\":{\"intValue\":\"%" PRId64 "\"}}", key, n);
}

static void add_attributes(struct strbuf *out, const struct span *span)
{
	strbuf_adds(out, ",\"attributes\":[");
	for (int i = 0; i < span->n; i++) {
		const struct span_attribute *a = &span->attributes[i];

		if (i)
			strbuf_addc(out, ',');
		if (a->is_text)
			span_pair(out, a->key, span->text + a->n);
		else
			add_number(out, a->key, a->n);
	}
	strbuf_addc(out, ']');
}

static void add_taken_over(struct strbuf *out, const struct span *span)
{
	strbuf_adds(out, ",\"events\":[{");
	add_time(out, "timeUnixNano", span->taken_us);
	strbuf_adds(out, ",\"name\":\"taken over\",\"attributes\":[");
	add_number(out, "cpoa.claims", span->claims);
	strbuf_adds(out, "]}]");
}

static void add_link(struct strbuf *out, const struct span *span)
{
	strbuf_adds(out, ",\"links\":[{");
	add_hex(out, "traceId", span->trace.trace_id, sizeof(span->trace.trace_id));
	strbuf_addc(out, ',');
	add_hex(out, "spanId", span->link, sizeof(span->link));
	strbuf_adds(out, "}]");
}

static bool is_none(const uint8_t id[8])
{
	static const uint8_t none[8];

	return memcmp(id, none, sizeof(none)) == 0;
}

static void add_status(struct strbuf *out, const struct span *span)
{
	enum { STATUS_CODE_ERROR = 2 };

	strbuf_addf(out, ",\"status\":{\"code\":%d", STATUS_CODE_ERROR);
	if (span->message) {
		strbuf_adds(out, ",\"message\":");
		quote(out, span->text + span->message);
	}
	strbuf_addc(out, '}');
}

void span_json(struct strbuf *out, const struct span *span)
{
	strbuf_addc(out, '{');
	add_hex(out, "traceId", span->trace.trace_id, sizeof(span->trace.trace_id));
	strbuf_addc(out, ',');
	add_hex(out, "spanId", span->trace.span_id, sizeof(span->trace.span_id));
	if (!is_none(span->parent)) {
		strbuf_addc(out, ',');
		add_hex(out, "parentSpanId", span->parent, sizeof(span->parent));
	}
	if (span->state) {
		strbuf_adds(out, ",\"traceState\":");
		quote(out, span->text + span->state);
	}
	strbuf_addf(out, ",\"flags\":%u,\"name\":", (unsigned)span->trace.flags);
	quote(out, span->text + span->name);
	strbuf_addf(out, ",\"kind\":%d,", (int)span->kind);
	add_time(out, "startTimeUnixNano", span->start_us);
	strbuf_addc(out, ',');
	add_time(out, "endTimeUnixNano",
		 span->end_us > span->start_us ? span->end_us : span->start_us);
	add_attributes(out, span);
	if (span->taken_us)
		add_taken_over(out, span);
	if (!is_none(span->link))
		add_link(out, span);
	if (span->failed)
		add_status(out, span);
	strbuf_addc(out, '}');
}
