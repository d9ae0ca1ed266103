/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
#include "core/job.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "core/policy.h"
#include "workflows/workflows.h"

#define TASK	   "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
#define GOOD	   "{\"topic\":\"Bees\",\"task_id\":\"" TASK "\"}"
#define WITH(more) "{\"topic\":\"Bees\",\"task_id\":\"" TASK "\"," more "}"
#define NONE	   "(absent)"
#define PARENT	   "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* What differs from a good message; NULL: as in a good one, NONE: not there. */
struct letter {
	const char *what;
	const char *body, *message_id, *content_type, *reply_to, *correlation_id;
	const char *key, *id, *parent, *state;
	enum job_verdict verdict;
	const char *word; /* in the sentence */
};

static struct arena arena;
static struct job job;
static struct json_object *args;
static struct err err;

static void setup(void)
{
	arena_init(&arena, 64);
}

static void forget(void)
{
	json_put(&args);
	arena_release(&arena);
	job = (struct job){0};
	err = (struct err){0};
}

TestSuite(job, .init = setup, .fini = forget);

static const char *given(const char *s, const char *otherwise)
{
	if (!s)
		return otherwise;
	return strcmp(s, NONE) == 0 ? NULL : s;
}

static enum job_verdict read_message(const struct mq_message *m)
{
	forget();
	return job_read(&job, &arena, &podcast_generation, m, &args, &err);
}

static enum job_verdict read_letter(const struct letter *l)
{
	struct mq_header headers[4];
	const char *const names[] = {"x-idempotency-key", "X-WORKFLOW-ID", "traceparent",
				     "tracestate"};
	const char *values[] = {given(l->key, NULL), l->id, l->parent, l->state};
	struct mq_message m = {
		.routing_key = "podcast_generation",
		.content_type = given(l->content_type, "application/json"),
		.message_id = given(l->message_id, "message-1"),
		.reply_to = l->reply_to,
		.correlation_id = l->correlation_id,
		.headers = headers,
		.body = l->body ? l->body : GOOD,
	};

	for (size_t i = 0; i < 4; i++)
		if (values[i])
			headers[m.n_headers++] = (struct mq_header){names[i], values[i]};
	m.body_len = strlen(m.body);
	m.body_size = m.body_len;
	return read_message(&m);
}

static char *repeated(const char *s, size_t n)
{
	struct strbuf sb;

	strbuf_init(&sb, 4 << 20);
	while (n--)
		strbuf_adds(&sb, s);
	return strbuf_detach(&sb, NULL);
}

/* ---- good ones, and what is wrong with others ---- */

#define BAD JOB_INVALID_JOB

