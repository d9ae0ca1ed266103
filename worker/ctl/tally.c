/* tally: sums over a list of jobs. */
#include "ctl/tally.h"

#include <assert.h>
#include <stdlib.h>

#include "cpoa/err.h"

enum { MARK_BYTES = 10 }; /* then the number; version and variant (RFC 4122) are in the mark */

void tally_init(struct tally *t, int64_t room, const struct uuid *mark)
{
	*t = (struct tally){.room = room, .mark = *mark};
	t->job = xcalloc((size_t)room, sizeof(*t->job));
}

void tally_release(struct tally *t)
{
	free(t->job);
	*t = (struct tally){0};
}

struct uuid tally_sent(struct tally *t, int type, int64_t wanted_us)
{
	struct uuid id = t->mark;
	int64_t n = t->n++;

	assert(n < t->room);
	t->job[n] = (struct tally_job){.wanted_us = wanted_us, .type = (uint8_t)type};
	for (int i = sizeof(id.bytes) - 1; i >= MARK_BYTES; i--, n >>= 8)
		id.bytes[i] = (uint8_t)(n & 0xff);
	return id;
}

bool tally_ended(struct tally *t, const struct uuid *id, enum tally_end end, int64_t now_us)
{
	int64_t n = 0;

	if (memcmp(id->bytes, t->mark.bytes, MARK_BYTES) != 0)
		return false;
	for (size_t i = MARK_BYTES; i < sizeof(id->bytes); i++)
		n = n << 8 | id->bytes[i];
	if (n >= t->n || t->job[n].end != TALLY_OPEN)
		return false;
	t->job[n].end = (uint8_t)end;
	t->job[n].took_us = now_us - t->job[n].wanted_us;
	t->ended++;
	return true;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* The smallest of n sorted values that `percent` of them do not exceed. */
static int64_t rank(const int64_t *sorted, int64_t n, int64_t percent)
{
	return n ? sorted[(n * percent + 99) / 100 - 1] : 0;
}

void tally_sum(const struct tally *t, int type, struct tally_sum *sum)
{
	int64_t *took = xcalloc((size_t)t->n + 1, sizeof(*took));
	int64_t n = 0;

	*sum = (struct tally_sum){0};
	for (int64_t i = 0; i < t->n; i++) {
		const struct tally_job *job = &t->job[i];

		if (type >= 0 && job->type != type)
			continue;
		sum->sent++;
		sum->end[job->end]++;
		if (job->end != TALLY_OPEN)
			took[n++] = job->took_us;
	}
	qsort(took, (size_t)n, sizeof(*took), compare);
	sum->p50_us = rank(took, n, 50);
	sum->p90_us = rank(took, n, 90);
	sum->p99_us = rank(took, n, 99);
	sum->max_us = rank(took, n, 100);
	free(took);
}
