/* spinner: over and over the same line. */
#include "ctl/spinner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/strbuf.h"

#include "ctl/output.h"

static const char figures[] = "|/-\\";
static const char erase_line[] = "\r\033[K"; /* ECMA-48: to the line's start, erase to its end */

void spinner_init(struct spinner *s, bool wanted)
{
	const char *term = getenv("TERM");

	*s = (struct spinner){.on = wanted && isatty(STDOUT_FILENO) && term && *term &&
				    strcmp(term, "dumb") != 0};
}

static void draw(struct spinner *s, const char *what, int64_t elapsed_us)
{
	AUTO(strbuf_release) struct strbuf text;
	int width = output_width();

	strbuf_init(&text, 4 * TEXT_CLEAN_MAX);
	text_clean(&text, what, width > 24 ? width - 14 : 10);
	printf("%6.1f s  %c %s", (double)elapsed_us / 1e6, figures[s->n++ % 4], text.buf);
	fflush(stdout);
}

void spinner_show(struct spinner *s, const char *what, int64_t elapsed_us)
{
	if (s->on)
		draw(s, what, elapsed_us);
}

void spinner_clear(struct spinner *s)
{
	if (!s->on)
		return;
	fputs(erase_line, stdout);
	fflush(stdout);
}
