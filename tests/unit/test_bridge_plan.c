/* links: cpoa_bridge */
/* What the bridge sends next, gives up and acks (worker/bridge/plan.h). */
#include "bridge/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cpoa/strbuf.h"

enum { LOG_MAX = 256, S = 1000000 };

/* What a plan has told of ends: "ui/a/taken". */
static char told[LOG_MAX][64];
static int n_told;

static void ended(void *ctx, const struct push *push, enum push_end end)
{
	static const char *const ends[] = {"taken", "refused", "too_old", "superseded", "crowded"};

	cr_assert(ctx == told);
	cr_assert_lt(n_told, LOG_MAX);
	snprintf(told[n_told++], sizeof(told[0]), "%s/%.20s/%.20s", push->key, push->body,
		 ends[end]);
}

static struct plan *new_plan(int line_max, int at_once)
{
	const struct plan_options o = {.ui_age_us = 60 * S,
				       .line_max = line_max,
				       .at_once = {at_once, at_once},
				       .retry_ms = 100,
				       .retry_max_ms = 10000,
				       .look_max_ms = 2000,
				       .seed = 7,
				       .ended = ended,
				       .ctx = told};

	n_told = 0;
	return plan_new(&o);
}

static struct notice notice(const char *key, const char *body)
{
	return (struct notice){xstrdup(key), xstrdup(body), strlen(body)};
}

/* An update of client `key` by workflow `workflow`; upper case: terminal. */
static void ui(struct plan *plan, uint64_t tag, const char *key, const char *workflow,
	       const char *body, int64_t age_us, int64_t now)
{
	struct news news = {.ui = notice(key, body), .terminal = *body >= 'A' && *body <= 'Z'};

	snprintf(news.workflow, sizeof(news.workflow), "%s", workflow);
	plan_event(plan, tag, &news, age_us, now);
	news_release(&news);
}

static void stream(struct plan *plan, uint64_t tag, const char *key, const char *body, int64_t now)
{
	struct news news = {.stream = notice(key, body), .terminal = true};

	plan_event(plan, tag, &news, 0, now);
	news_release(&news);
}

static void again(struct plan *plan, const char *key, const char *body)
{
	struct news news = {.stream = notice(key, body), .terminal = true};

	plan_rebuild(plan, &news, 0);
	news_release(&news);
}

static const char *body_of(const struct push *push)
{
	return push ? push->body : "nothing";
}

static struct push *expect_next(struct plan *plan, enum push_kind kind, int64_t now,
				const char *text)
{
	struct push *p = plan_next(plan, kind, now);

	cr_assert_str_eq(body_of(p), text, "it is %s, not %s", body_of(p), text);
	return p;
}

static void expect_told(const char *text)
{
	AUTO(strbuf_release) struct strbuf all;

	strbuf_init(&all, sizeof(told));
	for (int i = 0; i < n_told; i++)
		strbuf_addf(&all, "%s%s", i ? " " : "", told[i]);
	n_told = 0;
	cr_assert_str_eq(all.buf, text);
}

/* The tags that are settled by now, in order. */
static void expect_settled(struct plan *plan, const char *text)
{
	AUTO(strbuf_release) struct strbuf all;
	uint64_t tag;

	strbuf_init(&all, 1024);
	while (plan_settled(plan, &tag))
		strbuf_addf(&all, "%s%llu", all.len ? " " : "", (unsigned long long)tag);
	cr_assert_str_eq(all.buf, text);
}

