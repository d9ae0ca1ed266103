/* conf: files, and .env. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_private.h"

/* ---- files ---- */

bool conf_read_file(const char *path, struct strbuf *sb, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int errnum = 0;
	char part[4096];
	ssize_t n;

	if (fd < 0)
		return err_errno(e, ERR_USAGE, errno, "cannot open %s", path);
	while ((n = read(fd, part, sizeof(part))) != 0 && !sb->failed) {
		if (n > 0)
			strbuf_add(sb, part, (size_t)n);
		else if (errno != EINTR)
			break;
	}
	if (n < 0)
		errnum = errno;
	close(fd);
	if (errnum)
		return err_errno(e, ERR_USAGE, errnum, "cannot read %s", path);
	if (sb->failed)
		return err_set(e, ERR_USAGE, "%s is longer than %d bytes", path, CONF_FILE_MAX);
	return true;
}

/* ---- .env ---- */

/* What is left of one line. */
struct rest {
	const char *s, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct rest *r)
{
	while (r->s < r->end && is_blank(*r->s))
		r->s++;
}

static bool at_end(const struct rest *r)
{
	return r->s == r->end || *r->s == '#';
}

static bool is_name_char(char c, bool first)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (!first && c >= '0' && c <= '9');
}

static bool read_name(struct rest *r, struct strbuf *name)
{
	static const char export[] = "export";
	size_t n = sizeof(export) - 1;

	if ((size_t)(r->end - r->s) > n && memcmp(r->s, export, n) == 0 && is_blank(r->s[n])) {
		r->s += n;
		skip_blanks(r);
	}
	while (r->s < r->end && is_name_char(*r->s, name->len == 0))
		strbuf_addc(name, *r->s++);
	skip_blanks(r);
	if (name->len == 0 || r->s == r->end || *r->s != '=')
		return false;
	r->s++;
	skip_blanks(r);
	return true;
}

/* In single quotes everything stands for itself; in double quotes \n \t \" \\ \$ are read. */
static bool read_quoted(struct rest *r, struct strbuf *value)
{
	char quote = *r->s++;

	while (r->s < r->end && *r->s != quote) {
		char c = *r->s++;

		if (c == '\\' && quote == '"' && r->s < r->end && strchr("nt\"\\$", *r->s)) {
			c = *r->s++;
			c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
		}
		strbuf_addc(value, c);
	}
	if (r->s == r->end)
		return false;
	r->s++;
	skip_blanks(r);
	return at_end(r);
}

/* Up to the end, or to a # behind a space; a # within a word belongs to it. */
static void read_bare(struct rest *r, struct strbuf *value)
{
	const char *from = r->s, *end = r->s;

	for (; r->s < r->end && !(*r->s == '#' && (r->s == from || is_blank(r->s[-1]))); r->s++) {
		if (!is_blank(*r->s))
			end = r->s + 1;
	}
	strbuf_add(value, from, (size_t)(end - from));
}

bool conf_dotenv_parse(const char *text, size_t len,
		       void (*set)(void *ctx, const char *name, const char *value), void *ctx,
		       struct err *e)
{
	AUTO(strbuf_release) struct strbuf name, value;
	const char *end = text + len;
	int number = 0;

	strbuf_init(&name, CONF_FILE_MAX);
	strbuf_init(&value, CONF_FILE_MAX);
	if (len > CONF_FILE_MAX)
		return err_set(e, ERR_USAGE, "it is longer than %d bytes", CONF_FILE_MAX);
	if (len && memchr(text, '\0', len))
		return err_set(e, ERR_USAGE, "it is no text: there is a NUL byte in it");
	for (const char *next = text; next < end;) {
		const char *stop = memchr(next, '\n', (size_t)(end - next));
		struct rest r = {next, stop ? stop : end};

		number++;
		next = stop ? stop + 1 : end;
		strbuf_reset(&name);
		strbuf_reset(&value);
		skip_blanks(&r);
		if (at_end(&r))
			continue;
		if (!read_name(&r, &name))
			return err_set(e, ERR_USAGE, "line %d is not NAME=value", number);
		if (r.s < r.end && (*r.s == '"' || *r.s == '\'')) {
			if (!read_quoted(&r, &value))
				return err_set(
					e, ERR_USAGE,
					"line %d: the quotes around the value of %.*s do not "
					"close at its end",
					number, CONF_SHOWN_MAX, name.buf);
		} else {
			read_bare(&r, &value);
		}
		set(ctx, name.buf, value.buf);
	}
	return true;
}

static void set_if_absent(void *ctx, const char *name, const char *value)
{
	(void)ctx;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up */
	if (setenv(name, value, 0) != 0)
		BUG("cannot set an environment variable");
}

bool conf_dotenv(const char *path, struct err *e)
{
	AUTO(strbuf_release) struct strbuf text;

	strbuf_init(&text, CONF_FILE_MAX);
	if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return true;
	if (!conf_read_file(path, &text, e))
		return false;
	if (!conf_dotenv_parse(text.buf, text.len, set_if_absent, NULL, e))
		return err_wrap(e, "%s", path);
	return true;
}
