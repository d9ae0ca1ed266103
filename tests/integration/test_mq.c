/* links: cpoa_mq */
/*
 * mq against a real RabbitMQ. Queues are exclusive ones with names made by the broker, or carry the
 * process id.
 */
#include "cpoa/mq.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/clock.h"

enum { BODY_MAX = 1 << 20, WAIT_MS = 10000 };

static struct err e; /* of the test that runs: each has a process to itself */

static const char *amqp_url(void)
{
	const char *url = getenv("AMQP_URL");

	if (!url)
		cr_skip("AMQP_URL is unset");
	return url;
}

static struct mq *open_mq(size_t body_max)
{
	struct mq_options o = {.url = amqp_url(),
			       .name = "test_mq",
			       .body_max = body_max,
			       .connect_timeout_ms = 5000};
	struct mq *mq = mq_open(&o, &e);

	cr_assert(mq, "%s", e.text);
	return mq;
}

#define OK(call) cr_assert(call, "%s", e.text)

/* An exclusive queue of this connection. */
static void own_queue(struct mq *mq, char name[MQ_SHORT_MAX + 1])
{
	OK(mq_declare_queue(mq, "", true, NULL, 0, name, &e));
	cr_assert(name[0]);
}

static struct mq_event next(struct mq *mq)
{
	struct mq_event event;

	OK(mq_next(mq, &event, WAIT_MS, &e));
	return event;
}

static struct mq_message *next_delivery(struct mq *mq)
{
	struct mq_event event = next(mq);

	cr_assert_eq(event.kind, MQ_DELIVERY, "kind %d", (int)event.kind);
	return event.message;
}

static void expect_confirm(struct mq *mq, uint64_t seq)
{
	struct mq_event event = next(mq);

	cr_assert_eq(event.kind, MQ_CONFIRMED, "kind %d", (int)event.kind);
	cr_assert_eq(event.seq, seq);
}

static void expect_nothing(struct mq *mq, int ms)
{
	struct mq_event event;

	OK(mq_next(mq, &event, ms, &e));
	cr_assert_eq(event.kind, MQ_NOTHING, "kind %d", (int)event.kind);
}

static uint64_t publish(struct mq *mq, const char *queue, const char *body)
{
	struct mq_publish p = {.exchange = "",
			       .routing_key = queue,
			       .body = body,
			       .len = strlen(body),
			       .persistent = true};
	uint64_t seq;

	OK(mq_publish(mq, &p, &seq, &e));
	return seq;
}

/* ---- opening ---- */

static void expect_open_error(const char *url, enum err_class class)
{
	struct mq_options o = {.url = url, .body_max = 1, .connect_timeout_ms = 2000};

	cr_assert_null(mq_open(&o, &e), "%s", url);
	cr_assert_eq(e.class, class, "%s: class %d: %s", url, (int)e.class, e.text);
	cr_assert_null(strstr(e.text, "secret"), "%s", e.text);
}

Test(mq, open_says_whose_fault_it_is)
{
	char url[256], *copy = strdup(amqp_url());
	struct amqp_connection_info to;

	cr_assert_eq(amqp_parse_url(copy, &to), AMQP_STATUS_OK);
	expect_open_error("", ERR_USAGE);
	expect_open_error("http://user:secret@host/", ERR_USAGE);
	expect_open_error("amqp://user:secret@host:port/", ERR_USAGE);
	expect_open_error("amqp://guest:secret@127.0.0.1:1/", ERR_LOST);
	expect_open_error("amqp://guest:secret@no-such-host.invalid/", ERR_LOST);
	snprintf(url, sizeof(url), "amqp://guest:secret@%s:%d/", to.host, to.port);
	expect_open_error(url, ERR_USAGE);
	snprintf(url, sizeof(url), "amqp://%s:%s@%s:%d/no-such-vhost", to.user, to.password,
		 to.host, to.port);
	expect_open_error(url, ERR_USAGE);
	snprintf(url, sizeof(url), "amqps://guest:secret@%s:%d/", to.host, to.port);
	expect_open_error(url, ERR_USAGE); /* there is no TLS at this port */
	free(copy);
}

Test(mq, a_ca_file_that_is_not_there)
{
	struct mq_options o = {.url = "amqps://h/", .ca_file = "/nonexistent", .body_max = 1};

	cr_assert_null(mq_open(&o, &e));
	cr_assert_eq(e.class, ERR_USAGE);
	cr_assert(strstr(e.text, "/nonexistent"), "%s", e.text);
}

