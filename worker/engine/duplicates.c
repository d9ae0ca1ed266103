/* duplicates: jobs that were there already. */
#include <string.h>

#include "cpoa/clock.h"

#include "engine/aftermath.h"
#include "engine/ledger_parts.h"
#include "engine/outbox.h"

static void conflict(struct run *run, const char *why)
{
	run->duplicate = false; /* it is judged: what follows is a refusal like any other */
	run->verdict = JOB_IDEMPOTENCY_CONFLICT;
	run->verdict_text = xstrdup(why);
}

/* Columns: workflow_id, digest and terminal_event_id of the job with this key; whether our own id
 * is taken; type and text of the terminal event. */
static bool judge(struct ledger *l, struct run *run, const struct db_result *r, int row, bool *tell)
{
	bool same_key = !db_is_null(r, row, 0);

	*tell = false;
	if (same_key && db_length(r, row, 1) == DIGEST_SIZE &&
	    memcmp(db_text(r, row, 1), run->job.digest, DIGEST_SIZE) == 0) {
		*tell = !db_is_null(r, row, 2);
		return true;
	}
	if (same_key)
		conflict(run, "an earlier job of this type has the same idempotency key and "
			      "another body; give a new job a new key");
	else if (db_int(r, row, 3))
		conflict(run,
			 "the X-Workflow-ID is another workflow's; give each job an id of its own");
	else
		run->duplicate = false; /* what it collided with is gone again: it is admitted like
					   any other */
	mail_append(&l->waiting, &run->mail);
	return false;
}

/* Each who sends an ended job again gets the answer, whoever else has asked for it. */
static void reply_to(struct ledger *l, const struct run *run, const struct db_result *r, int row,
		     struct mail_list *replies)
{
	struct event *event;

	if (!run->job.reply_to || db_is_null(r, row, 4) || db_is_null(r, row, 5))
		return;
	event = event_of_type(db_text(r, row, 4));
	if (!event)
		return;
	event->id = db_uuid(r, row, 2);
	event->workflow_id = db_uuid(r, row, 0);
	event->reply_to = xstrdup(run->job.reply_to);
	event->correlation_id = run->job.correlation_id ? xstrdup(run->job.correlation_id) : NULL;
	event->body = cell_copy(r, row, 5);
	event->len = db_length(r, row, 5);
	event->reply_only = true;
	event->lease = l->lease;
	mail_append(replies, &event->mail);
}

static bool find_duplicates(struct ledger *l)
{
	struct db_column *c = l->batch.columns[SQL_FIND_DUPLICATES];

	read_begin(l);
	for (struct mail *mail = l->duplicates.head; mail; mail = mail->next) {
		const struct job *job = &mail_of(mail, struct run, mail)->job;

		db_put_text(&c[1], job->workflow->type);
		db_put_text(&c[2], job->key);
		db_put_uuid(&c[3], &job->workflow_id);
	}
	read_add(l, SQL_FIND_DUPLICATES);
	return read_go_or_pause(l);
}

void duplicates_settle(struct ledger *l)
{
	struct mail_list known = {0}, replies = {0}, list;
	struct db_column *c = l->batch.columns[SQL_TELL_AGAIN];
	struct db_batch found;
	struct mail *mail;
	bool tell;
	int row = 0;

	if (!find_duplicates(l))
		return;
	/* The answer is read while the next statement is put together. */
	found = l->batch.db;
	db_batch_init(&l->batch.db);
	read_begin(l);
	list = l->duplicates;
	l->duplicates = (struct mail_list){0};
	while ((mail = mail_shift(&list))) {
		struct run *run = mail_of(mail, struct run, mail);
		struct uuid id = db_uuid(found.step[0].result, row, 0);

		if (judge(l, run, found.step[0].result, row++, &tell)) {
			mail_append(&known, mail);
			if (tell) {
				db_put_uuid(&c[1], &id);
				reply_to(l, run, found.step[0].result, row - 1, &replies);
			}
		}
	}
	db_batch_clear(&found);
	if (c[1].n) {
		db_put_time(&c[2], clock_wall_us());
		read_add(l, SQL_TELL_AGAIN);
		if (!read_go(l)) {
			while ((mail = mail_shift(&replies)))
				event_free(mail_of(mail, struct event, mail));
			while ((mail = mail_shift(&known)))
				aftermath_lost(l->house, mail_of(mail, struct run, mail));
			return;
		}
		events_publish_rows(l, batch_result(&l->batch, SQL_TELL_AGAIN));
	}
	if (replies.head)
		outbox_publish(l->house->outbox, &replies);
	while ((mail = mail_shift(&known)))
		aftermath_duplicate(l->house, mail_of(mail, struct run, mail));
}
