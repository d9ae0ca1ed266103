/* harvester: calls of WCHA that are harvested here, and those that wait for a place. */
#include "engine/harvester.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/log.h"

#include "core/rate.h"
#include "engine/pool.h"
#include "engine/spans.h"
#include "harvest/harvest.h"

enum { WAIT_MAX_MS = 1000, LEASE_LOOK_MS = 20, STATUS_OK = 200 };

/* A call with us: in the queue, or at work. */
struct picking {
	TAILQ_ENTRY(picking) link;
	struct harvester *harvester;
	struct call *call;
	struct harvest *harvest; /* NULL: it waits */
	int64_t begun_us;
};

TAILQ_HEAD(pickings, picking);

/* What others ask of the thread besides carrying calls. */
struct order {
	struct mail mail;
	struct run *run; /* forget its calls */
};

struct harvester {
	struct house *house;
	pthread_t thread;
	struct mailbox inbox;  /* struct call */
	struct mailbox orders; /* struct order; posting pokes the inbox */
	atomic_bool stop, recall;
	struct harvests *harvests;
	struct pickings waiting, working;
	int n_working, max_working;
	struct rate rate;
};

/* ---- pickings ---- */

/* Takes it off the list that it is on, and gives its call free. */
static struct call *land(struct picking *p)
{
	struct harvester *hv = p->harvester;
	struct call *call = p->call;

	TAILQ_REMOVE(p->harvest ? &hv->working : &hv->waiting, p, link);
	if (p->harvest)
		hv->n_working--;
	harvest_free(p->harvest);
	free(p);
	return call;
}

static void on_done(struct harvest *harvest, void *owner)
{
	struct picking *p = owner;
	struct harvester *hv = p->harvester;
	struct json_object *result = harvest_result(harvest);
	int64_t took_us = clock_mono_us() - p->begun_us;
	struct call *call = land(p);

	call->answer = (struct answer){
		.kind = ANSWER_CAME,
		.status = STATUS_OK,
		.retry_after_ms = -1,
		.took_us = took_us,
	};
	call->answer.body = json_text(result, &call->answer.len);
	json_put(&result);
	spans_attempt(hv->house, call, false);
	pool_bring(hv->house->pool, call);
}

/* What WCHA's request asks for: {"url"} or {"topic"} (agents.md §2.1). */
static struct json_object *wish_of(const struct call *call)
{
	struct json_object *o = NULL;
	struct err e;

	if (call->request && json_read(call->request, call->request_len, JSON_DEPTH_MAX, JSON_MEND,
				       &o, &e) == JSON_OK)
		return o;
	return NULL;
}

static void start(struct harvester *hv, struct picking *p)
{
	AUTO(json_put) struct json_object *wish = wish_of(p->call);
	const char *topic = json_str(wish, "topic"), *url = json_str(wish, "url");

	if (!topic && !url) {
		struct call *call = land(p);

		call->answer = (struct answer){.kind = ANSWER_REFUSED, .retry_after_ms = -1};
		call->answer.error = xstrdup("its request names neither a topic nor a URL");
		pool_bring(hv->house->pool, call);
		return;
	}
	TAILQ_REMOVE(&hv->waiting, p, link);
	TAILQ_INSERT_TAIL(&hv->working, p, link);
	hv->n_working++;
	p->begun_us = clock_mono_us();
	p->harvest = harvest_start(hv->harvests, topic, url, on_done, p);
}

static void fill_places(struct harvester *hv)
{
	int64_t now = clock_mono_us();
	struct picking *p;

	if (!house_may_ask(hv->house, now))
		return;
	while (hv->n_working < hv->max_working && rate_lets(&hv->rate, now) &&
	       (p = TAILQ_FIRST(&hv->waiting))) {
		rate_take(&hv->rate, now);
		start(hv, p);
	}
}

/* ---- the inbox ---- */

static void take(struct harvester *hv, struct call *call)
{
	struct picking *p;

	if (!house_holds(hv->house, call->run)) {
		pool_bring(hv->house->pool, call);
		return;
	}
	p = xcalloc(1, sizeof(*p));
	p->harvester = hv;
	p->call = call;
	TAILQ_INSERT_TAIL(&hv->waiting, p, link);
}

static void forget_in(struct pickings *list, struct run *run)
{
	struct picking *p, *next;

	for (p = TAILQ_FIRST(list); p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->call->run != run)
			continue;
		land(p);
		run_unref(run);
	}
}

static void recall_in(struct harvester *hv, struct pickings *list)
{
	struct picking *p, *next;

	for (p = TAILQ_FIRST(list); p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (!house_holds(hv->house, p->call->run))
			pool_bring(hv->house->pool, land(p));
	}
}