Test(plan, a_line_goes_one_after_another_and_lines_beside_each_other)
{
	struct plan *plan = new_plan(10, 16);
	struct push *a1, *b1;

	ui(plan, 1, "a", "w", "a1", 0, 0);
	ui(plan, 2, "a", "w", "a2", 0, 0);
	ui(plan, 3, "b", "v", "b1", 0, 0);
	a1 = expect_next(plan, PUSH_UI, 0, "a1");
	b1 = expect_next(plan, PUSH_UI, 0, "b1");
	expect_next(plan, PUSH_UI, 0, "nothing");
	expect_settled(plan, "");
	plan_answer(plan, b1, PUSH_TAKEN, -1, 0);
	expect_settled(plan, "3");
	plan_answer(plan, a1, PUSH_TAKEN, -1, 0);
	expect_settled(plan, "1");
	plan_answer(plan, expect_next(plan, PUSH_UI, 0, "a2"), PUSH_TAKEN, -1, 0);
	expect_settled(plan, "2");
	expect_told("b/b1/taken a/a1/taken a/a2/taken");
	cr_assert_eq(plan_pending(plan, PUSH_UI), 0);
	plan_free(plan);
}

Test(plan, a_stream_is_tried_until_it_is_taken_whatever_its_age)
{
	struct plan *plan = new_plan(10, 16);
	int64_t now = 0, last = 0;

	stream(plan, 1, "s", "s1", 0);
	stream(plan, 2, "s", "s2", 0);
	for (int i = 0; i < 20; i++) {
		struct push *p = plan_next(plan, PUSH_STREAM, now);

		cr_assert_str_eq(body_of(p), "s1");
		plan_answer(plan, p, PUSH_LATER, -1, now);
		cr_assert_null(plan_next(plan, PUSH_STREAM, now), "at once again");
		last = now;
		now += (int64_t)plan_wait_ms(plan, now, 100000) * 1000;
		cr_assert_leq(now - last, 10 * S + 1000);
		cr_assert_geq(now - last, (i < 7 ? 50000 << i : 5 * S) - 1000);
		plan_sweep(plan, now);
	}
	expect_settled(plan, "");
	plan_answer(plan, expect_next(plan, PUSH_STREAM, now, "s1"), PUSH_TAKEN, -1, now);
	plan_answer(plan, expect_next(plan, PUSH_STREAM, now, "s2"), PUSH_TAKEN, -1, now);
	expect_settled(plan, "1 2");
	plan_free(plan);
}

Test(plan, one_stuck_client_holds_up_nobody)
{
	struct plan *plan = new_plan(10, 2);
	struct push *stuck;

	ui(plan, 1, "stuck", "w", "x1", 0, 0);
	stuck = expect_next(plan, PUSH_UI, 0, "x1");
	for (uint64_t tag = 2; tag < 200; tag++) {
		ui(plan, tag, tag % 2 ? "stuck" : "fine", "v", "y", 0, 0);
		if (tag % 2 == 0)
			plan_answer(plan, expect_next(plan, PUSH_UI, 0, "y"), PUSH_TAKEN, -1, 0);
	}
	/* Its own line has its bound: what is too much was settled. */
	cr_assert_eq(plan_pending(plan, PUSH_UI), 10);
	plan_answer(plan, stuck, PUSH_LATER, -1, 0);
	expect_next(plan, PUSH_UI, 0, "nothing");
	cr_assert(!plan_gate_down(plan, PUSH_UI));
	plan_free(plan);
}

Test(plan, a_full_line_gives_up_its_oldest_that_is_not_terminal)
{
	struct plan *plan = new_plan(3, 1);

	ui(plan, 1, "c", "w", "END", 0, 0);
	ui(plan, 2, "c", "v", "p2", 0, 0);
	ui(plan, 3, "c", "v", "p3", 0, 0);
	expect_told("");
	ui(plan, 4, "c", "v", "p4", 0, 0);
	expect_told("c/p2/crowded");
	ui(plan, 5, "c", "x", "END5", 0, 0);
	expect_told("c/p3/crowded");
	ui(plan, 6, "c", "y", "END6", 0, 0);
	expect_told("c/p4/crowded");
	ui(plan, 7, "c", "z", "END7", 0, 0);
	expect_told("c/END/crowded");
	expect_settled(plan, "2 3 4 1");
	plan_free(plan);
}

