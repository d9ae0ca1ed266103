/* audit: the words of a row. */
#include "ctl/audit.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/json.h"

enum { COMMAND_MAX = 4096, NAME_BYTES = 60 };

/* ---- who, where, what ---- */

static void name_user(char *out, size_t size, const char *as)
{
	const struct passwd *user = getpwuid(geteuid());
	char number[24], name[NAME_BYTES + 1] = "";

	snprintf(number, sizeof(number), "uid %ld", (long)geteuid());
	if (as && utf8_ok(as, strlen(as)))
		memcpy(name, as, utf8_cut(as, strlen(as), NAME_BYTES));
	snprintf(out, size, "%s%s%.40s", name, *name ? " as " : "", user ? user->pw_name : number);
}

/* As a shell reads it back. */
static void add_quoted(struct strbuf *sb, const char *arg)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=./:,@%";

	if (*arg && arg[strspn(arg, plain)] == '\0') {
		strbuf_adds(sb, arg);
		return;
	}
	strbuf_addc(sb, '\'');
	for (; *arg; arg++) {
		if (*arg == '\'')
			strbuf_adds(sb, "'\\''");
		else
			strbuf_addc(sb, *arg);
	}
	strbuf_addc(sb, '\'');
}

static char *command_text(const char *command, int argc, char **argv)
{
	struct strbuf sb;

	strbuf_init(&sb, COMMAND_MAX);
	strbuf_adds(&sb, command);
	for (int i = 0; i < argc; i++) {
		strbuf_addc(&sb, ' ');
		if (utf8_ok(argv[i], strlen(argv[i])))
			add_quoted(&sb, argv[i]);
		else
			strbuf_addc(&sb, '?');
	}
	return strbuf_detach(&sb, NULL);
}

void audit_begin(struct audit *a, const char *action, const char *reason, const char *command,
		 int argc, char **argv)
{
	struct uuid id = uuid_new();

	*a = (struct audit){.action = action, .reason = reason};
	uuid_to_text(&id, a->replay_id);
	/* Whoever is root by sudo is still somebody. */
	name_user(a->who, sizeof(a->who), getenv("SUDO_USER"));
	if (gethostname(a->host, sizeof(a->host)) != 0)
		snprintf(a->host, sizeof(a->host), "unknown");
	a->host[sizeof(a->host) - 1] = '\0';
	a->command = command_text(command, argc, argv);
}

void audit_explain(struct audit *a, const char *reason, const char *as)
{
	a->reason = reason;
	if (as)
		name_user(a->who, sizeof(a->who), as);
}

void audit_release(struct audit *a)
{
	free(a->command);
	a->command = NULL;
}

void audit_params(const struct audit *a, const char *params[AUDIT_PARAMS])
{
	params[0] = a->replay_id;
	params[1] = a->action;
	params[2] = a->who;
	params[3] = a->host;
	params[4] = a->reason;
	params[5] = a->command;
	params[6] = CPOA_VERSION;
}
