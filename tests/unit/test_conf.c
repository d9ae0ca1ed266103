#include "cpoa/conf.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const levels[] = {"debug", "info", "warn", NULL};

struct settings {
	char *text, *secret, *url;
	int64_t number, wait_us, bytes;
	double factor;
	bool on;
	int level;
};

#define AT(member) offsetof(struct settings, member)

static const struct conf_option table[] = {
	{"T_TEXT", CONF_TEXT, "standard", 0, 0, NULL, AT(text), "Some text."},
	{"T_SECRET", CONF_SECRET, NULL, 0, 0, NULL, AT(secret), "A secret."},
	{"T_URL", CONF_URL, "http://localhost:8080", 0, 0, NULL, AT(url), "A URL."},
	{"T_NUMBER", CONF_INT, "256", 1, 100000, NULL, AT(number), "A number."},
	{"T_WAIT_SECONDS", CONF_SECONDS, "0.5", 0.01, 3600, NULL, AT(wait_us), "A wait."},
	{"T_BYTES", CONF_BYTES, "4MiB", 1024, 1 << 30, NULL, AT(bytes), "A size."},
	{"T_FACTOR", CONF_FLOAT, "0.5", 0, 10, NULL, AT(factor), "A factor."},
	{"T_ON", CONF_BOOL, "true", 0, 0, NULL, AT(on), "A switch."},
	{"T_LEVEL", CONF_ENUM, "info", 0, 0, levels, AT(level), "A level."},
};

enum { ROWS = sizeof(table) / sizeof(table[0]) };

static char directory[] = "/tmp/cpoa-conf-XXXXXX";

static void begin(void)
{
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
}

static void finish(void)
{
	unlink("f");
	cr_assert_eq(chdir("/"), 0);
	rmdir(directory);
}

TestSuite(conf, .init = begin, .fini = finish);

static bool load(struct settings *s, struct err *e)
{
	*s = (struct settings){0};
	*e = (struct err){0};
	return conf_load(table, ROWS, s, "T_", NULL, e);
}

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

Test(conf, defaults)
{
	struct settings s;
	struct err e;

	cr_assert(load(&s, &e));
	cr_expect_str_eq(s.text, "standard");
	cr_expect_str_eq(s.secret, "");
	cr_expect_str_eq(s.url, "http://localhost:8080");
	cr_expect_eq(s.number, 256);
	cr_expect_eq(s.wait_us, 500000);
	cr_expect_eq(s.bytes, 4 << 20);
	cr_expect(s.factor > 0.499 && s.factor < 0.501);
	cr_expect(s.on);
	cr_expect_eq(s.level, 1);
	conf_release(table, ROWS, &s);
	conf_release(table, ROWS, &s);
	cr_expect_null(s.text);
}

/* `error` NULL: it is taken, and the field that `name` fills is `n` (of strings: the value itself).
 */