static void recall(struct harvester *hv)
{
	recall_in(hv, &hv->waiting);
	recall_in(hv, &hv->working);
}

static void take_mail(struct harvester *hv)
{
	struct mail_list calls = mailbox_take(&hv->inbox), orders = mailbox_take(&hv->orders);
	struct mail *mail;

	while ((mail = mail_shift(&calls)))
		take(hv, mail_of(mail, struct call, mail));
	while ((mail = mail_shift(&orders))) {
		struct order *order = mail_of(mail, struct order, mail);

		forget_in(&hv->waiting, order->run);
		forget_in(&hv->working, order->run);
		run_unref(order->run);
		free(order);
	}
	if (atomic_exchange(&hv->recall, false))
		recall(hv);
}

/* A place is free and yet somebody waits: the rate lets nobody, or the lease is not sure. */
static int wait_ms(const struct harvester *hv, int64_t now_us)
{
	int64_t free_us = rate_free_us(&hv->rate);

	if (hv->n_working == hv->max_working || TAILQ_EMPTY(&hv->waiting))
		return WAIT_MAX_MS;
	if (rate_lets(&hv->rate, now_us))
		return LEASE_LOOK_MS;
	return free_us - now_us < WAIT_MAX_MS * 1000 ? (int)((free_us - now_us + 999) / 1000)
						     : WAIT_MAX_MS;
}

static void *harvester_thread(void *arg)
{
	struct harvester *hv = arg;

	log_thread_name("harvester");
	house_enter_thread(hv->house);
	while (!atomic_load(&hv->stop)) {
		int64_t now = clock_mono_us();

		house_tick(hv->house, THREAD_HARVESTER, now);
		mailbox_wait(&hv->inbox, harvests_fd(hv->harvests),
			     harvests_wait_ms(hv->harvests, wait_ms(hv, now)));
		take_mail(hv);
		harvests_work(hv->harvests);
		fill_places(hv);
	}
	take_mail(hv);
	recall(hv);
	return NULL;
}

/* ---- the interface ---- */

struct harvester *harvester_start(struct house *house, struct err *e)
{
	struct harvester *hv = xcalloc(1, sizeof(*hv));
	struct harvest_options o = settings_harvest(house->settings);
	const struct agent_settings *wcha_settings = &house->settings->agent[AGENT_WCHA];
	int64_t max = wcha_settings->max_concurrent;
	int errnum;

	hv->house = house;
	hv->max_working = max > 0 ? (int)max : HARVESTS_AT_ONCE;
	rate_init(&hv->rate, wcha_settings->max_per_second);
	TAILQ_INIT(&hv->waiting);
	TAILQ_INIT(&hv->working);
	if (!mailbox_init(&hv->inbox, e) || !mailbox_init(&hv->orders, e) ||
	    !(hv->harvests = harvests_new(&o, e)))
		return NULL;
	errnum = pthread_create(&hv->thread, NULL, harvester_thread, hv);
	if (errnum) {
		err_errno(e, ERR_USAGE, errnum, "cannot start the harvester's thread");
		return NULL;
	}
	return hv;
}

void harvester_stop(struct harvester *hv)
{
	atomic_store(&hv->stop, true);
	mailbox_poke(&hv->inbox);
	pthread_join(hv->thread, NULL);
}

/* As the caller's: what came after the thread had ended. */
static void drop_mail(struct harvester *hv)
{
	struct mail_list calls = mailbox_take(&hv->inbox), orders = mailbox_take(&hv->orders);
	struct mail *mail;

	while ((mail = mail_shift(&calls)))
		run_unref(mail_of(mail, struct call, mail)->run);
	while ((mail = mail_shift(&orders))) {
		struct order *order = mail_of(mail, struct order, mail);

		run_unref(order->run);
		free(order);
	}
}

void harvester_free(struct harvester *hv)
{
	if (!hv)
		return;
	drop_mail(hv);
	harvests_free(hv->harvests);
	mailbox_destroy(&hv->inbox);
	mailbox_destroy(&hv->orders);
	free(hv);
}

void harvester_send(struct harvester *hv, struct call *call)
{
	mailbox_post(&hv->inbox, &call->mail);
}

void harvester_forget(struct harvester *hv, struct run *run)
{
	struct order *order = xcalloc(1, sizeof(*order));

	order->run = run;
	mailbox_post(&hv->orders, &order->mail);
	mailbox_poke(&hv->inbox);
}

void harvester_recall(struct harvester *hv)
{
	atomic_store(&hv->recall, true);
	mailbox_poke(&hv->inbox);
}
