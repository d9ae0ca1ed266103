#include "cpoa/uuid.h"

#include <uuid/uuid.h>

#include "cpoa/clock.h"
#include "cpoa/digest.h"

enum { TIME_BYTES = 6 }; /* RFC 9562 5.7: milliseconds since 1970, big-endian */

static void set_version(struct uuid *id, int version)
{
	id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0F) | version << 4);
}

struct uuid uuid_new(void)
{
	struct uuid id;

	int64_t ms = clock_wall_us() / 1000;

	uuid_generate_random(id.bytes);
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
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3F) | 0x80); /* RFC 9562 4.1 */
	return id;
}

struct uuid uuid_part(const struct uuid *whole, const void *name, size_t len)
{
	struct uuid id = uuid_named(whole, name, len);

	memcpy(id.bytes, whole->bytes, TIME_BYTES);
	set_version(&id, 8);
	return id;
}

bool uuid_from_text(struct uuid *out, const char *text)
{
	struct uuid id;

	if (!text || uuid_parse(text, id.bytes) != 0)
		return false;
	*out = id;
	return true;
}

void uuid_to_text(const struct uuid *id, char out[UUID_TEXT_SIZE])
{
	uuid_unparse_lower(id->bytes, out);
}
