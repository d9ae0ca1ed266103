/* letter: a dead letter as its row has it, and as a message again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/arena.h"
#include "cpoa/json.h"

#include "core/job.h"
#include "engine/topology.h"
#include "workflows/workflows.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/output.h"
#include "ctl/query.h"

enum {
	C_ID,
	C_REASON,
	C_ERROR,
	C_TYPE,
	C_WORKFLOW,
	C_MESSAGE_ID,
	C_EXCHANGE,
	C_KEY,
	C_STATE,
	C_REPLAYS,
	C_FIRST,
	C_LAST,
	C_PROPERTIES,
	C_HEADERS,
	C_BODY,
	C_EDITED
};
enum { ARENA_FIRST = 1024 };

/* ---- reading ---- */

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* bytea in text form: \x and two digits a byte (PostgreSQL manual 8.4.1). */
static char *unhex(const char *text, size_t len, size_t *out_len)
{
	size_t n = len >= 2 ? (len - 2) / 2 : 0;
	char *out = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(digit(text[2 + 2 * i]) << 4 | digit(text[3 + 2 * i]));
	out[n] = '\0';
	*out_len = n;
	return out;
}

void letter_read(struct letter *l, const struct db_result *r, int row)
{
	*l = (struct letter){
		.id = db_text(r, row, C_ID),
		.reason = db_text(r, row, C_REASON),
		.error = cell_text(r, row, C_ERROR),
		.type = cell_text(r, row, C_TYPE),
		.workflow_id = cell_text(r, row, C_WORKFLOW),
		.message_id = cell_text(r, row, C_MESSAGE_ID),
		.exchange = cell_text(r, row, C_EXCHANGE),
		.routing_key = cell_text(r, row, C_KEY),
		.state = db_text(r, row, C_STATE),
		.replays = db_int(r, row, C_REPLAYS),
		.first_us = db_int(r, row, C_FIRST),
		.last_us = db_int(r, row, C_LAST),
		.edited_us = db_int(r, row, C_EDITED),
		.properties = cell_json(r, row, C_PROPERTIES),
		.headers = cell_json(r, row, C_HEADERS),
	};
	l->body = unhex(db_text(r, row, C_BODY), db_length(r, row, C_BODY), &l->len);
}

int letter_find(struct letter *l, struct db *db, const char *id, struct db_result **r)
{
	struct err e = {0};

	*r = db_query(db, "SELECT " LETTER_COLUMNS " FROM dead_letters d WHERE d.id = $1::bigint",
		      1, &id, &e);
	if (!*r)
		return complain_query(&e);
	if (db_rows(*r) == 0) {
		say("there is no dead letter %s", id);
		return EXIT_NO_MATCH;
	}
	letter_read(l, *r, 0);
	return EXIT_DONE;
}

void letter_release(struct letter *l)
{
	json_put(&l->properties);
	json_put(&l->headers);
	free(l->body);
	l->body = NULL;
}

bool letter_is_workflow(const struct letter *l)
{
	return l->workflow_id != NULL;
}

/* ---- showing ---- */

struct json_object *letter_json(const struct letter *l)
{
	struct json_object *o = json_object_new_object();

	json_set_num(o, "id", strtoll(l->id, NULL, 10));
	json_set_str(o, "state", l->state);
	json_set_str(o, "reason", l->reason);
	json_set_str(o, "error_text", l->error);
	json_set_str(o, "type", l->type);
	json_set_str(o, "workflow_id", l->workflow_id);
	json_set_str(o, "message_id", l->message_id);
	json_set_str(o, "exchange", l->exchange);
	json_set_str(o, "routing_key", l->routing_key);
	json_set_time(o, "first_failed_at", l->first_us);
	json_set_time(o, "last_failed_at", l->last_us);
	json_set_time(o, "edited_at", l->edited_us);
	json_set_num(o, "replay_count", l->replays);
	json_set_ref(o, "properties", l->properties);
	json_set_ref(o, "headers", l->headers);
	return o;
}

