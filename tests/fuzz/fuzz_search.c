/* fuzz_search: any bytes as the answer of a search engine. The last byte chooses its address and
 * what its header says. */
#include <stdint.h>
#include <string.h>

#include "cpoa/err.h"
#include "harvest/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const urls[] = {
	"https://html.duckduckgo.com/html/?q=bees",
	"https://search.example/search?q=bees&format=json",
	"http://127.0.0.1:8888/",
};
static const char *const types[] = {
	"text/html; charset=utf-8",	    "application/json", "text/html", "",
	"application/json; charset=utf-16",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned choice = size ? data[size - 1] : 0;
	struct search_results r;
	struct err e = {0};
	int max = 1 + (int)(choice % SEARCH_RESULTS_MAX);

	if (search_read(&r, urls[choice % 3], types[choice % 5], (const char *)data, size, max,
			&e)) {
		if (r.n < 0 || r.n > max)
			BUG("%d results, %d were wanted", r.n, max);
		for (int i = 0; i < r.n; i++)
			if (!r.url[i] || !*r.url[i])
				BUG("a result without an address");
	} else if (!*e.text) {
		BUG("a refusal without a sentence");
	}
	search_release(&r);
	return 0;
}