/* ---- publishing and delivery ---- */

Test(mq, publish_confirm_deliver_ack)
{
	struct mq *mq = open_mq(BODY_MAX);
	char queue[MQ_SHORT_MAX + 1];
	struct mq_header headers[] = {{"X-Idempotency-Key", "key"}, {"empty", ""}};
	struct mq_publish p = {
		.exchange = "",
		.content_type = "application/json",
		.message_id = "id-1",
		.correlation_id = "c-1",
		.reply_to = "r",
		.type = "t",
		.persistent = true,
		.mandatory = true,
		.timestamp = 1750000000,
		.headers = headers,
		.n_headers = 2,
		.body = "{}",
		.len = 2,
	};
	struct mq_message *m;
	uint64_t seq;

	own_queue(mq, queue);
	p.routing_key = queue;
	OK(mq_confirm_select(mq, &e));
	OK(mq_publish(mq, &p, &seq, &e));
	cr_assert_eq(seq, 1);
	expect_confirm(mq, 1);
	OK(mq_prefetch(mq, 10, &e));
	OK(mq_consume(mq, queue, "tag", false, &e));
	m = next_delivery(mq);
	cr_assert_str_eq(m->body, "{}");
	cr_assert_eq(m->body_len, 2);
	cr_assert_eq(m->body_size, 2);
	cr_assert_str_eq(m->consumer_tag, "tag");
	cr_assert_str_eq(m->exchange, "");
	cr_assert_str_eq(m->routing_key, queue);
	cr_assert_str_eq(m->content_type, "application/json");
	cr_assert_str_eq(m->message_id, "id-1");
	cr_assert_str_eq(m->correlation_id, "c-1");
	cr_assert_str_eq(m->reply_to, "r");
	cr_assert_str_eq(m->type, "t");
	cr_assert_null(m->app_id);
	cr_assert_eq(m->delivery_mode, 2);
	cr_assert_eq(m->timestamp, 1750000000);
	cr_assert_not(m->redelivered);
	cr_assert_eq(m->n_headers, 2);
	cr_assert_str_eq(mq_header(m, "x-idempotency-KEY"), "key");
	cr_assert_str_eq(mq_header(m, "empty"), "");
	cr_assert_null(mq_header(m, "absent"));
	OK(mq_ack(mq, m->tag, false, &e));
	mq_message_free(m);
	expect_nothing(mq, 50);
	expect_nothing(mq, 0);
	mq_close(mq);
}

Test(mq, an_unroutable_message_comes_back_before_its_confirm)
{
	struct mq *mq = open_mq(BODY_MAX);
	struct mq_publish p = {.exchange = "",
			       .routing_key = "there.is.no.such.queue",
			       .message_id = "lost",
			       .mandatory = true,
			       .body = "x",
			       .len = 1};
	struct mq_event event;
	uint64_t seq;

	OK(mq_confirm_select(mq, &e));
	OK(mq_publish(mq, &p, &seq, &e));
	event = next(mq);
	cr_assert_eq(event.kind, MQ_RETURNED);
	cr_assert_str_eq(event.message->message_id, "lost");
	cr_assert_str_eq(event.message->routing_key, "there.is.no.such.queue");
	cr_assert_str_eq(event.message->body, "x");
	mq_message_free(event.message);
	expect_confirm(mq, seq);
	mq_close(mq);
}

Test(mq, a_missing_exchange_costs_the_channel)
{
	struct mq *mq = open_mq(BODY_MAX);
	struct mq_publish p = {
		.exchange = "there.is.none", .routing_key = "x", .body = "", .len = 0};
	struct mq_event event;

	OK(mq_publish(mq, &p, NULL, &e));
	cr_assert_not(mq_next(mq, &event, WAIT_MS, &e));
	cr_assert_eq(e.class, ERR_REJECT, "%s", e.text);
	cr_assert_str_eq(e.code, "404");
	cr_assert_not(mq_publish(mq, &p, NULL, &e));
	cr_assert_eq(e.class, ERR_LOST);
	mq_close(mq);
}

