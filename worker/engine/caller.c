/* caller: requests in flight, and the timers of those that wait. */
#include "engine/caller.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "cpoa/clock.h"
#include "cpoa/http.h"
#include "cpoa/json.h"
#include "cpoa/log.h"
#include "cpoa/timers.h"

#include "engine/fault.h"
#include "engine/gates.h"
#include "engine/pool.h"
#include "engine/spans.h"

enum { WAIT_MAX_MS = 1000, LEASE_LOOK_US = 20000, HEAD_MAX = 4096 };
enum { CONNECTIONS_MIN = 1024, CONNECTIONS_MAX = 4096 }; /* kept when idle, some 3 KiB each */

/*
 * A call on an errand. It waits for its time, then for a place at its agent, then for the answer;
 * it is in exactly one of the three: set in the timers, waiting at its agent's gate, or with http.
 */
struct flight {
	struct timer timer;
	struct turn turn; /* at its agent's gate */
	struct call *call;
	struct caller *caller;
	LIST_ENTRY(flight) all;
	struct asking *asking; /* NULL: it waits, and ten thousand may */
};

LIST_HEAD(flights, flight);

struct asking {
	struct http_request http;
	SLIST_ENTRY(asking) spare;
};

SLIST_HEAD(askings, asking);

/* What others ask of the thread besides carrying calls. */
struct order {
	struct mail mail;
	struct run *run; /* forget its calls */
};

struct caller {
	struct house *house;
	pthread_t thread;
	struct mailbox inbox;  /* struct call */
	struct mailbox orders; /* struct order; posting pokes the inbox */
	atomic_bool stop, recall;
	struct http *http;
	struct timers timers;
	struct flights flights;
	struct gates gates;
	struct askings spare; /* kept for reuse */
	int n_spare;
};

enum { SPARE_MAX = 256 };

/* ---- flights ---- */

static struct flight *flight_new(struct caller *c, struct call *call)
{
	struct flight *f = xcalloc(1, sizeof(*f));

	f->call = call;
	f->caller = c;
	call->flight = f;
	LIST_INSERT_HEAD(&c->flights, f, all);
	return f;
}

static struct asking *asking_new(struct caller *c)
{
	struct asking *a = SLIST_FIRST(&c->spare);

	if (a) {
		SLIST_REMOVE_HEAD(&c->spare, spare);
		c->n_spare--;
	} else {
		a = xcalloc(1, sizeof(*a));
	}
	return a;
}

/* A flight has its answer, or is not to be asked after all. */
static void asking_free(struct caller *c, struct flight *f)
{
	struct asking *a = f->asking;

	f->asking = NULL;
	if (!a)
		return;
	http_request_release(&a->http);
	memset(a, 0, sizeof(*a));
	if (c->n_spare < SPARE_MAX) {
		SLIST_INSERT_HEAD(&c->spare, a, spare);
		c->n_spare++;
	} else {
		free(a);
	}
}

static void flight_free(struct caller *c, struct flight *f)
{
	LIST_REMOVE(f, all);
	asking_free(c, f);
	free(f);
}

static bool is_asking(const struct flight *f)
{
	return f->turn.place == TURN_ASKS;
}

/* Takes a flight off whatever it is on, and gives its call free. */
static struct call *land(struct caller *c, struct flight *f)
{
	struct call *call = f->call;

	timers_cancel(&c->timers, &f->timer);
	gate_quit(gate_of(&c->gates, call), &f->turn);
	call->flight = NULL;
	flight_free(c, f);
	return call;
}

/* ---- asking ---- */

static enum answer_kind answer_kind(enum http_outcome outcome)
{
	static const enum answer_kind kinds[] = {
		[HTTP_ANSWERED] = ANSWER_CAME,	     [HTTP_UNREACHABLE] = ANSWER_UNREACHABLE,
		[HTTP_TIMEOUT] = ANSWER_TIMEOUT,     [HTTP_BROKEN] = ANSWER_BROKEN,
		[HTTP_TOO_LARGE] = ANSWER_TOO_LARGE, [HTTP_BAD_REQUEST] = ANSWER_REFUSED,
	};

	return kinds[outcome];
}

/* A worker that was frozen, or has lost its lease, between its decision to ask and this moment. */
static bool may_send(struct http_request *r)
{
	struct flight *f = r->owner;
	struct house *house = f->caller->house;

	return house_may_ask(house, clock_mono_us()) && house_holds(house, f->call->run);
}

