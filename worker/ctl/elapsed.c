/* elapsed: a table by a hash of ids. */
#include "ctl/elapsed.h"

/* FNV-1a: ids of one load differ in their last bytes alone. */
static size_t place_of(const struct uuid *id)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < sizeof(id->bytes); i++)
		h = (h ^ id->bytes[i]) * 16777619u;
	return (h ^ h >> 16) % ELAPSED_PLACES;
}

int64_t elapsed_since(struct elapsed *e, const char *workflow, int64_t now_us)
{
	struct uuid id;
	size_t at;

	if (!uuid_from_text(&id, workflow))
		return -1;
	at = place_of(&id);
	if (!uuid_equal(&e->place[at].workflow, &id) || now_us < e->place[at].first_us) {
		e->place[at].workflow = id;
		e->place[at].first_us = now_us;
	}
	return now_us - e->place[at].first_us;
}
