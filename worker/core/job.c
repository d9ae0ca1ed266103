/* job: the checks at the door. What passes here is bounded and clean, so nothing behind needs to
 * ask again. */
#include "core/job.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "core/policy.h"

enum { USER_TEXT_MAX = 255 };

const char *job_reason(enum job_verdict verdict)
{
	static const char *const names[JOB_VERDICTS] = {
		[JOB_GOOD] = "good",
		[JOB_INVALID_JSON] = "invalid_json",
		[JOB_INVALID_JOB] = "invalid_job",
		[JOB_UNKNOWN_TYPE] = "unknown_type",
		[JOB_TOO_LARGE] = "too_large",
		[JOB_UNSTORABLE] = "unstorable",
		[JOB_IDEMPOTENCY_CONFLICT] = "idempotency_conflict",
		[JOB_CRASH_LOOP] = "crash_loop",
		[JOB_EXPIRED] = "expired",
		[JOB_DELIVERY_LIMIT] = "delivery_limit",
		[JOB_QUEUE_FULL] = "queue_full",
		[JOB_BROKER_REJECTED] = "broker_rejected",
	};

	return names[verdict];
}

enum job_verdict job_given_up(struct mq_message *m, struct err *e)
{
	/* rabbitmq.com/dlx.html: the reasons. Nobody but a stranger rejects: we refuse by a row. */
	static const struct {
		const char *reason, *text;
		enum job_verdict verdict;
	} table[] = {
		{"expired", "it waited longer than it or its queue allows", JOB_EXPIRED},
		{"delivery_limit", "it was delivered too often without an ack", JOB_DELIVERY_LIMIT},
		{"maxlen", "its queue was full", JOB_QUEUE_FULL},
		{"rejected", "a consumer rejected it", JOB_BROKER_REJECTED},
	};
	const char *reason = mq_header(m, "x-first-death-reason"),
		   *exchange = mq_header(m, "x-first-death-exchange"),
		   *queue = mq_header(m, "x-first-death-queue");

	if (exchange)
		m->exchange = exchange;
	for (size_t i = 0; reason && i < sizeof(table) / sizeof(*table); i++) {
		if (strcmp(reason, table[i].reason) != 0)
			continue;
		err_set(e, ERR_REJECT, "the broker gave it up in queue '%.*s': %s",
			(int)utf8_cut(queue ? queue : "", queue ? strlen(queue) : 0, 128),
			queue ? queue : "", table[i].text);
		return table[i].verdict;
	}
	err_set(e, ERR_REJECT, "it was found among the broker's dead letters");
	return JOB_BROKER_REJECTED;
}

bool header_safe(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n < 1 || n > max)
		return false;
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

/* Text that a property may hold: UTF-8 without control characters. */
static bool property_ok(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n < 1 || n > max || !utf8_ok(s, n))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* ---- arguments ---- */

bool arg_kind(struct json_object *args, const char *field, enum json_type type, struct err *e)
{
	struct json_object *v = json_any(args, field);

	if (!v || json_object_is_type(v, type))
		return true;
	return err_set(e, ERR_REJECT, "field '%s' is of type %s; it must be of type %s", field,
		       json_type_to_name(json_object_get_type(v)), json_type_to_name(type));
}

static bool blank(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return *s == '\0';
}

bool arg_text(struct json_object *args, const char *field, bool required, size_t max, struct err *e)
{
	struct json_object *v = json_any(args, field);
	size_t n;

	if (!v)
		return !required ||
		       err_set(e, ERR_REJECT, "field '%s' is missing; give it as a string", field);
	if (!arg_kind(args, field, json_type_string, e))
		return false;
	n = utf8_count(json_object_get_string(v), (size_t)json_object_get_string_len(v));
	if (n > max)
		return err_set(e, ERR_REJECT,
			       "field '%s' has %zu characters; at most %zu are allowed", field, n,
			       max);
	if (required && blank(json_object_get_string(v)))
		return err_set(e, ERR_REJECT, "field '%s' is blank; give it some text", field);
	return true;
}

bool arg_uuid(struct json_object *args, const char *field, bool required, struct err *e)
{
	struct uuid id;

	if (!arg_text(args, field, required, USER_TEXT_MAX, e))
		return false;
	if (json_any(args, field) &&
	    (!uuid_from_text(&id, json_str(args, field)) || uuid_is_zero(&id)))
		return err_set(e, ERR_REJECT,
			       "field '%s' is no UUID; give it as 8-4-4-4-12 hexadecimal digits",
			       field);
	return true;
}

/* ---- properties and headers ---- */

static bool read_key(struct job *job, struct arena *arena, const struct mq_message *m,
		     struct err *e)
{
	const char *key = mq_header(m, "X-Idempotency-Key");

	if (!m->message_id || !property_ok(m->message_id, MQ_SHORT_MAX))
		return err_set(e, ERR_REJECT,
			       "property message_id is %s; give each job one of 1 to %d bytes, the "
			       "same again on a resend",
			       m->message_id && *m->message_id ? "no clean text" : "missing",
			       MQ_SHORT_MAX);
	if (key && !header_safe(key, KEY_MAX))
		return err_set(
			e, ERR_REJECT,
			"header X-Idempotency-Key must be 1 to %d printable ASCII characters",
			KEY_MAX);
	if (!key && !header_safe(m->message_id, KEY_MAX))
		return err_set(e, ERR_REJECT,
			       "property message_id serves as idempotency key and must be "
			       "printable ASCII then; "
			       "give an X-Idempotency-Key");
	job->key = arena_strdup(arena, key ? key : m->message_id);
	return true;
}

