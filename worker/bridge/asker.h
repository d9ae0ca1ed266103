/*
 * asker: makes the calls that a plan wants, and tells the plan what came of them. Its thread is the
 * plan's.
 *
 * 2xx is taken; 400 with the ASF's own error_code in it is refused for good; 502, 503, 504 and no
 * connection are nobody; all else is "later".
 */
#ifndef BRIDGE_ASKER_H
#define BRIDGE_ASKER_H

#include "bridge/plan.h"

struct asker;

/* The URLs of both endpoints; they and the plan must outlive it. NULL: ERR_USAGE. */
MUST_CHECK struct asker *asker_new(struct plan *plan, const char *const urls[PUSH_KINDS],
				   const char *ca_file, struct err *e);
void asker_free(struct asker *a); /* NULL is fine; every push must be out of its hands */

/* Starts what the plan wants asked now. */
void asker_ask(struct asker *a);

/* Hears what has come. */
void asker_work(struct asker *a);

/* Looks whether anybody answers for streams; one look at a time. */
void asker_probe(struct asker *a);

/* Whether nothing is being asked. */
bool asker_idle(const struct asker *a);

/* For poll(2), as http_fd and http_wait_ms. */
int asker_fd(const struct asker *a);
int asker_wait_ms(struct asker *a, int max_ms);

/* For the plan: takes a push back (plan_forget); counts and logs an end (plan_options.ended). */
void asker_cancel(struct push *push);
void asker_ended(void *ctx, const struct push *push, enum push_end end);

#endif
