/* cpoa health: what a worker on this host says of itself; for container probes without curl. */
#include <stdio.h>

#include "cpoa/http.h"
#include "cpoa/strbuf.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

enum { TIMEOUT_MS = 3000, ANSWER_BYTES = 64 << 10, STATUS_OK = 200 };

static int ask(int64_t port, const char *path)
{
	AUTO(strbuf_release) struct strbuf answer;
	char url[64];
	struct err e = {0};
	int status = 0;

	strbuf_init(&answer, ANSWER_BYTES);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", (int)port, path);
	if (!http_global_init(&e))
		return complain(&e);
	if (!http_ask("GET", url, NULL, TIMEOUT_MS, &status, &answer, &e)) {
		say("no worker answers at %s: %s", url, e.text);
		return EXIT_FAILED;
	}
	if (status == STATUS_OK)
		return EXIT_DONE;
	say("%s answers %d", url, status);
	fwrite(answer.buf, 1, answer.len, stdout);
	if (answer.len > 0 && answer.buf[answer.len - 1] != '\n')
		putchar('\n');
	return EXIT_FAILED;
}

static int health_main(int argc, char **argv)
{
	AUTO(settings_release) struct settings s = {0};
	int64_t port = 0;
	const struct arg_option options[] = {{"port", .number = &port, .min = 1, .max = 65535},
					     {0}};
	struct args operands;
	struct err e = {0};
	static const char *const subcommands[] = {"live", "ready"};
	int what = 0;

	if (!args_parse(&operands, "health", argc, argv, options, &e) ||
	    !args_count(&operands, "health", 0, 1, "", &e))
		return complain(&e);
	if (operands.n)
		what = args_choose("subcommand of `cpoa health`", operands.item[0], subcommands, 2,
				   &e);
	if (what < 0)
		return complain(&e);
	if (!port) {
		int code = load_settings(&s);

		if (code != EXIT_DONE)
			return code;
		port = s.http_port;
	}
	if (!port) {
		say("CPOA_HTTP_PORT is 0: the worker serves no health; give --port");
		return EXIT_USAGE;
	}
	return ask(port, what == 0 ? "/livez" : "/readyz");
}

const struct command cmd_health = {
	.name = "health",
	.main = health_main,
	.summary = "asks a worker on this host: live, ready",
	.usage = "usage: cpoa health [live|ready] [--port N]\n"
		 "\n"
		 "  live   (the default) whether every thread has ticked lately\n"
		 "  ready  whether it takes jobs: schema, lease, consuming, not draining\n"
		 "\n"
		 "  --port N  in place of CPOA_HTTP_PORT\n"
		 "\n"
		 "Exit code 0: yes; 1: no, and the worker's answer is printed; 2: usage.\n",
};
