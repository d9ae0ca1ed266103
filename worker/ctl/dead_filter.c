/* dead_filter: from options to parameters. */
#include <stdlib.h>
#include <string.h>

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/output.h"
#include "ctl/query.h"
#include "ctl/workflow.h"

enum { IDS_BYTES = 4 << 20, ID_DIGITS = 18 };

bool dead_id_ok(const char *id, struct err *e)
{
	size_t n = strspn(id, "0123456789");

	return (n >= 1 && n <= ID_DIGITS && !id[n]) ||
	       err_set(e, ERR_USAGE, "'%.64s' is no id of a dead letter: those are numbers", id);
}

static bool add_id(struct strbuf *sb, const char *id, struct err *e)
{
	if (!dead_id_ok(id, e))
		return false;
	array_add(sb, id);
	return true;
}

static bool set_ids(const struct dead_filter *f, struct dead_params *p, struct err *e)
{
	for (int i = 0; i < f->ids.n; i++)
		if (!add_id(&p->ids, f->ids.item[i], e))
			return false;
	for (int i = 0; i < f->operands.n; i++)
		if (!add_id(&p->ids, f->operands.item[i], e))
			return false;
	p->value[0] = p->ids.len ? array_text(&p->ids) : NULL;
	return true;
}

/* So long ago, or a time. */
static bool set_time(const char **value, char out[CLOCK_TEXT_SIZE], const char *name,
		     const char *text, struct err *e)
{
	int64_t us;

	*value = NULL;
	if (!text)
		return true;
	if (clock_parse_duration(text, &us))
		us = clock_wall_us() - us;
	else if (!clock_parse(text, &us))
		return err_set(e, ERR_USAGE,
			       "--%s is '%.64s'; it must be how long ago (90s, 15m, 2h, 30d) or a "
			       "time such as 2025-06-14T09:30:00Z",
			       name, text);
	clock_text(out, us);
	*value = out;
	return true;
}

static bool set_state(const struct dead_filter *f, struct dead_params *p, struct err *e)
{
	static const char *const states[] = {"dead", "replayed", "discarded"};

	p->value[6] = f->state ? f->state : "dead";
	if (f->state && strcmp(f->state, "all") == 0) {
		p->value[6] = NULL;
		return true;
	}
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (strcmp(p->value[6], states[i]) == 0)
			return true;
	return err_set(e, ERR_USAGE,
		       "--state is '%.64s'; it must be dead, replayed, discarded or all", f->state);
}

bool dead_filter_named(const struct dead_filter *f)
{
	return f->ids.n + f->operands.n > 0;
}

bool dead_filter_params(const struct dead_filter *f, struct dead_params *p, struct err *e)
{
	*p = (struct dead_params){0};
	strbuf_init(&p->ids, IDS_BYTES);
	p->value[1] = f->reason;
	p->value[2] = f->type;
	p->value[5] = f->error;
	return set_ids(f, p, e) && set_time(&p->value[3], p->since, "since", f->since, e) &&
	       set_time(&p->value[4], p->until, "until", f->until, e) && set_state(f, p, e);
}

void dead_params_release(struct dead_params *p)
{
	strbuf_release(&p->ids);
}

bool dead_filter_for_change(const struct dead_filter *f, const char *command, struct err *e)
{
	if (!dead_filter_named(f) && !f->reason && !f->type && !f->since && !f->until &&
	    !f->error && !f->state)
		return err_set(e, ERR_USAGE,
			       "`cpoa %s` needs ids or a filter (--reason, --type, --since, "
			       "--until, --error, --state); `cpoa dead --help` explains it",
			       command);
	if (f->state && strcmp(f->state, "dead") != 0 && strcmp(f->state, "discarded") != 0)
		return err_set(e, ERR_USAGE,
			       "--state is '%.64s'; `cpoa %s` takes dead or discarded: what was "
			       "replayed becomes dead again when it fails again",
			       f->state, command);
	return true;
}

int dead_none(const struct dead_filter *f)
{
	struct err e = {0};

	say("no dead letter matches");
	if (!workflow_could_match(f->type, NULL, &e))
		say("%s", e.text);
	return EXIT_NO_MATCH;
}

int complain_filter(struct err *e)
{
	/* invalid_regular_expression */
	if (strcmp(e->code, "2201B") == 0) {
		err_wrap(e, "--error is no regular expression");
		e->class = ERR_USAGE;
	}
	return complain_query(e);
}
