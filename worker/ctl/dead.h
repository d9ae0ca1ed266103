/*
 * dead: the parts of `cpoa dead`, a file each, and what they share: the filter, and a letter as its
 * row has it. Each command returns an exit code.
 */
#ifndef CTL_DEAD_H
#define CTL_DEAD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "cpoa/clock.h"
#include "cpoa/db.h"
#include "cpoa/mq.h"
#include "cpoa/strbuf.h"

#include "ctl/args.h"
#include "ctl/audit.h"
#include "ctl/query.h"

int dead_list(int argc, char **argv);
int dead_stats(int argc, char **argv);
int dead_show(int argc, char **argv);
int dead_replay(int argc, char **argv);
int dead_discard(int argc, char **argv);
int dead_edit(int argc, char **argv);
int dead_export(int argc, char **argv);

/* ---- the filter ---- */

struct dead_filter {
	struct arg_list ids;					   /* --id */
	struct args operands;					   /* ids as well */
	const char *reason, *type, *since, *until, *error, *state; /* NULL: not given */
};

/* Rows of a command's table of options. */
#define DEAD_FILTER_OPTIONS(f)                                                                  \
	{"id", .list = &(f).ids}, {"reason", .text = &(f).reason}, {"type", .text = &(f).type}, \
		{"since", .text = &(f).since}, {"until", .text = &(f).until},                   \
		{"error", .text = &(f).error},                                                  \
	{                                                                                       \
		"state", .text = &(f).state                                                     \
	}

/* What DEAD_WHERE needs as $1 to $7; "d" is the table. */
#define DEAD_WHERE                                                              \
	" WHERE ($1::bigint[] IS NULL OR d.id = ANY($1::bigint[]))"             \
	" AND ($2::text IS NULL OR d.reason = $2::text)"                        \
	" AND ($3::text IS NULL OR d.type = $3::text)"                          \
	" AND ($4::timestamptz IS NULL OR d.last_failed_at >= $4::timestamptz)" \
	" AND ($5::timestamptz IS NULL OR d.last_failed_at <= $5::timestamptz)" \
	" AND ($6::text IS NULL OR d.error_text ~ $6::text)"                    \
	" AND ($7::text IS NULL OR d.state = $7::text) "

enum { DEAD_FILTER_PARAMS = 7 };

struct dead_params {
	const char *value[DEAD_FILTER_PARAMS + 3]; /* the command's own follow */
	struct strbuf ids;
	char since[CLOCK_TEXT_SIZE], until[CLOCK_TEXT_SIZE];
};

/* Whether it is one: a number. False (ERR_USAGE): a sentence. */
MUST_CHECK bool dead_id_ok(const char *id, struct err *e);

/* Whether the user has named each by its id. */
bool dead_filter_named(const struct dead_filter *f);

/* Release it whatever it returns. False (ERR_USAGE): a sentence that names the option. */
MUST_CHECK bool dead_filter_params(const struct dead_filter *f, struct dead_params *p,
				   struct err *e);
void dead_params_release(struct dead_params *p);

/* For commands that change: `state` may be dead (the default) or discarded. */
MUST_CHECK bool dead_filter_for_change(const struct dead_filter *f, const char *command,
				       struct err *e);

/* Nothing matches: says so, and what was probably meant by a type that is none of ours (it is no
 * error: jobs of whatever type may have died). EXIT_NO_MATCH. */
int dead_none(const struct dead_filter *f);

/* A query with a filter failed; that the regular expression is none is the user's fault. */
int complain_filter(struct err *e);

/* ---- a letter ---- */

/* clang-format off */
#define LETTER_COLUMNS \
	"d.id, d.reason, d.error_text, d.type, d.workflow_id, d.message_id, d.exchange," \
	" d.routing_key, d.state, d.replay_count, " \
	SQL_US("d.first_failed_at") ", " SQL_US("d.last_failed_at") ", d.properties::text," \
	" d.headers::text, d.body, " SQL_US("d.edited_at")
/* clang-format on */

/* Texts point into the result that it was read from, or are NULL. */
struct letter {
	const char *id, *reason, *error, *type, *workflow_id, *message_id, *exchange, *routing_key,
		*state;
	int64_t replays, first_us, last_us, edited_us;
	struct json_object *properties, *headers; /* NULL: none */
	char *body;				  /* `len` bytes and a NUL */
	size_t len;
};

void letter_read(struct letter *l, const struct db_result *r, int row);

/* The one of that id. An exit code; when it is EXIT_DONE the letter points into *r. Free and
 * release both whatever it returns. */
int letter_find(struct letter *l, struct db *db, const char *id, struct db_result **r);

void letter_release(struct letter *l);

/* A workflow that failed, and no job that was refused. */
bool letter_is_workflow(const struct letter *l);

/* Everything but the body; a new reference. */
struct json_object *letter_json(const struct letter *l);

/* "body" (JSON), else "body_text", else "body_hex". */
void letter_put_body(const struct letter *l, struct json_object *o);

/* Replaces its body by `body` as JSON text. */
void letter_set_body(struct letter *l, struct json_object *body);

/* Its body as a JSON object; a new reference. NULL (ERR_REJECT): a sentence. */
struct json_object *letter_object(const struct letter *l, struct err *e);

/* Reads it with a worker's own eyes. False (ERR_REJECT): why it would be refused again. */
MUST_CHECK bool letter_check(const struct letter *l, struct err *e);

/*
 * The message to be published: to its own exchange and key, with its own properties and headers,
 * but for what the broker or an earlier replay has added. It points into the letter and `room`.
 * False (ERR_REJECT): it is not whole.
 */
struct letter_room {
	struct mq_header headers[MQ_HEADERS_MAX];
	char count[24], by[128];
};
MUST_CHECK bool letter_message(const struct letter *l, const struct audit *audit,
			       struct letter_room *room, struct mq_publish *message, struct err *e);

#endif