static const struct {
	const char *name, *value;
	int64_t n;
	const char *error;
} values[] = {
	{"T_NUMBER", "1", 1, NULL},
	{"T_NUMBER", "100000", 100000, NULL},
	{"T_NUMBER", "007", 7, NULL},
	{"T_NUMBER", "", 256, NULL},
	{"T_NUMBER", "0", 0,
	 "T_NUMBER is 0, which is out of bounds: it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "100001", 0,
	 "T_NUMBER is 100001, which is out of bounds: it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "-1", 0,
	 "T_NUMBER is -1, which is out of bounds: it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "99999999999999999999", 0,
	 "T_NUMBER is 99999999999999999999, which is out of bounds: it must be a "
	 "whole number from 1 to 100000"},
	{"T_NUMBER", "many", 0, "T_NUMBER is \"many\": it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "1.0", 0, "T_NUMBER is \"1.0\": it must be a whole number from 1 to 100000"},
	{"T_NUMBER", " 1", 0, "T_NUMBER is \" 1\": it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "1 ", 0, "T_NUMBER is \"1 \": it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "+1", 0, "T_NUMBER is \"+1\": it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "-", 0, "T_NUMBER is \"-\": it must be a whole number from 1 to 100000"},
	{"T_NUMBER", "0x10", 0, "T_NUMBER is \"0x10\": it must be a whole number from 1 to 100000"},
	{"T_WAIT_SECONDS", "0.01", 10000, NULL},
	{"T_WAIT_SECONDS", "3600", INT64_C(3600000000), NULL},
	{"T_WAIT_SECONDS", "3600.0", INT64_C(3600000000), NULL},
	{"T_WAIT_SECONDS", "1.2345678", 1234567, NULL},
	{"T_WAIT_SECONDS", "0.1", 100000, NULL},
	{"T_WAIT_SECONDS", "", 500000, NULL},
	{"T_WAIT_SECONDS", "0", 0,
	 "T_WAIT_SECONDS is 0, which is out of bounds: it must be a number of seconds from 0.01 to "
	 "3600"},
	{"T_WAIT_SECONDS", "-0.5", 0,
	 "T_WAIT_SECONDS is -0.5, which is out of bounds: it must be a number of seconds from "
	 "0.01 to 3600"},
	{"T_WAIT_SECONDS", "99999999999999999999.5", 0,
	 "T_WAIT_SECONDS is 99999999999999999999.5, which is out of bounds: it "
	 "must be a number of seconds from 0.01 to 3600"},
	{"T_WAIT_SECONDS", "1.", 0,
	 "T_WAIT_SECONDS is \"1.\": it must be a number of seconds from 0.01 to 3600"},
	{"T_WAIT_SECONDS", ".5", 0,
	 "T_WAIT_SECONDS is \".5\": it must be a number of seconds from 0.01 to 3600"},
	{"T_WAIT_SECONDS", "1e3", 0,
	 "T_WAIT_SECONDS is \"1e3\": it must be a number of seconds from 0.01 to 3600"},
	{"T_WAIT_SECONDS", "10s", 0,
	 "T_WAIT_SECONDS is \"10s\": it must be a number of seconds from 0.01 to 3600"},
	{"T_WAIT_SECONDS", "nan", 0,
	 "T_WAIT_SECONDS is \"nan\": it must be a number of seconds from 0.01 to 3600"},
	{"T_BYTES", "4194304", 4194304, NULL},
	{"T_BYTES", "64KiB", 65536, NULL},
	{"T_BYTES", "1GiB", 1 << 30, NULL},
	{"T_BYTES", "2mib", 2 << 20, NULL},
	{"T_BYTES", "2048B", 2048, NULL},
	{"T_BYTES", "1023", 0,
	 "T_BYTES is 1023, which is out of bounds: it must be a number of bytes (4194304, 64KiB, "
	 "4MiB) "
	 "from 1KiB to 1GiB"},
	{"T_BYTES", "2GiB", 0,
	 "T_BYTES is 2GiB, which is out of bounds: it must be a number of bytes (4194304, 64KiB, "
	 "4MiB) "
	 "from 1KiB to 1GiB"},
	{"T_BYTES", "9999999999999999GiB", 0,
	 "T_BYTES is 9999999999999999GiB, which is out of bounds: it must be a number of "
	 "bytes (4194304, 64KiB, 4MiB) from 1KiB to 1GiB"},
	{"T_BYTES", "4MB", 0,
	 "T_BYTES is \"4MB\": it must be a number of bytes (4194304, 64KiB, 4MiB) from 1KiB to "
	 "1GiB"},
	{"T_BYTES", "-1", 0,
	 "T_BYTES is \"-1\": it must be a number of bytes (4194304, 64KiB, 4MiB) from 1KiB to "
	 "1GiB"},
	{"T_BYTES", "MiB", 0,
	 "T_BYTES is \"MiB\": it must be a number of bytes (4194304, 64KiB, 4MiB) from 1KiB to "
	 "1GiB"},
	{"T_BYTES", "4 MiB", 0,
	 "T_BYTES is \"4 MiB\": it must be a number of bytes (4194304, 64KiB, 4MiB) from 1KiB to "
	 "1GiB"},
	{"T_FACTOR", "10", 10000, NULL},
	{"T_FACTOR", "2.5e-1", 250, NULL},
	{"T_FACTOR", "10.1", 0,
	 "T_FACTOR is 10.1, which is out of bounds: it must be a number from 0 to 10"},
	{"T_FACTOR", "-1", 0,
	 "T_FACTOR is -1, which is out of bounds: it must be a number from 0 to 10"},
	{"T_FACTOR", "1e999", 0,
	 "T_FACTOR is 1e999, which is out of bounds: it must be a number from 0 to 10"},
	{"T_FACTOR", "nan", 0, "T_FACTOR is \"nan\": it must be a number from 0 to 10"},
	{"T_FACTOR", "inf", 0, "T_FACTOR is \"inf\": it must be a number from 0 to 10"},
	{"T_FACTOR", "0x1", 0, "T_FACTOR is \"0x1\": it must be a number from 0 to 10"},
	{"T_FACTOR", "1-1", 0, "T_FACTOR is \"1-1\": it must be a number from 0 to 10"},
	{"T_FACTOR", "e", 0, "T_FACTOR is \"e\": it must be a number from 0 to 10"},
	{"T_ON", "true", 1, NULL},
	{"T_ON", "FALSE", 0, NULL},
	{"T_ON", "1", 1, NULL},
	{"T_ON", "0", 0, NULL},
	{"T_ON", "yes", 1, NULL},
	{"T_ON", "no", 0, NULL},
	{"T_ON", "On", 1, NULL},
	{"T_ON", "off", 0, NULL},
	{"T_ON", "", 1, NULL},
	{"T_ON", "2", 0, "T_ON is \"2\": it must be true or false"},
	{"T_ON", "truee", 0, "T_ON is \"truee\": it must be true or false"},
	{"T_LEVEL", "debug", 0, NULL},
	{"T_LEVEL", "WARN", 2, NULL},
	{"T_LEVEL", "war", 0, "T_LEVEL is \"war\": it must be one of debug, info, warn"},
	{"T_TEXT", "", 0, NULL},
	{"T_TEXT", " a b ", 0, NULL},
	{"T_SECRET", "x", 0, NULL},
	{"T_URL", "", 0, NULL},
	{"T_URL", "https://h", 0, NULL},
	{"T_URL", "HTTP://u:p@h:1/p?q#f", 0, NULL},
	{"T_URL", "http://[::1]:8000/", 0, NULL},
#define URL_RULE "it must be empty or http:// or https:// with a host, without spaces"
	{"T_URL", "http://", 0, "T_URL is \"http://\": " URL_RULE},
	{"T_URL", "http:///path", 0, "T_URL is \"http:///path\": " URL_RULE},
	{"T_URL", "http://:80", 0, "T_URL is \"http://:80\": " URL_RULE},
	{"T_URL", "http://?q", 0, "T_URL is \"http://?q\": " URL_RULE},
	{"T_URL", "ftp://h", 0, "T_URL is \"ftp://h\": " URL_RULE},
	{"T_URL", "h:80", 0, "T_URL is \"h:80\": " URL_RULE},
	{"T_URL", "http://a b", 0, "T_URL is \"http://a b\": " URL_RULE},
	{"T_URL", "http://a\nb", 0, "T_URL is \"http://a b\": " URL_RULE},
	{"T_URL", "http://h\x7F", 0, "T_URL is \"http://h \": " URL_RULE},
	{"T_URL", "http://user:password@", 0, "T_URL is malformed: " URL_RULE},
	{"T_URL", "gopher://user:password@h", 0, "T_URL is malformed: " URL_RULE},
};