Test(plan, an_update_is_given_up_when_it_is_too_old)
{
	struct plan *plan = new_plan(10, 16);
	struct push *p;

	ui(plan, 1, "a", "w", "stale", 60 * S, 0);
	expect_next(plan, PUSH_UI, 0, "nothing");
	expect_told("a/stale/too_old");
	ui(plan, 2, "a", "w", "old", 50 * S, 0);
	p = expect_next(plan, PUSH_UI, 9 * S, "old");
	plan_answer(plan, p, PUSH_LATER, -1, 10 * S);
	expect_told("a/old/too_old");
	/* Also while nobody asks for it, and terminal ones as well. */
	ui(plan, 3, "b", "w", "END", 0, 0);
	plan_sweep(plan, 59 * S);
	expect_told("");
	plan_sweep(plan, 60 * S);
	expect_told("b/END/too_old");
	expect_settled(plan, "1 2 3");
	plan_free(plan);
}

Test(plan, a_terminal_update_supersedes_those_of_its_workflow_alone)
{
	struct plan *plan = new_plan(10, 16);
	struct push *p;

	ui(plan, 1, "a", "w", "w1", 0, 0);
	ui(plan, 2, "a", "v", "v1", 0, 0);
	ui(plan, 3, "a", "w", "w2", 0, 0);
	p = expect_next(plan, PUSH_UI, 0, "w1");
	ui(plan, 4, "a", "w", "END", 0, 0);
	expect_told("a/w2/superseded");
	/* The one that is being asked ends when its answer comes. */
	plan_answer(plan, p, PUSH_LATER, -1, 0);
	expect_told("a/w1/superseded");
	p = expect_next(plan, PUSH_UI, S, "v1");
	plan_answer(plan, p, PUSH_TAKEN, -1, S);
	plan_answer(plan, expect_next(plan, PUSH_UI, S, "END"), PUSH_TAKEN, -1, S);
	expect_settled(plan, "3 1 2 4");
	plan_free(plan);
}

Test(plan, an_event_is_settled_when_all_of_it_has_ended)
{
	struct plan *plan = new_plan(10, 16);
	struct news news = {
		.stream = notice("s", "s1"), .ui = notice("c", "END"), .terminal = true};
	struct news nothing = {0};
	struct push *s, *u;

	plan_event(plan, 7, &news, 0, 0);
	plan_event(plan, 8, &nothing, 0, 0);
	news_release(&news);
	expect_settled(plan, "8");
	u = expect_next(plan, PUSH_UI, 0, "END");
	s = expect_next(plan, PUSH_STREAM, 0, "s1");
	plan_answer(plan, u, PUSH_REFUSED, -1, 0);
	expect_settled(plan, "");
	plan_answer(plan, s, PUSH_TAKEN, -1, 0);
	expect_settled(plan, "7");
	expect_told("c/END/refused s/s1/taken");
	plan_free(plan);
}

Test(plan, where_nobody_answers_one_tries_for_all)
{
	struct plan *plan = new_plan(10, 4);
	struct push *p[4];
	int64_t now = 0;

	for (uint64_t i = 0; i < 8; i++) {
		char key[] = {(char)('a' + i), '\0'};

		stream(plan, i, key, key, 0);
	}
	for (int i = 0; i < 4; i++)
		cr_assert_not_null(p[i] = plan_next(plan, PUSH_STREAM, 0));
	cr_assert_null(plan_next(plan, PUSH_STREAM, 0), "four at once");
	for (int i = 0; i < 4; i++)
		plan_answer(plan, p[i], PUSH_NOBODY, -1, 0);
	cr_assert(plan_gate_down(plan, PUSH_STREAM));
	cr_assert(!plan_gate_down(plan, PUSH_UI));
	for (int i = 0; i < 12; i++) {
		cr_assert_null(plan_next(plan, PUSH_STREAM, now));
		now += (int64_t)plan_wait_ms(plan, now, 100000) * 1000;
		cr_assert_not_null(p[0] = plan_next(plan, PUSH_STREAM, now));
		cr_assert_null(plan_next(plan, PUSH_STREAM, now), "one alone");
		plan_answer(plan, p[0], PUSH_NOBODY, -1, now);
	}
	cr_assert_leq(plan_wait_ms(plan, now, 100000), 2001);
	cr_assert(!plan_came_back(plan));
	now += 2 * S;
	cr_assert_not_null(p[0] = plan_next(plan, PUSH_STREAM, now));
	plan_answer(plan, p[0], PUSH_LATER, -1, now);
	cr_assert(plan_came_back(plan));
	cr_assert(!plan_came_back(plan), "told once");
	for (int i = 0; i < 4; i++)
		cr_assert_not_null(plan_next(plan, PUSH_STREAM, now));
	plan_free(plan);
}

