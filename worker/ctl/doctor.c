/* cpoa doctor: the table of checks, and what is told of them. */
#include "ctl/doctor.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

/* clang-format off */
static const struct check {
	const char *name;
	void (*run)(struct doctor *d);
	enum ground ground;
} checks[] = {
	{"configuration", check_configuration, GROUND_NOTHING},
	{"postgresql login", check_pg_login, GROUND_SETTINGS},
	{"postgresql sessions", check_pg_sessions, GROUND_DB},
	{"postgresql writable", check_pg_writable, GROUND_DB},
	{"postgresql settings", check_pg_settings, GROUND_DB},
	{"postgresql clock", check_pg_clock, GROUND_DB},
	{"schema", check_schema, GROUND_DB},
	{"grants", check_grants, GROUND_SCHEMA},
	{"lock table", check_locks, GROUND_SCHEMA},
	{"rabbitmq login", check_mq_login, GROUND_SETTINGS},
	{"topology", check_mq_topology, GROUND_MQ},
	{"rabbitmq alarm", check_mq_alarm, GROUND_MQ},
	{"rabbitmq permissions", check_mq_permissions, GROUND_PUBLISH},
	{"agents", check_agents, GROUND_SETTINGS},
};
/* clang-format on */

static const char *const verdicts[VERDICT_COUNT] = {
	[VERDICT_OK] = "ok",
	[VERDICT_WARNING] = "warning",
	[VERDICT_WRONG] = "wrong",
	[VERDICT_SKIPPED] = "skipped",
};

static const char *const grounds[] = {
	[GROUND_SETTINGS] = "the configuration cannot be read",
	[GROUND_DB] = "there is no session with PostgreSQL",
	[GROUND_SCHEMA] = "there is no schema that fits",
	[GROUND_MQ] = "there is no connection to RabbitMQ",
	[GROUND_PUBLISH] = "the broker takes no publishing",
};

/* ---- telling ---- */

enum { TEXT_COLUMN = 31, TEXT_NARROWEST = 30 };

