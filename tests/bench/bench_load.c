/*
 * bench_load: runs one worker against the load of one scenario, and prints what it measured.
 *
 *	bench_load throughput|inflight|lone|paced|idle [options] -- build/cpoa worker
 *
 * Servers, the agents' addresses and CPOA_HTTP_PORT come from the environment, which the worker
 * gets as well.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/http.h"

#include "load.h"

static int usage(void)
{
	fputs("usage: bench_load throughput|inflight|lone|paced|idle [--podcasts N] [--rate R]\n"
	      "                  [--seconds S] [--workers 1|2] [--type WORKFLOW] [--name "
	      "SCENARIO]\n"
	      "                  [--watch NAME=PID]... [--agents URL] -- WORKER ARGUMENT...\n",
	      stderr);
	return 2;
}

static bool read_options(struct bench *b, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{"podcasts", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 't'},
		{"workers", required_argument, NULL, 'k'},
		{"type", required_argument, NULL, 'y'},
		{"name", required_argument, NULL, 's'},
		{"watch", required_argument, NULL, 'w'},
		{"agents", required_argument, NULL, 'a'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'n')
			b->podcasts = strtoll(optarg, NULL, 10);
		else if (c == 'r')
			b->rate = strtod(optarg, NULL);
		else if (c == 't')
			b->seconds = strtoll(optarg, NULL, 10);
		else if (c == 'k')
			b->workers = (int)strtol(optarg, NULL, 10);
		else if (c == 'y')
			b->type = optarg;
		else if (c == 's')
			b->name = optarg;
		else if (c == 'a')
			b->agents = optarg;
		else if (c != 'w' || !watch_add(&b->watches, optarg, e))
			return false;
	}
	b->worker_argv = argv + optind;
	return optind < argc && b->podcasts > 0 && b->seconds > 0 && b->workers > 0 &&
	       b->workers <= WORKERS_MAX;
}

static int run(struct bench *b, bool (*scenario)(struct bench *b, struct err *e))
{
	struct err e = {0};
	bool good;

	proc_keep_environment();
	good = settings_load(&b->settings, &e) && http_global_init(&e) &&
	       feed_open(&b->feed, &b->settings, b->type, &e) && scenario(b, &e);

	worker_end(b);
	feed_close(&b->feed);
	if (!good)
		fprintf(stderr, "bench_load: %s: %s\n", b->name, e.text);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(struct bench *b, struct err *e);
	} scenarios[] = {{"throughput", throughput},
			 {"inflight", inflight},
			 {"lone", lone},
			 {"paced", paced},
			 {"idle", idle}};
	struct bench b = {
		.podcasts = 1000, .seconds = 10, .workers = 1, .type = "podcast_generation"};
	struct err e = {0};

	b.watches.of[b.watches.n++] = (struct watch){.name = "worker"};
	b.watches.of[b.watches.n++] = (struct watch){.name = "worker_2"};
	b.watches.of[b.watches.n++] =
		(struct watch){.name = "load", .pid = getpid(), .alone = true};
	for (size_t i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(argv[1], scenarios[i].name) != 0)
			continue;
		b.name = argv[1];
		if (!read_options(&b, argc - 1, argv + 1, &e)) {
			fprintf(stderr, "%s\n", e.text);
			return usage();
		}
		return run(&b, scenarios[i].run);
	}
	return usage();
}
