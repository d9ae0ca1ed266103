/* ledger_read: one statement after another, and what of their rows more than one needs. */
#include <stdlib.h>
#include <string.h>

#include "cpoa/log.h"

#include "engine/ledger_parts.h"
#include "engine/outbox.h"
#include "engine/pool.h"

enum { RETRY_PAUSE_MS = 100 };

/* ---- one statement after another ---- */

void read_begin(struct ledger *l)
{
	batch_begin(&l->batch, l->lease);
}

void read_add(struct ledger *l, enum sql_id id)
{
	l->batch.step[id] = db_batch_add(&l->batch.db, &sql_table[id], l->batch.columns[id]);
}

bool read_go(struct ledger *l)
{
	struct err e = {0};

	if (ledger_ask(l, &e))
		return true;
	if (e.class == ERR_LOST || ledger_schema_at_fault(l, &e))
		ledger_session_lost(l, &e);
	else
		log_error("PostgreSQL refused a statement of the rescue", log_err(&e),
			  log_str("error.code", e.code), LOG_END);
	return false;
}

bool read_go_or_pause(struct ledger *l)
{
	if (read_go(l))
		return true;
	mailbox_wait(&l->pause, -1, RETRY_PAUSE_MS);
	return false;
}

/* ---- events ---- */

char *cell_copy(const struct db_result *r, int row, int col)
{
	return db_is_null(r, row, col) ? NULL
				       : xstrndup(db_text(r, row, col), db_length(r, row, col));
}

struct event *event_of_type(const char *text)
{
	const char *dot = strrchr(text, '.');
	struct event *event;
	enum event_kind kind;

	if (!dot || !event_kind_from_name(dot + 1, &kind))
		return NULL;
	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		size_t n = strlen(workflow_types[i]);

		if (n != (size_t)(dot - text) || strncmp(text, workflow_types[i], n) != 0)
			continue;
		event = xcalloc(1, sizeof(*event));
		event->type = workflow_types[i];
		event->kind = kind;
		return event;
	}
	return NULL;
}

/* Columns: event_id, workflow_id, event_type, reply_to, correlation_id, body. */
static struct event *event_from_row(struct ledger *l, const struct db_result *r, int row)
{
	struct event *event = db_is_null(r, row, 5) ? NULL : event_of_type(db_text(r, row, 2));

	if (!event)
		return NULL;
	event->id = db_uuid(r, row, 0);
	event->workflow_id = db_uuid(r, row, 1);
	event->reply_to = cell_copy(r, row, 3);
	event->correlation_id = cell_copy(r, row, 4);
	event->body = cell_copy(r, row, 5);
	event->len = db_length(r, row, 5);
	event->stored = true;
	event->lease = l->lease;
	return event;
}

void events_publish_rows(struct ledger *l, const struct db_result *r)
{
	struct mail_list events = {0}, later = {0};

	for (int i = 0; r && i < db_rows(r); i++) {
		struct event *event = event_from_row(l, r, i);

		/* Rows come in no order, and a start is to be told before its end. */
		if (event)
			mail_append(event->kind == EVENT_STARTED ? &events : &later, &event->mail);
		else
			log_error("an event in the outbox cannot be read",
				  log_str("event.type", db_text(r, i, 2)), LOG_END);
	}
	mail_join(&events, &later);
	if (events.head)
		outbox_publish(l->house->outbox, &events);
}

/* ---- what workflows ask of our own tables ---- */

/* A call's name is "topic_UUID"; columns: the answer as JSON. */
void lookups_answer(struct ledger *l)
{
	const struct db_result *r;
	struct mail *mail;
	struct uuid id;
	int row = 0;

	read_begin(l);
	for (mail = l->lookups.head; mail; mail = mail->next) {
		const char *name = mail_of(mail, struct call, mail)->name;

		if (!uuid_from_text(&id, name + strlen("topic_")))
			BUG("a look-up named %s", name);
		db_put_uuid(batch_column(&l->batch, SQL_FIND_TOPICS, 1), &id);
	}
	read_add(l, SQL_FIND_TOPICS);
	if (!read_go_or_pause(l))
		return;
	r = batch_result(&l->batch, SQL_FIND_TOPICS);
	while ((mail = mail_shift(&l->lookups))) {
		struct call *call = mail_of(mail, struct call, mail);

		call->answer = (struct answer){
			.kind = ANSWER_CAME,
			.status = 200,
			.retry_after_ms = -1,
			.body = xstrndup(db_text(r, row, 0), db_length(r, row, 0)),
			.len = db_length(r, row, 0),
		};
		row++;
		pool_bring(l->house->pool, call);
	}
}
