/* coro: coroutines in place of threads, and everything that a thread waits on. */
#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <ucontext.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/mailbox.h"
#include "cpoa/uuid.h"

#include "simulation/sim.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS 1
#endif
#endif
#ifdef FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

enum {
	COROS_MAX = 128,
	FDS_MAX = 512,
	STACK_SIZE = 512 << 10,
	PATIENCE = 60, /* how often others may go first */
	STEP_US = 30,
};

static const int64_t never = INT64_MAX;
static const int64_t start_us = INT64_C(1000000000), start_wall_us = INT64_C(1760000000000000);

/*
 * A switch from stack to stack: the registers that a function must keep, and the stack pointer.
 * swapcontext() would do, but asks the kernel about signals each time, which is most of its cost.
 */
#ifdef __x86_64__
typedef void *context;

void coro_switch(context *from, context to);
__asm__(".text\n"
	".globl coro_switch\n"
	".type coro_switch, @function\n"
	"coro_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	"
	"pushq %r15\n"
	"	movq %rsp, (%rdi)\n	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	"
	"popq %rbp\n"
	"	ret\n"
	".size coro_switch, . - coro_switch\n");

static context context_new(void *stack, size_t size, void (*run)(void))
{
	enum { KEPT = 6 };
	void **top = (void **)(void *)((char *)stack + size) - KEPT - 2;

	memcpy(&top[KEPT], &run, sizeof(run)); /* where it "returns" to */
	return top;
}
#else
typedef ucontext_t context;

static void coro_switch(context *from, context to)
{
	swapcontext(from, &to);
}

static context context_new(void *stack, size_t size, void (*run)(void))
{
	context c;

	getcontext(&c);
	c.uc_stack.ss_sp = stack;
	c.uc_stack.ss_size = size;
	makecontext(&c, run, 0);
	return c;
}
#endif

struct coro {
	context context;
	void *stack, *fake;
	void *(*run)(void *);
	void *arg;
	struct worker *worker;
	bool used, ended;
	int locks;
	unsigned passed_over;
	/* what it waits for, besides the time */
	int64_t wake_us;
	const struct mailbox *box;
	int fd;
	const void *condition;
	const struct coro *other;
};

static struct {
	uint64_t seed, steps;
	struct rng rng;
	int64_t now_us, wall_us;
	struct timers alarms;
	struct coro *coros[COROS_MAX]; /* kept from schedule to schedule */
	int n;
	struct coro *current;
	context home;
	void *home_fake;
	const void *home_stack;
	size_t home_size;
	bool fd_used[FDS_MAX], fd_readable[FDS_MAX];
} sim;

bool sim_verbose;

/* ---- switching ---- */

static void enter(struct coro *c)
{
	sim.current = c;
#ifdef FIBERS
	__sanitizer_start_switch_fiber(&sim.home_fake, c->stack, STACK_SIZE);
#endif
	coro_switch(&sim.home, c->context);
#ifdef FIBERS
	__sanitizer_finish_switch_fiber(sim.home_fake, NULL, NULL);
#endif
	sim.current = NULL;
}

static void leave(struct coro *c)
{
#ifdef FIBERS
	__sanitizer_start_switch_fiber(&c->fake, sim.home_stack, sim.home_size);
#endif
	coro_switch(&c->context, sim.home);
#ifdef FIBERS
	__sanitizer_finish_switch_fiber(c->fake, &sim.home_stack, &sim.home_size);
#endif
}

/* One coroutine runs one thread after another: its stack is used again. */
static void trampoline(void)
{
	struct coro *c = sim.current;

#ifdef FIBERS
	__sanitizer_finish_switch_fiber(NULL, &sim.home_stack, &sim.home_size);
#endif
	for (;;) {
		c->run(c->arg);
		assert(c->locks == 0);
		c->ended = true;
		leave(c);
	}
}

static struct coro *coro_new(void)
{
	struct coro *c = xcalloc(1, sizeof(*c));

	c->stack =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(c->stack != MAP_FAILED);
	c->context = context_new(c->stack, STACK_SIZE, trampoline);
	return c;
}

static struct coro *spawn(struct worker *worker, void *(*run)(void *), void *arg)
{
	int i = 0;

	while (i < sim.n && sim.coros[i]->used)
		i++;
	if (i == sim.n) {
		assert(sim.n < COROS_MAX);
		sim.coros[sim.n++] = coro_new();
	}
	sim.coros[i]->used = true;
	sim.coros[i]->ended = false;
	sim.coros[i]->run = run;
	sim.coros[i]->arg = arg;
	sim.coros[i]->worker = worker;
	sim.coros[i]->wake_us = 0;
	sim.coros[i]->fd = -1;
	return sim.coros[i];
}

