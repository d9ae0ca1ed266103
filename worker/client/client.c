/* client: connections, and jobs that go out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/trace.h"
#include "cpoa/uuid.h"

#include "client/client_private.h"

enum {
	ENQUEUE_MS = 30000,
	CONNECT_MS = 5000,
	MESSAGE_BYTES = 16 << 20, /* a longer event is passed over: its row has it */
	ARGUMENTS_MAX = 1 << 20,
	HEADERS = 4,
};

static const char exchange_jobs[] = "cpoa.jobs";

/* ---- errors ---- */

bool client_fail(struct cpoa_client_error *error, enum cpoa_client_code code, const char *text)
{
	error->code = code;
	snprintf(error->text, sizeof(error->text), "%s", text);
	return false;
}

bool client_fail_err(struct cpoa_client_error *error, const struct err *e)
{
	static const enum cpoa_client_code codes[] = {
		[ERR_NONE] = CPOA_CLIENT_LOST,	    [ERR_RETRY] = CPOA_CLIENT_LOST,
		[ERR_REJECT] = CPOA_CLIENT_REFUSED, [ERR_LOST] = CPOA_CLIENT_LOST,
		[ERR_USAGE] = CPOA_CLIENT_USAGE,
	};

	return client_fail(error, codes[e->class], e->text);
}

/* ---- connecting ---- */

struct mq_options client_mq(const struct cpoa_client *c)
{
	return (struct mq_options){.url = c->url,
				   .ca_file = c->ca_file,
				   .cert_file = c->cert_file,
				   .key_file = c->key_file,
				   .name = c->name,
				   .body_max = MESSAGE_BYTES,
				   .connect_timeout_ms = CONNECT_MS};
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void tell(void *ctx, const char *text)
{
	const struct cpoa_client *c = ctx;

	if (c->notice)
		c->notice(c->ctx, text);
}

struct cpoa_client *cpoa_client_connect(const struct cpoa_client_options *o,
					struct cpoa_client_error *error)
{
	struct cpoa_client *c;
	struct err e = {0};

	if (!o->url || !*o->url) {
		client_fail(error, CPOA_CLIENT_USAGE, "there is no URL of a broker");
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->url = copy(o->url);
	c->ca_file = copy(o->ca_file);
	c->cert_file = copy(o->cert_file);
	c->key_file = copy(o->key_file);
	c->name = copy(o->name ? o->name : "cpoa client");
	c->enqueue_ms = o->enqueue_ms > 0 ? o->enqueue_ms : ENQUEUE_MS;
	c->notice = o->notice;
	c->ctx = o->ctx;
	c->publisher = (struct publisher){
		.mq = client_mq(c), .notice = tell, .reply = client_keep_reply, .ctx = c};
	publisher_init(&c->publisher);
	if (publisher_open(&c->publisher, &e))
		return c;
	client_fail_err(error, &e);
	cpoa_client_close(c);
	return NULL;
}

void cpoa_client_close(struct cpoa_client *c)
{
	if (!c)
		return;
	publisher_release(&c->publisher);
	if (c->follows)
		listener_close(&c->listener);
	client_let_go(c);
	while (c->replies) {
		struct mq_message *m = c->replies;

		c->replies = m->next;
		mq_message_free(m);
	}
	free(c->url);
	free(c->ca_file);
	free(c->cert_file);
	free(c->key_file);
	free(c->name);
	free(c);
}

/* ---- a job ---- */

static bool usage(struct cpoa_client_error *error, const char *text)
{
	return client_fail(error, CPOA_CLIENT_USAGE, text);
}

static bool printable(const char *s, size_t max)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] <= 0x7e)
		n++;
	return s[n] == '\0' && n >= 1 && n <= max;
}

static bool check_arguments(const char *text, struct cpoa_client_error *error)
{
	AUTO(json_put) struct json_object *o = NULL;
	struct err e = {0};

	if (strlen(text) > ARGUMENTS_MAX)
		return usage(error, "the arguments take more than 1 MiB");
	if (json_read(text, strlen(text), JSON_DEPTH_MAX, JSON_STRICT, &o, &e) != JSON_OK) {
		err_wrap(&e, "the arguments");
		return usage(error, e.text);
	}
	return json_object_is_type(o, json_type_object) ||
	       usage(error, "the arguments are no JSON object");
}