static int64_t field_of(const struct settings *s, const char *name)
{
	if (strcmp(name, "T_NUMBER") == 0)
		return s->number;
	if (strcmp(name, "T_WAIT_SECONDS") == 0)
		return s->wait_us;
	if (strcmp(name, "T_BYTES") == 0)
		return s->bytes;
	if (strcmp(name, "T_FACTOR") == 0)
		return (int64_t)(s->factor * 1000 + 0.5);
	return strcmp(name, "T_ON") == 0 ? s->on : s->level;
}

static const char *text_of(const struct settings *s, const char *name)
{
	if (strcmp(name, "T_TEXT") == 0)
		return s->text;
	if (strcmp(name, "T_SECRET") == 0)
		return s->secret;
	return strcmp(name, "T_URL") == 0 ? s->url : NULL;
}

Test(conf, values)
{
	for (size_t r = 0; r < sizeof(values) / sizeof(values[0]); r++) {
		struct settings s;
		struct err e;
		bool ok;

		setenv(values[r].name, values[r].value, 1);
		ok = load(&s, &e);
		cr_expect_eq(ok, !values[r].error, "%s=%s: %s", values[r].name, values[r].value,
			     e.text);
		if (ok && text_of(&s, values[r].name)) {
			cr_expect_str_eq(text_of(&s, values[r].name), values[r].value);
		} else if (ok) {
			cr_expect_eq(field_of(&s, values[r].name), values[r].n, "%s=%s: %lld",
				     values[r].name, values[r].value,
				     (long long)field_of(&s, values[r].name));
		} else {
			cr_expect_str_eq(e.text, values[r].error ? values[r].error : "");
			cr_expect_eq(e.class, ERR_USAGE);
			cr_expect_null(s.text, "what was read is released");
		}
		conf_release(table, ROWS, &s);
		unsetenv(values[r].name);
	}
}

