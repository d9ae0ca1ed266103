/*
 * fuzz_extract: any bytes as a page, in any character set.
 *
 *   fuzz_extract -max_len=300000 -timeout=5 CORPUS_DIR      (the shared pages are a good start)
 *
 * The last byte chooses what the header says, so that a page is a corpus file as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/err.h"
#include "harvest/charset.h"
#include "harvest/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const headers[] = {
	NULL,	      "utf-8", "text/html; charset=windows-1251", "shift_jis", "utf-16", "gb2312",
	"iso-8859-1", "big5",
};

/* What everybody downstream relies on: UTF-8 without NUL, as long as it says. */
static void check(const char *s, size_t len)
{
	if (strlen(s) != len)
		BUG("a NUL within");
	for (size_t i = 0, n; i < len; i += n) {
		n = charset_sequence(s + i, len - i);
		if (n == 0)
			BUG("no UTF-8 at byte %zu", i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct extract x;
	size_t header = size > 0 ? data[size - 1] % (sizeof(headers) / sizeof(headers[0])) : 0;
	extract_page(&x, (const char *)data, size, headers[header]);
	check(x.text, x.text_len);
	check(x.title, strlen(x.title));
	extract_release(&x);
	return 0;
}
