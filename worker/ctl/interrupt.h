/* interrupt: Ctrl-C and SIGTERM as a question that a loop asks. A second one ends the process at
 * once. */
#ifndef CTL_INTERRUPT_H
#define CTL_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum { EXIT_INTERRUPTED = 130 }; /* what a shell says of a command that Ctrl-C has ended */

void interrupt_catch(void);
bool interrupted(void);

/* Waits; less when interrupted. */
void interruptible_wait(int ms);

/*
 * For what runs until it is told to end: blocks SIGTERM and SIGINT (before there are threads, so
 * that every thread has them blocked and main alone receives them), then waits for one; 0 when the
 * time is up first (-1: never).
 */
sigset_t ending_signals_block(void);
int ending_signal_wait(const sigset_t *set, int64_t timeout_ms);

#endif
