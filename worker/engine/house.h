/*
 * house: the shell around the core. Which threads there are, what each owns, and how work goes
 * round.
 *
 *	RabbitMQ ─▶ intake ─▶ pool ─▶ ledger ─▶ caller ─▶ pool ─▶ ledger ─▶ … ─▶ ledger ─▶ outbox ─▶
 * RabbitMQ receive   check   commit,   HTTP,     read    commit         commit    publish, run then
 * ack  timers    run                    + event   confirm, strike out
 *
 *	main      the lifecycle; signals by sigwait
 *	intake    the consuming AMQP connection
 *	ledger    the PostgreSQL session, the lease; rescues orphans
 *	pool × N  nothing of their own: they run workflows
 *	caller    the curl multi handle and the timers of calls
 *	harvester WCHA: its own curl multi handle, in the caller's place for WCHA's calls
 *	outbox    the publishing AMQP connection
 *	tracer    its own curl multi handle; only when somebody collects traces
 *	admin     nothing: it reads counters
 *
 * What travels are the runs and calls themselves, linked into mailboxes that never block and never
 * fill; their number is bounded at the only door (intake, CPOA_MAX_INFLIGHT). Each part's header
 * says what its functions do and who may call them.
 */
#ifndef ENGINE_HOUSE_H
#define ENGINE_HOUSE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/run.h"
#include "engine/settings.h"

struct intake;
struct ledger;
struct pool;
struct caller;
struct harvester;
struct outbox;
struct tracer;

/* The threads that /livez watches. */
enum thread_index {
	THREAD_INTAKE,
	THREAD_LEDGER,
	THREAD_CALLER,
	THREAD_HARVESTER,
	THREAD_OUTBOX,
	THREAD_COUNT
};

struct house {
	const struct settings *settings;
	struct policy policy;

	struct intake *intake;
	struct ledger *ledger;
	struct pool *pool;
	struct caller *caller;
	struct harvester *harvester;
	struct outbox *outbox;
	struct tracer *tracer; /* NULL: nobody collects traces */

	/* The lease under which this worker may claim; 0: none now. A run that carries another
	 * number is void. */
	_Atomic int64_t lease;
	/* Until when PostgreSQL is known to keep the lease, monotonic. A worker that was frozen may
	 * hold one that is long gone: past this time nothing is asked of an agent until the ledger
	 * has heard from the server again. */
	_Atomic int64_t lease_until_us;
	atomic_int inflight;	 /* workflows held, from the receipt of their message on */
	_Atomic double crowd;	 /* workflows that a commit changes at present: a moving average */
	atomic_int from_rows;	 /* of them, those that were claimed and came in no message */
	atomic_bool draining;	 /* SIGTERM came: nothing new is taken */
	atomic_bool stopping;	 /* what is held is let go */
	atomic_bool room_wanted; /* intake waits for somebody to leave */
	atomic_bool full;	 /* the door is closed because as much is held as may be */
	atomic_bool consuming;	 /* every queue has its consumer */
	atomic_bool intake_connected, outbox_connected, schema_ok;
	_Atomic int64_t tick_us[THREAD_COUNT]; /* monotonic: when each was last seen alive */
	char worker_name[128];		       /* host:pid:number, of this process alone */
	int64_t look_us;      /* how often runs at rest are looked after (pool.h) */
	pthread_mutex_t gate; /* held until every part stands; each thread passes it once */
};

/* For a thread's loop. */
static inline void house_tick(struct house *house, enum thread_index thread, int64_t now_us)
{
	atomic_store_explicit(&house->tick_us[thread], now_us, memory_order_relaxed);
}

/* A thread that has not come round for so long hangs: nothing that it does waits longer on purpose.
 */
enum { STALE_S = 30 };

/* Whether a thread has come round lately. Any thread. */
static inline bool house_ticks(const struct house *house, enum thread_index thread, int64_t now_us)
{
	return now_us - atomic_load_explicit(&house->tick_us[thread], memory_order_relaxed) <
	       (int64_t)STALE_S * 1000000;
}

/* Each thread's first act: the parts post to each other, so none may move before all stand. */
static inline void house_enter_thread(struct house *house)
{
	pthread_mutex_lock(&house->gate);
	pthread_mutex_unlock(&house->gate);
}

/* Whether a run may go on: its lease is the present one and the house is not being cleared. Any
 * thread. */
static inline bool house_holds(struct house *house, const struct run *run)
{
	return run->lease != 0 && run->lease == atomic_load(&house->lease) &&
	       !atomic_load(&house->stopping);
}

/* Whether an agent may be asked now. Any thread. */
static inline bool house_may_ask(struct house *house, int64_t now_us)
{
	return now_us < atomic_load_explicit(&house->lease_until_us, memory_order_relaxed);
}

/* A run is held from now on. */
void house_enter(struct house *house, struct run *run);

/* It is held no longer: counts it out, wakes the door when there is room again, and drops the
 * life's reference. */
void house_leave(struct house *house, struct run *run);

#endif
