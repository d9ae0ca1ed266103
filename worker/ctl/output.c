/* output: terminals, texts from strangers, JSON. */
#include "ctl/output.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

enum { WIDTH_MIN = 40, WIDTH_MAX = 1000, FIELD_COLUMNS = 12 };

static const char ellipsis[] = "\xe2\x80\xa6", replacement[] = "\xef\xbf\xbd";

/* ---- the terminal ---- */

static int bounded(long width)
{
	if (width < WIDTH_MIN)
		return WIDTH_MIN;
	return width > WIDTH_MAX ? WIDTH_MAX : (int)width;
}

int output_width(void)
{
	const char *columns = getenv("COLUMNS");
	long n = columns ? strtol(columns, NULL, 10) : 0;
	struct winsize size;

	if (n > 0)
		return bounded(n);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return bounded(size.ws_col);
	return 0;
}

/* Whether stdout is a terminal and NO_COLOR is unset or empty (no-color.org). */
static bool coloured(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

const char *status_colour(const char *status)
{
	static const struct {
		const char *status, *colour;
	} table[] = {
		{"completed", "\033[32m"},
		{"applied", "\033[32m"},
		{"completed_with_errors", "\033[33m"},
		{"in_progress", "\033[36m"},
		{"pending", "\033[33m"},
		{"failed", "\033[31m"},
		{"cancelled", "\033[31m"},
		{"changed", "\033[31m"},
		{"ok", "\033[32m"},
		{"warning", "\033[33m"},
		{"wrong", "\033[31m"},
	};

	if (!status || !coloured())
		return "";
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(status, table[i].status) == 0)
			return table[i].colour;
	return "";
}

const char *colour_end(const char *colour)
{
	return *colour ? "\033[0m" : "";
}

/* ---- text ---- */

static uint32_t code_point(const char *s, size_t n)
{
	uint32_t c = (unsigned char)*s & (n == 1 ? 0x7FU : 0xFFU >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3FU);
	return c;
}

/* wcwidth() knows only what the locale does; that of the environment may be "C". */
static int char_columns(uint32_t c)
{
	static bool ready;
	int n;

	if (!ready)
		ready = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
	n = wcwidth((wchar_t)c);
	return n < 0 ? 1 : n;
}

static bool turns_direction(uint32_t c)
{
	return c == 0x200E || c == 0x200F || c == 0x061C || (c >= 0x202A && c <= 0x202E) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

int text_columns(const char *s)
{
	size_t len = strlen(s), n;
	int columns = 0;

	for (; len > 0 && (n = utf8_char(s, len)) > 0; s += n, len -= n)
		columns += char_columns(code_point(s, n));
	return columns;
}

static void clean_char(struct strbuf *out, const char *s, size_t n)
{
	uint32_t c = n ? code_point(s, n) : 0;

	if (!n || is_control(c))
		strbuf_addc(out, ' ');
	else if (turns_direction(c))
		strbuf_adds(out, replacement);
	else
		strbuf_add(out, s, n);
}

void text_clean(struct strbuf *out, const char *s, int columns)
{
	size_t len = s ? strnlen(s, TEXT_CLEAN_MAX) : 0, fits = out->len;
	int used = 0;

	while (len > 0) {
		size_t n = utf8_char(s, len), start = out->len, step = n ? n : 1;

		clean_char(out, s, n);
		used += text_columns(out->buf + start);
		if (columns > 0 && used > columns) {
			strbuf_cut(out, fits);
			strbuf_adds(out, ellipsis);
			return;
		}
		/* One column stays for the ellipsis. */
		if (used < columns)
			fits = out->len;
		s += step;
		len -= step;
	}
}

static void print_named(const char *name, const char *value, const char *colour)
{
	AUTO(strbuf_release) struct strbuf sb;

	strbuf_init(&sb, 4 * TEXT_CLEAN_MAX);
	text_clean(&sb, value, 0);
	if (!sb.len)
		return;
	printf("%-*s%s%s%s\n", FIELD_COLUMNS, name, colour, sb.buf, colour_end(colour));
}

void print_field(const char *name, const char *value)
{
	print_named(name, value, "");
}

void print_field_coloured(const char *name, const char *value)
{
	print_named(name, value, status_colour(value));
}

void say(const char *fmt, ...)
{
	AUTO(strbuf_release) struct strbuf text, clean;
	va_list ap;

	strbuf_init(&text, TEXT_CLEAN_MAX);
	strbuf_init(&clean, 4 * TEXT_CLEAN_MAX);
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	text_clean(&clean, text.buf, 0);
	fflush(stdout); /* so that both streams on one terminal keep their order */
	fprintf(stderr, "cpoa: %s\n", clean.buf);
}

/* ---- JSON and times ---- */

void print_json(struct json_object *o)
{
	size_t len;
	char *text = json_text(o, &len);

	fwrite(text, 1, len, stdout);
	putchar('\n');
	fflush(stdout);
	free(text);
}

void json_set_time(struct json_object *o, const char *key, int64_t wall_us)
{
	char text[CLOCK_TEXT_SIZE];

	if (wall_us)
		clock_text(text, wall_us);
	json_set_str(o, key, wall_us ? text : NULL);
}

const char *time_text(char out[TIME_TEXT_SIZE], int64_t wall_us)
{
	_Static_assert((int)TIME_TEXT_SIZE == (int)CLOCK_TEXT_SIZE, "clock.h writes them");
	out[0] = '\0';
	if (wall_us)
		clock_text_local(out, wall_us);
	return out;
}

const char *took_text(char out[TIME_TEXT_SIZE], int64_t from_us, int64_t to_us)
{
	out[0] = '\0';
	if (from_us && to_us && to_us >= from_us)
		clock_duration_text(out, to_us - from_us);
	return out;
}
