/* elapsed: a table by the first bytes of ids, which are random. */
#include "ctl/elapsed.h"

int64_t elapsed_since(struct elapsed *e, const char *workflow, int64_t now_us)
{
	struct uuid id;
	size_t at;

	if (!uuid_from_text(&id, workflow))
		return -1;
	at = ((size_t)id.bytes[0] << 8 | id.bytes[1]) % ELAPSED_PLACES;
	if (!uuid_equal(&e->place[at].workflow, &id) || now_us < e->place[at].first_us) {
		e->place[at].workflow = id;
		e->place[at].first_us = now_us;
	}
	return now_us - e->place[at].first_us;
}