Test(conf, a_secret_may_come_from_a_file)
{
	static const struct {
		const char *content;
		size_t len;
		const char *secret; /* NULL: refused */
	} rows[] = {
		{"hunter2", 7, "hunter2"},
		{"hunter2\n", 8, "hunter2"},
		{"hunter2\r\n", 9, "hunter2"},
		{"hunter2\n\n", 9, "hunter2\n"},
		{" h \n", 4, " h "},
		{"", 0, ""},
		{"\n", 1, ""},
		{"hun\0ter", 7, NULL},
	};

	setenv("T_SECRET_FILE", "f", 1);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct settings s;
		struct err e;

		write_file("f", rows[r].content, rows[r].len);
		cr_expect_eq(load(&s, &e), rows[r].secret != NULL, "row %zu", r);
		if (rows[r].secret)
			cr_expect_str_eq(s.secret, rows[r].secret);
		conf_release(table, ROWS, &s);
	}
}

Test(conf, a_secret_file_has_a_ceiling)
{
	static char big[65540];
	struct settings s;
	struct err e;

	memset(big, 's', sizeof(big));
	setenv("T_SECRET_FILE", "f", 1);
	write_file("f", big, 65536);
	cr_expect(load(&s, &e), "%s", e.text);
	cr_expect_eq(strlen(s.secret), 65536);
	conf_release(table, ROWS, &s);
	big[65536] = '\n';
	write_file("f", big, 65537);
	cr_expect(load(&s, &e), "the line end does not count");
	conf_release(table, ROWS, &s);
	big[65536] = 's';
	for (size_t len = 65537; len < 65540; len++) {
		write_file("f", big, len);
		cr_expect_not(load(&s, &e));
		cr_expect_null(strstr(e.text, "sss"));
	}
}

/* The very bytes: /proc/PID/environ shows them as they stand. */
Test(conf, secrets_are_forgotten_where_they_stood)
{
	static char secret[] = "T_SECRET=hunter2", url[] = "T_URL=http://me:hunter2@host/",
		    text[] = "T_TEXT=hunter2";
	struct settings s;
	struct err e;

	putenv(secret);
	putenv(url);
	putenv(text);
	cr_assert(load(&s, &e), "%s", e.text);
	conf_forget(table, ROWS);
	cr_expect_str_eq(s.secret, "hunter2");
	cr_expect_str_eq(s.url, "http://me:hunter2@host/");
	cr_expect_arr_eq(secret, "T_SECRET=\0\0\0\0\0\0\0", sizeof(secret));
	cr_expect_null(memmem(url, sizeof(url), "hunter2", 7));
	cr_expect_str_eq(text, "T_TEXT=hunter2");
	conf_release(table, ROWS, &s);
	setenv("T_URL", "http://host/plain", 1);
	conf_forget(table, ROWS);
	cr_expect_str_eq(getenv("T_URL"), "http://host/plain");
}