Test(mq, what_does_not_fit_a_frame_is_not_sent)
{
	struct mq *mq = open_mq(BODY_MAX);
	char *large = malloc(70001), long_name[300];
	struct mq_header headers[] = {{"a", large}, {"b", large}};
	struct mq_publish p = {
		.exchange = "", .routing_key = "x", .headers = headers, .n_headers = 2};

	memset(large, 'x', 70000);
	large[70000] = '\0';
	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	cr_assert_not(mq_publish(mq, &p, NULL, &e));
	cr_assert_eq(e.class, ERR_USAGE, "%s", e.text);
	p.n_headers = 0;
	p.correlation_id = long_name;
	cr_assert_not(mq_publish(mq, &p, NULL, &e));
	cr_assert_eq(e.class, ERR_USAGE, "%s", e.text);
	cr_assert_not(mq_inspect_queue(mq, long_name, NULL, NULL, &e));
	cr_assert_eq(e.class, ERR_USAGE, "%s", e.text);
	p.correlation_id = NULL;
	OK(mq_publish(mq, &p, NULL, &e)); /* the connection stands */
	expect_nothing(mq, 20);
	free(large);
	mq_close(mq);
}

/* ---- headers of every kind, by rabbitmq-c itself ---- */

static amqp_connection_state_t raw_connection(void)
{
	char *url = strdup(amqp_url());
	struct amqp_connection_info to;
	amqp_connection_state_t c = amqp_new_connection();
	amqp_socket_t *socket = amqp_tcp_socket_new(c);

	cr_assert_eq(amqp_parse_url(url, &to), AMQP_STATUS_OK);
	cr_assert_eq(amqp_socket_open(socket, to.host, to.port), AMQP_STATUS_OK);
	cr_assert_eq(amqp_login(c, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, to.user, to.password)
			     .reply_type,
		     AMQP_RESPONSE_NORMAL);
	cr_assert(amqp_channel_open(c, 1));
	free(url);
	return c;
}

static void raw_close(amqp_connection_state_t c)
{
	amqp_connection_close(c, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(c);
}

#define ENTRY(name, k, ...)                                                    \
	{                                                                      \
		.key = {sizeof(name) - 1, (void *)(uintptr_t)name}, .value = { \
			.kind = AMQP_FIELD_KIND_##k,                           \
			.value = {__VA_ARGS__}                                 \
		}                                                              \
	}
#define BYTES(s)                                    \
	{                                           \
		sizeof(s) - 1, (void *)(uintptr_t)s \
	}

static void raw_publish(const char *queue, amqp_table_t headers, size_t body_len)
{
	amqp_connection_state_t c = raw_connection();
	amqp_basic_properties_t props = {._flags = AMQP_BASIC_HEADERS_FLAG |
						   AMQP_BASIC_MESSAGE_ID_FLAG,
					 .headers = headers,
					 .message_id = BYTES("a\0b\xff\xc3\xa9")};
	amqp_bytes_t body = {body_len, calloc(1, body_len + 1)};

	memset(body.bytes, 'b', body_len);
	cr_assert_eq(amqp_basic_publish(c, 1, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0,
					&props, body),
		     AMQP_STATUS_OK);
	raw_close(c);
	free(body.bytes);
}

Test(mq, headers_of_every_kind_become_text)
{
	static const struct {
		const char *name, *value;
	} want[] = {
		{"utf8", "Zürich"},	{"nul", "a\001b"},	{"broken", "\001x\001\001"},
		{"bool", "true"},	{"i8", "-8"},		{"u8", "200"},
		{"i16", "-300"},	{"u16", "60000"},	{"i32", "-70000"},
		{"u32", "4000000000"},	{"i64", "-5000000000"}, {"f64", "1.5"},
		{"time", "1750000000"}, {"table", "\001"},	{"array", "\001"},
		{"void", "\001"},
	};
	static amqp_table_entry_t entries[] = {
		ENTRY("utf8", UTF8, .bytes = BYTES("Zürich")),
		ENTRY("nul", UTF8, .bytes = BYTES("a\0b")),
		ENTRY("broken", UTF8, .bytes = BYTES("\xffx\xc3\xed")),
		ENTRY("bool", BOOLEAN, .boolean = 1),
		ENTRY("i8", I8, .i8 = -8),
		ENTRY("u8", U8, .u8 = 200),
		ENTRY("i16", I16, .i16 = -300),
		ENTRY("u16", U16, .u16 = 60000),
		ENTRY("i32", I32, .i32 = -70000),
		ENTRY("u32", U32, .u32 = 4000000000U),
		ENTRY("i64", I64, .i64 = -5000000000),
		ENTRY("f64", F64, .f64 = 1.5),
		ENTRY("time", TIMESTAMP, .u64 = 1750000000),
		ENTRY("table", TABLE, .table = {0, NULL}),
		ENTRY("array", ARRAY, .array = {0, NULL}),
		ENTRY("void", VOID, .i8 = 0),
	};
	struct mq *mq = open_mq(BODY_MAX);
	char queue[64];
	struct mq_message *m;

	snprintf(queue, sizeof(queue), "test.mq.headers.%d", (int)getpid());
	OK(mq_declare_queue(mq, queue, false, NULL, 0, NULL, &e));
	raw_publish(queue, (amqp_table_t){sizeof(entries) / sizeof(entries[0]), entries}, 3);
	OK(mq_consume(mq, queue, "t", true, &e));
	m = next_delivery(mq);
	cr_assert_str_eq(m->message_id, "a\001b\001é");
	cr_assert_eq(m->n_headers, 16);
	cr_assert_not(m->headers_cut);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const char *value = mq_header(m, want[i].name);

		if (want[i].value)
			cr_assert_str_eq(value ? value : "(none)", want[i].value, "%s",
					 want[i].name);
		else
			cr_assert_null(value, "%s", want[i].name);
	}
	mq_message_free(m);
	OK(mq_delete_queue(mq, queue, &e));
	mq_close(mq);
}

