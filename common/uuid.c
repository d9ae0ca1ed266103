#include "cpoa/uuid.h"

#include <uuid/uuid.h>

struct uuid uuid_new(void)
{
	struct uuid id;

	uuid_generate_random(id.bytes);
	return id;
}

struct uuid uuid_named(const struct uuid *space, const void *name, size_t len)
{
	struct uuid id;

	uuid_generate_sha1(id.bytes, space->bytes, name, len);
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
