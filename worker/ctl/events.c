/* cpoa events: follows what is published, until Ctrl-C. */
#include <stdio.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"
#include "cpoa/uuid.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/follow.h"
#include "ctl/interrupt.h"
#include "ctl/order.h"
#include "ctl/output.h"
#include "ctl/told.h"

enum { LOOK_MS = 500, BINDING_SIZE = 272, TYPE_MAX = 255 };

struct wish {
	const char *type, *workflow; /* NULL: any */
	bool json;
	int64_t count, timeout_us; /* 0: no end */
};

static void print_line(struct json_object *event)
{
	AUTO(strbuf_release) struct strbuf line, clean;
	char time[TIME_TEXT_SIZE];
	const char *message = told_message(event);
	int64_t at = 0;

	if (!clock_parse(json_str(event, "time"), &at))
		at = clock_wall_us();
	strbuf_init(&line, TEXT_CLEAN_MAX);
	strbuf_init(&clean, 4 * TEXT_CLEAN_MAX);
	strbuf_addf(&line, "%s  %-29s  %s  ", time_text(time, at), told_type(event),
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

static int follow(struct follow *f, const struct wish *wish)
{
	int64_t until = wish->timeout_us ? clock_mono_us() + wish->timeout_us : INT64_MAX;
	int64_t shown = 0;

	while (!interrupted() && clock_mono_us() < until && (!wish->count || shown < wish->count) &&
	       !ferror(stdout)) {
		int64_t left_ms = (until - clock_mono_us()) / 1000;
		AUTO(json_put) struct json_object *event = NULL;
		struct err e = {0};

		switch (follow_next(f, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS), &event, &e)) {
		case FOLLOW_EVENT:
			shown += show(wish, event);
			break;
		case FOLLOW_LOST:
			say("%s; connecting again", e.text);
			break;
		case FOLLOW_BACK:
			say("connected again; what was published meanwhile is not shown");
			break;
		case FOLLOW_NOTHING:
			break;
		}
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

static int run(const struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	char binding[BINDING_SIZE];
	struct follow f;
	struct err e = {0};
	int code = load_settings(&s);

	if (code != EXIT_DONE)
		return code;
	snprintf(binding, sizeof(binding), "%.*s%s#", TYPE_MAX, wish->type ? wish->type : "",
		 wish->type ? "." : "");
	if (!follow_open(&f, &s, binding, &e)) {
		complain(&e);
		return e.class == ERR_USAGE ? EXIT_USAGE : EXIT_NO_SERVER;
	}
	interrupt_catch();
	code = follow(&f, wish);
	follow_close(&f);
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
		"Prints each event as it is published, until Ctrl-C: time, type, workflow, stage. "
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
