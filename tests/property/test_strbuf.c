#include "cpoa/strbuf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/backoff.h"

/* Against an array that is large enough. */
struct model {
	char bytes[4096];
	size_t len, max;
	bool failed;
};

static void model_add(struct model *m, const char *data, size_t len)
{
	m->failed = m->failed || len > m->max - m->len;
	if (m->failed)
		return;
	memcpy(m->bytes + m->len, data, len);
	m->len += len;
}

static void step(struct strbuf *sb, struct model *m, struct rng *rng)
{
	char data[64], text[32];
	size_t len = (size_t)rng_between(rng, 0, sizeof(data));
	char *detached;

	for (size_t i = 0; i < len; i++)
		data[i] = (char)rng_next(rng);
	switch (rng_between(rng, 0, 40)) {
	case 0:
		strbuf_reset(sb);
		m->len = 0;
		m->failed = false;
		break;
	case 1:
		strbuf_release(sb);
		m->len = 0;
		m->failed = false;
		break;
	case 2:
		detached = strbuf_detach(sb, &len);
		cr_assert(len == m->len && memcmp(detached, m->bytes, len) == 0 &&
			  detached[len] == '\0');
		free(detached);
		m->len = 0;
		break;
	case 3:
	case 4:
		len = (size_t)rng_between(rng, 0, (int64_t)m->len);
		strbuf_cut(sb, len);
		m->len = len;
		break;
	case 5:
		m->failed = m->failed || len > m->max - m->len;
		cr_assert_eq(strbuf_grow(sb, len), !m->failed);
		break;
	case 6:
	case 7:
		snprintf(text, sizeof(text), "%d-%s", (int)len, "x");
		strbuf_addf(sb, "%d-%s", (int)len, "x");
		model_add(m, text, strlen(text));
		break;
	default:
		strbuf_add(sb, data, len);
		model_add(m, data, len);
	}
}

Test(strbuf, behaves_as_an_array)
{
	static struct model m;
	struct rng rng;

	rng_seed(&rng, 5);
	for (int round = 0; round < 200; round++) {
		struct strbuf sb;

		m = (struct model){.max = (size_t)rng_between(&rng, 0, sizeof(m.bytes))};
		strbuf_init(&sb, m.max);
		for (int i = 0; i < 200; i++) {
			step(&sb, &m, &rng);
			cr_assert(sb.len == m.len && memcmp(sb.buf, m.bytes, m.len) == 0,
				  "round %d", round);
			cr_assert_eq(sb.buf[sb.len], '\0');
			cr_assert_eq(sb.failed, m.failed);
			cr_assert_leq(sb.cap, m.max + 1, "no more than the ceiling is ever taken");
		}
		strbuf_release(&sb);
	}
}