/* clang-format off */
static const struct letter letters[] = {
	{"the least"},
	{"everything", .body = WITH("\"user_id\":\"" TASK "\",\"client_id\":\"c\",\"user_preferences\":{},\"voice_params\":{},\"test_scenarios\":{\"pswa\":\"x y\"}")},
	{"nulls", .body = WITH("\"user_id\":null,\"client_id\":null,\"user_preferences\":null,\"voice_params\":null,\"test_scenarios\":null")},
	{"fields of others", .body = WITH("\"unknown\":[1,2]")},

	{"no body", .body = "", .verdict = JOB_INVALID_JSON, .word = "the body: "},
	{"garbage", .body = "{]", .verdict = JOB_INVALID_JSON, .word = "the body: not JSON"},
	{"two values", .body = GOOD GOOD, .verdict = JOB_INVALID_JSON, .word = "the body: not JSON"},
	{"an array", .body = "[]", .verdict = BAD, .word = "the body is a JSON array"},
	{"null", .body = "null", .verdict = BAD, .word = "the body is a JSON null"},
	{"a string", .body = "\"x\"", .verdict = BAD, .word = "the body is a JSON string"},
	{"a NUL in a string", .body = WITH("\"a\":\"\\u0000\""), .verdict = JOB_UNSTORABLE, .word = "NUL"},
	{"a NUL in a name", .body = WITH("\"a\\u0000\":1"), .verdict = JOB_UNSTORABLE, .word = "NUL"},
	{"bytes", .body = WITH("\"a\":\"\xFF\""), .verdict = JOB_UNSTORABLE, .word = "UTF-8"},
	{"half a pair", .body = WITH("\"a\":\"\\ud800\""), .verdict = JOB_UNSTORABLE, .word = "surrogate"},
	{"a number too large", .body = WITH("\"a\":1e999"), .verdict = JOB_UNSTORABLE, .word = "number"},

	{"no topic", .body = "{\"task_id\":\"" TASK "\"}", .verdict = BAD, .word = "'topic' is missing"},
	{"topic null", .body = "{\"topic\":null,\"task_id\":\"" TASK "\"}", .verdict = BAD, .word = "'topic' is missing"},
	{"topic blank", .body = "{\"topic\":\" \\t\\n\",\"task_id\":\"" TASK "\"}", .verdict = BAD, .word = "'topic' is blank"},
	{"topic empty", .body = "{\"topic\":\"\",\"task_id\":\"" TASK "\"}", .verdict = BAD, .word = "'topic' is blank"},
	{"topic a number", .body = "{\"topic\":7,\"task_id\":\"" TASK "\"}", .verdict = BAD, .word = "'topic' is of type int; it must be of type string"},
	{"no task_id", .body = "{\"topic\":\"x\"}", .verdict = BAD, .word = "'task_id' is missing"},
	{"task_id no UUID", .body = "{\"topic\":\"x\",\"task_id\":\"7\"}", .verdict = BAD, .word = "'task_id' is no UUID"},
	{"task_id a number", .body = "{\"topic\":\"x\",\"task_id\":7}", .verdict = BAD, .word = "'task_id' is of type int"},
	{"task_id with braces", .body = "{\"topic\":\"x\",\"task_id\":\"{" TASK "}\"}", .verdict = BAD, .word = "'task_id' is no UUID"},
	{"user_id no UUID", .body = WITH("\"user_id\":\"me\""), .verdict = BAD, .word = "'user_id' is no UUID"},
	{"user_id empty", .body = WITH("\"user_id\":\"\""), .verdict = BAD, .word = "'user_id' is no UUID"},
	{"user_id a list", .body = WITH("\"user_id\":[]"), .verdict = BAD, .word = "'user_id' is of type array"},
	{"client_id a number", .body = WITH("\"client_id\":1"), .verdict = BAD, .word = "'client_id' is of type int"},
	{"preferences a list", .body = WITH("\"user_preferences\":[]"), .verdict = BAD, .word = "'user_preferences' is of type array; it must be of type object"},
	{"voice a string", .body = WITH("\"voice_params\":\"x\""), .verdict = BAD, .word = "'voice_params' is of type string"},
	{"scenarios a string", .body = WITH("\"test_scenarios\":\"x\""), .verdict = BAD, .word = "'test_scenarios' is of type string"},
	{"a scenario null", .body = WITH("\"test_scenarios\":{\"vfa\":null}"), .verdict = BAD, .word = "'test_scenarios.vfa'"},
	{"a scenario empty", .body = WITH("\"test_scenarios\":{\"vfa\":\"\"}"), .verdict = BAD, .word = "'test_scenarios.vfa'"},
	{"a scenario of two lines", .body = WITH("\"test_scenarios\":{\"vfa\":\"a\\r\\nX: y\"}"), .verdict = BAD, .word = "'test_scenarios.vfa'"},
	{"a scenario beyond ASCII", .body = WITH("\"test_scenarios\":{\"vfa\":\"\xC3\xA4\"}"), .verdict = BAD, .word = "'test_scenarios.vfa'"},

	{"no content_type", .content_type = NONE},
	{"with a charset", .content_type = "Application/JSON; charset=utf-8"},
	{"with a blank", .content_type = "application/json "},
	{"content_type empty", .content_type = "", .verdict = BAD, .word = "content_type"},
	{"content_type text", .content_type = "text/plain", .verdict = BAD, .word = "content_type"},
	{"content_type longer", .content_type = "application/jsonp", .verdict = BAD, .word = "content_type"},

	{"no message_id", .message_id = NONE, .verdict = BAD, .word = "message_id is missing"},
	{"message_id empty", .message_id = "", .verdict = BAD, .word = "message_id is missing"},
	{"message_id empty with a key", .message_id = "", .key = "k", .verdict = BAD, .word = "message_id is missing"},
	{"message_id of two lines", .message_id = "a\r\nb", .verdict = BAD, .word = "message_id is no clean text"},
	{"message_id with a broken byte", .message_id = "a\001b", .key = "k", .verdict = BAD, .word = "message_id is no clean text"},
	{"message_id beyond ASCII", .message_id = "\xC3\xA4", .verdict = BAD, .word = "message_id serves as idempotency key"},
	{"message_id beyond ASCII with a key", .message_id = "\xC3\xA4", .key = "k"},
	{"key empty", .key = "", .verdict = BAD, .word = "X-Idempotency-Key"},
	{"key with a line end", .key = "a\nb", .verdict = BAD, .word = "X-Idempotency-Key"},
	{"key with a tab", .key = "a\tb", .verdict = BAD, .word = "X-Idempotency-Key"},
	{"key with DEL", .key = "a\x7F", .verdict = BAD, .word = "X-Idempotency-Key"},
	{"key beyond ASCII", .key = "\xC3\xA4", .verdict = BAD, .word = "X-Idempotency-Key"},
	{"key of all printables", .key = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~az09"},
	{"workflow id", .id = TASK},
	{"workflow id in capitals", .id = "AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"},
	{"workflow id empty", .id = "", .verdict = BAD, .word = "X-Workflow-ID"},
	{"workflow id no UUID", .id = "aaaaaaaabbbbccccddddeeeeeeeeeeee", .verdict = BAD, .word = "X-Workflow-ID"},
	{"reply_to of two lines", .reply_to = "a\nb", .verdict = BAD, .word = "reply_to"},
	{"reply_to with a broken byte", .reply_to = "a\001", .verdict = BAD, .word = "reply_to"},
	{"correlation_id with DEL", .correlation_id = "\x7F", .verdict = BAD, .word = "correlation_id"},
};
/* clang-format on */

Test(job, is_good_or_refused_with_a_reason_and_a_sentence)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++) {
		const struct letter *l = &letters[i];
		enum job_verdict verdict = read_letter(l);

		cr_assert_eq(verdict, l->verdict, "%s: %s %s", l->what, job_reason(verdict),
			     err.text);
		cr_assert_eq(job.workflow, &podcast_generation, "%s", l->what);
		if (verdict == JOB_GOOD) {
			cr_assert(args && job.key && job.text, "%s", l->what);
			cr_assert_eq(err.class, ERR_NONE, "%s", l->what);
			continue;
		}
		cr_assert_null(args, "%s", l->what);
		cr_assert_eq(err.class, ERR_REJECT, "%s", l->what);
		cr_assert(strstr(err.text, l->word), "%s: %s", l->what, err.text);
		cr_assert(utf8_ok(err.text, strlen(err.text)), "%s", l->what);
	}
}