/* Not sent: once more when there is a lease, unless the call is recalled before. */
static void put_off(struct flight *f)
{
	struct caller *c = f->caller;

	asking_free(c, f);
	gate_quit(gate_of(&c->gates, f->call), &f->turn);
	timers_set(&c->timers, &f->timer, clock_mono_us() + LEASE_LOOK_US);
}

static void on_done(struct http_request *r)
{
	struct flight *f = r->owner;
	struct caller *c = f->caller;
	struct call *call = f->call;
	struct answer *a = &call->answer;

	assert(call->flight == f);
	if (r->outcome == HTTP_WITHHELD) {
		put_off(f);
		return;
	}
	*a = (struct answer){
		.kind = answer_kind(r->outcome),
		.status = r->status,
		.retry_after_ms = r->retry_after_ms,
		.took_us = r->took_us,
	};
	if (r->outcome == HTTP_ANSWERED)
		a->body = strbuf_detach(&r->answer, &a->len);
	if (*r->error)
		a->error = xstrdup(r->error);
	spans_attempt(c->house, call, true);
	gates_hear(&c->gates, &f->turn, call, clock_mono_us());
	pool_bring(c->house->pool, land(c, f));
}

static void add_header(struct strbuf *head, const char *name, const char *value)
{
	strbuf_adds(head, name);
	strbuf_add(head, value, strlen(value) + 1);
}

/* The headers that every agent gets (agents.md §0); those of its own in `head`, each with a NUL
 * behind it. Each part was checked at the door to be fit for a header. */
static void set_headers(struct flight *f, struct strbuf *head)
{
	const struct call *call = f->call;
	const struct run *run = call->run;
	char id[UUID_TEXT_SIZE], parent[TRACE_PARENT_SIZE];
	struct trace trace = run_trace(run, &call->id);
	const char **h = f->asking->http.headers;

	uuid_to_text(&run->job.workflow_id, id);
	trace_text(&trace, parent);
	add_header(head, "X-Idempotency-Key: ", call->key);
	add_header(head, "X-Workflow-ID: ", id);
	add_header(head, "traceparent: ", parent);
	if (run->job.tracestate)
		add_header(head, "tracestate: ", run->job.tracestate);
	for (const char *at = head->buf; at < head->buf + head->len; at += strlen(at) + 1)
		*h++ = at;
	if (call->scenario)
		*h++ = call->scenario;
	if (call->errand.kind == ERRAND_SUBMIT)
		*h++ = "Content-Type: application/json";
	*h++ = "Accept: application/json";
	*h = NULL;
}

/*
 * The time that a call may take begins with its first request, and stands still while it waits at
 * the gate: a queue of our own is not the agent's fault. How long it waits for a breaker is bounded
 * besides (gates_queue).
 */
static void set_deadline(struct call *call, const struct turn *turn, int64_t total_us, int64_t now)
{
	if (call->asked)
		call->deadline_us += now - turn->since_us;
	else
		call->deadline_us = now + total_us;
	call->asked = true;
	call->held_us += turn->held_us;
}

static void ask(struct caller *c, struct flight *f, int64_t now)
{
	const struct call *call = f->call;
	const struct agent_policy *agent = &c->house->policy.agent[call->agent->index];
	bool submit = call->errand.kind == ERRAND_SUBMIT;
	AUTO(strbuf_release) struct strbuf head;
	struct http_request *r;

	strbuf_init(&head, HEAD_MAX);
	f->asking = asking_new(c);
	r = &f->asking->http;
	r->method = submit ? "POST" : "GET";
	r->url = submit ? agent->url : call->poll_url;
	r->body = submit ? call->request : NULL;
	r->body_len = submit ? call->request_len : 0;
	r->timeout_ms = submit ? agent->submit_timeout_ms : agent->get_timeout_ms;
	r->body_max = ANSWER_MAX;
	r->done = on_done;
	r->may_send = may_send;
	r->owner = f;
	set_headers(f, &head); /* which need not outlive http_start() */
	set_deadline(f->call, &f->turn, agent->total_ms * 1000, now);
	http_start(c->http, r);
}

static struct flight *flight_of(struct turn *turn)
{
	return (struct flight *)(void *)((char *)turn - offsetof(struct flight, turn));
}

