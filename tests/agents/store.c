/*
 * store.c - idempotency keys and tasks
 *
 * A task's id is a hash of its agent and key, so one index serves the POST (by key) and the poll
 * (by id). Entries also stand in a list by age, from whose old end they are forgotten.
 */
#include "standin.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 1024 };

void store_init(struct store *store)
{
	*store = (struct store){.bucket_n = BUCKETS_MIN};
	store->bucket = xcalloc(store->bucket_n, sizeof(struct entry *));
}

void store_release(struct store *store)
{
	store_trim(store, 0);
	free(store->bucket);
	*store = (struct store){0};
}

static struct entry **bucket_of(const struct store *store, struct id id)
{
	return &store->bucket[id.low & (store->bucket_n - 1)];
}

struct entry *store_find(const struct store *store, struct id id)
{
	struct entry *entry = *bucket_of(store, id);

	while (entry && (entry->id.high != id.high || entry->id.low != id.low))
		entry = entry->chain;
	return entry;
}

static void grow(struct store *store)
{
	free(store->bucket);
	store->bucket_n *= 2;
	store->bucket = xcalloc(store->bucket_n, sizeof(struct entry *));
	for (struct entry *entry = store->oldest; entry; entry = entry->newer) {
		struct entry **bucket = bucket_of(store, entry->id);

		entry->chain = *bucket;
		*bucket = entry;
	}
}

struct entry *store_add(struct store *store, struct id id, const struct agent *agent)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));
	struct entry **bucket;

	if (store->count >= store->bucket_n)
		grow(store);
	bucket = bucket_of(store, id);
	entry->id = id;
	entry->agent = agent;
	entry->chain = *bucket;
	*bucket = entry;
	if (store->newest)
		store->newest->newer = entry;
	else
		store->oldest = entry;
	store->newest = entry;
	store->count++;
	return entry;
}

void store_finish(struct store *store, struct entry *entry, struct outcome *outcome)
{
	size_t len = 0;
	const char *text = json_object_to_json_string_length(
		outcome->result, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	entry->done = true;
	entry->state = outcome->state;
	entry->http = outcome->http;
	entry->wrap = outcome->wrap;
	entry->wrap_sync = outcome->wrap_sync;
	entry->result = memcpy(xmalloc(len + 1), text, len + 1);
	entry->result_len = len;
	entry->speech = outcome->speech;
	store->bytes += len;
	json_object_put(outcome->result);
	outcome->result = NULL;
	outcome->speech = NULL;
}

static void forget_oldest(struct store *store)
{
	struct entry *entry = store->oldest;
	struct entry **link = bucket_of(store, entry->id);

	while (*link != entry)
		link = &(*link)->chain;
	*link = entry->chain;
	store->oldest = entry->newer;
	if (!store->oldest)
		store->newest = NULL;
	store->count--;
	store->bytes -= entry->result_len;
	speech_unref(entry->speech);
	free(entry->result);
	free(entry);
}

void store_trim(struct store *store, size_t max)
{
	while (store->count > max || store->bytes > STORE_BYTES_MAX)
		forget_oldest(store);
}
