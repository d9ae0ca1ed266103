/*
 * clock: the two times that there are, and how they are written.
 *
 * Monotonic time (clock_mono_*) is for waiting and for deadlines; it never jumps. Wall time
 * (clock_wall_us) is for people and for rows; it may jump, so nothing is ever decided by it. Both
 * come from one replaceable source, so that a test can hold time in its hand.
 *
 * Any thread. clock_use() only before threads are started.
 */
#ifndef CPOA_CLOCK_H
#define CPOA_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_source {
	int64_t (*mono_us)(void *ctx);
	int64_t (*wall_us)(void *ctx); /* since 1970-01-01T00:00:00Z */
	void *ctx;
};

/* NULL: the kernel's clocks again. */
void clock_use(const struct clock_source *source);

int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);
int64_t clock_wall_us(void);

/* RFC 3339 in UTC with milliseconds, "2025-06-14T09:30:00.123Z"; the years 1970 to 9999. */
enum { CLOCK_TEXT_SIZE = 32 };
void clock_text(char out[CLOCK_TEXT_SIZE], int64_t wall_us);

/* Reads RFC 3339 with any fraction and "Z" or an offset; false when it is none. */
bool clock_parse(const char *text, int64_t *wall_us);

/* The same in local time for people: "2025-06-14 11:30:00". */
void clock_text_local(char out[CLOCK_TEXT_SIZE], int64_t wall_us);

/* A duration for people: "3 ms", "1.2 s", "4 m 10 s", "2 h 5 m". */
void clock_duration_text(char out[CLOCK_TEXT_SIZE], int64_t us);

/* "90s" "15m" "2h" "30d" (a bare number is seconds) to microseconds; false when it is none or above
 * 100 years. */
bool clock_parse_duration(const char *text, int64_t *us);

#endif