/* Those whose turn it is. */
static void serve(struct caller *c, unsigned agent, int64_t now)
{
	struct turn *turn;

	if (!house_may_ask(c->house, now))
		return;
	while ((turn = gates_next(&c->gates, agent, now)))
		ask(c, flight_of(turn), now);
}

static void ask_or_queue(struct caller *c, struct flight *f)
{
	struct house *house = c->house;
	int64_t now = clock_mono_us();

	gates_queue(&c->gates, &f->turn, f->call, &house->policy, now);
	serve(c, f->call->agent->index, now);
	if (f->turn.place == TURN_WAITS && house_may_ask(house, now))
		gates_count_wait(&c->gates, &f->turn, f->call, now);
}

/* They have waited for a breaker as long as a call may take. */
static void bring_expired(struct caller *c, struct gate *gate, int64_t now)
{
	struct turn *turn;

	while ((turn = gate_expired(gate, now))) {
		struct flight *f = flight_of(turn);

		f->call->answer = (struct answer){.kind = ANSWER_NOT_ASKED, .retry_after_ms = -1};
		f->call->answer.error = xstrdup("its breaker is open: requests to it only fail");
		pool_bring(c->house->pool, land(c, f));
	}
}

/* Looks after the gates where somebody waits, now that something may have changed; when to do so
 * again. */
static int64_t look_after_gates(struct caller *c)
{
	int64_t look = INT64_MAX, now = 0;

	for (unsigned i = 0; i < AGENT_COUNT; i++) {
		struct gate *gate = &c->gates.of[i];
		int64_t next;

		if (!gate_is_busy(gate))
			continue;
		now = now ? now : clock_mono_us();
		bring_expired(c, gate, now);
		serve(c, i, now);
		next = gate_look_us(gate, now);
		if (gate->waiting > 0 && !house_may_ask(c->house, now))
			next = now + LEASE_LOOK_US;
		look = next < look ? next : look;
	}
	return look;
}

/* ---- the inbox ---- */

static bool unconfigured(struct caller *c, struct call *call)
{
	if (*c->house->policy.agent[call->agent->index].url)
		return false;
	call->answer = (struct answer){.kind = ANSWER_REFUSED, .retry_after_ms = -1};
	call->answer.error = xstrdup(
		"no address is configured for it; see the URL variables in `cpoa worker --help`");
	return true;
}

static void take(struct caller *c, struct call *call)
{
	struct flight *f;

	if (!house_holds(c->house, call->run) || unconfigured(c, call)) {
		pool_bring(c->house->pool, call);
		return;
	}
	f = flight_new(c, call);
	if (call->errand.delay_ms > 0)
		timers_set(&c->timers, &f->timer, clock_mono_us() + call->errand.delay_ms * 1000);
	else
		ask_or_queue(c, f);
}

static void forget(struct caller *c, struct run *run)
{
	for (struct call *call = run->calls; call; call = call->next) {
		struct flight *f = call->flight;

		if (!f)
			continue;
		if (is_asking(f))
			http_cancel(c->http, &f->asking->http);
		land(c, f);
		run_unref(run);
	}
	run_unref(run);
}

static void recall(struct caller *c)
{
	struct flight *f, *next;

	for (f = LIST_FIRST(&c->flights); f; f = next) {
		next = LIST_NEXT(f, all);
		if (house_holds(c->house, f->call->run))
			continue;
		if (is_asking(f))
			http_cancel(c->http, &f->asking->http);
		pool_bring(c->house->pool, land(c, f));
	}
}

static void take_mail(struct caller *c)
{
	struct mail_list calls = mailbox_take(&c->inbox), orders = mailbox_take(&c->orders);
	struct mail *mail;

	while ((mail = mail_shift(&calls)))
		take(c, mail_of(mail, struct call, mail));
	while ((mail = mail_shift(&orders))) {
		struct order *order = mail_of(mail, struct order, mail);

		forget(c, order->run);
		free(order);
	}
	if (atomic_exchange(&c->recall, false))
		recall(c);
}

static void fire_timers(struct caller *c)
{
	struct timer *timer;
	int64_t now = clock_mono_us();

	while ((timer = timers_pop_due(&c->timers, now)))
		ask_or_queue(c, (struct flight *)(void *)((char *)timer -
							  offsetof(struct flight, timer)));
}

/* Where nothing is held, nothing is to be looked after. When to look again, at `look` at the
 * latest.
 */
