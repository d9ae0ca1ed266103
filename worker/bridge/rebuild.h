/*
 * rebuild: the streams of the last hours, read from PostgreSQL for an ASF that has forgotten them.
 *
 * A thread of its own, for a query takes its time. It reads a page when it is asked to, and posts
 * it to the bridge's mailbox; the next one is asked for when the ASF has taken this one, so a page
 * is all that is ever in memory. A session is opened for a pass and closed behind it; a lost one is
 * opened again and the pass goes on where it stood.
 *
 * The ASF is given them in the order in which their workflows began, of those that ended within the
 * time (and began within it or the day before).
 */
#ifndef BRIDGE_REBUILD_H
#define BRIDGE_REBUILD_H

#include "cpoa/db.h"
#include "cpoa/mailbox.h"

#include "bridge/news.h"

enum { REBUILD_PAGE = 200 };

struct rebuild;

struct page {
	struct mail mail;
	unsigned pass; /* of an older one: nobody wants it any more */
	bool last;
	int n;
	struct news news[REBUILD_PAGE];
};

/* `to` gets the pages; it must outlive the thread, as must the options. */
MUST_CHECK struct rebuild *rebuild_start(const struct db_options *db, int64_t since_us,
					 struct mailbox *to, struct err *e);
void rebuild_stop(struct rebuild *r); /* NULL is fine; waits for a query that is under way */

/* Begins a pass, from the beginning; returns its number. Any thread. */
unsigned rebuild_begin(struct rebuild *r);

/* Wants the next page of the pass. Any thread. */
void rebuild_more(struct rebuild *r);

void page_free(struct page *page);

#endif
