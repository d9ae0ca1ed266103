/* suspects: one at a time. */
#include "engine/suspects.h"

#include <stdlib.h>

#include "cpoa/clock.h"

#include "engine/aftermath.h"
#include "engine/pool.h"

enum {
	SUSPECT = 3,	 /* deliveries; fewer are a worker's bad luck */
	DELIVERIES = 10, /* that count like one death of its worker */
	WORN = 10,	 /* deliveries; RabbitMQ 4 gives up at 20 unless it is told not to */
};

long message_deliveries(const struct mq_message *m)
{
	/* On a first delivery the header is the sender's: RabbitMQ 3.10 writes it from the second
	 * on. */
	const char *text = m->redelivered ? mq_header(m, "x-delivery-count") : NULL;

	return text ? strtol(text, NULL, 10) : 0;
}

long deliveries_max(const struct house *house)
{
	return DELIVERIES * (long)house->settings->max_claims;
}

bool is_worn(const struct house *house, const struct mq_message *m)
{
	long half = deliveries_max(house) / 2, n = message_deliveries(m);

	return n >= (half < WORN ? half : WORN);
}

bool is_suspect(const struct mq_message *m)
{
	return message_deliveries(m) >= SUSPECT;
}

void suspects_add(struct suspects *s, struct run *run)
{
	mail_append(&s->waiting, &run->mail);
	s->n++;
	s->read_at_us = clock_mono_us() + SUSPECTS_QUIET_MS * 1000;
}

void suspects_settled(struct suspects *s, uint64_t tag)
{
	if (tag == s->reading)
		s->reading = 0;
}

void suspects_turn(struct suspects *s, struct house *house)
{
	struct run *run;
	int64_t skip;

	if (s->reading || !s->n || clock_mono_us() < s->read_at_us ||
	    atomic_load(&house->inflight) - s->n >= house->settings->max_inflight)
		return;
	for (skip = rng_between(&s->rng, 0, s->n - 1); skip; skip--)
		mail_append(&s->waiting, mail_shift(&s->waiting));
	run = mail_of(mail_shift(&s->waiting), struct run, mail);
	s->n--;
	s->reading = run->message->tag;
	pool_put(house->pool, run);
}

void suspects_drop(struct suspects *s, struct house *house)
{
	struct mail *mail;

	s->n = 0;
	s->reading = 0;
	while ((mail = mail_shift(&s->waiting)))
		aftermath_lost(house, mail_of(mail, struct run, mail));
}
