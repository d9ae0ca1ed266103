/* change: asking, pacing, counting. */
#include "ctl/change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/table.h"

enum { RATE_MAX = 1000000, LINE_MAX_BYTES = 64, SLICE_MS = 100 };

/* ---- asking ---- */

const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

int change_too_many(const struct change_options *c, const char *verb, const char *thing, int64_t n)
{
	say("%" PRId64 " %ss match and --limit is %" PRId64
	    "; narrow the choice, or give --limit %" PRId64 " to %s them all",
	    n, thing, c->limit, n, verb);
	return EXIT_REFUSED;
}

/* The number is to be typed: whoever does so has read it. */
static bool typed(const char *verb, const char *thing, int64_t n)
{
	char line[LINE_MAX_BYTES], *end;

	fflush(stdout);
	fprintf(stderr, "%s %" PRId64 " %s%s? Type %" PRId64 " to go on: ", verb, n, thing,
		plural(n), n);
	fflush(stderr);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	errno = 0;
	return strtoll(line, &end, 10) == n && end > line && *end == '\n' && !errno;
}

int change_agree(const struct change_options *c, const char *verb, const char *thing, int64_t n,
		 bool named)
{
	if (n == 0) {
		say("no %s matches", thing);
		return EXIT_NO_MATCH;
	}
	if (n > c->limit)
		return change_too_many(c, verb, thing, n);
	if (c->yes || named || c->dry_run)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		say("this would %s %" PRId64 " %s%s; give --yes where nobody can be asked, or "
		    "--dry-run to look first",
		    verb, n, thing, plural(n));
		return EXIT_REFUSED;
	}
	if (typed(verb, thing, n))
		return EXIT_DONE;
	say("nothing was done");
	return EXIT_REFUSED;
}

/* ---- pace ---- */

bool pace_begin(struct pace *p, const char *text, struct err *e)
{
	char *end = NULL;
	long long n = 0;

	*p = (struct pace){.begun_us = clock_mono_us()};
	if (!text)
		return true;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || errno || n < 1 || n > RATE_MAX || (*end && strcmp(end, "/s") != 0))
		return err_set(e, ERR_USAGE,
			       "--rate is '%.64s'; it must be a number a second such as 20/s",
			       text);
	p->rate = n;
	return true;
}

int pace_take(struct pace *p, int want)
{
	while (!interrupted()) {
		int64_t elapsed = clock_mono_us() - p->begun_us;
		/* The first at once. */
		int64_t free = p->rate ? 1 + elapsed * p->rate / 1000000 - p->spent : want;

		if (free >= 1) {
			want = free < want ? (int)free : want;
			p->spent += want;
			return want;
		}
		interruptible_wait(SLICE_MS < 1000 / p->rate ? SLICE_MS
							     : (int)(1000 / p->rate) + 1);
	}
	return 0;
}

/* ---- groups ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void groups_add(struct groups *g, const char *first, const char *second)
{
	for (int i = 0; i < g->n; i++) {
		if (same_text(g->item[i].first, first) && same_text(g->item[i].second, second)) {
			g->item[i].n++;
			return;
		}
	}
	if (g->n == GROUPS_MAX)
		g->rest++;
	else
		g->item[g->n++] = (struct group){first, second, 1};
}

static int by_count(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (y->n > x->n) - (y->n < x->n);
}

static void sort(struct groups *g)
{
	qsort(g->item, (size_t)g->n, sizeof(g->item[0]), by_count);
}

void groups_print(struct groups *g, const char *first, const char *second)
{
	const struct table_column columns[] = {
		{"COUNT", .right = true}, {first, .gives = true}, {second, .gives = true}};
	struct table t;
	char count[24];

	sort(g);
	table_init(&t, columns, 3);
	for (int i = 0; i < g->n; i++) {
		snprintf(count, sizeof(count), "%" PRId64, g->item[i].n);
		table_add(&t, (const char *const[]){count, g->item[i].first, g->item[i].second});
	}
	if (g->rest) {
		snprintf(count, sizeof(count), "%" PRId64, g->rest);
		table_add(&t, (const char *const[]){count, "(others)", ""});
	}
	table_print(&t, stdout, output_width());
	table_release(&t);
}

struct json_object *groups_json(struct groups *g, const char *first, const char *second)
{
	struct json_object *list = json_object_new_array();

	sort(g);
	for (int i = 0; i < g->n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, first, g->item[i].first);
		json_set_str(o, second, g->item[i].second);
		json_set_num(o, "count", g->item[i].n);
		json_object_array_add(list, o);
	}
	return list;
}
