/*
 * extraction: how well, and how fast, the main text of a page is found.
 *
 *   extraction DIR > predictions.json    for score.py: DIR/KEY.html -> {"KEY": {"articleBody": …}}
 *   extraction --bench DIR [SECONDS]     prints MB/s of HTML on one core, and the slowest page
 */
#include <dirent.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpoa/err.h"
#include "harvest/extract.h"

enum {
	PAGES_MAX = 20000
};

struct page {
	char key[256];
	char *html;
	size_t len;
};

static struct page pages[PAGES_MAX];
static size_t pages_n;

static bool read_page(struct page *page, const char *dir, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return false;
	bool sized = fseek(f, 0, SEEK_END) == 0;
	long size = sized ? ftell(f) : -1;
	if (size < 0 || fseek(f, 0, SEEK_SET) != 0) {
		fclose(f);
		return false;
	}
	page->html = xmalloc((size_t)size + 1);
	page->len = fread(page->html, 1, (size_t)size, f);
	fclose(f);
	snprintf(page->key, sizeof(page->key), "%.*s", (int)strcspn(name, "."), name);
	return true;
}

static bool read_pages(const char *dir)
{
	DIR *d = opendir(dir);
	if (d == NULL)
		return false;
	/* Nobody else reads this directory stream. */
	for (struct dirent *e = readdir(d); e != NULL && pages_n < PAGES_MAX; e = readdir(d)) {
		size_t n = strlen(e->d_name);
		if (n > 5 && strcmp(e->d_name + n - 5, ".html") == 0 &&
		    read_page(&pages[pages_n], dir, e->d_name))
			pages_n++;
	}
	closedir(d);
	return pages_n > 0;
}

static void predict(void)
{
	struct json_object *all = json_object_new_object();
	for (size_t i = 0; i < pages_n; i++) {
		struct extract x;
		extract_page(&x, pages[i].html, pages[i].len, NULL);
		struct json_object *one = json_object_new_object();
		json_object_object_add(one, "articleBody",
				       json_object_new_string_len(x.text, (int)x.text_len));
		json_object_object_add(one, "title", json_object_new_string(x.title));
		json_object_object_add(all, pages[i].key, one);
		extract_release(&x);
	}
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
}

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void bench(double seconds)
{
	double start = now(), slowest = 0;
	size_t bytes = 0, rounds = 0, slow = 0;
	do {
		for (size_t i = 0; i < pages_n; i++) {
			double before = now();
			free(extract_text(pages[i].html, pages[i].len, NULL, NULL));
			double took = now() - before;
			bytes += pages[i].len;
			if (took > slowest) {
				slowest = took;
				slow = i;
			}
		}
		rounds++;
	} while (now() - start < seconds);
	printf("%.1f MB/s of HTML (%zu pages, %.1f MB, %zu rounds); slowest page %.1f ms (%s)\n",
	       (double)bytes / 1e6 / (now() - start), pages_n,
	       (double)bytes / 1e6 / (double)rounds, rounds, slowest * 1e3, pages[slow].key);
}

int main(int argc, char **argv)
{
	bool timed = argc > 1 && strcmp(argv[1], "--bench") == 0;
	const char *dir = argv[timed ? 2 : 1];
	if (dir == NULL || !read_pages(dir)) {
		fprintf(stderr, "usage: extraction [--bench] DIR [SECONDS]   (DIR holds *.html)\n");
		return 2;
	}
	if (timed)
		bench(argc > 3 ? strtod(argv[3], NULL) : 3);
	else
		predict();
	for (size_t i = 0; i < pages_n; i++)
		free(pages[i].html);
	return 0;
}
