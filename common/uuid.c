#include "cpoa/uuid.h"

#include <sys/random.h>

#include "cpoa/clock.h"
#include "cpoa/digest.h"
#include "cpoa/err.h"

enum { TIME_BYTES = 6 }; /* RFC 9562 5.7: milliseconds since 1970, big-endian */

/* Where the dashes stand in a text: behind 4, 6, 8 and 10 bytes. */
static bool dash_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static void set_version(struct uuid *id, int version)
{
	id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0F) | version << 4);
	id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3F) | 0x80); /* RFC 9562 4.1 */
}

/* A thread draws for several ids at once: a system call each would cost more than all the rest. Who
 * forks draws no id in the child. */
static void draw(struct uuid *id)
{
	static _Thread_local struct {
		struct uuid ids[16];
		size_t left;
	} pool;

	if (!pool.left) {
		/* So few bytes come whole, or not at all (getrandom(2)). */
		if (getrandom(pool.ids, sizeof(pool.ids), 0) != (ssize_t)sizeof(pool.ids))
			BUG("the kernel has no random numbers");
		pool.left = sizeof(pool.ids) / sizeof(pool.ids[0]);
	}
	*id = pool.ids[--pool.left];
}

struct uuid uuid_new(void)
{
	int64_t ms = clock_wall_us() / 1000;
	struct uuid id;

	draw(&id);
	for (int i = 0; i < TIME_BYTES; i++)
		id.bytes[i] = (uint8_t)(ms >> 8 * (TIME_BYTES - 1 - i));
	set_version(&id, 7);
	return id;
}

struct uuid uuid_named(const struct uuid *space, const void *name, size_t len)
{
	uint8_t sum[DIGEST_SHA1_SIZE];
	struct uuid id;

	digest_sha1(space->bytes, sizeof(space->bytes), name, len, sum);
	memcpy(id.bytes, sum, sizeof(id.bytes));
	set_version(&id, 5);
	return id;
}

struct uuid uuid_part(const struct uuid *whole, const void *name, size_t len)
{
	struct uuid id = uuid_named(whole, name, len);

	memcpy(id.bytes, whole->bytes, TIME_BYTES);
	set_version(&id, 8);
	return id;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_from_text(struct uuid *out, const char *text)
{
	struct uuid id;

	if (!text)
		return false;
	for (size_t i = 0; i < sizeof(id.bytes); i++) {
		int high, low;

		if (dash_before(i) && *text++ != '-')
			return false;
		/* The NUL is no digit: nothing behind it is looked at. */
		high = digit(text[0]);
		low = high < 0 ? -1 : digit(text[1]);
		if (low < 0)
			return false;
		id.bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text)
		return false;
	*out = id;
	return true;
}

void uuid_to_text(const struct uuid *id, char out[UUID_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(id->bytes); i++) {
		if (dash_before(i))
			*out++ = '-';
		*out++ = hex[id->bytes[i] >> 4];
		*out++ = hex[id->bytes[i] & 15];
	}
	*out = '\0';
}
