/*
 * conf_private: what the files of conf share, and nobody else sees.
 */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "cpoa/conf.h"

enum { CONF_FILE_MAX = 64 * 1024, CONF_SHOWN_MAX = 100 };

/* ---- conf_dotenv.c ---- */

/* Appends the file's bytes, as many as `sb` takes. False (ERR_USAGE): it names the file. */
MUST_CHECK bool conf_read_file(const char *path, struct strbuf *sb, struct err *e);

/* ---- conf_value.c ---- */

bool conf_is_string(const struct conf_option *o);

/* Where the option's value stands. */
void *conf_place(const struct conf_option *o, void *settings);

/* What came of reading a value. */
enum conf_outcome { CONF_GOOD, CONF_MALFORMED, CONF_OUT_OF_BOUNDS };

enum conf_outcome conf_read_value(const struct conf_option *o, const char *s, void *settings);

/* False, always: why `s` is no value of the option, by its outcome. */
bool conf_bad_value(const struct conf_option *o, const char *s, enum conf_outcome outcome,
		    struct err *e);

/* What is allowed, for a list: bounds or choices; nothing for text. */
void conf_put_bounds(struct strbuf *sb, const struct conf_option *o);

#endif