void sim_spawn(struct worker *worker, void *(*run)(void *), void *arg)
{
	spawn(worker, run, arg);
}

struct worker *sim_worker(void)
{
	return sim.current ? sim.current->worker : NULL;
}

/* ---- waiting ---- */

static bool box_ready(const struct mailbox *box)
{
	return box->list.head || box->fd;
}

static bool ready(const struct coro *c)
{
	if (!c->used || c->ended || (c->worker && !worker_moves(c->worker)))
		return false;
	return c->wake_us <= sim.now_us || (c->box && box_ready(c->box)) ||
	       (c->fd >= 0 && sim.fd_readable[c->fd]) || (c->other && c->other->ended);
}

static void wait_until(int64_t wake_us)
{
	struct coro *c = sim.current;

	assert(c && c->locks == 0);
	c->wake_us = wake_us;
	leave(c);
	c->wake_us = 0;
	c->box = NULL;
	c->fd = -1;
	c->condition = NULL;
	c->other = NULL;
}

void sim_sleep(int64_t us)
{
	wait_until(sim.now_us + us);
}

void sim_sleep_fd(int64_t us, int fd)
{
	sim.current->fd = fd;
	wait_until(sim.now_us + us);
}

void sim_yield(void)
{
	if (sim.current && sim.current->locks == 0 && sim_chance(250))
		wait_until(sim.now_us);
}

/* ---- the scheduler ---- */

static struct coro *choose(void)
{
	struct coro *list[COROS_MAX];
	int n = 0;

	for (int i = 0; i < sim.n; i++) {
		struct coro *c = sim.coros[i];

		if (!ready(c))
			continue;
		if (++c->passed_over > PATIENCE)
			return c;
		list[n++] = c;
	}
	return n ? list[sim_between(0, n - 1)] : NULL;
}

static int64_t next_due(void)
{
	int64_t due = sim.alarms.n ? sim.alarms.heap[0]->due_us : never;

	for (int i = 0; i < sim.n; i++) {
		const struct coro *c = sim.coros[i];

		if (c->used && !c->ended && (!c->worker || worker_moves(c->worker)) &&
		    c->wake_us < due)
			due = c->wake_us;
	}
	return due;
}

static bool fire_alarms(void)
{
	struct timer *timer = timers_pop_due(&sim.alarms, sim.now_us);
	struct alarm *alarm = (struct alarm *)(void *)timer;

	if (!timer)
		return false;
	alarm->fire(alarm);
	return true;
}

bool sim_step(void)
{
	struct coro *c;
	int64_t due;

	if (fire_alarms())
		return true;
	c = choose();
	if (!c) {
		due = next_due();
		if (due == never)
			return false;
		if (due > sim.now_us)
			sim.now_us = due;
		return true;
	}
	c->passed_over = 0;
	sim.steps++;
	sim.now_us += sim_between(0, STEP_US);
	enter(c);
	return true;
}

uint64_t sim_steps(void)
{
	return sim.steps;
}

void sim_alarm(struct alarm *alarm, int64_t delay_us)
{
	timers_set(&sim.alarms, &alarm->timer, sim.now_us + delay_us);
}

void sim_alarm_off(struct alarm *alarm)
{
	timers_cancel(&sim.alarms, &alarm->timer);
}

/* ---- a schedule ---- */

static int64_t mono_us(void *ctx)
{
	(void)ctx;
	return sim.now_us;
}

static int64_t wall_us(void *ctx)
{
	(void)ctx;
	return sim.now_us + sim.wall_us;
}

void sim_begin(uint64_t seed)
{
	static const struct clock_source source = {mono_us, wall_us, NULL};

	sim.seed = seed;
	sim.steps = 0;
	rng_seed(&sim.rng, seed ? seed : 1);
	sim.now_us = start_us;
	sim.wall_us = start_wall_us;
	timers_init(&sim.alarms);
	clock_use(&source);
}

void sim_end(void)
{
	for (int i = 0; i < sim.n; i++) {
		assert(!sim.coros[i]->used || sim.coros[i]->ended);
		sim.coros[i]->used = false;
		sim.coros[i]->passed_over = 0;
	}
	for (int fd = 0; fd < FDS_MAX; fd++)
		assert(!sim.fd_used[fd]);
	timers_release(&sim.alarms);
	clock_use(NULL);
}

uint64_t sim_seed(void)
{
	return sim.seed;
}

int64_t sim_now_us(void)
{
	return sim.now_us;
}