static int64_t look_after_rest(struct caller *c, int64_t now, int64_t look)
{
	int64_t next =
		atomic_load(&c->house->inflight) ? pool_look(c->house->pool, now) : INT64_MAX;

	return next < look ? next : look;
}

static void *caller_thread(void *arg)
{
	struct caller *c = arg;
	int64_t look = INT64_MAX;

	log_thread_name("caller");
	house_enter_thread(c->house);
	while (!atomic_load(&c->stop)) {
		int64_t now = clock_mono_us();
		int wait = timers_wait_ms(&c->timers, now, WAIT_MAX_MS),
		    http_wait = http_wait_ms(c->http);

		look = look_after_rest(c, now, look);
		if (look - now < wait * INT64_C(1000))
			wait = look > now ? (int)((look - now + 999) / 1000) : 0;
		house_tick(c->house, THREAD_CALLER, now);
		if (http_wait >= 0 && http_wait < wait)
			wait = http_wait;
		mailbox_wait(&c->inbox, http_fd(c->http), wait);
		take_mail(c);
		fire_timers(c);
		http_work(c->http);
		look = look_after_gates(c);
		FAULT_WHEN(c->gates.of[AGENT_PSWA].asking + c->gates.of[AGENT_SCA].asking > 0,
			   asked);
	}
	take_mail(c);
	recall(c);
	return NULL;
}

/* ---- the interface ---- */

/* As many as are wanted at once when all that is in flight asks: what does not fit is closed, and
 * made again for the next request. */
static int64_t connections_max(const struct settings *settings)
{
	int64_t n = settings->max_inflight;

	return n < CONNECTIONS_MIN ? CONNECTIONS_MIN : n > CONNECTIONS_MAX ? CONNECTIONS_MAX : n;
}

struct caller *caller_start(struct house *house, struct err *e)
{
	struct caller *c = xcalloc(1, sizeof(*c));
	struct http_options o = {.user_agent = "cpoa/" CPOA_VERSION,
				 .ca_file = house->settings->agents_ca_file,
				 .max_connections = connections_max(house->settings),
				 .terse = true};
	int errnum;

	c->house = house;
	LIST_INIT(&c->flights);
	SLIST_INIT(&c->spare);
	gates_init(&c->gates, house->settings);
	timers_init(&c->timers);
	if (!mailbox_init(&c->inbox, e) || !mailbox_init(&c->orders, e) ||
	    !(c->http = http_new(&o, e)))
		return NULL;
	errnum = pthread_create(&c->thread, NULL, caller_thread, c);
	if (errnum) {
		err_errno(e, ERR_USAGE, errnum, "cannot start the caller's thread");
		return NULL;
	}
	return c;
}

void caller_stop(struct caller *c)
{
	atomic_store(&c->stop, true);
	mailbox_poke(&c->inbox);
	pthread_join(c->thread, NULL);
}

/* What came after the thread had ended: its runs are over, and only their references are left to be
 * dropped. */
static void drop_mail(struct caller *c)
{
	struct mail_list calls = mailbox_take(&c->inbox), orders = mailbox_take(&c->orders);
	struct mail *mail;

	while ((mail = mail_shift(&calls)))
		run_unref(mail_of(mail, struct call, mail)->run);
	while ((mail = mail_shift(&orders))) {
		struct order *order = mail_of(mail, struct order, mail);

		run_unref(order->run);
		free(order);
	}
}

void caller_free(struct caller *c)
{
	struct asking *a;

	if (!c)
		return;
	drop_mail(c);
	http_free(c->http);
	while ((a = SLIST_FIRST(&c->spare))) {
		SLIST_REMOVE_HEAD(&c->spare, spare);
		free(a);
	}
	timers_release(&c->timers);
	mailbox_destroy(&c->inbox);
	mailbox_destroy(&c->orders);
	free(c);
}

void caller_send(struct caller *c, struct call *call)
{
	mailbox_post(&c->inbox, &call->mail);
}

void caller_send_all(struct caller *c, struct mail_list *calls)
{
	mailbox_post_list(&c->inbox, calls);
}

void caller_forget(struct caller *c, struct run *run)
{
	struct order *order = xcalloc(1, sizeof(*order));

	order->run = run;
	mailbox_post(&c->orders, &order->mail);
	mailbox_poke(&c->inbox);
}

void caller_recall(struct caller *c)
{
	atomic_store(&c->recall, true);
	mailbox_poke(&c->inbox);
}
