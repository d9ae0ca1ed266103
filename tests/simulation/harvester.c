/* harvester: WCHA is a service here, so its thread has nothing to do (in place of
 * engine/harvester.c). */
#include "engine/harvester.h"

static char nobody;

struct harvester *harvester_start(struct house *house, struct err *e)
{
	(void)house;
	(void)e;
	return (struct harvester *)(void *)&nobody;
}

void harvester_stop(struct harvester *h)
{
	(void)h;
}

void harvester_free(struct harvester *h)
{
	(void)h;
}

void harvester_send(struct harvester *h, struct call *call)
{
	(void)h;
	BUG("call %s went to the harvester", call->name);
}

void harvester_forget(struct harvester *h, struct run *run)
{
	(void)h;
	run_unref(run);
}

void harvester_recall(struct harvester *h)
{
	(void)h;
}
