/* manual: the page. */
#include "ctl/manual.h"

#include <string.h>

#include "ctl/ctl.h"
#include "engine/settings.h"

/* ---- roff ---- */

static void put_char(FILE *out, char c)
{
	static const struct {
		char c;
		const char *roff;
	} table[] = {{'\\', "\\e"}, {'-', "\\-"}, {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (table[i].c == c) {
			fputs(table[i].roff, out);
			return;
		}
	}
	putc(c, out);
}

/* A line of text: at its beginning, . and ' are requests. */
static void put_line(FILE *out, const char *s, size_t n)
{
	if (n && (*s == '.' || *s == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < n; i++)
		put_char(out, s[i]);
	putc('\n', out);
}

static void put_text(FILE *out, const char *s)
{
	put_line(out, s, strlen(s));
}

/* ---- a usage ---- */

/* Where the two blanks behind a term begin; n: it is none. */
static size_t term_length(const char *s, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (s[i] == ' ' && s[i + 1] == ' ')
			return i;
	return n;
}

static void put_indented(FILE *out, const char *s, size_t n)
{
	size_t term = term_length(s, n), blanks;

	if (term == n) {
		fputs(".PP\n.RS 4\n.nf\n", out);
		put_line(out, s, n);
		fputs(".fi\n.RE\n", out);
		return;
	}
	blanks = strspn(s + term, " ");
	fputs(".TP\n.B ", out);
	put_line(out, s, term);
	put_line(out, s + term + blanks, n - term - blanks);
}

static void put_calls(FILE *out, const char **line)
{
	const char *s = *line;

	fputs(".PP\n.nf\n", out);
	while (*s && *s != '\n') {
		size_t n = strcspn(s, "\n"), skip = strncmp(s, "usage: ", 7) == 0 ? 7 : 0;

		/* "       cpoa …" stands beneath "usage: cpoa …" */
		if (!skip && strncmp(s, "       ", 7) == 0)
			skip = 7;
		put_line(out, s + skip, n - skip);
		s += n + (s[n] == '\n');
	}
	fputs(".fi\n", out);
	*line = s;
}

static void put_command(FILE *out, const struct command *c)
{
	const char *line = c->usage;
	bool fresh = true;

	fprintf(out, ".SS cpoa %s\n", c->name);
	put_text(out, c->summary);
	put_calls(out, &line);
	while (*line) {
		size_t n = strcspn(line, "\n");

		if (n > 2 && strncmp(line, "  ", 2) == 0) {
			put_indented(out, line + 2, n - 2);
			fresh = true;
		} else if (n) {
			if (fresh)
				fputs(".PP\n", out);
			put_line(out, line, n);
			fresh = false;
		} else {
			fresh = true;
		}
		line += n + (line[n] == '\n');
	}
}

/* ---- the page ---- */

static void put_option(void *ctx, const char *name, const char *standard, const char *bounds,
		       const char *help)
{
	FILE *out = ctx;

	fputs(".TP\n.B ", out);
	put_text(out, name);
	put_text(out, help);
	if (*bounds) {
		fputs(".br\n", out);
		put_text(out, bounds);
	}
	if (*standard) {
		fputs(".br\nDefault: ", out);
		put_text(out, standard);
	}
}

static void put_exit_codes(FILE *out)
{
	static const char *const codes[] = {
		[EXIT_DONE] = "done",
		[EXIT_FAILED] = "failed, at least in part",
		[EXIT_USAGE] = "arguments or configuration are wrong",
		[EXIT_NO_MATCH] = "nothing matched",
		[EXIT_NO_SERVER] = "no connection to RabbitMQ or PostgreSQL",
		[EXIT_REFUSED] = "refused: a conflict, or not confirmed",
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		fprintf(out, ".TP\n.B %zu\n%s\n", i, codes[i]);
}

void manual_page(FILE *out)
{
	fputs(".TH CPOA 1 \"\" \"cpoa " CPOA_VERSION "\" \"User Commands\"\n", out);
	fputs(".SH NAME\ncpoa \\- durable podcast workflows from RabbitMQ, kept in PostgreSQL\n",
	      out);
	fputs(".SH SYNOPSIS\n.B cpoa\n.I COMMAND\n[ARGUMENT ...]\n", out);
	fputs(".SH DESCRIPTION\nWorkers take jobs from RabbitMQ, run each as a durable workflow of "
	      "agent calls, keep every step in PostgreSQL,\nand publish what happened as events. "
	      "The other commands are for those who operate them.\nData goes to standard output, "
	      "words about it to standard error. Times are local for people, and RFC 3339 in "
	      "JSON.\n",
	      out);
	fputs(".SH COMMANDS\n", out);
	for (int i = 0; command_table[i]; i++)
		put_command(out, command_table[i]);
	fputs(".SH EXIT STATUS\n", out);
	put_exit_codes(out);
	fputs(".SH ENVIRONMENT\nThe file \\&.env in the working directory is read if there is one; "
	      "the environment wins.\nFor a password or a URL with one, NAME_FILE names a file "
	      "with its value.\n",
	      out);
	settings_each(put_option, out);
	fputs(".TP\n.B NO_COLOR\nno colours, if not empty\n.TP\n.B COLUMNS\nthe width of tables\n",
	      out);
}
