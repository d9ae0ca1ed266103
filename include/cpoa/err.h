/*
 * err: what went wrong, for the caller to act on and for people to read.
 *
 * A fallible function returns bool, is marked MUST_CHECK, and takes a `struct err *` as its last
 * parameter. On success the struct is left untouched. On failure its class says what the caller can
 * do, its text says what was wrong, where, and what to do about it: complete enough to print as it
 * is. No code ever parses a text.
 *
 * Conditions are returned; bugs are asserted. Assertions and BUG() stay in a release build: a
 * worker that has caught itself in the wrong ends, and another one takes its work over.
 *
 * Any thread; no function here allocates.
 */
#ifndef CPOA_ERR_H
#define CPOA_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK	       __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Runs `release` on the variable when its scope is left: AUTO(strbuf_release) struct strbuf sb = …;
 */
#define AUTO(release) __attribute__((__cleanup__(release)))

/* The class of an error is what its reader can do. */
enum err_class {
	ERR_NONE = 0,
	ERR_RETRY,  /* passing: the same thing may succeed later */
	ERR_REJECT, /* the input is at fault: it will never succeed */
	ERR_LOST,   /* the connection is gone: everything tied to it is void */
	ERR_USAGE,  /* arguments or configuration: a person must change them */
};

enum { ERR_TEXT_MAX = 768 };

struct err {
	enum err_class class;
	char code[8]; /* SQLSTATE or AMQP reply code where there is one, else "" */
	char text[ERR_TEXT_MAX];
};

/* Sets class and text (cut at ERR_TEXT_MAX, control characters replaced by spaces); always returns
 * false. */
bool err_set(struct err *e, enum err_class class, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "CONTEXT: " before the text that is there; always returns false. */
bool err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Like err_set with the text of an errno value appended; always returns false. */
bool err_errno(struct err *e, enum err_class class, int errnum, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* The impossible has happened: prints where and why to stderr and aborts. */
#define BUG(...) err_bug(__FILE__, __LINE__, __VA_ARGS__)
void err_bug(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4)
	__attribute__((noreturn));

/*
 * Allocation that does not fail: out of memory ends the process. For what is small or has a limit
 * of its own; what a peer can make large has a ceiling before it comes here.
 */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));

/* For AUTO(free_ptr): frees what the pointer variable points to. */
void free_ptr(void *pp);

#endif
