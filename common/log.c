#include "cpoa/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

/* On the stack of whoever logs; KEPT bytes of it are for what closes a line that was cut. */
enum { LOG_LINE_MAX = 12 * 1024, KEPT = 64, THREAD_NAME_SIZE = 16 };

/* A value is at most 6 bytes a byte (\u0001), and one such value fits beside what every line has.
 */
_Static_assert(LOG_LINE_MAX - KEPT >= 6 * LOG_VALUE_MAX + 2048, "a line holds a value");

struct line {
	size_t len;
	bool full; /* something did not fit */
	char buf[LOG_LINE_MAX];
};

static struct {
	enum log_level least;
	enum log_format format;
	const char *service, *version;
	bool colour;
} setup = {.least = LOG_INFO, .format = LOG_TEXT, .service = "cpoa", .version = ""};

static _Thread_local char thread_name[THREAD_NAME_SIZE];

void log_setup(enum log_level least, enum log_format format, const char *service,
	       const char *version)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there are no threads yet */
	const char *no_color = getenv("NO_COLOR");

	setup.least = least;
	setup.format = format;
	setup.service = service;
	setup.version = version;
	setup.colour = format == LOG_TEXT && !(no_color && *no_color) && isatty(STDERR_FILENO);
}

void log_thread_name(const char *name)
{
	size_t len = utf8_cut(name, strlen(name), THREAD_NAME_SIZE - 1);

	memcpy(thread_name, name, len);
	thread_name[len] = '\0';
	pthread_setname_np(pthread_self(), thread_name);
}

/* A thread of a library has the name that the library gave it. */
static const char *own_thread_name(void)
{
	if (!thread_name[0])
		pthread_getname_np(pthread_self(), thread_name, sizeof(thread_name));
	return thread_name;
}

bool log_wants(enum log_level level)
{
	return level >= setup.least;
}

/* ---- putting a line together ---- */

static void put(struct line *line, const char *s, size_t len)
{
	if (line->full || len > sizeof(line->buf) - KEPT - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->buf + line->len, s, len);
	line->len += len;
}

static void puts_line(struct line *line, const char *s)
{
	put(line, s, strlen(s));
}

/* What ends a line, moves a cursor or turns text round: C0, DEL, C1, U+2028 and U+2029, and what
 * the Unicode standard calls Bidi_Control. */
static bool is_control(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;

	if (n == 1)
		return u[0] < 0x20 || u[0] == 0x7F;
	if (n == 2)
		return (u[0] == 0xC2 && u[1] < 0xA0) || (u[0] == 0xD8 && u[1] == 0x9C);
	if (n != 3 || u[0] != 0xE2)
		return false;
	if (u[1] == 0x80)
		return (u[2] >= 0xA8 && u[2] <= 0xAE) || u[2] == 0x8E || u[2] == 0x8F;
	return u[1] == 0x81 && u[2] >= 0xA6 && u[2] <= 0xA9;
}

static unsigned code_point(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;

	if (n == 1)
		return u[0];
	if (n == 2)
		return (u[0] & 0x1FU) << 6 | (u[1] & 0x3FU);
	return (u[0] & 0x0FU) << 12 | (u[1] & 0x3FU) << 6 | (u[2] & 0x3FU);
}

static void put_escaped(struct line *line, const char *s, size_t n)
{
	char escape[8];

	switch (*s) {
	case '\n':
		puts_line(line, "\\n");
		break;
	case '\r':
		puts_line(line, "\\r");
		break;
	case '\t':
		puts_line(line, "\\t");
		break;
	default:
		snprintf(escape, sizeof(escape), "\\u%04x", code_point(s, n) & 0xFFFF);
		puts_line(line, escape);
	}
}

/* As in a JSON string, which serves the text form too; `quoted` escapes quotes and backslashes. */
static void put_value(struct line *line, const char *s, bool quoted)
{
	size_t len = strnlen(s, LOG_VALUE_MAX + 1);

	if (len > LOG_VALUE_MAX) {
		len = LOG_VALUE_MAX;
		for (int i = 0; i < 3 && ((unsigned char)s[len] & 0xC0) == 0x80; i++)
			len--;
	}
	for (size_t at = 0; at < len;) {
		size_t n = utf8_char(s + at, len - at);

		if (n == 0) {
			puts_line(line, "\xEF\xBF\xBD");
			n = 1;
		} else if (quoted && (s[at] == '"' || s[at] == '\\')) {
			put(line, (const char[]){'\\', s[at]}, 2);
		} else if (is_control(s + at, n)) {
			put_escaped(line, s + at, n);
		} else {
			put(line, s + at, n);
		}
		at += n;
	}
}

static void put_quoted(struct line *line, const char *s)
{
	puts_line(line, "\"");
	put_value(line, s, true);
	puts_line(line, "\"");
}

static void put_int(struct line *line, int64_t n)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, n);
	puts_line(line, digits);
}

static bool id_text(const struct log_field *field, char out[UUID_TEXT_SIZE])
{
	if (uuid_is_zero(&field->id))
		return false;
	if (field->kind == LOG_KIND_UUID)
		uuid_to_text(&field->id, out);
	else
		for (size_t i = 0; i < sizeof(field->id.bytes); i++)
			snprintf(out + 2 * i, 3, "%02x", field->id.bytes[i]);
	return true;
}

/* ---- JSON ---- */