static bool check(const struct cpoa_client_job *job, struct cpoa_client_error *error)
{
	const struct cpoa_client_ticket *t = NULL;
	struct uuid id;
	struct trace trace;

	if (!job->type || !printable(job->type, sizeof(t->type) - 1))
		return usage(error, "a job needs a type of 1 to 63 printable ASCII characters");
	if (job->idempotency_key && !printable(job->idempotency_key, MQ_SHORT_MAX))
		return usage(error, "an idempotency key is 1 to 255 printable ASCII characters");
	if (job->message_id && (!*job->message_id || strlen(job->message_id) > MQ_SHORT_MAX))
		return usage(error, "a message_id is 1 to 255 bytes");
	if (job->workflow_id && !uuid_from_text(&id, job->workflow_id))
		return usage(error, "the workflow_id is no UUID");
	if (job->traceparent && !trace_parse(&trace, job->traceparent))
		return usage(error, "the traceparent is none as W3C has it");
	if (job->tracestate && !trace_state_ok(job->tracestate))
		return usage(error, "the tracestate is none as W3C has it");
	return !job->arguments || check_arguments(job->arguments, error);
}

static void make_id(char out[UUID_TEXT_SIZE])
{
	struct uuid id = uuid_new();

	uuid_to_text(&id, out);
}

static void fill_ticket(struct cpoa_client_ticket *t, const struct cpoa_client_job *job)
{
	struct trace trace = trace_new();

	_Static_assert(sizeof(t->workflow_id) == UUID_TEXT_SIZE &&
			       sizeof(t->traceparent) == TRACE_PARENT_SIZE &&
			       sizeof(t->message_id) == MQ_SHORT_MAX + 1,
		       "the public header's sizes");
	*t = (struct cpoa_client_ticket){.reply = job->reply};
	make_id(t->message_id);
	make_id(t->workflow_id);
	trace_text(&trace, t->traceparent);
	snprintf(t->type, sizeof(t->type), "%s", job->type);
	if (job->message_id)
		snprintf(t->message_id, sizeof(t->message_id), "%s", job->message_id);
	if (job->workflow_id)
		snprintf(t->workflow_id, sizeof(t->workflow_id), "%s", job->workflow_id);
	if (job->traceparent)
		snprintf(t->traceparent, sizeof(t->traceparent), "%s", job->traceparent);
	if (job->idempotency_key)
		snprintf(t->idempotency_key, sizeof(t->idempotency_key), "%s",
			 job->idempotency_key);
}

static bool send(struct cpoa_client *c, const struct cpoa_client_job *job,
		 const struct cpoa_client_ticket *t, struct cpoa_client_error *error)
{
	static const enum cpoa_client_code codes[] = {
		[PUBLISHER_TAKEN] = CPOA_CLIENT_OK,
		[PUBLISHER_UNSENT] = CPOA_CLIENT_LOST,
		[PUBLISHER_UNKNOWN] = CPOA_CLIENT_UNKNOWN,
		[PUBLISHER_UNROUTABLE] = CPOA_CLIENT_UNROUTABLE,
		[PUBLISHER_REFUSED] = CPOA_CLIENT_REFUSED,
	};
	struct mq_header headers[HEADERS] = {{"X-Workflow-ID", t->workflow_id},
					     {"traceparent", t->traceparent}};
	struct mq_publish m = {
		.exchange = exchange_jobs,
		.routing_key = t->type,
		.content_type = "application/json",
		.message_id = t->message_id,
		.correlation_id = t->reply ? t->message_id : NULL,
		.reply_to = t->reply ? REPLY_QUEUE : NULL,
		.persistent = true,
		.mandatory = true,
		.timestamp = clock_wall_us() / 1000000,
		.headers = headers,
		.n_headers = 2,
		.body = job->arguments ? job->arguments : "{}",
		.len = job->arguments ? strlen(job->arguments) : 2,
	};
	enum publisher_fate fate;
	struct err e = {0};

	if (*t->idempotency_key)
		headers[m.n_headers++] =
			(struct mq_header){"X-Idempotency-Key", t->idempotency_key};
	if (job->tracestate)
		headers[m.n_headers++] = (struct mq_header){"tracestate", job->tracestate};
	fate = publisher_send(&c->publisher, &m, t->reply, clock_mono_ms() + c->enqueue_ms, &e);
	return fate == PUBLISHER_TAKEN || client_fail(error, codes[fate], e.text);
}

bool cpoa_client_enqueue(struct cpoa_client *c, const struct cpoa_client_job *job,
			 struct cpoa_client_ticket *ticket, struct cpoa_client_error *error)
{
	if (!check(job, error))
		return false;
	fill_ticket(ticket, job);
	return send(c, job, ticket, error);
}
