/* plan_lines: which pushes there are, in their lines; what they become when they end. */
#include <stdlib.h>
#include <string.h>

#include "bridge/plan_private.h"

/* ---- receipts ---- */

static void settle(struct plan *plan, struct receipt *r)
{
	if (r && --r->open == 0)
		STAILQ_INSERT_TAIL(&plan->settled, r, link);
}

bool plan_settled(struct plan *plan, uint64_t *tag)
{
	struct receipt *r = STAILQ_FIRST(&plan->settled);

	if (!r)
		return false;
	*tag = r->tag;
	STAILQ_REMOVE_HEAD(&plan->settled, link);
	free(r);
	return true;
}

/* ---- lines ---- */

/* FNV-1a. Nobody gains by collisions: a bucket is as long as the broker's window at most. */
static struct bucket *bucket_of(struct plan *plan, enum push_kind kind, const char *key)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 16777619u;
	return &plan->buckets[h & (BUCKETS - 1)];
}

static struct line *line_of(struct plan *plan, enum push_kind kind, const char *key)
{
	struct bucket *bucket = bucket_of(plan, kind, key);
	struct line *line;

	for (line = LIST_FIRST(bucket); line; line = LIST_NEXT(line, chain))
		if (line->kind == kind && strcmp(line->key, key) == 0)
			return line;
	line = xcalloc(1, sizeof(*line));
	line->kind = kind;
	line->key = xstrdup(key);
	TAILQ_INIT(&line->entries);
	LIST_INSERT_HEAD(bucket, line, chain);
	TAILQ_INSERT_TAIL(&plan->all, line, all);
	return line;
}

void line_unqueue(struct line *line)
{
	if (line->in)
		TAILQ_REMOVE(line->in, line, queue);
	line->in = NULL;
}

static void free_line(struct plan *plan, struct line *line)
{
	line_unqueue(line);
	timers_cancel(&plan->timers, &line->timer);
	LIST_REMOVE(line, chain);
	TAILQ_REMOVE(&plan->all, line, all);
	free(line->key);
	free(line);
}

void line_place(struct plan *plan, struct line *line, bool first)
{
	struct entry *head = TAILQ_FIRST(&line->entries);
	struct gate *gate = &plan->gate[line->kind];

	if (!head) {
		free_line(plan, line);
		return;
	}
	line_unqueue(line);
	if (head->asked || timer_is_set(&line->timer))
		return;
	line->in = head->receipt ? &gate->ready : &gate->rebuild;
	if (first)
		TAILQ_INSERT_HEAD(line->in, line, queue);
	else
		TAILQ_INSERT_TAIL(line->in, line, queue);
}

/* ---- pushes ---- */

static void free_entry(struct plan *plan, struct entry *e)
{
	if (e->receipt)
		plan->gate[e->push.kind].pending--;
	else
		plan->rebuilding--;
	if (e->asked)
		plan->gate[e->push.kind].asking--;
	TAILQ_REMOVE(&e->line->entries, e, link);
	e->line->n--;
	free(e->push.body);
	free(e);
}

void entry_end(struct plan *plan, struct entry *e, enum push_end how)
{
	if (plan->o.ended)
		plan->o.ended(plan->o.ctx, &e->push, how);
	settle(plan, e->receipt);
	free_entry(plan, e);
}

static bool superseded(const struct entry *e)
{
	const struct entry *later = e;

	if (e->terminal || e->push.kind != PUSH_UI)
		return false;
	while ((later = TAILQ_NEXT(later, link)))
		if (later->terminal && strcmp(later->workflow, e->workflow) == 0)
			return true;
	return false;
}

bool entry_give_up(struct plan *plan, struct entry *e, int64_t now_us)
{
	bool old = now_us >= e->expires_us;

	if (!old && !superseded(e))
		return false;
	entry_end(plan, e, old ? END_TOO_OLD : END_SUPERSEDED);
	return true;
}

static void supersede(struct plan *plan, struct line *line)
{
	struct entry *e, *next;

	for (e = TAILQ_FIRST(&line->entries); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (!e->asked && superseded(e))
			entry_end(plan, e, END_SUPERSEDED);
	}
}