Test(conf, a_secret_is_in_no_error)
{
	struct settings s;
	struct err e;

	setenv("T_SECRET", "hunter2", 1);
	setenv("T_SECRET_FILE", "f", 1);
	cr_expect_not(load(&s, &e));
	cr_expect_str_eq(e.text, "T_SECRET and T_SECRET_FILE are both set: unset one of them");
	setenv("T_SECRET", "", 1);
	cr_expect_not(load(&s, &e));
	cr_expect_str_eq(e.text, "T_SECRET_FILE: cannot open f: No such file or directory");
	setenv("T_SECRET_FILE", "/", 1);
	cr_expect_not(load(&s, &e));
	cr_expect_str_eq(e.text, "T_SECRET_FILE: cannot read /: Is a directory");
	setenv("T_SECRET", "hunter2", 1);
	unsetenv("T_SECRET_FILE");
	setenv("T_NUMBER", "x", 1);
	cr_expect_not(load(&s, &e));
	cr_expect_null(strstr(e.text, "hunter2"));
}

Test(conf, unknown_variables_are_warned_of)
{
	AUTO(strbuf_release) struct strbuf warnings;
	struct settings s = {0};
	struct err e;

	strbuf_init(&warnings, 10000);
	setenv("T_NUMBR", "secret-value", 1);
	setenv("T_NUMBER", "5", 1);
	setenv("T_SECRET_FILE", "", 1);
	setenv("T_SECRET_FILES", "x", 1);
	setenv("T_TEXT_FILE", "x", 1);
	setenv("U_OTHER", "x", 1);
	cr_assert(conf_load(table, ROWS, &s, "T_", &warnings, &e));
	cr_expect(strstr(warnings.buf, "T_NUMBR is set, but there is no such option: it has no "
				       "effect. Is T_NUMBER meant?\n"));
	cr_expect(strstr(warnings.buf, "T_TEXT_FILE is set"));
	cr_expect_null(strstr(warnings.buf, "secret-value"));
	cr_expect_null(strstr(warnings.buf, "T_NUMBER is set"));
	cr_expect(strstr(warnings.buf, "T_SECRET_FILES is set"));
	cr_expect_null(strstr(warnings.buf, "T_SECRET_FILE is set"));
	cr_expect_null(strstr(warnings.buf, "U_OTHER"));
	conf_release(table, ROWS, &s);
}

Test(conf, help_is_a_row_each)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int lines = 0;

	conf_help(table, ROWS, out);
	fclose(out);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	cr_expect_eq(lines, ROWS);
	cr_expect(strstr(text, "T_NUMBER        256         1 to 100000       A number.\n"), "%s",
		  text);
	cr_expect(strstr(text, "debug, info, warn"));
	cr_expect(strstr(text, "1KiB to 1GiB"));
	free(text);
}

static void collect(void *ctx, const char *name, const char *value)
{
	strbuf_addf(ctx, "%s=%s;", name, value);
}

