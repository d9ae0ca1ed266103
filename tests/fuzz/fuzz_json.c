/* fuzz_json: any bytes as JSON, read strictly and mended. What was read is written, and what is
 * written is read as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *data, size_t size, enum json_mode how)
{
	struct json_object *o = NULL, *again = NULL;
	struct err e = {0};
	char *text, *second;
	size_t len, second_len;

	if (json_read((const char *)data, size, JSON_DEPTH_MAX, how, &o, &e) != JSON_OK) {
		if (o || !*e.text)
			BUG("a refusal without a sentence");
		return;
	}
	text = json_text(o, &len);
	if (!utf8_ok(text, len))
		BUG("what was written is no text");
	if (json_read(text, len, JSON_DEPTH_MAX, JSON_STRICT, &again, &e) != JSON_OK)
		BUG("what was written cannot be read: %s: %.200s", e.text, text);
	second = json_text(again, &second_len);
	if (second_len != len || memcmp(text, second, len) != 0)
		BUG("%.200s was read as %.200s", text, second);
	free(text);
	free(second);
	json_put(&o);
	json_put(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(data, size, JSON_STRICT);
	check(data, size, JSON_MEND);
	return 0;
}
