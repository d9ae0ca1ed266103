/* cpoa asf-bridge: runs until SIGTERM. */
#include <stdio.h>

#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/log.h"

#include "admin.h"
#include "bridge/bridge.h"
#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "engine/build.h"
#include "engine/topology.h"

enum { LOOK_MS = 20 };

/* Until nothing is being asked, the time is up, or a second signal hurries. */
static void drain(struct bridge *bridge, const struct settings *s, const sigset_t *set)
{
	int64_t until = clock_mono_us() + s->drain_us;

	log_info("draining", LOG_END);
	bridge_drain(bridge);
	while (!bridge_idle(bridge) && clock_mono_us() < until)
		if (ending_signal_wait(set, LOOK_MS))
			return;
}

static int run(const struct settings *s, const struct bridge_options *o)
{
	sigset_t set = ending_signals_block();
	struct err e = {0};
	struct bridge *bridge;
	struct httpd *admin;

	bridge = http_global_init(&e) ? bridge_start(o, &e) : NULL;
	if (!bridge) {
		say("%s", e.text);
		return EXIT_USAGE;
	}
	admin = admin_start_bridge(bridge, s, &e);
	if (!admin && e.class != ERR_NONE) {
		say("%s", e.text);
		bridge_stop(bridge);
		return EXIT_USAGE;
	}
	log_info("bridge started", log_str("service.version", CPOA_VERSION),
		 log_str("service.commit", CPOA_COMMIT), LOG_END);
	ending_signal_wait(&set, -1);
	drain(bridge, s, &set);
	httpd_stop(admin);
	bridge_stop(bridge);
	log_info("bridge ended", LOG_END);
	return EXIT_DONE;
}

static int asf_bridge_main(int argc, char **argv)
{
	AUTO(settings_release) struct settings s = {0};
	struct bridge_options o = {.queue = QUEUE_EVENTS_ASF};
	const struct arg_option options[] = {{"rebuild-since", .duration_us = &o.rebuild_since_us},
					     {0}};
	struct args operands;
	struct err e = {0};
	int code;

	if (!args_parse(&operands, "asf-bridge", argc, argv, options, &e) ||
	    !args_count(&operands, "asf-bridge", 0, 0, "", &e))
		return complain(&e);
	code = load_settings(&s);
	if (code != EXIT_DONE)
		return code;
	if (o.rebuild_since_us && !db_configured(&s)) {
		say("--rebuild-since reads PostgreSQL, which is not configured; set POSTGRES_HOST "
		    "and its fellows, or DATABASE_URL");
		return EXIT_USAGE;
	}
	log_setup((enum log_level)s.log_level, (enum log_format)s.log_format, "cpoa-asf-bridge",
		  CPOA_VERSION);
	log_thread_name("main");
	o.mq = settings_mq(&s, "cpoa asf-bridge");
	o.declare = s.declare_topology ? topology_apply : NULL;
	o.stream_url = s.asf_notification_url;
	o.ui_url = s.asf_ui_url;
	o.ca_file = s.agents_ca_file;
	o.db = settings_db(&s);
	return run(&s, &o);
}

const struct command cmd_asf_bridge = {
	.name = "asf-bridge",
	.main = asf_bridge_main,
	.summary = "tells an unchanged ASF what happened, by HTTP",
	.usage = "usage: cpoa asf-bridge [--rebuild-since AGE]\n"
		 "\n"
		 "Consumes cpoa.events.asf until SIGTERM, and makes the two calls that an ASF has "
		 "always taken: new audio\n"
		 "to ASF_NOTIFICATION_URL, tried again until it is taken; updates for users to "
		 "CPOA_ASF_SEND_UI_UPDATE_URL,\n"
		 "in the order of each client, given up when they are older than a minute or when "
		 "their workflow has ended\n"
		 "meanwhile. Neither holds up the other, and no client holds up another.\n"
		 "\n"
		 "  --rebuild-since AGE  an ASF forgets its streams when it is restarted. Give it "
		 "those of podcasts that\n"
		 "                       ended within this time (90s, 15m, 24h) again: now, and "
		 "whenever nobody answered\n"
		 "                       there and somebody does again. Needs PostgreSQL\n"
		 "\n"
		 "Configured by the environment (`cpoa worker --help`): AMQP_URL, the two above, "
		 "CPOA_AGENTS_CA_FILE for\n"
		 "https://, CPOA_HTTP_PORT for probes and metrics, CPOA_DRAIN_SECONDS. On SIGTERM "
		 "it "
		 "takes nothing new, hears\n"
		 "the answers to what it has asked, "
		 "and leaves the rest in the queue for the next one.\n"
		 "Exit code 0: ended by a signal; 2: usage or configuration.\n",
};
