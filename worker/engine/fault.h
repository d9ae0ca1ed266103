/*
 * fault: named points at which a test build can be made to die, freeze or dawdle. They stand at
 * every durable boundary: where something has been promised or done and the next step has not.
 *
 *	CPOA_FAULT=POINT[:NTH][:ACTION][,...]
 *
 *	NTH     the how manieth time that the worker comes by: 1 (the default) to 1000000000
 *	ACTION  kill     SIGKILL to itself (the default)
 *	        stop     SIGSTOP to itself
 *	        delay=MS waits, 1 to 3600000 ms, from the nth time on every time
 *
 * An unknown point is refused at the start, with the list of the known. All of this is in builds
 * with the CMake option CPOA_FAULTS (preset "chaos") and in no other: there FAULT() is nothing, the
 * release holds not a word of it (tests/lint/faults.sh), and the variable is warned of like any
 * unknown one.
 *
 * To add a point: a line in FAULT_POINTS, FAULT(its name) where it is, and its name in
 * tests/chaos/cells.py.
 */
#ifndef ENGINE_FAULT_H
#define ENGINE_FAULT_H

#include <stdbool.h>

#include "cpoa/err.h"

/* In the order of a job's way; then those of a worker's. */
/* clang-format off */
#define FAULT_POINTS(X) \
	X(received)   /* a message has come; its job is not read */ \
	X(venom)      /* a job with "chaos-venom" in it is about to be read */ \
	X(planned)    /* calls are planned; nothing is committed */ \
	X(committing) /* the transaction is put together; nothing is sent */ \
	X(sent)       /* it is with the server, and the one before may go on; there is no answer */ \
	X(committed)  /* the transaction is committed; nothing of what it was to cause has happened */ \
	X(admitted)   /* the job is committed; its message is not acked */ \
	X(acked)      /* the ack is sent */ \
	X(poison)     /* a committed job with "chaos-poison" in it is about to be run */ \
	X(calling)    /* a call is committed; the request is not sent */ \
	X(asked)      /* the request has left; there is no answer */ \
	X(accepted)   /* the agent has accepted the task (202); that is not committed */ \
	X(answered)   /* the answer has come; that is not committed */ \
	X(ended)      /* the last step is committed; its event is not published */ \
	X(published)  /* an event is published; the broker has not confirmed it */ \
	X(confirmed)  /* it is confirmed; its row is still there */ \
	X(leased)     /* a lease is taken; nothing is done under it */ \
	X(rescuing)   /* orphans are claimed; they are not loaded */ \
	X(taken_over) /* they are loaded; they do not run yet */ \
	X(draining)   /* SIGTERM has come; consuming goes on */ \
	X(clearing)   /* the time of the drain is up; nothing is let go yet */ \
	X(releasing)  /* all is let go; the claims are not given back */
/* clang-format on */

#ifdef CPOA_FAULTS

#define FAULT_ENUM(point) FAULT_##point,
enum fault_point { FAULT_POINTS(FAULT_ENUM) FAULT_COUNT };
#undef FAULT_ENUM

/* Reads CPOA_FAULT. False (ERR_USAGE): the text says what is wrong. Before there are threads. */
MUST_CHECK bool fault_setup(struct err *e);
/* Any thread. */
void fault_reach(enum fault_point point);

#define FAULT(point) fault_reach(FAULT_##point)
#define FAULT_WHEN(condition, point)  \
	do {                          \
		if (condition)        \
			FAULT(point); \
	} while (0)

#else

#define fault_setup(e)		     true
#define FAULT(point)		     ((void)0)
#define FAULT_WHEN(condition, point) ((void)sizeof(condition))

#endif
#endif