Test(job, reasons_are_those_of_the_interface)
{
	static const char *const reasons[JOB_VERDICTS] = {
		"good",	     "invalid_json",   "invalid_job",	       "unknown_type",
		"too_large", "unstorable",     "idempotency_conflict", "crash_loop",
		"expired",   "delivery_limit", "queue_full",	       "broker_rejected"};

	for (int i = 0; i < JOB_VERDICTS; i++)
		cr_assert_str_eq(job_reason((enum job_verdict)i), reasons[i]);
}

Test(job, of_an_unknown_type_is_told_by_its_name)
{
	for (size_t n = 60; n < 70; n++) {
		char *key = repeated("\xC3\xA4", n);
		struct mq_message m = {.routing_key = n % 2 ? key : key + 2, .body = GOOD};

		cr_assert_eq(job_read(&job, &arena, NULL, &m, &args, &err), JOB_UNKNOWN_TYPE);
		cr_assert(strstr(err.text, "is no type of job"));
		m.routing_key = "";
		cr_assert_eq(job_read(&job, &arena, NULL, &m, &args, &err), JOB_UNKNOWN_TYPE);
		free(key);
	}
}

/* Names and values of strangers are shown in part: never a part of a character, for then no row
 * would take the sentence. */
Test(job, sentences_are_always_text)
{
	for (size_t offset = 0; offset < 4; offset++) {
		char *euros = repeated("\xE2\x82\xAC", 100);
		struct mq_message m = {.body = GOOD};
		struct strbuf sb;

		strbuf_init(&sb, 4096);
		strbuf_addf(&sb, "%.*s%s", (int)offset, "xxxx", euros);
		m.routing_key = sb.buf;
		cr_assert_eq(job_read(&job, &arena, NULL, &m, &args, &err), JOB_UNKNOWN_TYPE);
		cr_assert(utf8_ok(err.text, strlen(err.text)), "%s", err.text);
		strbuf_reset(&sb);
		strbuf_addf(&sb,
			    "{\"topic\":\"x\",\"task_id\":\"" TASK
			    "\",\"test_scenarios\":{\"%.*s%s\":1}}",
			    (int)offset, "xxxx", euros);
		cr_assert_eq(read_letter(&(struct letter){.body = sb.buf}), JOB_INVALID_JOB);
		cr_assert(strstr(err.text, "test_scenarios."));
		cr_assert(utf8_ok(err.text, strlen(err.text)), "%s", err.text);
		strbuf_release(&sb);
		free(euros);
	}
}

