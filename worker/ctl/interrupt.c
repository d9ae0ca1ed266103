/* interrupt: the handler sets a flag and does nothing else. */
#include "ctl/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t flag;

static void on_signal(int signal)
{
	(void)signal;
	flag = 1;
}

void interrupt_catch(void)
{
	/* No SA_RESTART: a wait is to end. SA_RESETHAND: the second signal is not ours. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void)
{
	return flag != 0;
}

void interruptible_wait(int ms)
{
	if (!flag)
		poll(NULL, 0, ms);
}