/* The rest of a line and, on a terminal, as many more beneath as it takes, broken between words. */
static void print_words(const char *text)
{
	int width = output_width(), room = width - TEXT_COLUMN, used = 0;

	if (width == 0 || room < TEXT_NARROWEST)
		room = INT_MAX;
	while (*text) {
		AUTO(free_ptr) char *word = xstrndup(text, strcspn(text, " "));
		int columns = text_columns(word);

		if (used && used + 1 + columns > room) {
			printf("\n%*s", TEXT_COLUMN, "");
			used = 0;
		}
		printf("%s%s", used ? " " : "", word);
		used += columns + (used > 0);
		text += strlen(word);
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_finding(const struct doctor *d, enum verdict v, const char *text,
			  const char *mend)
{
	AUTO(strbuf_release) struct strbuf clean;
	const char *colour = status_colour(verdicts[v]);

	strbuf_init(&clean, 4 * TEXT_CLEAN_MAX);
	text_clean(&clean, text, 0);
	printf("%s%-7s%s  %-20s  ", colour, verdicts[v], colour_end(colour), d->check);
	print_words(clean.buf);
	if (mend) {
		printf("%*s", TEXT_COLUMN, "");
		strbuf_reset(&clean);
		strbuf_addf(&clean, "-> %s", mend);
		print_words(clean.buf);
	}
	fflush(stdout);
}

static void tell(struct doctor *d, enum verdict v, const char *mend, const char *fmt, va_list ap)
	PRINTF_LIKE(4, 0);

static void tell(struct doctor *d, enum verdict v, const char *mend, const char *fmt, va_list ap)
{
	AUTO(strbuf_release) struct strbuf text;
	struct json_object *o;

	strbuf_init(&text, TEXT_CLEAN_MAX);
	strbuf_vaddf(&text, fmt, ap);
	d->count[v]++;
	if (!d->list) {
		print_finding(d, v, text.buf, mend);
		return;
	}
	o = json_object_new_object();
	json_set_str(o, "check", d->check);
	json_set_str(o, "verdict", verdicts[v]);
	json_set_str(o, "text", text.buf);
	json_set_str(o, "mend", mend);
	json_object_array_add(d->list, o);
}

void doctor_ok(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(d, VERDICT_OK, NULL, fmt, ap);
	va_end(ap);
}

void doctor_warn(struct doctor *d, const char *mend, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(d, VERDICT_WARNING, mend, fmt, ap);
	va_end(ap);
}

void doctor_wrong(struct doctor *d, const char *mend, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(d, VERDICT_WRONG, mend, fmt, ap);
	va_end(ap);
}

static void doctor_skip(struct doctor *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void doctor_skip(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(d, VERDICT_SKIPPED, NULL, fmt, ap);
	va_end(ap);
}

void doctor_failed(struct doctor *d, const char *mend, const struct err *e)
{
	d->misconfigured |= e->class == ERR_USAGE;
	d->unreachable |= e->class == ERR_LOST;
	doctor_wrong(d, mend, "%s", e->text);
}

const char *remedy_for(const struct remedy *table, const struct err *e)
{
	while ((table->code && strcmp(table->code, e->code) != 0) ||
	       (table->part && !strstr(e->text, table->part)))
		table++;
	return table->mend;
}

/* ---- time ---- */

enum { WATCHED_MAX = 4 };
static volatile int watched[WATCHED_MAX];
static volatile sig_atomic_t n_watched;

void doctor_watch(int fd)
{
	for (int i = 0; i < n_watched; i++)
		if (watched[i] == fd)
			return;
	if (fd < 0 || n_watched == WATCHED_MAX)
		return;
	watched[n_watched] = fd;
	n_watched = n_watched + 1;
}

/* Whoever waits for that server is told that it is gone: shutdown(2) may be called in a handler. */
static void on_alarm(int signal)
{
	(void)signal;
	for (int i = 0; i < n_watched; i++)
		shutdown(watched[i], SHUT_RDWR);
}

static void run_check(struct doctor *d, const struct check *c)
{
	d->check = c->name;
	d->has[GROUND_DB] = d->db && db_fd(d->db) >= 0;
	d->has[GROUND_SCHEMA] = d->has[GROUND_SCHEMA] && d->has[GROUND_DB];
	if (!d->has[c->ground]) {
		doctor_skip(d, "not looked at: %s", grounds[c->ground]);
		return;
	}
	n_watched = 0;
	if (d->has[GROUND_DB])
		doctor_watch(db_fd(d->db));
	alarm(CHECK_S);
	c->run(d);
	alarm(0);
	n_watched = 0;
}

/* ---- configuration ---- */

void check_configuration(struct doctor *d)
{
	AUTO(strbuf_release) struct strbuf warnings;
	struct err e = {0};
	bool good = true;

	strbuf_init(&warnings, SETTINGS_WARNINGS_MAX);
	if (!settings_read(&d->settings, &warnings, &e)) {
		doctor_failed(d, "`cpoa worker --help` lists every option with its bounds.", &e);
		return;
	}
	d->has[GROUND_SETTINGS] = true;
	for (const char *line = warnings.buf; *line; good = false) {
		size_t n = strcspn(line, "\n");

		doctor_warn(d, "Unset it, or name the option that is meant.", "%.*s", (int)n, line);
		line += n + (line[n] == '\n');
	}
	if (good)
		doctor_ok(d, "every option is known and within its bounds");
}

/* ---- the command ---- */

static int exit_code(const struct doctor *d)
{
	if (d->misconfigured)
		return EXIT_USAGE;
	if (d->unreachable)
		return EXIT_NO_SERVER;
	return d->count[VERDICT_WRONG] ? EXIT_FAILED : EXIT_DONE;
}

static int examine(struct doctor *d)
{
	struct sigaction cut = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &cut, NULL);
	d->has[GROUND_NOTHING] = true;
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		run_check(d, &checks[i]);
	db_close(d->db);
	if (d->has[GROUND_SETTINGS])
		settings_release(&d->settings);
	if (d->list)
		print_json(d->list);
	say("%d ok, %d warnings, %d wrong, %d skipped", d->count[VERDICT_OK],
	    d->count[VERDICT_WARNING], d->count[VERDICT_WRONG], d->count[VERDICT_SKIPPED]);
	json_put(&d->list);
	return exit_code(d);
}

static int doctor_main(int argc, char **argv)
{
	struct doctor d = {0};
	bool json = false;
	const struct arg_option options[] = {{"json", .flag = &json}, {0}};
	struct args operands;
	struct err e = {0};

	if (!args_parse(&operands, "doctor", argc, argv, options, &e) ||
	    !args_count(&operands, "doctor", 0, 0, "", &e))
		return complain(&e);
	if (json)
		d.list = json_object_new_array();
	return examine(&d);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.main = doctor_main,
	.summary = "what keeps a worker from working here, and what to do",
	.usage =
		"usage: cpoa doctor [--json]\n"
		"\n"
		"Looks at the configuration, both servers, schema, grants, queues and agents with "
		"a worker's own eyes and\n"
		"its environment: a line each, ok, warning, wrong or skipped, and what to do about "
		"it. It changes nothing,\n"
		"and no check takes longer than 5 seconds.\n"
		"\n"
		"  --json  an array of {check, verdict, text, mend}\n"
		"\n"
		"Exit code 0: nothing is wrong (there may be warnings). Else, whichever is met "
		"first: 2: the configuration\n"
		"is wrong, or a server refuses it (password, TLS, database); 4: a server cannot be "
		"reached; 1: something\n"
		"else is wrong.\n",
};
