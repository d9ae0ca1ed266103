/* rebuild: a query, a page at a time. */
#include "bridge/rebuild.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"
#include "cpoa/clock.h"
#include "cpoa/log.h"

enum { RETRY_MS = 200, RETRY_MAX_MS = 10000, STAMP_SIZE = 64 };

/* Where a pass stands: behind this row. */
struct cursor {
	char began[STAMP_SIZE], workflow[UUID_TEXT_SIZE];
};

struct rebuild {
	pthread_t thread;
	const struct db_options *options;
	char since[32]; /* an interval */
	struct mailbox *to;

	pthread_mutex_t lock; /* guards the orders */
	pthread_cond_t changed;
	unsigned pass;
	bool wanted, stop;

	/* the thread's */
	struct db *db;
	struct cursor at;
	struct backoff backoff;
};

void page_free(struct page *page)
{
	for (int i = 0; page && i < page->n; i++)
		news_release(&page->news[i]);
	free(page);
}

/* ---- reading ---- */

/* $1: interval; $2, $3: the cursor. The index on start_timestamp serves it. */
static const char query[] =
	"SELECT start_timestamp, workflow_id, (terminal_event::json #> '{data,stream}')::text "
	"FROM workflow_instances "
	"WHERE trigger_event_type = 'podcast_generation' AND terminal_event IS NOT NULL "
	"AND terminal_event_type LIKE '%.completed' AND end_timestamp >= now() - $1::interval "
	"AND start_timestamp >= now() - $1::interval - interval '1 day' "
	"AND (start_timestamp, workflow_id) > ($2::timestamptz, $3::uuid) "
	"ORDER BY start_timestamp, workflow_id LIMIT 200";

static void take_row(struct page *page, const struct db_result *r, int row)
{
	struct err e = {0};

	if (db_is_null(r, row, 2))
		return;
	if (!news_read_stream(&page->news[page->n], db_text(r, row, 2), db_length(r, row, 2), &e))
		log_warn("a stream cannot be given again",
			 log_str("workflow.id", db_text(r, row, 1)), log_err(&e), LOG_END);
	page->n++;
}

static struct page *read_page(struct rebuild *r, struct err *e)
{
	const char *params[] = {r->since, r->at.began, r->at.workflow};
	AUTO(db_result_free_ptr) struct db_result *rows = NULL;
	struct page *page;
	int n;

	_Static_assert(REBUILD_PAGE == 200, "the query's LIMIT");
	if (!r->db)
		r->db = db_open(r->options, e);
	if (!r->db)
		return NULL;
	rows = db_query(r->db, query, 3, params, e);
	if (!rows)
		return NULL;
	n = db_rows(rows);
	page = xcalloc(1, sizeof(*page));
	for (int i = 0; i < n; i++)
		take_row(page, rows, i);
	page->last = n < REBUILD_PAGE;
	if (n) {
		snprintf(r->at.began, sizeof(r->at.began), "%s", db_text(rows, n - 1, 0));
		snprintf(r->at.workflow, sizeof(r->at.workflow), "%s", db_text(rows, n - 1, 1));
	}
	return page;
}

/* ---- the thread ---- */

static void rewind_to_start(struct rebuild *r)
{
	r->at = (struct cursor){"-infinity", "00000000-0000-0000-0000-000000000000"};
}

/* Until a page is wanted. False: the thread is to end. */
static bool await_order(struct rebuild *r)
{
	bool go;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && !r->wanted)
		pthread_cond_wait(&r->changed, &r->lock);
	go = !r->stop;
	pthread_mutex_unlock(&r->lock);
	return go;
}

/* For `ms`, whatever is wanted meanwhile. False: the thread is to end. */
static bool pause_for(struct rebuild *r, int64_t ms)
{
	int64_t at_us = clock_wall_us() + ms * 1000;
	struct timespec until = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
	int errnum = 0;
	bool go;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && errnum == 0)
		errnum = pthread_cond_timedwait(&r->changed, &r->lock, &until);
	go = !r->stop;
	pthread_mutex_unlock(&r->lock);
	return go;
}

/* Which pass a page is wanted of. */
static unsigned take_order(struct rebuild *r)
{
	unsigned pass;

	pthread_mutex_lock(&r->lock);
	pass = r->pass;
	r->wanted = false;
	pthread_mutex_unlock(&r->lock);
	return pass;
}

static bool deliver(struct rebuild *r, unsigned pass)
{
	struct err e = {0};
	struct page *page;

	while (!(page = read_page(r, &e))) {
		log_warn("streams cannot be read; trying again", log_err(&e), LOG_END);
		db_close(r->db);
		r->db = NULL;
		e = (struct err){0};
		if (!pause_for(r, backoff_next_ms(&r->backoff)))
			return false;
	}
	backoff_reset(&r->backoff);
	page->pass = pass;
	if (page->last) {
		db_close(r->db);
		r->db = NULL;
	}
	mailbox_post(r->to, &page->mail);
	return true;
}

static void *rebuild_thread(void *arg)
{
	struct rebuild *r = arg;
	unsigned pass = 0;

	log_thread_name("rebuild");
	while (await_order(r)) {
		unsigned wanted = take_order(r);

		if (wanted != pass)
			rewind_to_start(r);
		pass = wanted;
		if (!deliver(r, pass))
			break;
	}
	db_close(r->db);
	return NULL;
}

/* ---- the interface ---- */

struct rebuild *rebuild_start(const struct db_options *db, int64_t since_us, struct mailbox *to,
			      struct err *e)
{
	struct rebuild *r = xcalloc(1, sizeof(*r));
	int errnum;

	r->options = db;
	r->to = to;
	snprintf(r->since, sizeof(r->since), "%lld seconds", (long long)(since_us / 1000000));
	backoff_init(&r->backoff, RETRY_MS, RETRY_MAX_MS);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	errnum = pthread_create(&r->thread, NULL, rebuild_thread, r);
	if (errnum == 0)
		return r;
	err_errno(e, ERR_USAGE, errnum, "cannot start the rebuild's thread");
	free(r);
	return NULL;
}

/* Returns the pass that is now. */
static unsigned order(struct rebuild *r, bool begin, bool stop)
{
	unsigned pass;

	pthread_mutex_lock(&r->lock);
	r->pass += begin;
	pass = r->pass;
	r->wanted = true;
	r->stop |= stop;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return pass;
}

unsigned rebuild_begin(struct rebuild *r)
{
	return order(r, true, false);
}

void rebuild_more(struct rebuild *r)
{
	order(r, false, false);
}

void rebuild_stop(struct rebuild *r)
{
	if (!r)
		return;
	order(r, false, true);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