/* ---- limits at their edges ---- */

Test(job, names_and_keys_have_255_bytes)
{
	char *fits = repeated("x", 255), *longer = repeated("x", 256);
	char *wide = repeated("\xC3\xA4", 128);
	const struct letter good[] = {
		{.key = fits}, {.message_id = fits}, {.reply_to = fits}, {.correlation_id = fits}};
	const struct letter bad[] = {
		{.key = longer, .word = "X-Idempotency-Key must be 1 to 255"},
		{.message_id = longer, .word = "message_id"},
		{.message_id = wide, .key = "k", .word = "message_id"},
		{.reply_to = longer, .word = "reply_to"},
		{.correlation_id = longer, .word = "correlation_id"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		cr_assert_eq(read_letter(&good[i]), JOB_GOOD, "%zu: %s", i, err.text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_assert_eq(read_letter(&bad[i]), JOB_INVALID_JOB, "%zu", i);
		cr_assert(strstr(err.text, bad[i].word), "%s", err.text);
	}
	free(fits);
	free(longer);
	free(wide);
}

static enum job_verdict with_text(const char *before, const char *character, size_t n)
{
	char *text = repeated(character, n);
	struct strbuf sb;
	enum job_verdict verdict;

	strbuf_init(&sb, 4 << 20);
	strbuf_addf(&sb, "{\"task_id\":\"" TASK "\",%s%s\"}}", before, text);
	if (!strchr(before, '{'))
		strbuf_cut(&sb, sb.len - 1);
	verdict = read_letter(&(struct letter){.body = sb.buf});
	free(text);
	strbuf_release(&sb);
	return verdict;
}

Test(job, texts_are_counted_in_characters)
{
	static const struct {
		const char *before, *field;
		size_t max;
	} fields[] = {
		{"\"topic\":\"", "topic", 2000},
		{"\"topic\":\"x\",\"client_id\":\"", "client_id", 255},
	};

	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(with_text(fields[i].before, "x", fields[i].max), JOB_GOOD);
		cr_assert_eq(with_text(fields[i].before, "\xE2\x82\xAC", fields[i].max), JOB_GOOD);
		cr_assert_eq(with_text(fields[i].before, "\xE2\x82\xAC", fields[i].max + 1),
			     JOB_INVALID_JOB);
		cr_assert(strstr(err.text, fields[i].field), "%s", err.text);
	}
	cr_assert_eq(with_text("\"topic\":\"x\",\"test_scenarios\":{\"pswa\":\"", "x", 100),
		     JOB_GOOD, "%s", err.text);
	cr_assert_eq(with_text("\"topic\":\"x\",\"test_scenarios\":{\"pswa\":\"", "x", 101),
		     JOB_INVALID_JOB);
}

Test(job, body_has_one_mebibyte)
{
	size_t rest = BODY_MAX - strlen(WITH("\"a\":\"\""));
	struct mq_message m = {.message_id = "m", .routing_key = "podcast_generation"};
	struct strbuf sb;

	strbuf_init(&sb, 2 * BODY_MAX);
	strbuf_adds(&sb, "{\"topic\":\"Bees\",\"task_id\":\"" TASK "\",\"a\":\"");
	while (rest--)
		strbuf_addc(&sb, 'x');
	strbuf_adds(&sb, "\"}");
	m.body = sb.buf;
	m.body_len = m.body_size = sb.len;
	cr_assert_eq(m.body_size, 1 << 20);
	cr_assert_eq(read_message(&m), JOB_GOOD, "%s", err.text);
	m.body_size++; /* the connection has cut it */
	cr_assert_eq(read_message(&m), JOB_TOO_LARGE);
	cr_assert_str_eq(err.text, "the body has 1048577 bytes; at most 1048576 are allowed");
	cr_assert_null(args);
	strbuf_release(&sb);
}

Test(job, is_32_deep_at_most)
{
	for (size_t depth = 31; depth <= 33; depth++) {
		char *open = repeated("[", depth - 1), *close = repeated("]", depth - 1);
		struct strbuf sb;
		enum job_verdict verdict;

		strbuf_init(&sb, 4096);
		strbuf_addf(&sb, "{\"topic\":\"x\",\"task_id\":\"" TASK "\",\"a\":%s%s}", open,
			    close);
		verdict = read_letter(&(struct letter){.body = sb.buf});
		cr_assert_eq(verdict, depth <= 32 ? JOB_GOOD : JOB_INVALID_JSON, "%zu", depth);
		cr_assert(depth <= 32 || strstr(err.text, "nested too deep"), "%s", err.text);
		free(open);
		free(close);
		strbuf_release(&sb);
	}
}

Test(job, whose_headers_did_not_all_come_is_refused)
{
	struct mq_header headers[MQ_HEADERS_MAX];
	struct mq_message m = {.message_id = "m",
			       .routing_key = "podcast_generation",
			       .headers = headers,
			       .n_headers = MQ_HEADERS_MAX,
			       .body = GOOD,
			       .body_len = strlen(GOOD),
			       .body_size = strlen(GOOD)};

	for (size_t i = 0; i < MQ_HEADERS_MAX; i++)
		headers[i] = (struct mq_header){"x", "y"};
	cr_assert_eq(read_message(&m), JOB_GOOD);
	m.headers_cut = true;
	cr_assert_eq(read_message(&m), JOB_INVALID_JOB, "the key may be among those left out");
	cr_assert(strstr(err.text, "64 headers"), "%s", err.text);
	m.n_headers = 3; /* a long value was cut: it is judged by itself */
	cr_assert_eq(read_message(&m), JOB_GOOD);
}

/* ---- what is read ---- */

Test(job, key_is_the_header_or_else_the_message_id)
{
	cr_assert_eq(read_letter(&(struct letter){.key = "k 1"}), JOB_GOOD);
	cr_assert_str_eq(job.key, "k 1");
	cr_assert_eq(read_letter(&(struct letter){.message_id = "m 1"}), JOB_GOOD);
	cr_assert_str_eq(job.key, "m 1");
}

Test(job, workflow_id_is_the_callers_or_a_new_one)
{
	char text[UUID_TEXT_SIZE];
	struct uuid first;

	cr_assert_eq(read_letter(&(struct letter){.id = TASK}), JOB_GOOD);
	uuid_to_text(&job.workflow_id, text);
	cr_assert_str_eq(text, TASK);
	cr_assert(job.workflow_id_given);
	cr_assert_eq(read_letter(&(struct letter){0}), JOB_GOOD);
	cr_assert(!job.workflow_id_given && !uuid_is_zero(&job.workflow_id));
	first = job.workflow_id;
	cr_assert_eq(read_letter(&(struct letter){0}), JOB_GOOD);
	cr_assert(!uuid_equal(&first, &job.workflow_id));
}

Test(job, names_of_the_arguments)
{
	char text[UUID_TEXT_SIZE];

	cr_assert_eq(read_letter(&(struct letter){
			     .body = WITH("\"client_id\":\"c\\n1\",\"user_id\":"
					  "\"12345678-0000-0000-0000-000000000001\"")}),
		     JOB_GOOD);
	cr_assert_str_eq(job.client_id, "c\n1");
	cr_assert_str_eq(job.task_id, TASK);
	uuid_to_text(&job.user_id, text);
	cr_assert_str_eq(text, "12345678-0000-0000-0000-000000000001");
	cr_assert_eq(read_letter(&(struct letter){.body = WITH("\"client_id\":\"\"")}), JOB_GOOD);
	cr_assert_null(job.client_id, "an empty one is none");
	cr_assert(uuid_is_zero(&job.user_id));
}

Test(job, reply_to_and_correlation_id)
{
	cr_assert_eq(read_letter(&(struct letter){.reply_to = "amq.rabbitmq.reply-to.g1\xC3\xA4",
						  .correlation_id = "c 1"}),
		     JOB_GOOD);
	cr_assert_str_eq(job.reply_to, "amq.rabbitmq.reply-to.g1\xC3\xA4");
	cr_assert_str_eq(job.correlation_id, "c 1");
	cr_assert_eq(read_letter(&(struct letter){.reply_to = "", .correlation_id = ""}), JOB_GOOD);
	cr_assert(!job.reply_to && !job.correlation_id);
	cr_assert_eq(read_letter(&(struct letter){0}), JOB_GOOD);
	cr_assert(!job.reply_to && !job.correlation_id);
}

Test(job, trace_is_carried_or_left)
{
	static const char *const broken[] = {
		"",
		"00",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		PARENT "x",
		"\r\n"};
	char text[TRACE_PARENT_SIZE];

	cr_assert_eq(read_letter(&(struct letter){.parent = PARENT, .state = "a=1,b=2"}), JOB_GOOD);
	cr_assert(job.traced);
	trace_text(&job.parent, text);
	cr_assert_str_eq(text, PARENT);
	cr_assert_str_eq(job.tracestate, "a=1,b=2");
	cr_assert_eq(read_letter(&(struct letter){.parent = PARENT, .state = "a\r\nb"}), JOB_GOOD);
	cr_assert(job.traced && !job.tracestate, "a state that is no header is dropped");
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		cr_assert_eq(read_letter(&(struct letter){.parent = broken[i], .state = "a=1"}),
			     JOB_GOOD, "never a reason to refuse");
		cr_assert(!job.traced && !job.tracestate, "%s", broken[i]);
	}
}

