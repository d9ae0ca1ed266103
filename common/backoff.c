#include "cpoa/backoff.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "cpoa/err.h"

/* splitmix64 (Steele, Lea, Flood 2014): spreads a seed of few bits over the whole state. */
static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, unsigned k)
{
	return (x << k) | (x >> (64 - k));
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	if (seed == 0 && getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		BUG("the kernel has no random numbers");
	rng->s[0] = splitmix(&seed);
	rng->s[1] = splitmix(&seed);
	if (!(rng->s[0] | rng->s[1]))
		rng->s[0] = 1;
}

/* xoroshiro128++ (Blackman and Vigna). */
uint64_t rng_next(struct rng *rng)
{
	uint64_t a = rng->s[0], b = rng->s[1];
	uint64_t result = rotl(a + b, 17) + a;

	assert(a | b);
	b ^= a;
	rng->s[0] = rotl(a, 49) ^ b ^ (b << 21);
	rng->s[1] = rotl(b, 28);
	return result;
}

int64_t rng_between(struct rng *rng, int64_t lo, int64_t hi)
{
	uint64_t span = (uint64_t)hi - (uint64_t)lo;
	uint64_t mask, r;
	int64_t result;

	assert(lo <= hi);
	if (span == 0)
		return lo;
	/* Drawing again what lies above the span keeps it even; that is less than one draw more on
	 * average. */
	mask = UINT64_MAX >> __builtin_clzll(span);
	do
		r = rng_next(rng) & mask;
	while (r > span);
	r += (uint64_t)lo;
	memcpy(&result, &r, sizeof(result));
	return result;
}

int64_t backoff_ms(struct rng *rng, int64_t base_ms, int64_t max_ms, unsigned n)
{
	int64_t top;

	assert(base_ms >= 0 && max_ms >= 0);
	if (n > 62 || base_ms > (max_ms >> n))
		top = base_ms ? max_ms : 0;
	else
		top = (int64_t)((uint64_t)base_ms << n);
	return rng_between(rng, top - top / 2, top);
}

void backoff_init(struct backoff *b, int64_t base_ms, int64_t max_ms)
{
	*b = (struct backoff){.base_ms = base_ms, .max_ms = max_ms};
	rng_seed(&b->rng, 0);
}

int64_t backoff_next_ms(struct backoff *b)
{
	int64_t ms = backoff_ms(&b->rng, b->base_ms, b->max_ms, b->n);

	if (b->n < 63)
		b->n++;
	return ms;
}

void backoff_reset(struct backoff *b)
{
	b->n = 0;
}
