#include "cpoa/conf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"

struct settings {
	int64_t number, wait_us, bytes;
};

static const struct conf_option table[] = {
	{"P_NUMBER", CONF_INT, "0", -1000000, 1000000, NULL, offsetof(struct settings, number), ""},
	{"P_WAIT", CONF_SECONDS, "0", -1000, 1000, NULL, offsetof(struct settings, wait_us), ""},
	{"P_BYTES", CONF_BYTES, "0", 0, 1 << 30, NULL, offsetof(struct settings, bytes), ""},
};

static bool load(struct settings *s)
{
	struct err e;

	*s = (struct settings){0};
	return conf_load(table, 3, s, "P_", NULL, &e);
}

Test(conf, numbers_are_read_as_written_and_bounds_are_exact)
{
	static const char *const units[] = {"", "KiB", "MiB"};
	struct rng rng;

	rng_seed(&rng, 31);
	for (int i = 0; i < 5000; i++) {
		int64_t number = rng_between(&rng, -1100000, 1100000);
		int64_t us = rng_between(&rng, -1100000000, 1100000000);
		int64_t kib = rng_between(&rng, 0, 1100);
		size_t unit = (size_t)rng_between(&rng, 0, 2);
		bool good = llabs(number) <= 1000000 && llabs(us) <= 1000000000 &&
			    (kib << (10 * unit)) <= 1 << 30;
		struct settings s;
		char text[64];

		snprintf(text, sizeof(text), "%lld", (long long)number);
		setenv("P_NUMBER", text, 1);
		snprintf(text, sizeof(text), "%s%lld.%06lld", us < 0 ? "-" : "",
			 llabs(us) / 1000000, llabs(us) % 1000000);
		setenv("P_WAIT", text, 1);
		snprintf(text, sizeof(text), "%lld%s", (long long)kib, units[unit]);
		setenv("P_BYTES", text, 1);
		cr_assert_eq(load(&s), good);
		if (good)
			cr_assert(s.number == number && s.wait_us == us &&
				  s.bytes == kib << (10 * unit));
	}
}

static void put_quoted(struct strbuf *text, const char *value)
{
	strbuf_addc(text, '"');
	for (; *value; value++) {
		if (*value == '\n')
			strbuf_adds(text, "\\n");
		else if (strchr("\"\\$", *value))
			strbuf_addf(text, "\\%c", *value);
		else
			strbuf_addc(text, *value);
	}
	strbuf_adds(text, "\" # comment\n");
}

static void expect_value(void *ctx, const char *name, const char *value)
{
	char *expected = *(char **)ctx;

	cr_assert_str_eq(name, "NAME");
	cr_assert(expected && strcmp(value, expected) == 0, "%s", value);
	*(char **)ctx = NULL;
}

static void no_value(void *ctx, const char *name, const char *value)
{
	(void)value;
	(void)ctx;
	cr_assert_neq(name[0], '\0');
}

Test(conf, any_value_survives_quotes)
{
	struct rng rng;

	rng_seed(&rng, 32);
	for (int i = 0; i < 20000; i++) {
		AUTO(strbuf_release) struct strbuf text;
		char value[20] = "";
		char *expected = value;
		struct err e;

		for (int64_t k = rng_between(&rng, 0, 18); k-- > 0;)
			value[k] = (char)(rng_between(&rng, 0, 2) ? rng_between(&rng, 1, 255)
								  : "\"'\\\n #$nt="[k % 10]);
		strbuf_init(&text, 1000);
		strbuf_adds(&text, "export NAME=");
		put_quoted(&text, value);
		cr_assert(conf_dotenv_parse(text.buf, text.len, expect_value, &expected, &e), "%s",
			  e.text);
		cr_assert_null(expected);
	}
}

Test(conf, no_garbage_breaks_dotenv)
{
	static const char bytes[] = "A=\"'\\\n\r #$n export\t_1\xC3";
	struct rng rng;

	rng_seed(&rng, 33);
	for (int i = 0; i < 50000; i++) {
		size_t len = (size_t)rng_between(&rng, 0, 40);
		char *text = malloc(len ? len : 1);
		struct err e = {0};

		for (size_t k = 0; k < len; k++)
			text[k] = bytes[rng_between(&rng, 0, sizeof(bytes) - 1)];
		cr_assert_eq(conf_dotenv_parse(text, len, no_value, NULL, &e), e.class == ERR_NONE);
		free(text);
	}
}
