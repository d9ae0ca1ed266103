/* publish: waiting for the broker's word. */
#include "ctl/publish.h"

#include <string.h>

#include "cpoa/clock.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

static const char not_found[] = "404"; /* AMQP's reply code */

enum { CONFIRM_MS = 10000, TRIES = 2 };

/* ERR_LOST: nobody knows whether the broker has it. ERR_REJECT: it has not, and never will. */
static bool await_confirm(struct mq *mq, const struct mq_publish *message, struct err *e)
{
	int64_t until = clock_mono_ms() + CONFIRM_MS;
	bool returned = false;
	struct mq_event event;

	while (clock_mono_ms() < until) {
		if (!mq_next(mq, &event, MQ_TICK_MS, e))
			return false;
		returned |= event.kind == MQ_RETURNED;
		mq_message_free(event.message);
		if (event.kind == MQ_BLOCKED)
			say("the broker takes nothing for now: %s", event.text);
		if (event.kind == MQ_REFUSED)
			return err_set(e, ERR_REJECT,
				       "the broker refused the message; its log says why");
		if (event.kind == MQ_CONFIRMED && returned)
			return err_set(
				e, ERR_REJECT,
				"no queue takes '%s' from exchange %s; run `cpoa topology apply`",
				message->routing_key, message->exchange);
		if (event.kind == MQ_CONFIRMED)
			return true;
	}
	return err_set(e, ERR_LOST, "the broker has not confirmed within %d s", CONFIRM_MS / 1000);
}

static bool publish_once(struct mq *mq, const struct mq_publish *message, struct err *e)
{
	if (mq_confirm_select(mq, e) && mq_publish(mq, message, NULL, e) &&
	    await_confirm(mq, message, e))
		return true;
	if (strcmp(e->code, not_found) == 0)
		err_wrap(e, "there is no exchange for jobs; run `cpoa topology apply`");
	return false;
}

int publish(const struct settings *s, const struct mq_publish *message)
{
	struct err e = {0};

	for (int i = 1;; i++) {
		AUTO(mq_close_ptr) struct mq *mq = NULL;
		int code = connect_mq(s, &mq);

		if (code != EXIT_DONE || publish_once(mq, message, &e))
			return code;
		if (e.class != ERR_LOST || i == TRIES) {
			complain(&e);
			return EXIT_NO_SERVER;
		}
		say("%s; sending it once more", e.text);
	}
}
