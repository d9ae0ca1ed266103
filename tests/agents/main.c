/* main.c - the parts in the order in which they start; they stop the other way round */
#include "standin.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Every thread inherits the mask, so the signals reach nobody but the sigwait below. */
static void block_signals(sigset_t *stop)
{
	(void)sigemptyset(stop);
	(void)sigaddset(stop, SIGINT);
	(void)sigaddset(stop, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, stop, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void release(struct standin *standin)
{
	record_clear(&standin->record);
	store_release(&standin->store);
	json_object_put(standin->streams);
	options_release(&standin->options);
}

int main(int argc, char **argv)
{
	static struct standin standin;
	const char *bind;
	sigset_t stop;
	unsigned port = 0;
	int signal_number = 0;

	if (!options_parse(&standin.options, argc, argv)) {
		options_release(&standin.options);
		return 2;
	}
	bind = standin.options.bind; /* once the server runs, the options are its thread's */
	block_signals(&stop);
	store_init(&standin.store);
	if (!hold_start(http_resume) || !speech_start()) {
		(void)fprintf(stderr, "cpoa-agents: cannot start threads\n");
		return 1;
	}
	if (!http_start(&standin, &port)) {
		(void)fprintf(stderr, "cpoa-agents: cannot listen on %s:%ld\n",
			      standin.options.bind, standin.options.port);
		return 1;
	}
	(void)printf("cpoa-agents listening on http://%s:%u\n", bind, port);
	(void)fflush(stdout);

	(void)sigwait(&stop, &signal_number);

	hold_stop(); /* nobody waits any more: what was held is let go without an answer */
	http_stop();
	speech_stop();
	release(&standin);
	return 0;
}