void sim_jump_wall(int64_t us)
{
	sim.wall_us += us;
}

bool sim_chance(int per_mille)
{
	return sim_between(1, 1000) <= per_mille;
}

int64_t sim_between(int64_t lo, int64_t hi)
{
	return rng_between(&sim.rng, lo, hi);
}

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr,
		"CPOA_SEED=%llu: after %llu steps, at %.6f s: ", (unsigned long long)sim.seed,
		(unsigned long long)sim.steps, (double)(sim.now_us - start_us) / 1e6);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(NULL);
	_exit(1);
}

void sim_say(const char *fmt, ...)
{
	va_list ap;

	if (!sim_verbose)
		return;
	fprintf(stderr, "%10.6f %6llu ", (double)(sim.now_us - start_us) / 1e6,
		(unsigned long long)sim.steps);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* ---- descriptors ---- */

int sim_fd_new(void)
{
	int fd = 0;

	while (sim.fd_used[fd])
		fd++;
	assert(fd < FDS_MAX - 1);
	sim.fd_used[fd] = true;
	sim.fd_readable[fd] = false;
	return fd;
}

void sim_fd_free(int fd)
{
	sim.fd_used[fd] = sim.fd_readable[fd] = false;
}

void sim_fd_set(int fd, bool readable)
{
	sim.fd_readable[fd] = readable;
}

/* ---- mailboxes (in place of common/mailbox.c): `fd` is 1 when there was a poke ---- */

bool mailbox_init(struct mailbox *box, struct err *e)
{
	(void)e;
	*box = (struct mailbox){.fd = 0};
	return true;
}

void mailbox_destroy(struct mailbox *box)
{
	assert(!box->list.head);
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
	sim_yield();
	mail_append(&box->list, mail);
}

void mailbox_post_list(struct mailbox *box, struct mail_list *list)
{
	sim_yield();
	mail_join(&box->list, list);
}

void mailbox_poke(struct mailbox *box)
{
	box->fd = 1;
}

struct mail_list mailbox_take(struct mailbox *box)
{
	struct mail_list list = box->list;

	box->list = (struct mail_list){NULL, NULL};
	box->fd = 0;
	return list;
}

bool mailbox_wait(struct mailbox *box, int extra_fd, int timeout_ms)
{
	struct coro *c = sim.current;

	c->box = box;
	c->fd = extra_fd;
	wait_until(timeout_ms < 0 ? never : sim.now_us + timeout_ms * INT64_C(1000));
	return extra_fd >= 0 && sim.fd_readable[extra_fd];
}

/* ---- threads and what they lock (linked with --wrap) ---- */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_usleep(useconds_t us);
ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags);
struct uuid __wrap_uuid_new(void);
void __wrap_log_line(int level, const char *message, ...);
void __wrap_log_thread_name(const char *name);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg)
{
	(void)attr;
	*thread = (pthread_t)(uintptr_t)spawn(sim_worker(), run, arg);
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
	struct coro *c = (struct coro *)(uintptr_t)thread;

	(void)result;
	sim.current->other = c;
	if (!c->ended)
		wait_until(never);
	c->used = false;
	sim.current->other = NULL;
	return 0;
}

/* Coroutines change hands only where none holds a lock, so a lock is nothing but that rule. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	(void)lock;
	sim_yield();
	if (sim.current)
		sim.current->locks++;
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	(void)lock;
	if (sim.current)
		sim.current->locks--;
	return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
	struct coro *c = sim.current;

	(void)lock;
	c->condition = condition;
	c->locks--;
	wait_until(never);
	c->locks++;
	return 0;
}

static void wake(const pthread_cond_t *condition, bool all)
{
	for (int i = 0; i < sim.n; i++) {
		struct coro *c = sim.coros[i];

		if (!c->used || c->ended || c->condition != condition || c->wake_us == 0)
			continue;
		c->wake_us = 0;
		if (!all)
			return;
	}
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
	wake(condition, false);
	return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
	wake(condition, true);
	return 0;
}

int __wrap_usleep(useconds_t us)
{
	sim_sleep(us);
	return 0;
}

ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags)
{
	unsigned char *p = out;

	(void)flags;
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)sim_between(0, 255);
	return (ssize_t)n;
}

struct uuid __wrap_uuid_new(void)
{
	struct uuid id;

	(void)__wrap_getrandom(id.bytes, sizeof(id.bytes), 0);
	return id;
}

void __wrap_log_line(int level, const char *message, ...)
{
	if (level > 0)
		sim_say("         log: %s", message);
}

void __wrap_log_thread_name(const char *name)
{
	(void)name;
}