static void json_key(struct line *line, const char *key)
{
	puts_line(line, ",");
	put_quoted(line, key);
	puts_line(line, ":");
}

static void json_pair(struct line *line, const char *key, const char *value)
{
	json_key(line, key);
	put_quoted(line, value);
}

static void begin_json(struct line *line, enum log_level level, const char *message)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	char now[CLOCK_TEXT_SIZE];

	clock_text(now, clock_wall_us());
	puts_line(line, "{\"@timestamp\":");
	put_quoted(line, now);
	json_pair(line, "log.level", names[level]);
	json_pair(line, "message", message);
	json_pair(line, "ecs.version", "8.11.0");
	json_pair(line, "service.name", setup.service);
	json_pair(line, "service.version", setup.version);
	json_pair(line, "process.thread.name", own_thread_name());
}

static void json_field(struct line *line, const struct log_field *field)
{
	char id[UUID_TEXT_SIZE];

	switch (field->kind) {
	case LOG_KIND_STR:
		if (field->s)
			json_pair(line, field->key, field->s);
		break;
	case LOG_KIND_INT:
		json_key(line, field->key);
		put_int(line, field->n);
		break;
	case LOG_KIND_UUID:
	case LOG_KIND_HEX:
		if (id_text(field, id))
			json_pair(line, field->key, id);
		break;
	case LOG_KIND_END:
		break;
	}
}

/* ---- text ---- */

static void text_begin(struct line *line, enum log_level level, const char *message)
{
	static const char *const names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
	static const char *const colours[] = {"\033[2m", "\033[32m", "\033[33m", "\033[31m"};
	int64_t now_us = clock_wall_us();
	char now[CLOCK_TEXT_SIZE], ms[8];

	clock_text_local(now, now_us);
	snprintf(ms, sizeof(ms), ".%03u ", (unsigned)(now_us / 1000 % 1000) % 1000);
	puts_line(line, now);
	puts_line(line, ms);
	if (setup.colour)
		puts_line(line, colours[level]);
	puts_line(line, names[level]);
	if (setup.colour)
		puts_line(line, "\033[0m");
	puts_line(line, " [");
	put_value(line, own_thread_name(), false);
	puts_line(line, "] ");
	put_value(line, message, false);
}

static void text_key(struct line *line, const char *key)
{
	puts_line(line, " ");
	puts_line(line, key);
	puts_line(line, "=");
}

static void text_field(struct line *line, const struct log_field *field)
{
	char id[UUID_TEXT_SIZE];

	switch (field->kind) {
	case LOG_KIND_STR:
		if (!field->s)
			break;
		text_key(line, field->key);
		if (field->s[0] && !strpbrk(field->s, " \"=\\"))
			put_value(line, field->s, false);
		else
			put_quoted(line, field->s);
		break;
	case LOG_KIND_INT:
		text_key(line, field->key);
		put_int(line, field->n);
		break;
	case LOG_KIND_UUID:
	case LOG_KIND_HEX:
		if (!id_text(field, id))
			break;
		text_key(line, field->key);
		puts_line(line, id);
		break;
	case LOG_KIND_END:
		break;
	}
}

/* ---- the line ---- */

/* A field that does not fit is left out whole, and the line says so. */
static void add_field(struct line *line, const struct log_field *field, bool *cut)
{
	size_t mark = line->len;

	if (setup.format == LOG_JSON)
		json_field(line, field);
	else
		text_field(line, field);
	if (line->full) {
		line->len = mark;
		line->full = false;
		*cut = true;
	}
}

static void finish(struct line *line, bool cut)
{
	const char *end = setup.format == LOG_JSON ? "}\n" : "\n";
	const char *note = setup.format == LOG_JSON ? ",\"log.truncated\":1" : " log.truncated=1";

	if (!cut)
		note = "";
	line->len += (size_t)snprintf(line->buf + line->len, sizeof(line->buf) - line->len, "%s%s",
				      note, end);
	assert(line->len < sizeof(line->buf));
}

bool log_may(struct log_limit *limit, int *unsaid)
{
	int64_t now = clock_mono_us() / 1000000, second = atomic_load(&limit->second);

	*unsaid = 0;
	if (now != second && atomic_compare_exchange_strong(&limit->second, &second, now))
		atomic_store(&limit->said, 0);
	if (atomic_fetch_add(&limit->said, 1) >= LOG_A_SECOND) {
		atomic_fetch_add(&limit->unsaid, 1);
		return false;
	}
	*unsaid = atomic_exchange(&limit->unsaid, 0);
	return true;
}

void log_line(enum log_level level, const char *message, ...)
{
	int saved = errno;
	struct line line;
	bool cut = false;
	va_list ap;

	if (!log_wants(level))
		return;
	line.len = 0;
	line.full = false;
	if (setup.format == LOG_JSON)
		begin_json(&line, level, message);
	else
		text_begin(&line, level, message);
	va_start(ap, message);
	for (;;) {
		struct log_field field = va_arg(ap, struct log_field);

		if (field.kind == LOG_KIND_END)
			break;
		add_field(&line, &field, &cut);
	}
	va_end(ap);
	finish(&line, cut);
	/* A log that cannot be written is lost: there is nowhere left to say so. */
	while (write(STDERR_FILENO, line.buf, line.len) < 0 && errno == EINTR)
		continue;
	errno = saved;
}
