#include "cpoa/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Takes a last character that was cut in two off again, so that a text stays UTF-8. */
static void drop_half_character(char *s)
{
	size_t len = strlen(s);
	size_t start = len;
	unsigned char lead;

	while (start > 0 && len - start < 3 && ((unsigned char)s[start - 1] & 0xC0) == 0x80)
		start--;
	if (start == 0)
		return;
	lead = (unsigned char)s[--start];
	if ((lead >= 0xC0 && len - start < 2) || (lead >= 0xE0 && len - start < 3) ||
	    (lead >= 0xF0 && len - start < 4))
		s[start] = '\0';
}

/* `text` may have been made from e->text: hence the caller's own buffer. */
static void store(struct err *e, char text[ERR_TEXT_MAX])
{
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			*p = ' ';
	}
	if (strlen(text) == ERR_TEXT_MAX - 1)
		drop_half_character(text);
	memcpy(e->text, text, ERR_TEXT_MAX);
}

static void append(char text[ERR_TEXT_MAX], const char *s)
{
	size_t len = strlen(text);
	size_t n = strnlen(s, ERR_TEXT_MAX - 1 - len);

	memcpy(text + len, s, n);
	text[len + n] = '\0';
}

bool err_set(struct err *e, enum err_class class, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX] = "";
	va_list ap;

	assert(e && class != ERR_NONE);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	store(e, text);
	e->class = class;
	memset(e->code, 0, sizeof(e->code));
	return false;
}

bool err_wrap(struct err *e, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX] = "";
	va_list ap;

	assert(e && e->class != ERR_NONE);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	append(text, ": ");
	append(text, e->text);
	store(e, text);
	return false;
}

bool err_errno(struct err *e, enum err_class class, int errnum, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX] = "";
	char reason[128];
	va_list ap;

	assert(e && class != ERR_NONE);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	append(text, ": ");
	append(text, strerror_r(errnum, reason, sizeof(reason)));
	store(e, text);
	e->class = class;
	memset(e->code, 0, sizeof(e->code));
	return false;
}

void err_bug(const char *file, int line, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "BUG at %s:%d: %s\n", file, line, text);
	abort();
}

static void *not_null(void *p)
{
	static const char words[] = "out of memory\n";

	if (p)
		return p;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		abort();
	abort();
}

/* One byte for none, because malloc(0) may be NULL and NULL means failure here. */
void *xmalloc(size_t size)
{
	return not_null(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return not_null(n && size ? calloc(n, size) : calloc(1, 1));
}

void *xrealloc(void *p, size_t size)
{
	return not_null(realloc(p, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return not_null(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	/* Not strndup(3), which under strict_string_checks wants a NUL that a message has not. */
	size_t len = strnlen(s, n);
	char *copy = xmalloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void free_ptr(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p));
	free(p);
}