Test(job, digest_is_of_the_arguments_not_of_their_white_space)
{
	static const char *const same[] = {
		"{\"topic\":\"B\",\"task_id\":\"" TASK "\",\"n\":1.50}",
		" {\n\t\"topic\" : \"B\" ,\r\n\"task_id\":\"" TASK "\" , \"n\": 1.50 } \n",
		"{\"topic\":\"\\u0042\",\"task_id\":\"" TASK "\",\"n\":1.50}"};
	static const char *const others[] = {
		"{\"topic\":\"b\",\"task_id\":\"" TASK "\",\"n\":1.50}",
		"{\"topic\":\"B\",\"task_id\":\"" TASK "\",\"n\":1.51}",
		"{\"topic\":\"B \",\"task_id\":\"" TASK "\",\"n\":1.50}",
		"{\"topic\":\"B\",\"task_id\":\"" TASK "\"}"};
	uint8_t first[DIGEST_SIZE];

	cr_assert_eq(read_letter(&(struct letter){.body = same[0]}), JOB_GOOD);
	memcpy(first, job.digest, sizeof(first));
	for (size_t i = 0; i < 3; i++) {
		uint8_t again[DIGEST_SIZE];

		cr_assert_eq(read_letter(&(struct letter){.body = same[i], .key = "other"}),
			     JOB_GOOD);
		cr_assert_arr_eq(job.digest, first, DIGEST_SIZE, "%s", same[i]);
		cr_assert_str_eq(job.text, same[0]);
		cr_assert_eq(job.text_len, strlen(same[0]));
		digest(job.text, job.text_len, again);
		cr_assert_arr_eq(again, first, DIGEST_SIZE);
	}
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(read_letter(&(struct letter){.body = others[i]}), JOB_GOOD);
		cr_assert_arr_neq(job.digest, first, DIGEST_SIZE, "%s", others[i]);
	}
}

Test(job, time_of_publishing)
{
	static const struct {
		uint64_t seconds;
		int64_t us;
	} rows[] = {{0, 0},
		    {1, 1000000},
		    {1749893400, 1749893400000000},
		    {32503679999, 32503679999000000},
		    {32503680000, 0}, /* the year 3000: a sender that counts milliseconds, say */
		    {UINT64_MAX, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct mq_message m = {.message_id = "m",
				       .routing_key = "podcast_generation",
				       .timestamp = rows[i].seconds,
				       .body = GOOD,
				       .body_len = strlen(GOOD),
				       .body_size = strlen(GOOD)};

		cr_assert_eq(read_message(&m), JOB_GOOD);
		cr_assert_eq(job.published_us, rows[i].us, "%zu", i);
	}
}

Test(job, header_safe_takes_printable_ascii)
{
	cr_assert(header_safe("x", 1) && header_safe(" ~", 2));
	cr_assert(!header_safe("", 1) && !header_safe("xx", 1));
	for (int c = 1; c < 256; c++) {
		const char s[] = {'a', (char)c, '\0'};

		cr_assert_eq(header_safe(s, 9), c >= 0x20 && c < 0x7F, "%d", c);
	}
}
