/*
 * ledger: the one PostgreSQL session of a worker. It holds the lease and writes the history.
 *
 * At its start the session takes a new number, holds an advisory lock on it, and only then writes
 * it to `leases`. A row is claimed by writing that number to claimed_by; a claim is alive exactly
 * as long as the lock is held. So a worker whose session is gone has lost its claims, and every
 * other worker can tell: it gets the shared lock. Nothing beats a timer.
 *
 * All changes that wait when the last commit returns go into the next one: one round trip, one
 * statement a kind of change, one commit. One workflow alone waits for nobody; where several move,
 * a commit begins 2 ms after the last at the soonest. What a change was to cause happens after its
 * commit (aftermath.h): while the server works on the next one, if there is one. A batch that is
 * refused is tried one by one, and only the bad one fails.
 *
 * When the session is lost, everything in memory is void, because whether the last commit happened
 * is unknown: the rows know, and they are claimed again, by whoever comes first, through the rescue
 * that every worker performs.
 */
#ifndef ENGINE_LEDGER_H
#define ENGINE_LEDGER_H

#include "engine/house.h"

MUST_CHECK struct ledger *ledger_start(struct house *house, struct err *e);

/*
 * Commits what waits, gives every claim back for others to take at once, drops the lease, and ends
 * the thread. What is handed to it afterwards is dropped.
 */
void ledger_stop(struct ledger *ledger);
void ledger_free(struct ledger *ledger);

/*
 * A run with news, or with a message to be refused: handed over until its commit. One whose pass is
 * due, and that is not whole, is handed over until its replies are read back from their rows; it
 * goes to the pool then. Any thread; never blocks.
 */
void ledger_commit(struct ledger *ledger, struct run *run);

/* A run is void: its session was lost, not its worker, and whoever has claimed it since is told so.
 * Any thread; never blocks. */
void ledger_forgive(struct ledger *ledger, const struct uuid *workflow, int64_t lease);

/* Events that the broker has confirmed: their rows go, and the structs are freed. Any thread. */
void ledger_strike(struct ledger *ledger, struct mail_list *events);

/*
 * A call that our own tables answer: looked up, and brought to the pool. The call and a reference
 * to its run are handed over. Any thread; never blocks.
 */
void ledger_look_up(struct ledger *ledger, struct call *call);

#endif