/* The oldest that is not terminal; if all are, the oldest. Never the newest. */
static void crowd_out(struct plan *plan, struct line *line)
{
	struct entry *e, *chosen = NULL;

	if (line->kind != PUSH_UI || line->n <= plan->o.line_max)
		return;
	for (e = TAILQ_FIRST(&line->entries); e; e = TAILQ_NEXT(e, link)) {
		if (e->asked || !TAILQ_NEXT(e, link))
			continue;
		if (!chosen || (chosen->terminal && !e->terminal))
			chosen = e;
	}
	if (chosen)
		entry_end(plan, chosen, END_CROWDED_OUT);
}

static struct entry *append(struct line *line, struct notice *n, int64_t now_us)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	e->push = (struct push){.key = line->key,
				.body = n->body,
				.len = n->len,
				.kind = line->kind,
				.came_us = now_us};
	n->body = NULL;
	e->line = line;
	e->expires_us = INT64_MAX;
	TAILQ_INSERT_TAIL(&line->entries, e, link);
	line->n++;
	return e;
}

/* What a rebuild has for this stream is older than what has come now. */
static void displace_rebuild(struct plan *plan, struct line *line)
{
	struct entry *e = TAILQ_FIRST(&line->entries);

	if (e && !e->receipt && !e->asked)
		entry_end(plan, e, END_SUPERSEDED);
}

static void add(struct plan *plan, struct receipt *r, enum push_kind kind, struct notice *n,
		const struct news *news, int64_t age_us, int64_t now_us)
{
	struct line *line;
	struct entry *e;

	if (!n->body)
		return;
	line = line_of(plan, kind, n->key);
	displace_rebuild(plan, line);
	e = append(line, n, now_us);
	e->receipt = r;
	r->open++;
	plan->gate[kind].pending++;
	memcpy(e->workflow, news->workflow, sizeof(e->workflow));
	e->terminal = news->terminal;
	if (kind == PUSH_UI) {
		e->expires_us = now_us + plan->o.ui_age_us - age_us;
		supersede(plan, line);
		crowd_out(plan, line);
	}
	line_place(plan, line, false);
}

void plan_event(struct plan *plan, uint64_t tag, struct news *news, int64_t age_us, int64_t now_us)
{
	struct receipt *r = xcalloc(1, sizeof(*r));

	*r = (struct receipt){.tag = tag, .open = 1};
	add(plan, r, PUSH_STREAM, &news->stream, news, age_us, now_us);
	add(plan, r, PUSH_UI, &news->ui, news, age_us, now_us);
	settle(plan, r);
}

void plan_rebuild(struct plan *plan, struct news *news, int64_t now_us)
{
	struct line *line;
	struct entry *e;

	if (!news->stream.body)
		return;
	line = line_of(plan, PUSH_STREAM, news->stream.key);
	plan->rebuilding++;
	e = append(line, &news->stream, now_us);
	e->push.rebuild = true;
	/* What is there already is as new as this. */
	if (line->n > 1)
		entry_end(plan, e, END_SUPERSEDED);
	line_place(plan, line, false);
}

/* ---- giving up and dropping ---- */

void plan_sweep(struct plan *plan, int64_t now_us)
{
	struct line *line, *next_line;
	struct entry *e, *next;

	for (line = TAILQ_FIRST(&plan->all); line; line = next_line) {
		bool changed = false;

		next_line = TAILQ_NEXT(line, all);
		for (e = TAILQ_FIRST(&line->entries); e; e = next) {
			next = TAILQ_NEXT(e, link);
			if (!e->asked && now_us >= e->expires_us) {
				entry_end(plan, e, END_TOO_OLD);
				changed = true;
			}
		}
		if (changed)
			line_place(plan, line, false);
	}
}

void plan_forget(struct plan *plan, bool rebuild, void (*cancel)(struct push *push))
{
	struct line *line, *next_line;
	struct entry *e, *next;
	uint64_t tag;

	for (line = TAILQ_FIRST(&plan->all); line; line = next_line) {
		next_line = TAILQ_NEXT(line, all);
		for (e = TAILQ_FIRST(&line->entries); e; e = next) {
			next = TAILQ_NEXT(e, link);
			if ((e->receipt == NULL) != rebuild)
				continue;
			if (e->asked)
				cancel(&e->push);
			settle(plan, e->receipt);
			free_entry(plan, e);
		}
		line_place(plan, line, false);
	}
	/* The tags mean nothing any more. */
	while (!rebuild && plan_settled(plan, &tag))
		;
}