Test(mq, too_many_and_too_long_headers_are_cut)
{
	amqp_table_entry_t entries[MQ_HEADERS_MAX + 6];
	char *value = malloc(9000), queue[64];
	struct mq *mq = open_mq(BODY_MAX);
	struct mq_message *m;

	memset(value, 'v', 9000);
	memcpy(value + MQ_HEADER_VALUE_MAX - 1, "é", 2); /* across the limit */
	for (size_t i = 0; i < MQ_HEADERS_MAX + 6; i++)
		entries[i] = (amqp_table_entry_t)ENTRY("h", UTF8, .bytes = BYTES("x"));
	entries[0].value.value.bytes = (amqp_bytes_t){9000, value};
	snprintf(queue, sizeof(queue), "test.mq.cut.%d", (int)getpid());
	OK(mq_declare_queue(mq, queue, false, NULL, 0, NULL, &e));
	raw_publish(queue, (amqp_table_t){MQ_HEADERS_MAX + 6, entries}, 0);
	OK(mq_consume(mq, queue, "t", true, &e));
	m = next_delivery(mq);
	cr_assert(m->headers_cut);
	cr_assert_eq(m->n_headers, MQ_HEADERS_MAX);
	cr_assert_eq(strlen(m->headers[0].value), MQ_HEADER_VALUE_MAX - 1);
	cr_assert_null(strchr(m->headers[0].value, 1));
	cr_assert_str_eq(m->body, "");
	mq_message_free(m);
	OK(mq_delete_queue(mq, queue, &e));
	free(value);
	mq_close(mq);
}

Test(mq, a_body_beyond_the_ceiling_is_cut)
{
	static const size_t sizes[] = {0, 1, 999, 1000, 1001, 131064, 131065, 300000, 3000000};
	struct mq *mq = open_mq(1000);
	char queue[64];

	snprintf(queue, sizeof(queue), "test.mq.body.%d", (int)getpid());
	OK(mq_declare_queue(mq, queue, false, NULL, 0, NULL, &e));
	OK(mq_consume(mq, queue, "t", true, &e));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct mq_message *m;

		raw_publish(queue, amqp_empty_table, sizes[i]);
		m = next_delivery(mq);
		cr_assert_eq(m->body_size, sizes[i]);
		cr_assert_eq(m->body_len, sizes[i] < 1000 ? sizes[i] : 1000);
		cr_assert_eq(strlen(m->body), m->body_len);
		mq_message_free(m);
	}
	OK(mq_delete_queue(mq, queue, &e));
	mq_close(mq);
}

/* ---- consuming ---- */

