/*
 * output: what a subcommand prints. Data goes to stdout, words to stderr.
 *
 * Texts of users, agents and pages pass text_clean() before they reach a terminal: a control
 * character in them is a command to it. In JSON, json-c escapes them.
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

enum { TEXT_CLEAN_MAX = 64 << 10 }; /* bytes of one text that are shown */

/* Columns of the terminal that stdout is; 0 when it is none, and lines are not to be cut. COLUMNS
 * wins. */
int output_width(void);

/* The escape sequence for a status ("completed", "failed", …), "" when there is none or colours are
 * off; and its end. */
const char *status_colour(const char *status);
const char *colour_end(const char *colour);

/* Columns that a text takes on a terminal; it must be clean. */
int text_columns(const char *s);

/*
 * Appends `s` (NULL: nothing) on one line: control characters, line ends and broken UTF-8 become
 * spaces, what turns the direction of writing becomes U+FFFD. Cut with an ellipsis at `columns` (0:
 * not cut).
 */
void text_clean(struct strbuf *out, const char *s, int columns);

/* "name     value" on stdout, cleaned; nothing when the value is NULL or empty. */
void print_field(const char *name, const char *value);
void print_field_coloured(const char *name, const char *value);

/* A line on stderr: "cpoa: …". Cleaned. */
void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* One line of compact JSON on stdout, flushed. */
void print_json(struct json_object *o);

/* RFC 3339; 0: null. */
void json_set_time(struct json_object *o, const char *key, int64_t wall_us);

/* Local time, a duration; 0 (or a negative duration): "". */
enum { TIME_TEXT_SIZE = 32 };
const char *time_text(char out[TIME_TEXT_SIZE], int64_t wall_us);
const char *took_text(char out[TIME_TEXT_SIZE], int64_t from_us, int64_t to_us);

#endif
