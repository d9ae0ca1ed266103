#include "cpoa/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static int64_t held_mono(void *ctx)
{
	return *(int64_t *)ctx;
}

static int64_t held_wall(void *ctx)
{
	return *(int64_t *)ctx + 1;
}

Test(clock, can_be_held_in_the_hand)
{
	int64_t now = 123456;
	struct clock_source source = {held_mono, held_wall, &now};

	clock_use(&source);
	cr_expect_eq(clock_mono_us(), 123456);
	cr_expect_eq(clock_mono_ms(), 123);
	cr_expect_eq(clock_wall_us(), 123457);
	clock_use(NULL);
	cr_expect_gt(clock_wall_us(), INT64_C(1600000000000000));
	now = clock_mono_us();
	cr_expect_leq(now, clock_mono_us());
}

Test(clock, text_in_utc)
{
	static const struct {
		int64_t us;
		const char *text;
	} rows[] = {
		{INT64_C(1749893400123999), "2025-06-14T09:30:00.123Z"},
		{0, "1970-01-01T00:00:00.000Z"},
		{-1, "1970-01-01T00:00:00.000Z"},
		{INT64_MIN, "1970-01-01T00:00:00.000Z"},
		{INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
		{INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
		{INT64_C(253402300800000000), "9999-12-31T23:59:59.999Z"},
		{INT64_MAX, "9999-12-31T23:59:59.999Z"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		char text[CLOCK_TEXT_SIZE];

		clock_text(text, rows[r].us);
		cr_expect_str_eq(text, rows[r].text);
	}
}

Test(clock, text_in_local_time)
{
	char text[CLOCK_TEXT_SIZE];

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	clock_text_local(text, INT64_C(1749893400123999));
	cr_expect_str_eq(text, "2025-06-14 11:30:00");
	clock_text_local(text, INT64_C(1736847000000000));
	cr_expect_str_eq(text, "2025-01-14 10:30:00");
}

Test(clock, parse_takes_rfc_3339)
{
	static const struct {
		const char *text;
		int64_t us;
	} rows[] = {
		{"2025-06-14T09:30:00.123Z", INT64_C(1749893400123000)},
		{"2025-06-14t09:30:00z", INT64_C(1749893400000000)},
		{"2025-06-14 09:30:00Z", INT64_C(1749893400000000)},
		{"2025-06-14T11:30:00+02:00", INT64_C(1749893400000000)},
		{"2025-06-14T00:00:00.5-09:30", INT64_C(1749893400500000)},
		{"2025-06-14T09:30:00.1234567890123456789Z", INT64_C(1749893400123456)},
		{"1970-01-01T00:00:00-00:00", 0},
		{"1969-12-31T23:59:59.5Z", -500000},
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
		{"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
		{"0000-01-01T00:00:00Z", INT64_C(-62167219200000000)},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		int64_t us = 1;

		cr_expect(clock_parse(rows[r].text, &us), "%s", rows[r].text);
		cr_expect_eq(us, rows[r].us, "%s: %lld", rows[r].text, (long long)us);
	}
}

Test(clock, parse_refuses_all_else)
{
	static const char *const rows[] = {
		"",
		"2025",
		"2025-06-14",
		"2025-06-14T09:30Z",
		"2025-06-14T09:30:00",
		"2025-6-14T09:30:00Z",
		"2025-13-14T09:30:00Z",
		"2025-00-14T09:30:00Z",
		"2025-06-31T09:30:00Z",
		"2025-06-00T09:30:00Z",
		"2023-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2025-06-14T24:00:00Z",
		"2025-06-14T09:60:00Z",
		"2025-06-14T09:30:61Z",
		"2025-06-14T09:30:60Z",
		"2025-02-30T23:59:60Z",
		"2025-06-14T09:30:00.Z",
		"2025-06-14T09:30:00,5Z",
		"2025-06-14T09:30:00Z ",
		" 2025-06-14T09:30:00Z",
		"2025-06-14T09:30:00+2:00",
		"2025-06-14T09:30:00+24:00",
		"2025-06-14T09:30:00+02:60",
		"2025-06-14T09:30:00+0200",
		"2025-06-14T09:30:00+02:00Z",
		"-025-06-14T09:30:00Z",
		"+2025-06-14T09:30:00Z",
		"2025-06-14X09:30:00Z",
		"2025/06/14T09:30:00Z",
		"12025-06-14T09:30:00Z",
		"2025-06-14T09:30:0",
		"2025-02-30T00:00:00Z",
		"now",
	};
	int64_t us = 77;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		cr_expect_not(clock_parse(rows[r], &us), "%s", rows[r]);
	cr_expect_not(clock_parse(NULL, &us));
	cr_expect_eq(us, 77);
}

Test(clock, durations_for_people)
{
	static const struct {
		int64_t us;
		const char *text;
	} rows[] = {
		{0, "0 ms"},
		{-1, "0 ms"},
		{3999, "3 ms"},
		{999999, "999 ms"},
		{1000000, "1.0 s"},
		{1290000, "1.2 s"},
		{59999999, "59.9 s"},
		{60000000, "1 m 0 s"},
		{250000000, "4 m 10 s"},
		{INT64_C(3599999999), "59 m 59 s"},
		{INT64_C(3600000000), "1 h 0 m"},
		{INT64_C(7500000000), "2 h 5 m"},
		{INT64_C(360000000000), "100 h 0 m"},
		{INT64_MAX, "2562047788 h 0 m"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		char text[CLOCK_TEXT_SIZE];

		clock_duration_text(text, rows[r].us);
		cr_expect_str_eq(text, rows[r].text);
	}
}

Test(clock, durations_from_people)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = {
		{"90s", 90},
		{"15m", 900},
		{"2h", 7200},
		{"30d", 2592000},
		{"7", 7},
		{"0", 0},
		{"007m", 420},
		{"36525d", INT64_C(3155760000)},
		{"3155760000", INT64_C(3155760000)},
		{"36526d", -1},
		{"3155760001s", -1},
		{"99999999999999999999", -1},
		{"9223372036854775807d", -1},
		{"", -1},
		{"s", -1},
		{"-1s", -1},
		{"+1s", -1},
		{" 1s", -1},
		{"1 s", -1},
		{"1s ", -1},
		{"1.5h", -1},
		{"1h30m", -1},
		{"1S", -1},
		{"1w", -1},
		{"0x10", -1},
		{"1ms", -1},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		int64_t us = -7;
		bool ok = clock_parse_duration(rows[r].text, &us);

		cr_expect_eq(ok, rows[r].seconds >= 0, "%s", rows[r].text);
		cr_expect_eq(us, ok ? rows[r].seconds * 1000000 : -7, "%s", rows[r].text);
	}
	cr_expect_not(clock_parse_duration(NULL, &(int64_t){0}));
}