static bool read_reply(struct job *job, struct arena *arena, const struct mq_message *m,
		       struct err *e)
{
	if (m->reply_to && *m->reply_to) {
		if (!property_ok(m->reply_to, MQ_SHORT_MAX))
			return err_set(e, ERR_REJECT, "property reply_to is no clean text");
		job->reply_to = arena_strdup(arena, m->reply_to);
	}
	if (m->correlation_id && *m->correlation_id) {
		if (!property_ok(m->correlation_id, MQ_SHORT_MAX))
			return err_set(e, ERR_REJECT, "property correlation_id is no clean text");
		job->correlation_id = arena_strdup(arena, m->correlation_id);
	}
	return true;
}

static bool content_type_ok(const char *type)
{
	static const char json[] = "application/json";

	/* A parameter may follow (RFC 9110 §8.3.1); absent is taken as what else it could be. */
	return !type || (strncasecmp(type, json, sizeof(json) - 1) == 0 &&
			 strchr("; \t", type[sizeof(json) - 1]));
}

static bool read_headers(struct job *job, struct arena *arena, const struct mq_message *m,
			 struct err *e)
{
	const char *id = mq_header(m, "X-Workflow-ID"), *state = mq_header(m, "tracestate");

	/* One that was left out may be the key: the job would pass for another. */
	if (m->headers_cut && m->n_headers == MQ_HEADERS_MAX)
		return err_set(e, ERR_REJECT, "the message has more than %d headers",
			       MQ_HEADERS_MAX);
	if (!content_type_ok(m->content_type))
		return err_set(e, ERR_REJECT, "property content_type must be application/json");
	if (!read_key(job, arena, m, e) || !read_reply(job, arena, m, e))
		return false;
	job->workflow_id_given = id != NULL;
	if (id && (!uuid_from_text(&job->workflow_id, id) || uuid_is_zero(&job->workflow_id)))
		return err_set(e, ERR_REJECT, "header X-Workflow-ID is no UUID");
	if (!id)
		job->workflow_id = uuid_new();
	job->traced = trace_parse(&job->parent, mq_header(m, "traceparent"));
	if (job->traced && state && trace_state_ok(state))
		job->tracestate = arena_strdup(arena, state);
	/* A stamp outside of what a row can hold is a sender's mistake, and only feeds a metric. */
	if (m->timestamp > 0 && m->timestamp < 32503680000U)
		job->published_us = (int64_t)m->timestamp * 1000000;
	return true;
}

/* ---- the body ---- */

static enum job_verdict read_body(struct job *job, struct arena *arena, const struct mq_message *m,
				  struct json_object **args, struct err *e)
{
	enum json_verdict verdict =
		json_read(m->body, m->body_len, JSON_DEPTH_MAX, JSON_STRICT, args, e);
	char *text;

	if (verdict != JSON_OK) {
		err_wrap(e, "the body");
		return verdict == JSON_UNSTORABLE ? JOB_UNSTORABLE : JOB_INVALID_JSON;
	}
	if (!json_object_is_type(*args, json_type_object)) {
		err_set(e, ERR_REJECT,
			"the body is a JSON %s; it must be an object with the job's arguments",
			json_type_to_name(json_object_get_type(*args)));
		return JOB_INVALID_JOB;
	}
	text = json_text(*args, &job->text_len);
	arena_own(arena, text, free);
	job->text = text;
	digest(job->text, job->text_len, job->digest);
	return JOB_GOOD;
}

void job_names(struct job *job, struct arena *arena, struct json_object *args)
{
	const char *client_id = json_str(args, "client_id"), *task_id = json_str(args, "task_id");

	job->client_id = client_id && *client_id ? arena_strdup(arena, client_id) : NULL;
	job->task_id = task_id ? arena_strdup(arena, task_id) : NULL;
}

/* The fields that every orchestration may have. */
static bool read_common(struct job *job, struct arena *arena, struct json_object *args,
			struct err *e)
{
	if (!arg_uuid(args, "user_id", false, e) ||
	    !arg_text(args, "client_id", false, USER_TEXT_MAX, e) ||
	    !arg_uuid(args, "task_id", false, e) ||
	    !arg_kind(args, "user_preferences", json_type_object, e))
		return false;
	uuid_from_text(&job->user_id, json_str(args, "user_id"));
	job_names(job, arena, args);
	return true;
}

enum job_verdict job_read(struct job *job, struct arena *arena, const struct workflow *workflow,
			  const struct mq_message *m, struct json_object **args, struct err *e)
{
	enum job_verdict verdict;

	*args = NULL;
	job->workflow = workflow;
	if (!workflow) {
		/* Cut between characters: a sentence that is no UTF-8 could not be stored. */
		err_set(e, ERR_REJECT, "'%.*s' is no type of job; `cpoa topology show` lists them",
			(int)utf8_cut(m->routing_key, strlen(m->routing_key), 64), m->routing_key);
		return JOB_UNKNOWN_TYPE;
	}
	if (m->body_size > BODY_MAX) {
		err_set(e, ERR_REJECT, "the body has %llu bytes; at most %d are allowed",
			(unsigned long long)m->body_size, BODY_MAX);
		return JOB_TOO_LARGE;
	}
	if (!read_headers(job, arena, m, e))
		return JOB_INVALID_JOB;
	verdict = read_body(job, arena, m, args, e);
	if (verdict == JOB_GOOD &&
	    (!read_common(job, arena, *args, e) || !workflow->check(*args, e)))
		verdict = JOB_INVALID_JOB;
	if (verdict != JOB_GOOD)
		json_put(args);
	return verdict;
}
