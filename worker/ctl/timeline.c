/* timeline: where a bar begins and how long it is. */
#include "ctl/timeline.h"

#include <stdio.h>

#include "cpoa/clock.h"

#include "ctl/output.h"
#include "ctl/table.h"

enum { WIDTH_OTHERWISE = 100, BAR_MIN = 10, BAR_MAX = 120, GAP = 2 };
enum { C_ORDER, C_AGENT, C_CALL, C_STATUS, C_START, C_TOOK, C_RETRIES, C_BAR, COLUMNS };

static const char full[] = "\xe2\x96\x88", thin[] = "\xe2\x96\x8f";

/* `columns` times the part of [from, to] that lies before `at`, rounded. */
static int position(int64_t at, int64_t from, int64_t to, int columns)
{
	double part;

	if (to <= from || at <= from)
		return 0;
	part = at >= to ? 1.0 : (double)(at - from) / (double)(to - from);
	return (int)(part * columns + 0.5);
}

void timeline_bar(struct strbuf *out, int64_t start, int64_t end, int64_t from, int64_t to,
		  int columns)
{
	int first = position(start, from, to, columns), last = position(end, from, to, columns);

	if (!start || columns <= 0)
		return;
	if (first >= columns)
		first = columns - 1;
	for (int i = 0; i < first; i++)
		strbuf_addc(out, ' ');
	if (last <= first)
		strbuf_adds(out, thin);
	for (int i = first; i < last; i++)
		strbuf_adds(out, full);
}

static void add_call(struct table *t, const struct timeline_call *c, int64_t from_us)
{
	char start[TIME_TEXT_SIZE + 1] = "", took[TIME_TEXT_SIZE] = "";

	if (c->start_us) {
		start[0] = '+';
		took_text(start + 1, from_us, c->start_us > from_us ? c->start_us : from_us);
	}
	took_text(took, c->start_us, c->end_us);
	table_add(t, (const char *const[]){c->order, c->agent, c->call, c->status, start, took,
					   c->retries, ""});
	if (c->error && *c->error)
		table_note(t, c->error);
}

void timeline_print(const struct timeline_call *calls, int n, int64_t from_us, int64_t to_us,
		    int width)
{
	static const struct table_column columns[COLUMNS] = {
		[C_ORDER] = {"#", .right = true},	  [C_AGENT] = {"AGENT", .gives = true},
		[C_CALL] = {"CALL", .gives = true},	  [C_STATUS] = {"STATUS", .status = true},
		[C_START] = {"START", .right = true},	  [C_TOOK] = {"TOOK", .right = true},
		[C_RETRIES] = {"RETRIES", .right = true}, [C_BAR] = {""},
	};
	struct table t;
	int room;

	table_init(&t, columns, COLUMNS);
	for (int i = 0; i < n; i++)
		add_call(&t, &calls[i], from_us);
	room = (width ? width : WIDTH_OTHERWISE) - table_width(&t);
	room = room < BAR_MIN ? BAR_MIN : room;
	room = room > BAR_MAX ? BAR_MAX : room;
	for (int i = 0; i < n; i++) {
		AUTO(strbuf_release) struct strbuf bar;
		int64_t end = calls[i].end_us ? calls[i].end_us : to_us;

		strbuf_init(&bar, 4 * BAR_MAX);
		timeline_bar(&bar, calls[i].start_us, end, from_us, to_us, room);
		table_set(&t, i, C_BAR, bar.buf);
	}
	table_print(&t, stdout, width);
	table_release(&t);
}
