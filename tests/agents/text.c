/* text.c - hashes, ids, clocks, UTF-8, and what json-c leaves to its users */
#include "standin.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* FNV-1a, its bits mixed at the end as splitmix64 does: the low bits choose buckets and texts. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
	const unsigned char *byte = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (seed * UINT64_C(0x9e3779b97f4a7c15));

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
	return hash ^ (hash >> 31);
}

struct id id_make(const char *agent, const char *key)
{
	uint64_t seed = hash_bytes(0, agent, strlen(agent));
	size_t len = strlen(key);

	return (struct id){hash_bytes(seed, key, len), hash_bytes(seed + 1, key, len)};
}

void id_format(struct id id, char uuid[37])
{
	(void)snprintf(uuid, 37,
		       "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
		       id.high >> 32, (id.high >> 16) & 0xffff, id.high & 0xffff, id.low >> 48,
		       id.low & UINT64_C(0xffffffffffff));
}

bool id_parse(const char *uuid, struct id *id)
{
	uint64_t part[2] = {0, 0};
	size_t digits = 0;

	if (strlen(uuid) != 36)
		return false;
	for (; *uuid; uuid++) {
		char digit[2] = {*uuid, '\0'};

		if (*uuid == '-')
			continue;
		if (!isxdigit((unsigned char)*uuid) || digits == 32)
			return false;
		part[digits / 16] = part[digits / 16] << 4 | strtoul(digit, NULL, 16);
		digits++;
	}
	*id = (struct id){part[0], part[1]};
	return digits == 32;
}

static int64_t clock_read_us(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		abort();
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t ms_to_us(long ms)
{
	return (int64_t)ms * 1000;
}

int64_t clock_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000;
}

void time_from_hash(uint64_t hash, char text[32])
{
	const time_t start_of_2025 = 1735689600, year = 365L * 86400;
	time_t moment = start_of_2025 + (time_t)(hash % (uint64_t)year);
	struct tm tm;

	if (!gmtime_r(&moment, &tm) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		abort();
}

size_t utf8_count(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

size_t utf8_prefix(const char *text, size_t chars)
{
	size_t i = 0;

	for (; text[i]; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (chars == 0)
			break;
		chars--;
	}
	return i;
}

bool is_blank(const char *text)
{
	return !text || text[strspn(text, " \t\r\n")] == '\0';
}

struct json_object *json_member(const struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_object_get_ex(object, name, &value))
		return value;
	return NULL;
}

const char *json_text(const struct json_object *object, const char *name)
{
	struct json_object *value = json_member(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

void json_put_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
}

void json_patch(struct json_object *object, const char *patch)
{
	struct json_object *changes = json_tokener_parse(patch);
	struct json_object_iterator at, end;

	if (!changes)
		abort();
	at = json_object_iter_begin(changes);
	end = json_object_iter_end(changes);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		struct json_object *value = json_object_iter_peek_value(&at);

		if (value)
			json_object_object_add(object, name, json_object_get(value));
		else
			json_object_object_del(object, name);
	}
	json_object_put(changes);
}

static struct json_object *taint_string(struct json_object *value, const char *bytes, size_t len)
{
	const char *text = json_object_get_string(value);
	size_t text_len = (size_t)json_object_get_string_len(value);
	const char *space = memchr(text + text_len / 2, ' ', text_len - text_len / 2);
	struct buf tainted = {0};
	struct json_object *result;

	if (!space)
		space = memchr(text, ' ', text_len);
	if (!space)
		return json_object_get(value);
	buf_add(&tainted, text, (size_t)(space - text));
	buf_add(&tainted, bytes, len);
	buf_add(&tainted, space, text_len - (size_t)(space - text));
	result = json_object_new_string_len(tainted.data, (int)tainted.len);
	buf_release(&tainted);
	return result;
}

/* No deeper than results are. NOLINTNEXTLINE(misc-no-recursion) */
struct json_object *json_taint(struct json_object *value, const char *bytes, size_t len)
{
	struct json_object *result;

	if (json_object_is_type(value, json_type_string))
		return taint_string(value, bytes, len);
	if (json_object_is_type(value, json_type_array)) {
		result = json_object_new_array();
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			struct json_object *item = json_object_array_get_idx(value, i);

			json_object_array_add(result, json_taint(item, bytes, len));
		}
		return result;
	}
	if (json_object_is_type(value, json_type_object)) {
		struct json_object_iterator at = json_object_iter_begin(value);
		struct json_object_iterator end = json_object_iter_end(value);

		result = json_object_new_object();
		for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
			json_object_object_add(
				result, json_object_iter_peek_name(&at),
				json_taint(json_object_iter_peek_value(&at), bytes, len));
		return result;
	}
	return json_object_get(value);
}
