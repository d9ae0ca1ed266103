/* fuzz_trace: a traceparent, a line end, a tracestate. What is taken is written as it was read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/err.h"
#include "cpoa/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parent(const char *text)
{
	char written[TRACE_PARENT_SIZE];
	struct trace first, second;

	if (!trace_parse(&first, text))
		return;
	trace_text(&first, written);
	if (!trace_parse(&second, written) || memcmp(&first, &second, sizeof(first)) != 0)
		BUG("%s was written as %s", text, written);
	/* Version 00 has nothing that we do not know. */
	if (strncmp(text, "00-", 3) == 0 && strncmp(text, written, 53) != 0)
		BUG("%s was read as %s", text, written);
}

static void check_state(const char *text)
{
	if (!trace_state_ok(text))
		return;
	if (!*text || strlen(text) > TRACE_STATE_MAX)
		BUG("a tracestate of %zu bytes", strlen(text));
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			BUG("a tracestate with a byte %d", *text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *end = strchr(text, '\n');

	if (end)
		*end = '\0';
	check_parent(text);
	check_state(end ? end + 1 : text);
	free(text);
	return 0;
}
