/* podcast_help: the run that a test of podcasts is about. */
#ifndef PODCAST_HELP_H
#define PODCAST_HELP_H

#include "core_help.h"

static struct help_world world;
static struct run *run;

static inline void setup(void)
{
	world = help_world();
	run = NULL;
}

static inline void teardown(void)
{
	if (run)
		run_unref(run);
	help_close(&world);
}

/* Another world, with a run of this job whose first call is out. */
static inline void start(const char *body)
{
	teardown();
	setup();
	run = help_start(&world, body);
}

static inline void land(int status, const char *body)
{
	help_land(&world, run, status, body);
}

#endif
