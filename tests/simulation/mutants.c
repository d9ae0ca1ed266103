/*
 * mutants: the product, broken on purpose in the six ways that matter most, to see that the
 * simulation notices. Linked between the parts with --wrap; the product knows nothing of it.
 */
#include <string.h>

#include "engine/intake.h"
#include "engine/ledger_parts.h"
#include "engine/outbox.h"
#include "simulation/sim.h"
#include "simulation/world.h"

enum mutant sim_mutant;

const char *const mutant_names[MUTANTS] = {
	[MUTANT_NONE] = "none",
	[MUTANT_ACK_EARLY] = "ack-before-commit",
	[MUTANT_PUBLISH_EARLY] = "publish-before-commit",
	[MUTANT_NO_LEASE_CONDITION] = "no-lease-condition",
	[MUTANT_SUBMIT_AGAIN] = "submit-accepted-again",
	[MUTANT_DROP_DUPLICATE] = "drop-duplicate's-event",
	[MUTANT_RECALL_ANOTHER] = "recall-another-reply",
};

void __real_ledger_commit(struct ledger *l, struct run *run);
void __wrap_ledger_commit(struct ledger *l, struct run *run);
void __real_outbox_publish(struct outbox *o, struct mail_list *events);
void __wrap_outbox_publish(struct outbox *o, struct mail_list *events);
void __real_duplicates_settle(struct ledger *l);
void __wrap_duplicates_settle(struct ledger *l);
struct errand __real_call_begin(struct call *call, const struct policy *policy, int64_t now_us);
struct errand __wrap_call_begin(struct call *call, const struct policy *policy, int64_t now_us);

bool __real_call_recall(struct call *call, const char *text, size_t len);
bool __wrap_call_recall(struct call *call, const char *text, size_t len);

static struct event *copy_of(const struct event *event)
{
	struct event *copy = xcalloc(1, sizeof(*copy));

	*copy = *event;
	copy->body = xstrndup(event->body, event->len);
	copy->reply_to = event->reply_to ? xstrdup(event->reply_to) : NULL;
	copy->correlation_id = event->correlation_id ? xstrdup(event->correlation_id) : NULL;
	return copy;
}

static void publish_early(struct ledger *l, const struct run *run)
{
	struct mail_list copies = {0};

	for (const struct mail *mail = run->change.events.head; mail; mail = mail->next)
		mail_append(
			&copies,
			&copy_of((const struct event *)(const void *)((const char *)mail -
								      offsetof(struct event, mail)))
				 ->mail);
	if (copies.head)
		__real_outbox_publish(l->house->outbox, &copies);
}

void __wrap_ledger_commit(struct ledger *l, struct run *run)
{
	if (sim_mutant == MUTANT_ACK_EARLY && run->verdict == JOB_GOOD && run->message) {
		intake_ack(l->house->intake, run->epoch, run->message->tag);
		mq_message_free(run->message);
		run->message = NULL;
	}
	if (sim_mutant == MUTANT_PUBLISH_EARLY)
		publish_early(l, run);
	/* And the statements do not ask either: see pg_sql.c. */
	if (sim_mutant == MUTANT_NO_LEASE_CONDITION && atomic_load(&l->house->lease))
		run->lease = atomic_load(&l->house->lease);
	__real_ledger_commit(l, run);
}

struct errand __wrap_call_begin(struct call *call, const struct policy *policy, int64_t now_us)
{
	struct errand errand = __real_call_begin(call, policy, now_us);

	if (sim_mutant == MUTANT_SUBMIT_AGAIN)
		errand.kind = ERRAND_SUBMIT;
	return errand;
}

bool __wrap_call_recall(struct call *call, const char *text, size_t len)
{
	static const char another[] = "{\"kind\":\"result\",\"body\":{\"status\":\"success\","
				      "\"content\":\"Wasps.\",\"title\":\"Wasps\"}}";

	tally.recalls++;
	return sim_mutant == MUTANT_RECALL_ANOTHER
		       ? __real_call_recall(call, another, sizeof(another) - 1)
		       : __real_call_recall(call, text, len);
}

/* A pass of the rescue over duplicates may let others go first in its midst: the worker's ledger is
 * noted, not the moment. */
static const struct ledger *among_duplicates;

void __wrap_duplicates_settle(struct ledger *l)
{
	among_duplicates = l;
	__real_duplicates_settle(l);
	among_duplicates = NULL;
}

void __wrap_outbox_publish(struct outbox *o, struct mail_list *events)
{
	struct mail *mail;

	if (sim_mutant != MUTANT_DROP_DUPLICATE || !among_duplicates ||
	    among_duplicates->house->outbox != o) {
		__real_outbox_publish(o, events);
		return;
	}
	while ((mail = mail_shift(events)))
		event_free(mail_of(mail, struct event, mail));
}