Test(mq, prefetch_bounds_what_is_in_hand)
{
	struct mq *mq = open_mq(BODY_MAX);
	char queue[MQ_SHORT_MAX + 1];
	uint64_t last = 0;

	own_queue(mq, queue);
	for (int i = 0; i < 10; i++)
		publish(mq, queue, "x");
	OK(mq_prefetch(mq, 3, &e));
	OK(mq_consume(mq, queue, "t", false, &e));
	for (int i = 0; i < 3; i++) {
		struct mq_message *m = next_delivery(mq);

		last = m->tag;
		mq_message_free(m);
	}
	expect_nothing(mq, 100);
	OK(mq_ack(mq, last, true, &e));
	for (int i = 0; i < 3; i++)
		mq_message_free(next_delivery(mq));
	expect_nothing(mq, 100);
	mq_close(mq);
}

/* Deliveries that arrive while an RPC waits come out afterwards, in order. */
Test(mq, frames_that_came_within_a_call_are_not_lost)
{
	struct mq *mq = open_mq(BODY_MAX);
	char queue[MQ_SHORT_MAX + 1], text[16];

	own_queue(mq, queue);
	OK(mq_confirm_select(mq, &e));
	OK(mq_consume(mq, queue, "t", true, &e));
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "%d", i);
		publish(mq, queue, text);
		if (i % 50 == 0)
			OK(mq_inspect_queue(mq, queue, NULL, NULL, &e));
	}
	for (int deliveries = 0, confirms = 0; deliveries < 500 || confirms < 500;) {
		struct mq_event event = next(mq);

		if (event.kind == MQ_CONFIRMED) {
			confirms = event.multiple ? (int)event.seq : confirms + 1;
			continue;
		}
		cr_assert_eq(event.kind, MQ_DELIVERY);
		snprintf(text, sizeof(text), "%d", deliveries++);
		cr_assert_str_eq(event.message->body, text);
		mq_message_free(event.message);
	}
	mq_close(mq);
}

Test(mq, a_consumer_is_told_when_its_queue_is_deleted)
{
	struct mq *mq = open_mq(BODY_MAX), *other = open_mq(BODY_MAX);
	struct mq_event event;
	char queue[64];

	snprintf(queue, sizeof(queue), "test.mq.cancel.%d", (int)getpid());
	OK(mq_declare_queue(mq, queue, false, NULL, 0, NULL, &e));
	OK(mq_consume(mq, queue, "my consumer", false, &e));
	OK(mq_delete_queue(other, queue, &e));
	event = next(mq);
	cr_assert_eq(event.kind, MQ_CANCELLED);
	cr_assert_str_eq(event.text, "my consumer");
	OK(mq_consume(mq, "amq.rabbitmq.reply-to", "again", true, &e)); /* the channel stands */
	mq_close(mq);
	mq_close(other);
}

Test(mq, cancelled_by_us_nothing_more_comes)
{
	struct mq *mq = open_mq(BODY_MAX);
	char queue[MQ_SHORT_MAX + 1];
	uint32_t ready, consumers;

	own_queue(mq, queue);
	OK(mq_consume(mq, queue, "t", false, &e));
	OK(mq_cancel(mq, "t", &e));
	publish(mq, queue, "x");
	expect_nothing(mq, 50);
	OK(mq_inspect_queue(mq, queue, &ready, &consumers, &e));
	cr_assert_eq(ready, 1);
	cr_assert_eq(consumers, 0);
	mq_close(mq);
}

Test(mq, what_was_not_acked_is_delivered_again)
{
	struct mq *mq = open_mq(BODY_MAX);
	struct mq_message *m;
	char queue[64];

	snprintf(queue, sizeof(queue), "test.mq.again.%d", (int)getpid());
	OK(mq_declare_queue(mq, queue, false, NULL, 0, NULL, &e));
	publish(mq, queue, "x");
	OK(mq_consume(mq, queue, "t", false, &e));
	mq_message_free(next_delivery(mq));
	mq_close(mq);
	mq = open_mq(BODY_MAX);
	OK(mq_consume(mq, queue, "t", false, &e));
	m = next_delivery(mq);
	cr_assert(m->redelivered);
	OK(mq_nack(mq, m->tag, true, &e));
	mq_message_free(m);
	m = next_delivery(mq);
	cr_assert(m->redelivered);
	OK(mq_nack(mq, m->tag, false, &e));
	mq_message_free(m);
	expect_nothing(mq, 50);
	OK(mq_delete_queue(mq, queue, &e));
	mq_close(mq);
}

/* ---- topology ---- */

