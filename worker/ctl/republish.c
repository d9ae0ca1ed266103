/* republish: claim, publish, mark. */
#include "ctl/republish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "engine/sql.h"

#include "ctl/body.h"
#include "ctl/change.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/publish.h"
#include "ctl/query.h"

enum { IDS_BYTES = 64 << 10, ROWS_TEXT = JSON_C_TO_STRING_PLAIN };

static const char claim_sql[] =
	"UPDATE dead_letters d SET claimed_by = $1::bigint WHERE d.id = ANY(ARRAY(SELECT id"
	" FROM dead_letters WHERE id = ANY($2::bigint[]) AND state = $3::text"
	" AND workflow_id IS NULL AND (claimed_by IS NULL OR"
	" pg_try_advisory_xact_lock_shared($4::int, claimed_by::int))"
	" ORDER BY id FOR UPDATE SKIP LOCKED)) RETURNING " LETTER_COLUMNS;

/* A letter that a worker has buried again has lost its claim, and stays dead. */
static const char mark_sql[] =
	"WITH x AS (SELECT * FROM json_to_recordset($8::json) AS x(id bigint, outcome text,"
	" detail text, body text)), u AS (UPDATE dead_letters d SET"
	" state = CASE WHEN d.claimed_by = $9::bigint AND x.outcome = 'replayed' THEN 'replayed'"
	" ELSE d.state END, claimed_by = nullif(d.claimed_by, $9::bigint),"
	" replay_count = d.replay_count + (x.outcome = 'replayed')::int,"
	" edited_at = CASE WHEN x.body IS NULL THEN d.edited_at ELSE now() END,"
	" original_body = CASE WHEN x.body IS NULL THEN d.original_body ELSE"
	" coalesce(d.original_body, d.body) END,"
	" body = coalesce(convert_to(x.body, 'UTF8'), d.body) FROM x WHERE d.id = x.id) "
	"INSERT INTO replays (" AUDIT_COLUMNS ", dead_letter_id, outcome, detail) "
	"SELECT " AUDIT_VALUES ", x.id, x.outcome, x.detail FROM x";

/* ---- the claim ---- */

bool republish_begin(struct republish *r, struct err *e)
{
	AUTO(db_result_free_ptr) struct db_result *result = NULL;
	char sql[96];

	result = db_query(r->db, "SELECT nextval('leases_lease_id_seq')", 0, NULL, e);
	if (!result)
		return false;
	r->claim = strtoll(db_text(result, 0, 0), NULL, 10);
	snprintf(sql, sizeof(sql), "SELECT pg_advisory_lock(%d, %" PRId64 "::int)", LEASE_CLASS,
		 r->claim);
	return run_sql(r->db, sql, 0, NULL, e);
}

void republish_end(struct republish *r)
{
	mq_close_ptr(&r->mq);
}

static struct db_result *claim(struct republish *r, const struct republished *list, int n,
			       struct err *e)
{
	AUTO(strbuf_release) struct strbuf ids;
	char number[24], class[16];
	const char *params[4];

	strbuf_init(&ids, IDS_BYTES);
	for (int i = 0; i < n; i++)
		array_add(&ids, list[i].id);
	snprintf(number, sizeof(number), "%" PRId64, r->claim);
	snprintf(class, sizeof(class), "%d", LEASE_CLASS);
	params[0] = number;
	params[1] = array_text(&ids);
	params[2] = r->state;
	params[3] = class;
	return db_query(r->db, claim_sql, 4, params, e);
}

/* ---- one batch ---- */

struct batch {
	struct letter letter[CHANGE_BATCH];
	struct letter_room room[CHANGE_BATCH];
	struct publishing publishing[CHANGE_BATCH];
	bool edited[CHANGE_BATCH];
	int n;
};

static bool edit(const struct republish *r, struct letter *l, struct err *e)
{
	AUTO(json_put) struct json_object *body = NULL;

	if (!r->sets || r->sets->n == 0)
		return true;
	body = letter_object(l, e);
	if (!body)
		return false;
	for (int i = 0; i < r->sets->n; i++)
		if (!body_set(body, "--set", r->sets->item[i], e))
			return false;
	letter_set_body(l, body);
	return letter_check(l, e) || err_wrap(e, "it would be refused again");
}

static void prepare(const struct republish *r, struct batch *b, int i)
{
	struct publishing *p = &b->publishing[i];
	struct err e = {0};

	*p = (struct publishing){0};
	b->edited[i] = r->sets && r->sets->n > 0;
	if (edit(r, &b->letter[i], &e) &&
	    letter_message(&b->letter[i], r->audit, &b->room[i], &p->message, &e))
		return;
	publishing_refuse(p, e.text);
}

static struct json_object *rows_of(const struct batch *b)
{
	static const char *const outcomes[] = {
		[FATE_OPEN] = "unknown", [FATE_TAKEN] = "replayed", [FATE_REFUSED] = "refused"};
	struct json_object *rows = json_object_new_array();

	for (int i = 0; i < b->n; i++) {
		struct json_object *o = json_object_new_object();
		const struct publishing *p = &b->publishing[i];

		json_set_str(o, "id", b->letter[i].id);
		json_set_str(o, "outcome", outcomes[p->fate]);
		json_set_str(o, "detail", *p->why ? p->why : NULL);
		if (b->edited[i] && p->fate == FATE_TAKEN)
			json_set_str(o, "body", b->letter[i].body);
		json_object_array_add(rows, o);
	}
	return rows;
}

static bool mark(const struct republish *r, const struct batch *b, struct err *e)
{
	AUTO(json_put) struct json_object *rows = rows_of(b);
	const char *params[AUDIT_PARAMS + 2];
	char number[24];

	snprintf(number, sizeof(number), "%" PRId64, r->claim);
	audit_params(r->audit, params);
	params[AUDIT_PARAMS] = json_object_to_json_string_ext(rows, ROWS_TEXT);
	params[AUDIT_PARAMS + 1] = number;
	return run_sql(r->db, mark_sql, AUDIT_PARAMS + 2, params, e);
}

static void report(const struct batch *b, struct republished *list, int n)
{
	for (int i = 0; i < n; i++) {
		const struct publishing *p = NULL;

		for (int k = 0; k < b->n; k++)
			if (strcmp(list[i].id, b->letter[k].id) == 0)
				p = &b->publishing[k];
		list[i].done = p && p->fate == FATE_TAKEN;
		snprintf(list[i].why, sizeof(list[i].why), "%s",
			 !p	   ? "another replay has it in hand, or has done it"
			 : *p->why ? p->why
				   : "nobody knows whether the broker has it; run this again");
	}
}

int republish_letters(struct republish *r, struct republished *list, int n)
{
	AUTO(db_result_free_ptr) struct db_result *result = NULL;
	struct batch *b;
	struct err e = {0};
	int code = EXIT_DONE;

	result = claim(r, list, n, &e);
	if (!result)
		return complain_query(&e);
	b = xcalloc(1, sizeof(*b));
	b->n = db_rows(result);
	for (int i = 0; i < b->n; i++) {
		letter_read(&b->letter[i], result, i);
		prepare(r, b, i);
	}
	if (b->n)
		code = publish_all(r->settings, &r->mq, b->publishing, b->n);
	if (b->n && !mark(r, b, &e))
		code = complain_query(&e);
	report(b, list, n);
	for (int i = 0; i < b->n; i++)
		letter_release(&b->letter[i]);
	free(b);
	return code;
}
