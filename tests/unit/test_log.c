#include "cpoa/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

static int64_t moment(void *ctx)
{
	(void)ctx;
	return INT64_C(1749893400123456);
}

static const struct clock_source held = {moment, moment, NULL};
static int captured = -1;

static void begin(void)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	clock_use(&held);
	captured = memfd_create("stderr", 0);
	cr_assert_geq(captured, 0);
	dup2(captured, STDERR_FILENO);
	log_thread_name("test");
}

TestSuite(log, .init = begin);

/* What was written since the last time. */
static const char *logged(void)
{
	static char text[1 << 16];
	ssize_t n = pread(captured, text, sizeof(text) - 1, 0);

	cr_assert_geq(n, 0);
	text[n] = '\0';
	cr_assert_eq(ftruncate(captured, 0), 0);
	lseek(captured, 0, SEEK_SET);
	return text;
}

Test(log, a_line_of_json)
{
	struct uuid id;

	cr_assert(uuid_from_text(&id, "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa"));
	log_setup(LOG_INFO, LOG_JSON, "cpoa", "0.1.0");
	log_info("workflow ended", log_uuid("workflow.id", &id),
		 log_str("event.outcome", "success"), log_str("left.out", NULL),
		 log_int("calls", -3), LOG_END);
	cr_expect_str_eq(logged(), "{\"@timestamp\":\"2025-06-14T09:30:00.123Z\",\"log.level\":"
				   "\"info\",\"message\":\"workflow ended\","
				   "\"ecs.version\":\"8.11.0\",\"service.name\":\"cpoa\",\"service."
				   "version\":\"0.1.0\","
				   "\"process.thread.name\":\"test\",\"workflow.id\":\"0b1c2d3e-"
				   "4f50-6172-8394-a5b6c7d8e9fa\","
				   "\"event.outcome\":\"success\",\"calls\":-3}\n");
}

Test(log, a_line_of_text)
{
	struct uuid id = {{0xab, [15] = 1}}, none = {{0}};
	struct err e;

	log_setup(LOG_DEBUG, LOG_TEXT, "cpoa", "0.1.0");
	err_set(&e, ERR_LOST, "the \"server\" is gone");
	log_warn("cannot commit", log_err(&e), log_int("n", 5), log_uuid("id", &id),
		 log_hex("trace", &id), log_uuid("no.id", &none), log_hex("no.trace", &none),
		 log_count("no", 0), log_count("two", 2), log_str("plain", "a/b"),
		 log_str("empty", ""), log_str("none", NULL), LOG_END);
	cr_expect_str_eq(logged(),
			 "2025-06-14 11:30:00.123 WARN  [test] cannot commit error.message=\"the "
			 "\\\"server\\\" is gone\" n=5 "
			 "id=ab000000-0000-0000-0000-000000000001 "
			 "trace=ab000000000000000000000000000001 two=2 plain=a/b empty=\"\"\n");
	log_debug("d", LOG_END);
	cr_expect_str_eq(logged(), "2025-06-14 11:30:00.123 DEBUG [test] d\n");
	log_error("e", LOG_END);
	cr_expect_str_eq(logged(), "2025-06-14 11:30:00.123 ERROR [test] e\n");
}

static int64_t second;

static int64_t later(void *ctx)
{
	(void)ctx;
	return second * 1000000;
}

Test(log, a_place_that_speaks_too_often_is_silent_and_counts)
{
	static struct log_limit limit;
	static const struct clock_source source = {later, later, NULL};
	int unsaid = -1;

	clock_use(&source);
	second = 7;
	for (int i = 0; i < LOG_A_SECOND; i++) {
		cr_assert(log_may(&limit, &unsaid));
		cr_assert_eq(unsaid, 0);
	}
	for (int i = 0; i < 3; i++)
		cr_assert_not(log_may(&limit, &unsaid));
	second = 8;
	cr_assert(log_may(&limit, &unsaid));
	cr_assert_eq(unsaid, 3);
	cr_assert(log_may(&limit, &unsaid));
	cr_assert_eq(unsaid, 0);
	clock_use(&held);
}

Test(log, levels)
{
	for (int least = LOG_DEBUG; least <= LOG_ERROR; least++) {
		log_setup((enum log_level)least, LOG_JSON, "s", "v");
		for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
			log_line((enum log_level)level, "x", LOG_END);
			cr_expect_eq(log_wants((enum log_level)level), level >= least);
			cr_expect_eq(logged()[0] == '{', level >= least);
		}
	}
}

/* What a value of strangers becomes: the string that a JSON reader sees, and what the text form
 * shows. */
