/*
 * conf: configuration from the environment, by a table.
 *
 * One row an option: its name, kind, default (as text, read by the same code as a value), bounds,
 * and where its value goes in the program's struct of settings. The table parses, checks, and
 * prints the help. A value out of bounds is an error that names the variable, the value and the
 * bounds. The value of a secret is never printed. An empty value is a value for text, secrets and
 * URLs; for all else it means the default. A default that its own row does not allow is a bug.
 *
 * The environment wins over `.env` in the working directory (lines NAME=value, `#` comments,
 * optional quotes and `export `, at most 64 KiB). For a CONF_SECRET, NAME_FILE names a file whose
 * content (less one final line end, at most 64 KiB) serves in place of NAME; both at once is an
 * error.
 *
 * Start-up, before there are threads.
 */
#ifndef CPOA_CONF_H
#define CPOA_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

enum conf_kind {
	CONF_TEXT,    /* char *: "" when empty; the conf's to free */
	CONF_SECRET,  /* char *: likewise, never shown */
	CONF_URL,     /* char *: http:// or https:// with a host, or empty */
	CONF_INT,     /* int64_t, min..max */
	CONF_SECONDS, /* int64_t in microseconds from a decimal number of seconds; min..max in
			 seconds */
	CONF_BYTES,   /* int64_t; "4194304", "4MiB", "64KiB" */
	CONF_FLOAT,   /* double, min..max */
	CONF_BOOL,    /* bool: true false 1 0 yes no on off */
	CONF_ENUM,    /* int: place in `choices` */
};

struct conf_option {
	const char *name; /* the environment variable */
	enum conf_kind kind;
	const char *standard;	    /* the default, as text */
	double min, max;	    /* for numbers */
	const char *const *choices; /* for CONF_ENUM: NULL-terminated */
	size_t offset;		    /* in the struct of settings */
	const char *help;	    /* one line */
};

/*
 * Reads every option of the table into *settings (zeroed by the caller). `prefix` ("CPOA_"): a
 * variable of that prefix that is in no table row is collected into *warnings as one sentence a
 * line (may be NULL). On an error (ERR_USAGE) everything that was read is released.
 */
MUST_CHECK bool conf_load(const struct conf_option *table, size_t n, void *settings,
			  const char *prefix, struct strbuf *warnings, struct err *e);

/*
 * Overwrites the values of secrets where they stand in the environment, NAME_FILE's paths aside:
 * /proc/PID/environ shows what the program was started with, and a core file holds it. Also a URL
 * that has user information. What reads the environment afterwards finds them empty.
 */
void conf_forget(const struct conf_option *table, size_t n);

/* Frees the strings. */
void conf_release(const struct conf_option *table, size_t n, void *settings);

/* Calls `row` for each option; `standard` and `bounds` are "" where there are none. */
void conf_each(const struct conf_option *table, size_t n,
	       void (*row)(void *ctx, const char *name, const char *standard, const char *bounds,
			   const char *help),
	       void *ctx);

/* NAME, default, bounds and help, a row each. */
void conf_help(const struct conf_option *table, size_t n, FILE *out);

/* Puts `.env` of the working directory into the environment where a name is not set yet; no file is
 * no error. */
MUST_CHECK bool conf_dotenv(const char *path, struct err *e);

/* The same from memory, for tests and fuzzing: calls `set` for each pair. */
MUST_CHECK bool conf_dotenv_parse(const char *text, size_t len,
				  void (*set)(void *ctx, const char *name, const char *value),
				  void *ctx, struct err *e);

#endif
