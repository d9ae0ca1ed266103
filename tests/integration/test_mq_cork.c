/* links: cpoa_mq */
/* What is published while it is held back, against a real RabbitMQ. */
#include "cpoa/mq.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BODY_MAX = 1 << 20, WAIT_MS = 10000 };

static struct err e; /* of the test that runs: each has a process to itself */

#define OK(call) cr_assert(call, "%s", e.text)

static struct mq *open_mq(void)
{
	struct mq_options o = {.url = getenv("AMQP_URL"),
			       .name = "test_mq_cork",
			       .body_max = BODY_MAX,
			       .connect_timeout_ms = 5000};
	struct mq *mq;

	if (!o.url)
		cr_skip("AMQP_URL is unset");
	mq = mq_open(&o, &e);
	cr_assert(mq, "%s", e.text);
	return mq;
}

static struct mq_event next(struct mq *mq)
{
	struct mq_event event;

	OK(mq_next(mq, &event, WAIT_MS, &e));
	return event;
}

/* Bodies around the largest that one frame holds, and more than a socket takes at once. */
Test(mq_cork, what_was_held_back_arrives_whole_and_in_order)
{
	enum { FULL = 131072 - 8, N = 60 };
	static const size_t sizes[] = {0,	 1,    2,    5000,     FULL - 1,     FULL,
				       FULL + 1, 5000, 5000, 2 * FULL, 2 * FULL + 1, 900000};
	static char body[1 << 20], id[16];
	struct mq_header headers[] = {{"number", id}};
	struct mq *mq = open_mq();
	char queue[MQ_SHORT_MAX + 1];
	int confirmed = 0, delivered = 0;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 23);
	OK(mq_declare_queue(mq, "", true, NULL, 0, queue, &e));
	OK(mq_confirm_select(mq, &e));
	mq_cork(mq, true);
	for (int i = 0; i < N; i++) {
		struct mq_publish p = {.exchange = "",
				       .routing_key = queue,
				       .message_id = id,
				       .headers = headers,
				       .n_headers = 1,
				       .body = body + i,
				       .len = sizes[i % 12]};

		snprintf(id, sizeof(id), "%d", i);
		OK(mq_publish(mq, &p, NULL, &e));
	}
	mq_cork(mq, false);
	while (confirmed < N) {
		struct mq_event event = next(mq);

		cr_assert_eq(event.kind, MQ_CONFIRMED);
		confirmed = event.multiple ? (int)event.seq : confirmed + 1;
	}
	OK(mq_consume(mq, queue, "t", true, &e));
	for (; delivered < N; delivered++) {
		struct mq_event event = next(mq);
		struct mq_message *m = event.message;

		cr_assert_eq(event.kind, MQ_DELIVERY);
		snprintf(id, sizeof(id), "%d", delivered);
		cr_assert_str_eq(m->message_id, id);
		cr_assert_str_eq(mq_header(m, "number"), id);
		cr_assert_eq(m->body_size, sizes[delivered % 12]);
		cr_assert_arr_eq(m->body, body + delivered, m->body_len);
		mq_message_free(m);
	}
	mq_close(mq);
}

/* The next call says that nothing went out. */
Test(mq_cork, what_was_held_back_and_cannot_be_sent_is_told)
{
	struct mq *mq = open_mq();
	struct mq_publish p = {.exchange = "", .routing_key = "nobody", .body = "{}", .len = 2};
	struct mq_event event;

	mq_cork(mq, true);
	OK(mq_publish(mq, &p, NULL, &e));
	cr_assert_eq(shutdown(mq_fd(mq), SHUT_RDWR), 0);
	mq_cork(mq, false);
	cr_assert_not(mq_next(mq, &event, 0, &e));
	cr_assert_eq(e.class, ERR_LOST);
	mq_close(mq);
}
