/* fuzz_conf: any bytes as `.env`. What it sets could be put into an environment. */
#include <stdint.h>
#include <string.h>

#include "cpoa/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set(void *ctx, const char *name, const char *value)
{
	(void)ctx;
	if (!*name || strchr(name, '=') || !value)
		BUG("'%s' is no name of a variable", name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};

	if (!conf_dotenv_parse((const char *)data, size, set, NULL, &e) &&
	    (!*e.text || e.class != ERR_USAGE))
		BUG("a refusal without a sentence");
	return 0;
}
