/* recall: replies that were given back while their runs rested are read from their rows again. */
#include <string.h>

#include "engine/aftermath.h"
#include "engine/ledger_parts.h"
#include "engine/pool.h"
#include "engine/say.h"

/* Read at once; what a run alone may hold has a limit of its own (RUN_MEMORY_MAX). */
enum { RUNS_MAX = 128, BYTES_MAX = 4 << 20 };

static size_t bytes_away(const struct run *run)
{
	size_t n = 0;

	for (const struct call *call = run->calls; call; call = call->next)
		n += call->reply.away ? call->reply.text_len : 0;
	return n;
}

/* The next of those that wait, as many as may be read at once; the void among them are dropped. */
static struct mail_list take_some(struct ledger *l)
{
	struct mail_list some = {0};
	size_t bytes = 0;

	for (int n = 0; n < RUNS_MAX && bytes < BYTES_MAX && l->recalls.head; n++) {
		struct mail *mail = mail_shift(&l->recalls);
		struct run *run = mail_of(mail, struct run, mail);

		bytes += bytes_away(run);
		if (house_holds(l->house, run))
			mail_append(&some, mail);
		else
			aftermath_lost(l->house, run);
	}
	return some;
}

static bool ask(struct ledger *l, const struct mail_list *some)
{
	read_begin(l);
	for (struct mail *mail = some->head; mail; mail = mail->next)
		db_put_uuid(batch_column(&l->batch, SQL_LOAD_CALLS, 1),
			    &mail_of(mail, struct run, mail)->job.workflow_id);
	read_add(l, SQL_LOAD_CALLS);
	return read_go_or_pause(l);
}

static struct call *find_call(const struct mail_list *some, const struct uuid *workflow,
			      const char *name)
{
	for (struct mail *mail = some->head; mail; mail = mail->next) {
		struct run *run = mail_of(mail, struct run, mail);

		if (!uuid_equal(&run->job.workflow_id, workflow))
			continue;
		for (struct call *call = run->calls; call; call = call->next)
			if (strcmp(call->name, name) == 0)
				return call;
	}
	return NULL;
}

/* Somebody has changed or deleted its rows. Whoever claims it goes on from what they say now. A
 * claim that cannot be given back ends with the session, or nobody could. */
static void let_go(struct ledger *l, struct run *run)
{
	struct err e = {0};

	log_error("a reply that was committed cannot be read back: the workflow is let go",
		  SAY_RUN(run), LOG_END);
	if (l->db) {
		read_begin(l);
		db_put_uuid(batch_column(&l->batch, SQL_LET_GO, 1), &run->job.workflow_id);
		read_add(l, SQL_LET_GO);
		if (!read_go(l) && l->db) {
			err_set(&e, ERR_LOST, "a claim could not be given back");
			ledger_session_lost(l, &e);
		}
	}
	aftermath_lost(l->house, run);
}

void recall_replies(struct ledger *l)
{
	struct mail_list some = take_some(l), odd = {0};
	const struct db_result *r;
	struct mail *mail;

	if (!some.head)
		return;
	if (!ask(l, &some)) {
		mail_join(&some, &l->recalls);
		l->recalls = some;
		return;
	}
	/* Columns as SQL_LOAD_CALLS returns them. */
	r = batch_result(&l->batch, SQL_LOAD_CALLS);
	for (int row = 0; row < db_rows(r); row++) {
		struct uuid id = db_uuid(r, row, 0);
		struct call *call = find_call(&some, &id, db_text(r, row, 4));

		if (call && call->reply.away && !db_is_null(r, row, 10) &&
		    !call_recall(call, db_text(r, row, 10), db_length(r, row, 10)))
			log_error("a call's reply cannot be read", SAY_CALL(call), LOG_END);
	}
	while ((mail = mail_shift(&some))) {
		struct run *run = mail_of(mail, struct run, mail);

		if (run_is_whole(run)) {
			log_debug("its replies are read back", SAY_RUN(run), LOG_END);
			pool_put(l->house->pool, run);
		} else {
			mail_append(&odd, mail);
		}
	}
	while ((mail = mail_shift(&odd)))
		let_go(l, mail_of(mail, struct run, mail));
}
