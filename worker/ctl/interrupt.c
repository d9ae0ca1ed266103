/* interrupt: the handler sets a flag and does nothing else. */
#include "ctl/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>

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

sigset_t ending_signals_block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return set;
}

int ending_signal_wait(const sigset_t *set, int64_t timeout_ms)
{
	struct timespec t = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
	int signal = 0;

	if (timeout_ms < 0)
		return sigwait(set, &signal) == 0 ? signal : 0;
	signal = sigtimedwait(set, NULL, &t);
	return signal > 0 ? signal : 0;
}
