/* fault: read once, then a counter a point. Test builds alone. */
#include "engine/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpoa/strbuf.h"

enum { NTH_MAX = 1000000000, DELAY_MAX_MS = 3600000, SPEC_MAX = 64, LIST_MAX = 512 };

struct fault {
	int64_t nth; /* 0: not asked for */
	enum { ACT_KILL, ACT_STOP, ACT_DELAY } action;
	int64_t delay_ms;
	_Atomic int64_t passed;
};

#define FAULT_NAME(point) #point,
static const char *const names[] = {FAULT_POINTS(FAULT_NAME)};
#undef FAULT_NAME

static struct fault faults[FAULT_COUNT];

/* ---- reading ---- */

static bool known_points(struct err *e, const char *name)
{
	AUTO(strbuf_release) struct strbuf list;

	strbuf_init(&list, LIST_MAX);
	for (int i = 0; i < FAULT_COUNT; i++)
		strbuf_addf(&list, " %s", names[i]);
	return err_set(e, ERR_USAGE, "CPOA_FAULT: there is no point '%.32s'; there are:%s", name,
		       list.buf);
}

static bool read_number(const char *text, int64_t max, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 10);
	return end != text && !*end && !errno && *number >= 1 && *number <= max;
}

/* The words after the point's name: a number, an action, or both. */
static bool read_word(struct fault *f, const char *word, struct err *e)
{
	if (strcmp(word, "kill") == 0)
		f->action = ACT_KILL;
	else if (strcmp(word, "stop") == 0)
		f->action = ACT_STOP;
	else if (strncmp(word, "delay=", 6) == 0 &&
		 read_number(word + 6, DELAY_MAX_MS, &f->delay_ms))
		f->action = ACT_DELAY;
	else if (!read_number(word, NTH_MAX, &f->nth))
		return err_set(e, ERR_USAGE,
			       "CPOA_FAULT: '%.32s' is neither a number from 1 to %d nor kill, "
			       "stop or delay=MS",
			       word, NTH_MAX);
	return true;
}

static bool read_fault(char *spec, struct err *e)
{
	char *rest = NULL, *name = strtok_r(spec, ":", &rest), *word;
	struct fault *f = NULL;

	for (int i = 0; name && i < FAULT_COUNT; i++)
		if (strcmp(name, names[i]) == 0)
			f = &faults[i];
	if (!f)
		return known_points(e, name ? name : "");
	f->nth = 1;
	while ((word = strtok_r(NULL, ":", &rest)))
		if (!read_word(f, word, e))
			return false;
	return true;
}

bool fault_setup(struct err *e)
{
	const char *p = getenv("CPOA_FAULT");
	char spec[SPEC_MAX];

	while (p && *p) {
		size_t n = strcspn(p, ",");

		if (n >= sizeof(spec))
			return err_set(e, ERR_USAGE, "CPOA_FAULT: '%.32s…' is too long", p);
		memcpy(spec, p, n);
		spec[n] = '\0';
		if (!read_fault(spec, e))
			return false;
		p += n + (p[n] == ',');
	}
	unsetenv("CPOA_FAULT"); /* it is known here, and in no table of options */
	return true;
}

/* ---- acting ---- */

static void pass_time(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

void fault_reach(enum fault_point point)
{
	struct fault *f = &faults[point];
	int64_t passed;

	if (!f->nth)
		return;
	passed = atomic_fetch_add(&f->passed, 1) + 1;
	if (f->action == ACT_DELAY && passed >= f->nth)
		pass_time(f->delay_ms);
	else if (f->action != ACT_DELAY && passed == f->nth)
		kill(getpid(), f->action == ACT_KILL ? SIGKILL : SIGSTOP);
}
