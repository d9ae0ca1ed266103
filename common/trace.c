#include "cpoa/trace.h"

#include <string.h>
#include <sys/random.h>

#include "cpoa/err.h"

enum { FLAG_SAMPLED = 1 };

static bool all_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* Ids of zeros alone are invalid (§3.2.2.3, §3.2.2.4). */
static void random_id(uint8_t *bytes, size_t n)
{
	do {
		if (getrandom(bytes, n, 0) != (ssize_t)n)
			BUG("the kernel has no random numbers");
	} while (all_zero(bytes, n));
}

struct trace trace_new(void)
{
	struct trace t = {.flags = FLAG_SAMPLED};

	random_id(t.trace_id, sizeof(t.trace_id));
	random_id(t.span_id, sizeof(t.span_id));
	return t;
}

struct trace trace_child(const struct trace *parent)
{
	struct trace t = *parent;

	random_id(t.span_id, sizeof(t.span_id));
	return t;
}

/* Lower case only (§3.2.1). */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(text[2 * i]);
		int lo = hex_digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi * 16 + lo);
	}
	return true;
}

static char *write_hex(char *out, const uint8_t *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = hex[bytes[i] >> 4];
		*out++ = hex[bytes[i] & 15];
	}
	return out;
}

bool trace_parse(struct trace *out, const char *text)
{
	enum { TRACE_ID = 3, SPAN_ID = 36, FLAGS = 53, END = 55 };
	struct trace t;
	uint8_t version;

	if (!text || strnlen(text, END) < END)
		return false;
	if (text[TRACE_ID - 1] != '-' || text[SPAN_ID - 1] != '-' || text[FLAGS - 1] != '-')
		return false;
	if (!read_hex(text, &version, 1) || !read_hex(text + TRACE_ID, t.trace_id, 16) ||
	    !read_hex(text + SPAN_ID, t.span_id, 8) || !read_hex(text + FLAGS, &t.flags, 1))
		return false;
	/* A later version may add fields at the end; 0xff is forbidden (§3.2.2.1, §3.2.4). */
	if (version == 0xFF || (text[END] != '\0' && (version == 0 || text[END] != '-')))
		return false;
	if (all_zero(t.trace_id, 16) || all_zero(t.span_id, 8))
		return false;
	/* Flags that are not defined yet are not passed on (§3.2.2.5.2). */
	t.flags &= FLAG_SAMPLED;
	*out = t;
	return true;
}

void trace_text(const struct trace *t, char out[TRACE_PARENT_SIZE])
{
	char *p = out;

	p = write_hex(p, (const uint8_t[]){0}, 1);
	*p++ = '-';
	p = write_hex(p, t->trace_id, 16);
	*p++ = '-';
	p = write_hex(p, t->span_id, 8);
	*p++ = '-';
	p = write_hex(p, &t->flags, 1);
	*p = '\0';
}

bool trace_state_ok(const char *text)
{
	size_t len = text ? strnlen(text, TRACE_STATE_MAX + 1) : 0;

	if (len < 1 || len > TRACE_STATE_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7E)
			return false;
	}
	return true;
}
