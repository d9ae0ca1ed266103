/* completion: a case for each command, with its subcommands and options. */
#include <ctype.h>
#include <string.h>

#include "cpoa/strbuf.h"

#include "ctl/ctl.h"
#include "ctl/manual.h"
#include "ctl/workflow.h"
#include "workflows/workflows.h"

enum { WORDS_MAX = 8192 };

/* Words with blanks between; each once. */
static void add_word(struct strbuf *words, const char *s, size_t n)
{
	for (const char *at = words->buf; *at; at += strcspn(at, " "), at += *at == ' ')
		if (strcspn(at, " ") == n && strncmp(at, s, n) == 0)
			return;
	if (words->len)
		strbuf_addc(words, ' ');
	strbuf_add(words, s, n);
}

static void add_names(struct strbuf *words, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		add_word(words, names[i], strlen(names[i]));
}

static void add_commands(struct strbuf *words)
{
	for (int i = 0; command_table[i]; i++)
		add_names(words, &command_table[i]->name, 1);
}

static void add_options(struct strbuf *words, const char *usage)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";

	for (const char *at = strstr(usage, "--"); at; at = strstr(at, "--")) {
		size_t n = strspn(at, letters);

		if (n > 2 && islower((unsigned char)at[2]))
			add_word(words, at, n);
		at += n;
	}
}

/* "list", "[up|status]" behind "cpoa NAME " in the calls of a usage. */
static void add_subcommands(struct strbuf *words, const struct command *c)
{
	AUTO(strbuf_release) struct strbuf call;
	const char *end = strstr(c->usage, "\n\n");

	strbuf_init(&call, WORDS_MAX);
	strbuf_addf(&call, "cpoa %s ", c->name);
	for (const char *at = strstr(c->usage, call.buf); at && (!end || at < end);
	     at = strstr(at, call.buf)) {
		at += call.len;
		at += *at == '[';
		while (islower((unsigned char)*at)) {
			size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz");

			add_word(words, at, n);
			at += n + (at[n] == '|');
		}
	}
}

/* What may stand right behind the command. */
static void add_operands(struct strbuf *words, const struct command *c)
{
	if (c == &cmd_enqueue)
		add_names(words, workflow_types, WORKFLOW_COUNT);
	else if (c == &cmd_help)
		add_commands(words);
	else
		add_subcommands(words, c);
}

static void put_command(FILE *out, const struct command *c)
{
	AUTO(strbuf_release) struct strbuf operands, options;

	strbuf_init(&operands, WORDS_MAX);
	strbuf_init(&options, WORDS_MAX);
	add_operands(&operands, c);
	add_options(&options, c->usage);
	add_word(&options, "--help", 6);
	fprintf(out, "\t\t%s) operands='%s' words='%s' ;;\n", c->name, operands.buf, options.buf);
}

void manual_completion(FILE *out)
{
	AUTO(strbuf_release) struct strbuf commands, types, statuses;

	strbuf_init(&commands, WORDS_MAX);
	strbuf_init(&types, WORDS_MAX);
	strbuf_init(&statuses, WORDS_MAX);
	add_commands(&commands);
	add_names(&types, workflow_types, WORKFLOW_COUNT);
	add_names(&statuses, workflow_statuses, WORKFLOW_STATUSES);
	fputs("# bash completion for cpoa, made by `cpoa help --completion bash`\n"
	      "_cpoa()\n{\n\tlocal word=${COMP_WORDS[COMP_CWORD]} operands='' words=''\n"
	      "\tCOMPREPLY=()\n\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n",
	      out);
	fprintf(out, "\t--type) words='%s' ;;\n", types.buf);
	fprintf(out, "\t--status) words='%s' ;;\n", statuses.buf);
	fputs("\t*)\n\t\tcase ${COMP_WORDS[1]} in\n", out);
	for (int i = 0; command_table[i]; i++)
		put_command(out, command_table[i]);
	fprintf(out,
		"\t\tesac\n\t\t[ \"$COMP_CWORD\" != 1 ] || words='%s --help --version'\n"
		"\t\t[ \"$COMP_CWORD\" != 2 ] || words=\"$operands $words\"\n\t\t;;\n\tesac\n",
		commands.buf);
	fputs("\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
	      "complete -o default -F _cpoa cpoa\n",
	      out);
}
