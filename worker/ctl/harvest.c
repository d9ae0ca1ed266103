/* cpoa harvest: what a worker does in WCHA's place, by hand. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpoa/http.h"
#include "cpoa/json.h"
#include "cpoa/strbuf.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "harvest/extract.h"
#include "harvest/harvest.h"

enum { WAIT_MAX_MS = 1000 };

/* One operand, and what came of it. */
struct sheaf {
	struct harvest *harvest;
	struct json_object *result;
	int *left;
};

/* ---- printing ---- */

/* Line by line: a page's text may not command the terminal. */
static void print_text(const char *text)
{
	AUTO(strbuf_release) struct strbuf clean;

	strbuf_init(&clean, 4 * TEXT_CLEAN_MAX);
	while (*text) {
		size_t n = strcspn(text, "\n");
		AUTO(free_ptr) char *line = xstrndup(text, n);

		strbuf_reset(&clean);
		text_clean(&clean, line, 0);
		puts(clean.buf);
		text += n + (text[n] == '\n');
	}
}

static void say_sources(struct json_object *result)
{
	struct json_object *sources = json_arr(result, "sources");

	say("%s", json_str(result, "message"));
	for (size_t i = 0; sources && i < json_object_array_length(sources); i++) {
		struct json_object *source = json_object_array_get_idx(sources, i);

		say("  %-20s %s: %s", json_str(source, "outcome"), json_str(source, "url"),
		    json_str(source, "message"));
	}
}

static bool print_sheaf(const struct sheaf *sheaf, bool json, bool first)
{
	const char *content = json_str(sheaf->result, "content");

	if (json) {
		print_json(sheaf->result);
		return content;
	}
	say_sources(sheaf->result);
	if (content) {
		if (!first)
			fputs("\n---\n\n", stdout);
		print_text(content);
	}
	return content;
}

/* ---- harvesting ---- */

static void on_done(struct harvest *harvest, void *owner)
{
	struct sheaf *sheaf = owner;

	sheaf->result = harvest_result(harvest);
	--*sheaf->left;
}

static bool is_url(const char *what)
{
	return strncasecmp(what, "http://", 7) == 0 || strncasecmp(what, "https://", 8) == 0;
}

static int harvest_all(const struct settings *s, const struct args *operands, bool json)
{
	struct harvest_options o = settings_harvest(s);
	struct sheaf sheaves[ARGS_LIST_MAX] = {{0}};
	struct harvests *all;
	struct err e = {0};
	int left = operands->n, good = 0;

	if (!http_global_init(&e) || !(all = harvests_new(&o, &e)))
		return complain(&e);
	for (int i = 0; i < operands->n; i++) {
		const char *what = operands->item[i];

		sheaves[i].left = &left;
		sheaves[i].harvest =
			harvest_start(all, what, is_url(what) ? what : NULL, on_done, &sheaves[i]);
	}
	while (left) {
		struct pollfd p = {.fd = harvests_fd(all), .events = POLLIN};

		poll(&p, 1, harvests_wait_ms(all, WAIT_MAX_MS));
		harvests_work(all);
	}
	for (int i = 0; i < operands->n; i++) {
		good += print_sheaf(&sheaves[i], json, good == 0);
		harvest_free(sheaves[i].harvest);
		json_put(&sheaves[i].result);
	}
	harvests_free(all);
	return good == operands->n ? EXIT_DONE : EXIT_FAILED;
}

/* ---- a saved page ---- */

static bool read_page(const char *file, struct strbuf *page, struct err *e)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *in = standard ? stdin : fopen(file, "re");
	char part[4 << 10];
	size_t n;
	bool ok;

	if (!in)
		return err_errno(e, ERR_USAGE, errno, "cannot open %s", file);
	/* What extraction does not look at need not be read. */
	while (page->len < EXTRACT_PAGE_MAX && (n = fread(part, 1, sizeof(part), in)) > 0)
		strbuf_add(page, part, n);
	ok = !ferror(in);
	if (!standard)
		fclose(in);
	return ok || err_set(e, ERR_USAGE, "cannot read %s", file);
}

static int extract_file(const char *file)
{
	AUTO(strbuf_release) struct strbuf page;
	AUTO(free_ptr) char *text = NULL;
	struct err e = {0};
	size_t len;

	strbuf_init(&page, EXTRACT_PAGE_MAX + (64 << 10));
	if (!read_page(file, &page, &e))
		return complain(&e);
	text = extract_text(page.buf, page.len, NULL, &len);
	print_text(text);
	if (len == 0)
		say("no main text was found in %s", file);
	return len ? EXIT_DONE : EXIT_FAILED;
}

/* ---- the command ---- */

static int harvest_main(int argc, char **argv)
{
	AUTO(settings_release) struct settings s = {0};
	const char *html = NULL;
	bool json = false;
	const struct arg_option options[] = {{"json", .flag = &json}, {"html", .text = &html}, {0}};
	struct args operands;
	struct err e = {0};
	int code;

	if (!args_parse(&operands, "harvest", argc, argv, options, &e) ||
	    !args_count(&operands, "harvest", html ? 0 : 1, html ? 1 : ARGS_LIST_MAX,
			html ? "the page's URL" : "a topic or a URL", &e))
		return complain(&e);
	if (html)
		return extract_file(html);
	code = load_settings(&s);
	return code == EXIT_DONE ? harvest_all(&s, &operands, json) : code;
}

const struct command cmd_harvest = {
	.name = "harvest",
	.main = harvest_main,
	.summary = "searches the web and prints the main text of what it finds",
	.usage = "usage: cpoa harvest TOPIC|URL ... [--json]\n"
		 "       cpoa harvest --html FILE|- [URL]\n"
		 "\n"
		 "  cpoa harvest 'How lighthouses came to be'\n"
		 "  curl -s https://example.org/ | cpoa harvest --html -\n"
		 "\n"
		 "Does by hand what a worker does for a podcast when WCHA_SERVICE_BASE_URL is "
		 "empty: a search for each\n"
		 "TOPIC (quote it), the pages found or the URL fetched, their main text joined. "
		 "What came of each page is\n"
		 "said on stderr. The WCHA_ variables of `cpoa worker --help` hold here too.\n"
		 "\n"
		 "  --json       each result as an object on a line: status, content, source_urls, "
		 "message, sources\n"
		 "  --html FILE  prints the main text of a saved page (- is stdin); URL, where it "
		 "came from, is not asked\n"
		 "\n"
		 "Exit code 0: every one gave text; 1: not every one; 2: usage.\n",
};
