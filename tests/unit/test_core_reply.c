/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
/* The texts of replies: sentences for people, and the row that keeps a reply. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "core/run.h"

#include "call_help.h"

TestSuite(reply, .init = setup);

/* `n` characters of 3 bytes after `offset` of one, so that every cut falls into every place of a
 * character. */
static char *euros(size_t offset, size_t n)
{
	struct strbuf sb;

	strbuf_init(&sb, 1 << 20);
	while (offset--)
		strbuf_addc(&sb, 'x');
	while (n--)
		strbuf_adds(&sb, "\xE2\x82\xAC");
	return strbuf_detach(&sb, NULL);
}

static void check_text(const struct call *call)
{
	const char *s = call->reply.error;

	cr_assert_not_null(s);
	cr_assert(utf8_ok(s, strlen(s)), "%s", s);
	cr_assert(strlen(s) > 200 && strlen(s) <= 2000, "%zu", strlen(s));
}

Test(reply, errors_are_bounded_and_cut_between_characters)
{
	static const char *const bodies[] = {"{\"message\":\"%s\"}", "%s",
					     "{\"status\":\"FAILURE\",\"result\":\"%s\"}"};

	for (size_t i = 0; i < 60; i++) {
		char *text = euros(i / 3 % 5, i % 2 ? 2000 : 250 + i);
		struct strbuf body;

		strbuf_init(&body, 1 << 20);
		/* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
		for (const char *p = bodies[i % 3]; *p; p++)
			if (p[0] == '%' && p[1] == 's')
				strbuf_adds(&body, text), p++;
			else
				strbuf_addc(&body, *p);
		for (int status = 200; status <= 500; status += 100) {
			struct call call = sent(i % 3 == 2);

			policy.retries = 0;
			(void)came(&call, NOW, status, body.buf);
			if (call.state == CALL_LANDED)
				check_text(&call);
			call_release(&call);
		}
		strbuf_release(&body);
		free(text);
	}
}

static char *stored(struct call *call, size_t *len)
{
	struct strbuf sb;
	char *text;

	strbuf_init(&sb, JSON_TEXT_MAX);
	call_reply_write(call, &sb);
	text = strbuf_detach(&sb, len);
	cr_assert_eq(strlen(text), *len);
	cr_assert(utf8_ok(text, *len));
	return text;
}

/* Given back and read again it is the same, and of what is no reply nothing is taken. */
static void check_recall(struct call *call, const char *row, size_t len)
{
	bool has_text = call->reply.text;
	size_t text_len = call->reply.text_len, len_again;
	char *again;

	call_give_back(call);
	cr_assert(!call->reply.text && call->reply.away == has_text);
	cr_assert_eq(call->reply.text_len, text_len, "it counts as what it weighs when it is here");
	if (has_text) {
		cr_assert(!call_recall(call, "{\"kind\":\"none\"}", 15));
		cr_assert(call->reply.away && call->reply.text_len == text_len);
		cr_assert(call_recall(call, row, len));
	}
	cr_assert(!call->reply.away);
	again = stored(call, &len_again);
	cr_assert(len_again == len && memcmp(again, row, len) == 0);
	free(again);
}

static void check_round_trip(struct call *call)
{
	struct call again = {.agent = call->agent};
	size_t len, len_again;
	char *text = stored(call, &len), *text_again;
	struct json_object *o = NULL;
	struct err e;

	cr_assert_eq(json_read(text, len, JSON_DEPTH_MAX + 2, JSON_STRICT, &o, &e), JSON_OK,
		     "PostgreSQL would not store it: %s", e.text);
	json_put(&o);
	cr_assert(call_reply_read(&again, text, len));
	cr_assert_eq(again.state, CALL_LANDED);
	cr_assert_eq(again.reply.kind, call->reply.kind);
	cr_assert_eq(again.reply.http_status, call->reply.http_status);
	cr_assert_eq(again.reply.polled, call->reply.polled);
	cr_assert_eq(again.news, 0);
	cr_assert(!again.reply.error == !call->reply.error);
	if (call->reply.error)
		cr_assert_str_eq(again.reply.error, call->reply.error);
	text_again = stored(&again, &len_again);
	cr_assert(len == len_again && memcmp(text, text_again, len) == 0, "%s\n%s", text,
		  text_again);
	/* At rest the parsed form is given back; the text makes it again. */
	call_rest(&again);
	cr_assert_null(again.reply.body);
	cr_assert_eq(call_reply(&again), &again.reply);
	cr_assert(!again.reply.text || reply_body(&again.reply));
	check_recall(&again, text, len);
	free(text);
	free(text_again);
	call_release(&again);
}

Test(reply, comes_back_from_its_row_as_it_was)
{
	static const char *const bodies[] = {
		"{\"ok\":null,\"a\":1}",
		" \r\n\t{\"ok\":null,\"a\":1} \r\n\t",
		"{\"ok\":\"\\u0000\\ud800 \\\"}{\\\\ \xC3\xA4\"}",
		"{\"ok\":\"\xFF\xC0\x80\"}",
		"{\"ok\":1e999,\"b\":-0.0,\"c\":18446744073709551616,\"d\":1.10}",
		"{\"ok\":{\"error\":\"kind\",\"kind\":\"http\"}}",
		"{\"ok\":\"\\u001b[31m\\u007f\\r\\n</script>\"}",
		"{\"message\":\"\\u0000 \xFF\"}",
		"{\"message\":\"\",\"message\":\"twice\"}",
		"{}",
		"[[[",
		"\xFF\xFF",
		"",
	};
	static const int statuses[] = {200, 201, 202, 400, 404, 500};

	policy.retries = 0;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		for (size_t k = 0; k < sizeof(statuses) / sizeof(*statuses); k++) {
			struct call call = sent(false);

			(void)came(&call, NOW, statuses[k], bodies[i]);
			cr_assert_eq(call.state, CALL_LANDED);
			check_round_trip(&call);
			call_release(&call);
		}
}

Test(reply, of_the_deepest_and_the_largest_body_comes_back)
{
	struct strbuf body;

	strbuf_init(&body, ANSWER_MAX);
	strbuf_adds(&body, "{\"ok\":");
	for (int i = 1; i < JSON_DEPTH_MAX; i++)
		strbuf_addc(&body, '[');
	for (int i = 1; i < JSON_DEPTH_MAX; i++)
		strbuf_addc(&body, ']');
	strbuf_addc(&body, '}');
	for (int i = 0; i < 3; i++) {
		struct call call = sent(false);

		if (i) {
			/* Each byte that is no UTF-8 becomes three. */
			strbuf_reset(&body);
			strbuf_adds(&body, i == 1 ? "{\"ok\":\"" : "{\"message\":\"");
			while (body.len < ANSWER_MAX - 2)
				strbuf_addc(&body, '\xFF');
			strbuf_adds(&body, "\"}");
		}
		cr_assert(!body.failed);
		(void)came(&call, NOW, 200, body.buf);
		cr_assert_eq(call.reply.kind, i == 2 ? REPLY_REPORTED : REPLY_RESULT);
		cr_assert(i < 2 || *call.reply.error, "a failure has a sentence");
		check_round_trip(&call);
		call_release(&call);
	}
	strbuf_release(&body);
}

/* Its row holds some values more than the answer did. */
Test(reply, of_as_many_values_as_may_be_comes_back)
{
	enum { OTHERS = 3 }; /* the object, the name, the list */
	struct call call = sent(false);
	struct strbuf body;

	strbuf_init(&body, ANSWER_MAX);
	strbuf_adds(&body, "{\"ok\":[0");
	for (int i = OTHERS + 1; i < JSON_VALUES_MAX; i++)
		strbuf_adds(&body, ",0");
	strbuf_adds(&body, "]}");
	(void)came(&call, NOW, 200, body.buf);
	cr_assert_eq(call.reply.kind, REPLY_RESULT, "%s", call.reply.error);
	check_round_trip(&call);
	call_release(&call);
	strbuf_release(&body);
}

/* A name may be written with escapes; what was accepted by its meaning is found by it later. */
Test(reply, whose_names_are_escaped_is_found_by_what_they_mean)
{
	static const struct {
		bool polling;
		const char *body;
	} answers[] = {
		{false, "{\"\\u006fk\":\"yes\"}"},
		{false, "{\"ok\":\"no\",\"\\u006fk\":\"yes\"}"},
		{true, "{\"status\":\"SUCCESS\",\"result\":{},\"\\u0072esult\":{\"ok\":\"yes\"}}"},
		{true, "{\"status\":\"SUCCESS\",\"result\":{\"ok\":\"no\",\"o\\u006b\":\"yes\"}}"},
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct call call = sent(answers[i].polling);
		struct json_slice ok;

		(void)came(&call, NOW, 200, answers[i].body);
		cr_assert_eq(call.reply.kind, REPLY_RESULT, "%zu", i);
		call_rest(&call);
		cr_assert_str_eq(reply_string(&call.reply, "ok"), "yes", "%zu", i);
		ok = reply_member(&call.reply, "ok");
		cr_assert(ok.text && ok.len == 5 && memcmp(ok.text, "\"yes\"", 5) == 0, "%zu", i);
		check_round_trip(&call);
		call_release(&call);
	}
}

Test(reply, of_a_poll_and_of_a_deadline_come_back)
{
	for (int i = 0; i < 2; i++) {
		struct call call = sent(true);

		(void)came(&call, i ? NOW : call.deadline_us, i ? 500 : 202,
			   i ? "{\"status\":\"FAILURE\"}" : "{}");
		cr_assert_eq(call.reply.kind, i ? REPLY_TASK_FAILED : REPLY_TIMED_OUT);
		cr_assert(call.reply.polled);
		check_round_trip(&call);
		call_release(&call);
	}
}

/* A row for work of ours: nobody has answered anything, and yet it went well. */
Test(reply, of_an_item_comes_back_without_a_body)
{
	struct call item = {.state = CALL_LANDED};

	check_round_trip(&item);
	reply_failure(&item.reply, REPLY_REPORTED, NULL, "no topic");
	check_round_trip(&item);
	call_release(&item);
}

Test(reply, that_no_call_has_written_is_refused)
{
	static const char *const texts[] = {
		"", "null", "7", "[]", "{}", "{\"kind\":\"\"}", "{\"kind\":7}",
		"{\"kind\":\"good\"}", "{\"kind\":\"result\"", "{\"kind\":\"Result\"}",
		/* a success without a body, failures without a word */
		"{\"kind\":\"result\"}", "{\"kind\":\"result\",\"body\":7}",
		"{\"kind\":\"result\",\"error\":\"x\",\"body\":{}}", "{\"kind\":\"http\"}",
		"{\"kind\":\"reported\",\"error\":7,\"body\":{}}"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct call call = {.agent = &test_agent};

		cr_assert(!call_reply_read(&call, texts[i], strlen(texts[i])), "%s", texts[i]);
		cr_assert_eq(call.state, CALL_PLANNED, "%s", texts[i]);
		cr_assert(!call.reply.error && !call.reply.text && !call.reply.body, "%s",
			  texts[i]);
		call_release(&call);
	}
}

Test(reply, error_details_tell_kind_sentence_and_status)
{
	struct call call = sent(false);
	char *text;

	(void)came(&call, NOW, 400, "{\"message\":\"\\\"q\\\"\"}");
	text = call_error_text(&call);
	cr_assert_str_eq(text,
			 "{\"kind\":\"http\",\"message\":\"TEST answered HTTP 400: \\\"q\\\"\","
			 "\"http_status\":400}");
	free(text);
	call_release(&call);
	call = sent(false);
	(void)came(&call, NOW, 200, "{\"ok\":1}");
	cr_assert_null(call_error_text(&call));
	call_release(&call);
	call = sent(false);
	(void)answer_at(&call, NOW,
			&(struct answer){.kind = ANSWER_REFUSED, .error = (char[]){"w"}}, NULL);
	text = call_error_text(&call);
	cr_assert_str_eq(text,
			 "{\"kind\":\"unreachable\",\"message\":\"TEST cannot be asked: w\"}");
	free(text);
	call_release(&call);
}