Test(mq, exchange_bind_and_quorum_queue)
{
	static const struct mq_argument args[] = {{.name = "x-queue-type", .text = "quorum"},
						  {.name = "x-max-length", .number = 5}};
	struct mq *mq = open_mq(BODY_MAX);
	char exchange[64], queue[64];
	struct mq_publish p = {.exchange = exchange,
			       .routing_key = "a.b",
			       .mandatory = true,
			       .persistent = true,
			       .body = "x",
			       .len = 1};

	snprintf(exchange, sizeof(exchange), "test.mq.topic.%d", (int)getpid());
	snprintf(queue, sizeof(queue), "test.mq.quorum.%d", (int)getpid());
	OK(mq_declare_exchange(mq, exchange, "topic", &e));
	OK(mq_declare_exchange(mq, exchange, "topic", &e));
	OK(mq_declare_queue(mq, queue, false, args, 2, NULL, &e));
	OK(mq_bind(mq, queue, exchange, "a.*", &e));
	OK(mq_confirm_select(mq, &e));
	OK(mq_publish(mq, &p, NULL, &e));
	expect_confirm(mq, 1);
	OK(mq_delete_queue(mq, queue, &e));
	mq_close(mq);
}

Test(mq, another_kind_of_queue_by_that_name_is_a_refusal)
{
	static const struct mq_argument args[] = {{.name = "x-max-length", .number = 5}};
	struct mq *mq = open_mq(BODY_MAX);
	char queue[64];

	snprintf(queue, sizeof(queue), "test.mq.406.%d", (int)getpid());
	OK(mq_declare_queue(mq, queue, false, NULL, 0, NULL, &e));
	cr_assert_not(mq_declare_queue(mq, queue, false, args, 1, NULL, &e));
	cr_assert_eq(e.class, ERR_REJECT, "%s", e.text);
	cr_assert_str_eq(e.code, "406");
	cr_assert(strstr(e.text, "inequivalent"), "%s", e.text);
	mq_close(mq);
	mq = open_mq(BODY_MAX);
	OK(mq_delete_queue(mq, queue, &e));
	cr_assert_not(mq_inspect_queue(mq, queue, NULL, NULL, &e));
	cr_assert_eq(e.class, ERR_REJECT, "%s", e.text);
	cr_assert_str_eq(e.code, "404");
	mq_close(mq);
}

/* ---- many ---- */

Test(mq, ten_thousand_round_trips_in_flat_memory)
{
	enum { N = 10000, AHEAD = 200 };
	struct mq *mq = open_mq(BODY_MAX);
	char queue[MQ_SHORT_MAX + 1], *body = malloc(1024);
	struct mq_publish p = {.exchange = "",
			       .routing_key = queue,
			       .mandatory = true,
			       .body = body,
			       .len = 1024,
			       .message_id = "0123456789"};
	int published = 0, confirmed = 0, delivered = 0;
	size_t used = 0;

	memset(body, 'x', 1024);
	own_queue(mq, queue);
	OK(mq_confirm_select(mq, &e));
	OK(mq_prefetch(mq, AHEAD, &e));
	OK(mq_consume(mq, queue, "t", false, &e));
	while (confirmed < N || delivered < N) {
		struct mq_event event;

		while (published < N && published - delivered < AHEAD) {
			OK(mq_publish(mq, &p, NULL, &e));
			published++;
		}
		event = next(mq);
		if (event.kind == MQ_CONFIRMED) {
			confirmed = event.multiple ? (int)event.seq : confirmed + 1;
			continue;
		}
		cr_assert_eq(event.kind, MQ_DELIVERY);
		delivered++;
		OK(mq_ack(mq, event.message->tag, false, &e));
		mq_message_free(event.message);
		if (delivered == N / 10)
			used = mallinfo2().uordblks + mallinfo2().hblkhd;
	}
	cr_assert_leq(mallinfo2().uordblks + mallinfo2().hblkhd, used + (1 << 20));
	free(body);
	mq_close(mq);
}

Test(mq, a_closed_socket_is_a_lost_connection)
{
	struct mq *mq = open_mq(BODY_MAX);
	struct mq_event event;

	close(mq_fd(mq)); /* the descriptor may be anybody's now: none is opened before the end */
	cr_assert_not(mq_next(mq, &event, 100, &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	cr_assert_not(mq_ack(mq, 1, false, &e));
	cr_assert_eq(e.class, ERR_LOST, "%s", e.text);
	mq_close(mq);
}
