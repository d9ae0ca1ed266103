#include "core/rate.h"

#include <assert.h>

void rate_init(struct rate *rate, double per_second)
{
	int64_t burst = (int64_t)(per_second / 10);

	assert(per_second >= 0 && per_second <= RATE_MAX);
	*rate = (struct rate){0};
	if (per_second == 0)
		return;
	rate->interval_ns = (int64_t)(1e9 / per_second);
	rate->burst_ns = burst > 1 ? (burst - 1) * rate->interval_ns : 0;
}

void rate_take(struct rate *rate, int64_t now_us)
{
	int64_t now_ns = now_us * 1000;

	assert(rate_lets(rate, now_us));
	if (rate->full_ns < now_ns)
		rate->full_ns = now_ns;
	rate->full_ns += rate->interval_ns;
}