Test(conf, dotenv_lines)
{
	static const struct {
		const char *text, *pairs; /* pairs NULL: refused */
	} rows[] = {
		{"", ""},
		{"\n\n", ""},
		{"# only a comment", ""},
		{"  # and another\n", ""},
		{"A=1", "A=1;"},
		{"A=1\nB=2\n", "A=1;B=2;"},
		{"A=1\r\nB=2\r\n", "A=1;B=2;"},
		{"A=", "A=;"},
		{"  A = 1  ", "A=1;"},
		{"export A=1", "A=1;"},
		{"export\tA=1", "A=1;"},
		{"exported=1", "exported=1;"},
		{"export=1", "export=1;"},
		{"A=a b c", "A=a b c;"},
		{"A=a#b", "A=a#b;"},
		{"A=a #b", "A=a;"},
		{"A=#b", "A=;"},
		{"A=a=b", "A=a=b;"},
		{"A='a b'", "A=a b;"},
		{"A=' #\\n$x\"'", "A= #\\n$x\";"},
		{"A=\"\"", "A=;"},
		{"A=\"a\\n\\t\\\"\\\\\\$\\x'\"", "A=a\n\t\"\\$\\x';"},
		{"A='a' # comment", "A=a;"},
		{"A=\"a\"# comment", "A=a;"},
		{"A=it's", "A=it's;"},
		{"_a1=x", "_a1=x;"},
		{"A=1\nA=2", "A=1;A=2;"},
		{"A=\xC3\xA4", "A=\xC3\xA4;"},
		{"A", NULL},
		{"=1", NULL},
		{"1A=1", NULL},
		{"A B=1", NULL},
		{"A-B=1", NULL},
		{"export", NULL},
		{"export =1", NULL},
		{"A='a", NULL},
		{"A=\"a", NULL},
		{"A=\"a\\\"", NULL},
		{"A='a'b", NULL},
		{"A='a\nb'", NULL},
		{"\xEF\xBB\xBF_=1", NULL},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		AUTO(strbuf_release) struct strbuf pairs;
		size_t len = strlen(rows[r].text);
		char *copy = malloc(len + 1);
		struct err e;
		bool ok;

		/* Without the NUL. */
		memcpy(copy, rows[r].text, len);
		copy = realloc(copy, len ? len : 1);
		strbuf_init(&pairs, 10000);
		ok = conf_dotenv_parse(copy, len, collect, &pairs, &e);
		cr_expect_eq(ok, rows[r].pairs != NULL, "%s", rows[r].text);
		if (ok && rows[r].pairs)
			cr_expect_str_eq(pairs.buf, rows[r].pairs, "%s: %s", rows[r].text,
					 pairs.buf);
		free(copy);
	}
}

Test(conf, dotenv_errors_name_the_line_and_not_the_value)
{
	AUTO(strbuf_release) struct strbuf pairs;
	static char big[65537];
	struct err e;

	strbuf_init(&pairs, 100000);
	cr_expect_not(conf_dotenv_parse("A=1\n\nB='hunter2\n", 16, collect, &pairs, &e));
	cr_expect_str_eq(e.text,
			 "line 3: the quotes around the value of B do not close at its end");
	cr_expect_not(conf_dotenv_parse("hunter2", 7, collect, &pairs, &e));
	cr_expect_str_eq(e.text, "line 1 is not NAME=value");
	cr_expect_not(conf_dotenv_parse("A=\0", 3, collect, &pairs, &e));
	memset(big, 'x', sizeof(big));
	big[1] = '=';
	cr_expect(conf_dotenv_parse(big, 65536, collect, &pairs, &e));
	cr_expect_not(conf_dotenv_parse(big, 65537, collect, &pairs, &e));
}

Test(conf, the_environment_wins_over_dotenv)
{
	static char big[65537];
	struct err e;

	cr_expect(conf_dotenv("f", &e), "no file is no error");
	setenv("T_A", "env", 1);
	setenv("T_EMPTY", "", 1);
	write_file("f", "T_A=file\nT_B=file\nT_EMPTY=file\n", 31);
	cr_expect(conf_dotenv("f", &e), "%s", e.text);
	cr_expect_str_eq(getenv("T_A"), "env");
	cr_expect_str_eq(getenv("T_B"), "file");
	cr_expect_str_eq(getenv("T_EMPTY"), "", "set to nothing is set");
	write_file("f", "T_A", 3);
	cr_expect_not(conf_dotenv("f", &e));
	cr_expect_str_eq(e.text, "f: line 1 is not NAME=value");
	cr_expect_eq(e.class, ERR_USAGE);
	memset(big, '#', sizeof(big));
	write_file("f", big, 65536);
	cr_expect(conf_dotenv("f", &e));
	write_file("f", big, 65537);
	cr_expect_not(conf_dotenv("f", &e));
	cr_expect_not(conf_dotenv("/", &e));
}