Test(log, hostile_values)
{
	static const struct {
		const char *value, *json, *text;
	} rows[] = {
		{"a\nb\rc\td", "a\nb\rc\td", "a\\nb\\rc\\td"},
		{"x\"} {\"log.level\":\"error", "x\"} {\"log.level\":\"error",
		 "\"x\\\"} {\\\"log.level\\\":\\\"error\""},
		{"\\", "\\", "\"\\\\\""},
		{"\033[31m\007\x7F", "\033[31m\007\x7F", "\\u001b[31m\\u0007\\u007f"},
		{"\xC2\x9B"
		 "2J\xC2\x85",
		 "\xC2\x9B"
		 "2J\xC2\x85",
		 "\\u009b2J\\u0085"},
		{"\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAE", "\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAE",
		 "\\u2028\\u2029\\u202e"},
		{"\xE2\x81\xA6\xE2\x81\xA9\xE2\x80\x8F\xD8\x9C",
		 "\xE2\x81\xA6\xE2\x81\xA9\xE2\x80\x8F\xD8\x9C", "\\u2066\\u2069\\u200f\\u061c"},
		{"\xC3\xA4\xF0\x9F\x98\x80", "\xC3\xA4\xF0\x9F\x98\x80",
		 "\xC3\xA4\xF0\x9F\x98\x80"},
		{"\xFFx\xC3", "\xEF\xBF\xBDx\xEF\xBF\xBD", "\xEF\xBF\xBDx\xEF\xBF\xBD"},
		{"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD",
		 "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct json_object *o;
		struct err e;
		const char *line, *at;

		log_setup(LOG_INFO, LOG_JSON, "s", "v");
		log_info("m", log_str("k", rows[r].value), LOG_END);
		line = logged();
		cr_expect_eq(strchr(line, '\n'), line + strlen(line) - 1, "one line");
		cr_assert_eq(json_read(line, strlen(line), 2, JSON_STRICT, &o, &e), JSON_OK, "%s",
			     e.text);
		cr_expect_str_eq(json_str(o, "k"), rows[r].json, "row %zu", r);
		json_put(&o);

		log_setup(LOG_INFO, LOG_TEXT, "s", "v");
		log_info("m", log_str("k", rows[r].value), LOG_END);
		line = logged();
		at = strstr(line, " k=");
		cr_assert_not_null(at);
		cr_expect(strncmp(at + 3, rows[r].text, strlen(rows[r].text)) == 0 &&
				  strcmp(at + 3 + strlen(rows[r].text), "\n") == 0,
			  "row %zu: %s", r, line);
	}
}

Test(log, values_are_cut_between_characters)
{
	static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC",
						 "\xF0\x9F\x98\x80", "\xBF"};

	log_setup(LOG_INFO, LOG_JSON, "s", "v");
	for (size_t c = 0; c < 5; c++) {
		char value[3 * LOG_VALUE_MAX] = "-";
		size_t width = strlen(characters[c]), len = 1, shown;
		struct json_object *o;
		const char *line;
		struct err e;

		for (; len + width < sizeof(value); len += width)
			memcpy(value + len, characters[c], width);
		log_info("m", log_str("k", value), LOG_END);
		line = logged();
		cr_assert_eq(json_read(line, strlen(line), 2, JSON_STRICT, &o, &e), JSON_OK, "%s",
			     e.text);
		shown = strlen(json_str(o, "k"));
		if (c < 4)
			cr_expect(shown <= LOG_VALUE_MAX && shown > LOG_VALUE_MAX - width &&
					  strncmp(json_str(o, "k"), value, shown) == 0,
				  "character %zu: %zu bytes", c, shown);
		cr_expect_null(json_any(o, "log.truncated"));
		json_put(&o);
	}
}

Test(log, a_flood_is_cut_and_says_so)
{
	char bad[2 * LOG_VALUE_MAX];

	memset(bad, '\x01', sizeof(bad) - 1);
	bad[sizeof(bad) - 1] = '\0';
	for (int format = LOG_JSON; format <= LOG_TEXT; format++) {
		const char *line;
		size_t len;

		log_setup(LOG_INFO, (enum log_format)format, "s", "v");
		log_info("m", log_str("a", bad), log_str("b", bad), log_str("c", bad),
			 log_int("after", 1), LOG_END);
		line = logged();
		len = strlen(line);
		cr_expect(len > 6 * LOG_VALUE_MAX && len <= 16384, "%zu bytes", len);
		cr_expect_eq(strchr(line, '\n'), line + len - 1);
		cr_expect(strstr(line, "after"), "what fits comes still");
		cr_expect(strstr(line, "log.truncated"));
		if (format == LOG_JSON) {
			struct json_object *o;
			struct err e;

			cr_expect_eq(json_read(line, len, 2, JSON_STRICT, &o, &e), JSON_OK, "%s",
				     e.text);
			cr_expect_null(json_any(o, "c"));
			json_put(&o);
		}
	}
}

static void *log_from_thread(void *name)
{
	if (name)
		log_thread_name(name);
	log_info("hello", LOG_END);
	return NULL;
}

Test(log, threads_have_names)
{
	static char name[] = "a-very-long-thread-name";
	char kernel[32];
	pthread_t thread;

	log_setup(LOG_INFO, LOG_TEXT, "s", "v");
	pthread_create(&thread, NULL, log_from_thread, name);
	pthread_join(thread, NULL);
	cr_expect_str_eq(logged(), "2025-06-14 11:30:00.123 INFO  [a-very-long-thr] hello\n");
	/* One that a library made has the name that the kernel knows: here its maker's. */
	pthread_create(&thread, NULL, log_from_thread, NULL);
	pthread_join(thread, NULL);
	cr_expect_str_eq(logged(), "2025-06-14 11:30:00.123 INFO  [test] hello\n");
	pthread_getname_np(pthread_self(), kernel, sizeof(kernel));
	cr_expect_str_eq(kernel, "test");
}

Test(log, errno_survives_and_a_closed_stderr_is_borne)
{
	log_setup(LOG_INFO, LOG_TEXT, "s", "v");
	close(STDERR_FILENO);
	errno = ENOTTY;
	log_info("lost", LOG_END);
	cr_expect_eq(errno, ENOTTY);
}
