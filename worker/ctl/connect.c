/* connect: to either server. */
#include "ctl/connect.h"

#include <string.h>

#include "ctl/ctl.h"
#include "ctl/output.h"

static int exit_code_of(const struct err *e)
{
	switch (e->class) {
	case ERR_USAGE:
		return EXIT_USAGE;
	case ERR_LOST:
		return EXIT_NO_SERVER;
	case ERR_REJECT:
		return EXIT_REFUSED;
	case ERR_NONE:
	case ERR_RETRY:
		break;
	}
	return EXIT_FAILED;
}

int complain(const struct err *e)
{
	say("%s", e->text);
	return exit_code_of(e);
}

int load_settings(struct settings *s)
{
	struct err e = {0};

	return settings_load(s, &e) ? EXIT_DONE : complain(&e);
}

bool db_configured(const struct settings *s)
{
	return *s->database_url || *s->pg_host;
}

int connect_db(struct settings *s, struct db **db)
{
	int code = load_settings(s);
	struct db_options o;
	struct err e = {0};

	if (code != EXIT_DONE)
		return code;
	if (!db_configured(s)) {
		say("PostgreSQL is not configured; set POSTGRES_HOST and its fellows, or "
		    "DATABASE_URL");
		return EXIT_USAGE;
	}
	o = settings_db(s);
	*db = db_open(&o, &e);
	return *db ? EXIT_DONE : complain(&e);
}

int connect_mq(const struct settings *s, struct mq **mq)
{
	struct mq_options o = settings_mq(s, "cpoa");
	struct err e = {0};

	*mq = mq_open(&o, &e);
	return *mq ? EXIT_DONE : complain(&e);
}

int complain_client(const struct cpoa_client_error *error)
{
	say("%s", error->text);
	return error->code == CPOA_CLIENT_USAGE ? EXIT_USAGE : EXIT_NO_SERVER;
}

static void notice(void *ctx, const char *text)
{
	(void)ctx;
	say("%s", text);
}

int connect_client(struct settings *s, struct cpoa_client **client)
{
	int code = load_settings(s);
	struct cpoa_client_options o = {.name = "cpoa", .notice = notice};
	struct cpoa_client_error error = {0};

	if (code != EXIT_DONE)
		return code;
	o.url = s->amqp_url;
	o.ca_file = s->amqp_ca_file;
	o.cert_file = s->amqp_cert_file;
	o.key_file = s->amqp_key_file;
	*client = cpoa_client_connect(&o, &error);
	return *client ? EXIT_DONE : complain_client(&error);
}

int complain_query(struct err *e)
{
	/* undefined_table, undefined_column */
	if (strcmp(e->code, "42P01") == 0 || strcmp(e->code, "42703") == 0) {
		err_wrap(e, "the schema is missing or too old; run `cpoa migrate`");
		e->class = ERR_USAGE;
	}
	return complain(e);
}
