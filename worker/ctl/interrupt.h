/* interrupt: Ctrl-C and SIGTERM as a question that a loop asks. A second one ends the process at
 * once. */
#ifndef CTL_INTERRUPT_H
#define CTL_INTERRUPT_H

#include <stdbool.h>

enum { EXIT_INTERRUPTED = 130 }; /* what a shell says of a command that Ctrl-C has ended */

void interrupt_catch(void);
bool interrupted(void);

/* Waits; less when interrupted. */
void interruptible_wait(int ms);

#endif
