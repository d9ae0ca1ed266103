/* reply: what came of a call, as text, as tree, and as the row that keeps it. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "core/call.h"

/* A byte that is no UTF-8 takes three in what json_read() has mended. */
enum { ERROR_TEXT_MAX = 2000, MENDED_MAX = 4 * ANSWER_MAX, STORED_DEPTH = JSON_DEPTH_MAX + 2 };

static const char *const kind_names[REPLY_KINDS] = {
	[REPLY_RESULT] = "result",
	[REPLY_UNREACHABLE] = "unreachable",
	[REPLY_HTTP] = "http",
	[REPLY_NOT_JSON] = "not_json",
	[REPLY_REPORTED] = "reported",
	[REPLY_MALFORMED] = "malformed",
	[REPLY_TASK_FAILED] = "task_failed",
	[REPLY_TIMED_OUT] = "timed_out",
};

const char *reply_kind_name(enum reply_kind kind)
{
	return kind_names[kind];
}

struct json_object *reply_body(struct reply *reply)
{
	struct err e;

	assert(!reply->away);
	if (reply->text && !reply->body &&
	    json_read(reply->text, reply->text_len, STORED_DEPTH, JSON_MEND, &reply->body, &e) !=
		    JSON_OK)
		BUG("a reply that was stored cannot be read any more: %s", e.text);
	return reply->body;
}

const char *reply_string(struct reply *reply, const char *key)
{
	return json_str(reply_body(reply), key);
}

struct json_slice reply_member(const struct reply *reply, const char *key)
{
	struct json_slice member = {0};

	assert(!reply->away);
	if (reply->text && !json_member(reply->text, reply->text_len, key, &member))
		member.text = NULL;
	return member;
}

char *reply_start(struct reply *reply, const char *key, size_t max)
{
	struct json_object *member = NULL;
	struct json_slice slice, start;
	struct strbuf sb;
	char *text = NULL;
	struct err e;

	assert(!reply->away);
	if (!reply->text || !json_member(reply->text, reply->text_len, key, &slice) ||
	    *slice.text != '"')
		return NULL;
	start = json_string_start(&slice, max);
	strbuf_init(&sb, start.len + 1);
	strbuf_add(&sb, start.text, start.len);
	strbuf_addc(&sb, '"');
	/* A pair or character that was cut in two is mended; so it is cut off again. */
	if (json_read(sb.buf, sb.len, 0, JSON_MEND, &member, &e) == JSON_OK)
		text = xstrdup(json_object_get_string(member));
	json_put(&member);
	strbuf_release(&sb);
	return text;
}

static void set_body(struct reply *reply, struct json_object *body)
{
	reply->body = body;
	reply->text = NULL;
}

void reply_write(struct reply *reply)
{
	if (reply->body && !reply->text)
		reply->text = json_text(reply->body, &reply->text_len);
}

void reply_result(struct reply *reply, struct json_object *body)
{
	reply->kind = REPLY_RESULT;
	set_body(reply, body);
}

static char *sentence(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);

/* What an agent says is shown to people, in rows and in events: bounded, and cut between
 * characters. */
static char *sentence(const char *fmt, va_list ap)
{
	struct strbuf sb;

	strbuf_init(&sb, MENDED_MAX);
	strbuf_vaddf(&sb, fmt, ap);
	strbuf_cut(&sb, utf8_cut(sb.buf, sb.len, ERROR_TEXT_MAX));
	return strbuf_detach(&sb, NULL);
}

void reply_failure(struct reply *reply, enum reply_kind kind, struct json_object *body,
		   const char *fmt, ...)
{
	va_list ap;

	reply->kind = kind;
	va_start(ap, fmt);
	reply->error = sentence(fmt, ap);
	va_end(ap);
	set_body(reply, json_object_get(body));
}

void reply_give_back(struct reply *reply)
{
	if (!reply->text)
		return;
	json_put(&reply->body);
	free(reply->text);
	reply->text = NULL;
	reply->away = true;
}

void reply_release(struct reply *reply)
{
	free(reply->error);
	free(reply->text);
	json_put(&reply->body);
	*reply = (struct reply){0};
}

void call_reply_write(const struct call *call, struct strbuf *sb)
{
	const struct reply *r = &call->reply;

	strbuf_addc(sb, '{');
	json_add_str(sb, "kind", kind_names[r->kind]);
	json_add_num(sb, "http_status", r->http_status);
	json_add_bool(sb, "polled", r->polled);
	json_add_str(sb, "error", r->error);
	/* As it is: printing it again would cost what reading it again would. */
	json_add_text(sb, "body", (struct json_slice){r->text, r->text_len});
	strbuf_addc(sb, '}');
}

bool call_reply_read(struct call *call, const char *text, size_t len)
{
	struct reply *r = &call->reply;
	struct json_object *stored = NULL;
	struct json_slice body;
	const char *kind, *error;
	struct err e;
	int i;

	if (json_read(text, len, STORED_DEPTH, JSON_MEND, &stored, &e) != JSON_OK || !stored)
		return false;
	kind = json_str(stored, "kind");
	for (i = 0; kind && i < REPLY_KINDS && strcmp(kind, kind_names[i]) != 0; i++)
		;
	error = json_str(stored, "error");
	/* Only a result has a body for certain, only a failure a sentence: who reads replies counts
	 * on both. */
	if (!kind || i == REPLY_KINDS || (i == REPLY_RESULT) == (error != NULL) ||
	    (i == REPLY_RESULT && call->agent && !json_obj(stored, "body"))) {
		json_put(&stored);
		return false;
	}
	r->kind = (enum reply_kind)i;
	r->http_status = (int)json_num(stored, "http_status", 0);
	r->polled = json_object_get_boolean(json_any(stored, "polled")) != 0;
	r->error = error ? xstrdup(error) : NULL;
	if (json_any(stored, "body") && json_member(text, len, "body", &body)) {
		r->text = xstrndup(body.text, body.len);
		r->text_len = body.len;
	}
	json_put(&stored);
	call->state = CALL_LANDED;
	return true;
}

char *call_error_text(const struct call *call)
{
	struct strbuf sb;

	if (call->reply.kind == REPLY_RESULT)
		return NULL;
	/* An item tells in its own words (agents.md §1.3: message, sca_response). */
	if (!call->agent && call->reply.text)
		return xstrndup(call->reply.text, call->reply.text_len);
	json_begin(&sb);
	json_add_str(&sb, "kind", kind_names[call->reply.kind]);
	json_add_str(&sb, "message", call->reply.error);
	if (call->reply.http_status)
		json_add_num(&sb, "http_status", call->reply.http_status);
	return json_end(&sb, NULL);
}