Test(plan, a_wish_to_wait_is_granted_within_reason)
{
	struct plan *plan = new_plan(10, 4);

	stream(plan, 1, "a", "a", 0);
	plan_answer(plan, expect_next(plan, PUSH_STREAM, 0, "a"), PUSH_LATER, 3000, 0);
	cr_assert_eq(plan_wait_ms(plan, 0, 100000), 3000);
	plan_answer(plan, expect_next(plan, PUSH_STREAM, 3 * S, "a"), PUSH_LATER, 86400000, 0);
	cr_assert_eq(plan_wait_ms(plan, 0, 100000), 10000);
	plan_free(plan);
}

static int cancelled;

static void cancel(struct push *push)
{
	cancelled++;
	cr_assert_str_eq(push->body, "a1");
}

Test(plan, a_lost_connection_takes_its_events_with_it_and_no_rebuild)
{
	struct plan *plan = new_plan(10, 4);
	uint64_t tag;

	ui(plan, 1, "a", "w", "a1", 0, 0);
	ui(plan, 2, "a", "w", "a2", 0, 0);
	stream(plan, 3, "s", "s1", 0);
	again(plan, "r", "r1");
	expect_next(plan, PUSH_UI, 0, "a1");
	plan_forget(plan, false, cancel);
	cr_assert_eq(cancelled, 1);
	expect_told("");
	cr_assert(!plan_settled(plan, &tag), "its tags mean nothing any more");
	cr_assert_eq(plan_pending(plan, PUSH_UI) + plan_pending(plan, PUSH_STREAM), 0);
	expect_next(plan, PUSH_UI, 0, "nothing");
	/* They come again. */
	ui(plan, 1, "a", "w", "a1", 0, 0);
	expect_next(plan, PUSH_UI, 0, "a1");
	expect_next(plan, PUSH_STREAM, 0, "r1");
	plan_free(plan);
}

Test(plan, a_rebuild_gives_way)
{
	struct plan *plan = new_plan(10, 1);
	struct push *p;

	again(plan, "r", "r1");
	again(plan, "s", "s1");
	stream(plan, 1, "t", "t1", 0);
	cr_assert_eq(plan_rebuilding(plan), 2);
	p = expect_next(plan, PUSH_STREAM, 0, "t1"); /* what is new goes first */
	stream(plan, 2, "s", "s2", 0);		     /* and displaces what is old */
	again(plan, "t", "t0");
	expect_told("s/s1/superseded t/t0/superseded");
	plan_answer(plan, p, PUSH_TAKEN, -1, 0);
	plan_answer(plan, expect_next(plan, PUSH_STREAM, 0, "s2"), PUSH_TAKEN, -1, 0);
	p = expect_next(plan, PUSH_STREAM, 0, "r1");
	stream(plan, 3, "r", "r2", 0);
	plan_answer(plan, p, PUSH_LATER, -1, 0);
	expect_settled(plan, "1 2");
	expect_told("t/t1/taken s/s2/taken r/r1/superseded");
	cr_assert_eq(plan_rebuilding(plan), 0);
	expect_next(plan, PUSH_STREAM, S, "r2");
	plan_free(plan);
}
