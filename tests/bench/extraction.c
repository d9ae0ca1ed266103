/*
 * extraction: how well, and how fast, the main text of a page is found.
 *
 *   extraction DIR > predictions.json    for score.py: DIR/KEY.html -> {"KEY": {"articleBody": …}}
 *   extraction --bench DIR [SECONDS]     tells MB/s of HTML on one core, and the slowest page; on
 *                                        stdout as a line for bench_report
 *   extraction --mutate DIR [PAGES]      extracts so many damaged pages, prints the slowest; fails
 *                                        when one takes over a second
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
	PAGES_MAX = 20000,
	PAGE_ROOM = 4 << 20 /* bytes of a damaged page */
};

struct page {
	char *key;
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
	page->key = xstrndup(name, strcspn(name, "."));
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
	double rate = (double)bytes / 1e6 / (now() - start);
	fprintf(stderr,
		"%.1f MB/s of HTML (%zu pages, %.1f MB, %zu rounds); slowest page %.1f ms (%s)\n",
		rate, pages_n, (double)bytes / 1e6 / (double)rounds, rounds, slowest * 1e3,
		pages[slow].key);
	printf("{\"scenario\":\"extraction\",\"values\":{\"mb_s\":%.2f,\"slowest_ms\":%.3f}}\n",
	       rate, slowest * 1e3);
}

static unsigned dice(unsigned sides)
{
	static unsigned long long state = 88172645463325252ull;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % sides);
}

/* Damages a copy of a page that has room for PAGE_ROOM bytes; returns its length. */
static size_t damage(char *html, size_t len)
{
	static const char *const pieces[] = {"<",	    ">",	"<div>", "</div>",
					     "<!--",	    "\"",	"<p>",	 "<script>",
					     "<table><tr>", "<ul><li>", "&#",	 "<a href="};
	for (unsigned wounds = 1 + dice(40); wounds > 0 && len > 1; wounds--) {
		size_t at = dice((unsigned)len), n = 1 + dice((unsigned)(len - at));
		const char *piece = pieces[dice(sizeof(pieces) / sizeof(pieces[0]))];
		switch (dice(5)) {
		case 0:
			html[at] = (char)dice(256);
			break;
		case 1: /* a hole */
			n = n > 2000 ? 2000 : n;
			memmove(html + at, html + at + n, len - at - n);
			len -= n;
			break;
		case 2: /* said twice */
			if (len + n <= PAGE_ROOM) {
				memmove(html + at + n, html + at, len - at);
				len += n;
			}
			break;
		case 3: /* written over, again and again */
			for (size_t i = at; i < at + n && i + strlen(piece) < len;
			     i += strlen(piece))
				memcpy(html + i, piece, strlen(piece));
			break;
		default: /* cut */
			len = dice(20) == 0 ? at : len;
			break;
		}
	}
	return len;
}

static int mutate(size_t count)
{
	char *html = xmalloc(PAGE_ROOM);
	double slowest = 0;
	for (size_t i = 0; i < count; i++) {
		const struct page *page = &pages[dice((unsigned)pages_n)];
		size_t len = page->len < PAGE_ROOM ? page->len : PAGE_ROOM;
		memcpy(html, page->html, len);
		len = damage(html, len);
		double before = now();
		free(extract_text(html, len, NULL, NULL));
		double took = now() - before;
		slowest = took > slowest ? took : slowest;
	}
	free(html);
	printf("%zu damaged pages, the slowest %.1f ms\n", count, slowest * 1e3);
	return slowest > 1 ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 && strncmp(argv[1], "--", 2) == 0 ? argv[1] : "";
	char **rest = argv + (mode[0] != '\0' ? 2 : 1);
	if (rest[0] == NULL || !read_pages(rest[0])) {
		fprintf(stderr, "usage: extraction DIR | --bench DIR [SECONDS] | "
				"--mutate DIR [PAGES]   (DIR holds *.html)\n");
		return 2;
	}
	int status = 0;
	if (strcmp(mode, "--bench") == 0)
		bench(rest[1] != NULL ? strtod(rest[1], NULL) : 3);
	else if (strcmp(mode, "--mutate") == 0)
		status = mutate(rest[1] != NULL ? strtoul(rest[1], NULL, 10) : 10000);
	else
		predict();
	for (size_t i = 0; i < pages_n; i++) {
		free(pages[i].html);
		free(pages[i].key);
	}
	return status;
}
