/* record.c - every request that was seen, for tests to assert on */
#include "standin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const header_names[HEADER_N] = {
	[HEADER_KEY] = "x-idempotency-key",    [HEADER_WORKFLOW] = "x-workflow-id",
	[HEADER_SCENARIO] = "x-test-scenario", [HEADER_TRACEPARENT] = "traceparent",
	[HEADER_TRACESTATE] = "tracestate",    [HEADER_CONTENT_TYPE] = "content-type",
	[HEADER_USER_AGENT] = "user-agent",    [HEADER_AUTHORIZATION] = "authorization",
};

const char *const query_names[QUERY_N] = {
	[QUERY_AGENT] = "agent", [QUERY_KEY] = "key", [QUERY_WORKFLOW] = "workflow_id",
	[QUERY_KIND] = "kind",	 [QUERY_Q] = "q",     [QUERY_FORMAT] = "format",
	[QUERY_TOPIC] = "topic",
};

static const char *const kind_names[] = {
	[CALL_SUBMIT] = "submit", [CALL_POLL] = "poll",	  [CALL_PAGE] = "page",
	[CALL_ASF] = "asf",	  [CALL_SPANS] = "spans", [CALL_UNKNOWN] = "unknown",
};

static void forget_first(struct record *record)
{
	struct call *call = record->first;

	record->first = call->next;
	if (!record->first)
		record->last = NULL;
	record->count--;
	record->bytes -= call->bytes;
	for (size_t i = 0; i < HEADER_N; i++)
		free(call->header[i]);
	free(call->method);
	free(call->path);
	free(call->body);
	free(call);
}

void record_add(struct record *record, const struct request *request, const struct call *note,
		size_t max)
{
	struct call *call;

	record->n++;
	if (max == 0)
		return;
	call = xmalloc(sizeof(*call));
	*call = *note;
	call->n = record->n;
	call->time_ms = clock_wall_ms();
	call->method = xstrdup(request->method);
	call->path = xstrdup(request->path);
	for (size_t i = 0; i < HEADER_N; i++)
		call->header[i] = request->header[i] ? xstrdup(request->header[i]) : NULL;
	call->body = request->json_valid ? xstrdup(request->body) : NULL;
	call->bytes = call->body ? request->body_len : 0;
	if (record->last)
		record->last->next = call;
	else
		record->first = call;
	record->last = call;
	record->count++;
	record->bytes += call->bytes;
	while (record->count > max || record->bytes > RECORD_BYTES_MAX)
		forget_first(record);
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

void record_line(FILE *log, const struct request *request, const struct call *note)
{
	(void)fprintf(log, "%" PRId64 "\t%s\t%s\t%s\t%s\t%u\t%s\t%s\t%016" PRIx64 "\t%s\n",
		      clock_wall_ms(), note->agent ? note->agent->name : "-",
		      kind_names[note->kind], or_dash(request->header[HEADER_KEY]),
		      or_dash(request->header[HEADER_WORKFLOW]), note->status, or_dash(note->fault),
		      note->repeat ? "repeat" : "-",
		      hash_bytes(0, request->body, request->body_len), request->path);
	(void)fflush(log);
}

void record_clear(struct record *record)
{
	while (record->first)
		forget_first(record);
	record->n = 0;
}

static bool same(const char *wanted, const char *text)
{
	return !wanted || (text && strcmp(wanted, text) == 0);
}

static bool is_wanted(const struct call *call, const char *const query[QUERY_N])
{
	const char *agent = query[QUERY_AGENT];

	if (agent && (!call->agent || strcasecmp(agent, call->agent->name) != 0))
		return false;
	return same(query[QUERY_KEY], call->header[HEADER_KEY]) &&
	       same(query[QUERY_WORKFLOW], call->header[HEADER_WORKFLOW]) &&
	       same(query[QUERY_KIND], kind_names[call->kind]);
}

static void write_member(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, ",\"%s\":", name);
	buf_add_quoted(out, text);
}

static void write_call(struct buf *out, const struct call *call)
{
	const char *separator = "";

	buf_addf(out, "{\"n\":%lu,\"time_ms\":%" PRId64, call->n, call->time_ms);
	write_member(out, "agent", call->agent ? call->agent->name : NULL);
	write_member(out, "method", call->method);
	write_member(out, "path", call->path);
	write_member(out, "kind", kind_names[call->kind]);
	buf_adds(out, ",\"headers\":{");
	for (size_t i = 0; i < HEADER_N; i++) {
		if (!call->header[i])
			continue;
		buf_addf(out, "%s\"%s\":", separator, header_names[i]);
		buf_add_quoted(out, call->header[i]);
		separator = ",";
	}
	buf_adds(out, "}");
	write_member(out, "key", call->header[HEADER_KEY]);
	write_member(out, "workflow_id", call->header[HEADER_WORKFLOW]);
	/* The body goes out byte for byte as it came in: it was JSON then. */
	buf_addf(out, ",\"body\":%s", call->body ? call->body : "null");
	buf_addf(out, ",\"status\":%u", call->status);
	write_member(out, "fault", call->fault);
	buf_addf(out, ",\"repeat\":%s}", call->repeat ? "true" : "false");
}

void record_write(const struct record *record, const struct request *request, struct buf *out)
{
	const char *separator = "[";

	for (const struct call *call = record->first; call; call = call->next) {
		if (!is_wanted(call, request->query))
			continue;
		buf_adds(out, separator);
		write_call(out, call);
		separator = ",\n";
	}
	buf_adds(out, separator[0] == '[' ? "[]\n" : "]\n");
}
