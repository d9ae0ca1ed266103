#include "cpoa/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { US_PER_S = 1000000, US_PER_MS = 1000 };

static int64_t kernel_us(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) != 0)
		abort();
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static int64_t kernel_mono_us(void *ctx)
{
	(void)ctx;
	return kernel_us(CLOCK_MONOTONIC);
}

static int64_t kernel_wall_us(void *ctx)
{
	(void)ctx;
	return kernel_us(CLOCK_REALTIME);
}

static const struct clock_source kernel = {kernel_mono_us, kernel_wall_us, NULL};
static const struct clock_source *current = &kernel;

void clock_use(const struct clock_source *source)
{
	current = source ? source : &kernel;
}

int64_t clock_mono_us(void)
{
	return current->mono_us(current->ctx);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / US_PER_MS;
}

int64_t clock_wall_us(void)
{
	return current->wall_us(current->ctx);
}

/* What the formats can show: 1970-01-01 to the last moment of 9999. */
static int64_t within_text(int64_t wall_us)
{
	static const int64_t last = INT64_C(253402300799) * US_PER_S + US_PER_S - 1;

	if (wall_us < 0)
		return 0;
	return wall_us > last ? last : wall_us;
}

/* `width` digits and what comes after them; strftime(3) takes ten times as long. */
static char *put(char *out, unsigned n, int width, char after)
{
	for (int i = width - 1; i >= 0; i--, n /= 10)
		out[i] = (char)('0' + n % 10);
	out[width] = after;
	return out + width + 1;
}

void clock_text(char out[CLOCK_TEXT_SIZE], int64_t wall_us)
{
	int64_t us = within_text(wall_us);
	time_t seconds = us / US_PER_S;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	out = put(out, (unsigned)tm.tm_year + 1900, 4, '-');
	out = put(out, (unsigned)tm.tm_mon + 1, 2, '-');
	out = put(out, (unsigned)tm.tm_mday, 2, 'T');
	out = put(out, (unsigned)tm.tm_hour, 2, ':');
	out = put(out, (unsigned)tm.tm_min, 2, ':');
	out = put(out, (unsigned)tm.tm_sec, 2, '.');
	out = put(out, (unsigned)(us / US_PER_MS % 1000), 3, 'Z');
	*out = '\0';
}

void clock_text_local(char out[CLOCK_TEXT_SIZE], int64_t wall_us)
{
	time_t seconds = within_text(wall_us) / US_PER_S;
	struct tm tm;

	localtime_r(&seconds, &tm);
	if (strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		abort();
}

/* Exactly `width` digits; moves *p behind them. */
static bool read_digits(const char **p, int width, int lo, int hi, int *out)
{
	int n = 0;

	for (int i = 0; i < width; i++) {
		char c = (*p)[i];

		if (c < '0' || c > '9')
			return false;
		n = n * 10 + (c - '0');
	}
	*p += width;
	*out = n;
	return n >= lo && n <= hi;
}

static bool read_char(const char **p, const char *allowed)
{
	if (!**p || !strchr(allowed, **p))
		return false;
	(*p)++;
	return true;
}

static bool read_date_time(const char **p, int64_t *seconds)
{
	struct tm tm = {0};
	int year, month, day, leap;

	if (!read_digits(p, 4, 0, 9999, &year) || !read_char(p, "-") ||
	    !read_digits(p, 2, 1, 12, &month) || !read_char(p, "-") ||
	    !read_digits(p, 2, 1, 31, &day) || !read_char(p, "Tt ") ||
	    !read_digits(p, 2, 0, 23, &tm.tm_hour) || !read_char(p, ":") ||
	    !read_digits(p, 2, 0, 59, &tm.tm_min) || !read_char(p, ":") ||
	    !read_digits(p, 2, 0, 60, &tm.tm_sec))
		return false;
	leap = tm.tm_sec == 60;
	if (leap && tm.tm_min != 59)
		return false;
	tm.tm_sec -= leap;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	*seconds = timegm(&tm) + leap;
	/* timegm() turns 30 February into March. */
	return tm.tm_mday == day;
}

/* Of more than six digits the rest is dropped. */
static bool read_fraction(const char **p, int64_t *us)
{
	int64_t weight = US_PER_S / 10;
	const char *first;

	*us = 0;
	if (!read_char(p, "."))
		return true;
	for (first = *p; **p >= '0' && **p <= '9'; (*p)++) {
		*us += (**p - '0') * weight;
		weight /= 10;
	}
	return *p > first;
}

static bool read_offset(const char **p, int64_t *seconds)
{
	bool west = **p == '-';
	int hours, minutes;

	*seconds = 0;
	if (read_char(p, "Zz"))
		return true;
	if (!read_char(p, "+-") || !read_digits(p, 2, 0, 23, &hours) || !read_char(p, ":") ||
	    !read_digits(p, 2, 0, 59, &minutes))
		return false;
	*seconds = (hours * INT64_C(60) + minutes) * (west ? -60 : 60);
	return true;
}

bool clock_parse(const char *text, int64_t *wall_us)
{
	int64_t seconds, us, offset;

	if (!text || !read_date_time(&text, &seconds) || !read_fraction(&text, &us) ||
	    !read_offset(&text, &offset) || *text)
		return false;
	*wall_us = (seconds - offset) * US_PER_S + us;
	return true;
}

void clock_duration_text(char out[CLOCK_TEXT_SIZE], int64_t us)
{
	int64_t ms = us < 0 ? 0 : us / US_PER_MS;
	int64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, CLOCK_TEXT_SIZE, "%d ms", (int)ms);
	else if (s < 60)
		snprintf(out, CLOCK_TEXT_SIZE, "%d.%d s", (int)s, (int)(ms / 100 % 10));
	else if (s < 3600)
		snprintf(out, CLOCK_TEXT_SIZE, "%d m %d s", (int)(s / 60), (int)(s % 60));
	else
		snprintf(out, CLOCK_TEXT_SIZE, "%lld h %d m", (long long)(s / 3600),
			 (int)(s / 60 % 60));
}

bool clock_parse_duration(const char *text, int64_t *us)
{
	static const int64_t most = INT64_C(100) * 36525 / 100 * 86400;
	int64_t n = 0, unit = 1;
	const char *p = text;

	if (!text || *p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (*p - '0');
		if (n > most)
			return false;
	}
	switch (*p) {
	case 'd':
		unit = 86400;
		break;
	case 'h':
		unit = 3600;
		break;
	case 'm':
		unit = 60;
		break;
	default:
		break;
	}
	if (*p && (!strchr("smhd", *p) || p[1]))
		return false;
	if (n > most / unit)
		return false;
	*us = n * unit * US_PER_S;
	return true;
}