static char *hex(const char *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *out = xmalloc(2 * len + 1);

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[(unsigned char)data[i] >> 4];
		out[2 * i + 1] = digits[(unsigned char)data[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

void letter_put_body(const struct letter *l, struct json_object *o)
{
	struct json_object *body = NULL;
	struct err e = {0};

	if (json_read(l->body, l->len, JSON_DEPTH_MAX, JSON_STRICT, &body, &e) == JSON_OK) {
		json_set(o, "body", body);
	} else if (utf8_ok(l->body, l->len)) {
		json_set_str(o, "body_text", l->body);
	} else {
		AUTO(free_ptr) char *text = hex(l->body, l->len);

		json_set_str(o, "body_hex", text);
	}
}

/* ---- changing ---- */

struct json_object *letter_object(const struct letter *l, struct err *e)
{
	struct json_object *body = NULL;

	if (json_read(l->body, l->len, JSON_DEPTH_MAX, JSON_STRICT, &body, e) != JSON_OK) {
		err_wrap(e, "its body; give a whole one by `cpoa dead edit %s --json FILE`", l->id);
	} else if (!json_object_is_type(body, json_type_object)) {
		json_put(&body);
		err_set(e, ERR_REJECT, "its body is no JSON object");
	}
	e->class = body ? e->class : ERR_REJECT;
	return body;
}

void letter_set_body(struct letter *l, struct json_object *body)
{
	free(l->body);
	l->body = json_text(body, &l->len);
}

/* ---- as a message ---- */

/* What the broker, a shovel or an earlier replay has added. Ours begin with X- as well. */
static bool is_theirs(const char *name)
{
	static const char *const ours[] = {"X-Idempotency-Key", "X-Workflow-ID"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return false;
	return strncasecmp(name, "x-", 2) == 0 || strcmp(name, "CC") == 0 ||
	       strcmp(name, "BCC") == 0;
}

static const char *exchange_of(const struct letter *l)
{
	return l->exchange && strcmp(l->exchange, EXCHANGE_DEAD) != 0 ? l->exchange : EXCHANGE_JOBS;
}

static const char *key_of(const struct letter *l)
{
	const char *key = l->routing_key ? l->routing_key : l->type;

	return key ? key : "";
}

static size_t kept_headers(const struct letter *l, struct mq_header *out, size_t max)
{
	size_t n = 0;

	if (!l->headers)
		return 0;
	json_object_object_foreach(l->headers, name, value)
	{
		if (n == max || is_theirs(name) || !json_object_is_type(value, json_type_string))
			continue;
		out[n++] = (struct mq_header){name, json_object_get_string(value)};
	}
	return n;
}

/* What did not come whole would go out as something else. */
static bool is_whole(const struct letter *l, struct err *e)
{
	if (!l->edited_us && json_any(l->properties, "body_size"))
		return err_set(e, ERR_REJECT,
			       "only %zu of its %" PRId64 " bytes were kept; its sender must send "
			       "another one",
			       l->len, json_num(l->properties, "body_size", 0));
	return !json_any(l->properties, "headers_cut") ||
	       err_set(e, ERR_REJECT,
		       "not all of its headers were kept; its sender must send another one");
}

bool letter_message(const struct letter *l, const struct audit *audit, struct letter_room *room,
		    struct mq_publish *message, struct err *e)
{
	enum { OURS = 4 };
	size_t n = kept_headers(l, room->headers, MQ_HEADERS_MAX - OURS);

	if (!is_whole(l, e))
		return false;
	snprintf(room->count, sizeof(room->count), "%" PRId64, l->replays + 1);
	snprintf(room->by, sizeof(room->by), "%s", audit->who);
	room->headers[n++] = (struct mq_header){"x-replay-id", audit->replay_id};
	room->headers[n++] = (struct mq_header){"x-replayed-by", room->by};
	room->headers[n++] = (struct mq_header){"x-replay-count", room->count};
	room->headers[n++] = (struct mq_header){"x-dead-letter-id", l->id};
	*message = (struct mq_publish){
		.exchange = exchange_of(l),
		.routing_key = key_of(l),
		.content_type = json_str(l->properties, "content_type"),
		.message_id = json_str(l->properties, "message_id"),
		.correlation_id = json_str(l->properties, "correlation_id"),
		.reply_to = json_str(l->properties, "reply_to"),
		.type = json_str(l->properties, "type"),
		.persistent = true,
		.mandatory = true,
		.timestamp = clock_wall_us() / 1000000,
		.headers = room->headers,
		.n_headers = n,
		.body = l->body,
		.len = l->len,
	};
	return true;
}

bool letter_check(const struct letter *l, struct err *e)
{
	AUTO(arena_release) struct arena arena;
	AUTO(json_put) struct json_object *args = NULL;
	struct mq_header headers[MQ_HEADERS_MAX];
	const struct workflow *workflow = workflow_by_type(key_of(l));
	struct job job = {0};
	struct mq_message m = {
		.exchange = exchange_of(l),
		.routing_key = key_of(l),
		.content_type = json_str(l->properties, "content_type"),
		.message_id = json_str(l->properties, "message_id"),
		.correlation_id = json_str(l->properties, "correlation_id"),
		.reply_to = json_str(l->properties, "reply_to"),
		.headers = headers,
		.n_headers = kept_headers(l, headers, MQ_HEADERS_MAX),
		.body = l->body,
		.body_len = l->len,
		.body_size = l->len,
	};
	bool good;

	if (!workflow)
		workflow = l->type ? workflow_by_type(l->type) : NULL;
	arena_init(&arena, ARENA_FIRST);
	good = job_read(&job, &arena, workflow, &m, &args, e) == JOB_GOOD;
	if (!good)
		e->class = ERR_REJECT;
	return good;
}
