/* cpoa events: follows what is published, until Ctrl-C. */
#include <stdio.h>
#include <string.h>

#include "cpoa/client.h"
#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"
#include "cpoa/uuid.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/elapsed.h"
#include "ctl/interrupt.h"
#include "ctl/order.h"
#include "ctl/output.h"
#include "ctl/spinner.h"
#include "ctl/told.h"

enum { LOOK_MS = 500, EVENT_DEPTH = 64 };

struct wish {
	const char *type, *workflow; /* NULL: any */
	bool json;
	int64_t count, timeout_us; /* 0: no end */

	struct spinner spinner;
	int64_t began_us;
};

static struct elapsed seen_workflows; /* too large for a stack */

static void print_line(struct json_object *event)
{
	AUTO(strbuf_release) struct strbuf line, clean;
	char time[TIME_TEXT_SIZE];
	const char *message = told_message(event);
	char took[CLOCK_TEXT_SIZE] = "";
	int64_t at = 0, seen;

	if (!clock_parse(json_str(event, "time"), &at))
		at = clock_wall_us();
	seen = elapsed_since(&seen_workflows, told_workflow(event), at);
	if (seen >= 0)
		clock_duration_text(took, seen);
	strbuf_init(&line, TEXT_CLEAN_MAX);
	strbuf_init(&clean, 4 * TEXT_CLEAN_MAX);
	strbuf_addf(&line, "%s  %8s  %-29s  %s  ", time_text(time, at), took, told_type(event),
		    told_workflow(event));
	strbuf_addf(&line, "%s%s%s", told_stage(event), *message ? ": " : "", message);
	text_clean(&clean, line.buf, output_width());
	puts(clean.buf);
	fflush(stdout);
}

/* Whether it is one that was asked for. */
static bool show(const struct wish *wish, struct json_object *event)
{
	if (wish->workflow && strcasecmp(told_workflow(event), wish->workflow) != 0)
		return false;
	if (wish->json)
		print_json(event);
	else
		print_line(event);
	return true;
}

static bool on_event(const struct wish *wish, const struct cpoa_client_event *event)
{
	AUTO(json_put) struct json_object *o = NULL;
	struct err e = {0};

	return json_read(event->json, event->len, EVENT_DEPTH, JSON_MEND, &o, &e) == JSON_OK &&
	       show(wish, o);
}

/* How many events have been shown more. */
static int hear(struct wish *wish, struct cpoa_client *client, int timeout_ms)
{
	struct cpoa_client_error error = {0};
	struct cpoa_client_event event;
	enum cpoa_client_news news;

	spinner_show(&wish->spinner, "waiting for events", clock_mono_us() - wish->began_us);
	news = cpoa_client_next(client, timeout_ms, &event, &error);
	spinner_clear(&wish->spinner);
	switch (news) {
	case CPOA_CLIENT_EVENT:
		return on_event(wish, &event);
	case CPOA_CLIENT_GONE:
		say("%s; connecting again", error.text);
		break;
	case CPOA_CLIENT_BACK:
		say("connected again; what was published meanwhile is not shown");
		break;
	case CPOA_CLIENT_NOTHING:
		break;
	}
	return 0;
}

static int follow(struct cpoa_client *client, struct wish *wish)
{
	int64_t until = wish->timeout_us ? clock_mono_us() + wish->timeout_us : INT64_MAX;
	int look_ms = wish->spinner.on ? SPINNER_MS : LOOK_MS;
	int64_t shown = 0;

	while (!interrupted() && clock_mono_us() < until && (!wish->count || shown < wish->count) &&
	       !ferror(stdout)) {
		int64_t left_ms = (until - clock_mono_us()) / 1000;

		shown += hear(wish, client, (int)(left_ms < look_ms ? left_ms : look_ms));
	}
	if (wish->count && shown < wish->count && !interrupted()) {
		say("%lld of %lld events came in time", (long long)shown, (long long)wish->count);
		return shown ? EXIT_FAILED : EXIT_NO_MATCH;
	}
	return EXIT_DONE;
}

static int check(const struct wish *wish)
{
	struct uuid id;
	struct err e = {0};

	if (wish->workflow && !uuid_from_text(&id, wish->workflow)) {
		say("--workflow is '%.64s', which is no UUID", wish->workflow);
		return EXIT_USAGE;
	}
	if (wish->type && !order_type(wish->type, &e)) {
		err_wrap(&e, "--type");
		return complain(&e);
	}
	return EXIT_DONE;
}

static int run(struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	struct cpoa_client_error error = {0};
	struct cpoa_client *client;
	int code = connect_client(&s, &client);

	if (code != EXIT_DONE)
		return code;
	if (cpoa_client_follow(client, wish->type, &error)) {
		interrupt_catch();
		spinner_init(&wish->spinner, !wish->json);
		wish->began_us = clock_mono_us();
		code = follow(client, wish);
	} else {
		code = complain_client(&error);
	}
	cpoa_client_close(client);
	return code;
}

static int events_main(int argc, char **argv)
{
	struct wish wish = {0};
	const struct arg_option options[] = {
		{"type", .text = &wish.type},
		{"workflow", .text = &wish.workflow},
		{"json", .flag = &wish.json},
		{"count", .number = &wish.count, .min = 1, .max = INT64_MAX},
		{"timeout", .duration_us = &wish.timeout_us},
		{0},
	};
	struct args operands;
	struct err e = {0};
	int code;

	if (!args_parse(&operands, "events", argc, argv, options, &e) ||
	    !args_count(&operands, "events", 0, 0, "", &e))
		return complain(&e);
	code = check(&wish);
	return code == EXIT_DONE ? run(&wish) : code;
}

const struct command cmd_events = {
	.name = "events",
	.main = events_main,
	.summary = "follows the events of workflows",
	.usage =
		"usage: cpoa events [--type T] [--workflow ID] [--json] [--count N] [--timeout S]\n"
		"\n"
		"Prints each event as it is published, until Ctrl-C: time, time since its workflow "
		"was "
		"first seen, type,\n"
		"workflow, stage. "
		"It listens through a\n"
		"queue of its own that goes with it, so nobody else misses anything.\n"
		"\n"
		"  --type T       only of this type of workflow, e.g. podcast_generation\n"
		"  --workflow ID  only of this workflow\n"
		"  --json         the CloudEvents themselves, one a line\n"
		"  --count N      end after N of them\n"
		"  --timeout S    end after this time: 30, 90s, 15m\n"
		"\n"
		"Exit code 4: no broker; with --count, 1 or 3: fewer or none came in time.\n",
};
