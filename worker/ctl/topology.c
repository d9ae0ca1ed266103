/* cpoa topology: what a broker must have, and making it so. */
#include <stdio.h>

#include "cpoa/json.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "engine/topology.h"

static void print_rows(bool json)
{
	static const struct table_column columns[] = {
		{"KIND"}, {"NAME"}, {"DETAIL", .gives = true}};
	struct topology_row rows[TOPOLOGY_ROWS];
	int n = topology_rows(rows);
	struct json_object *list = json_object_new_array();
	struct table t;

	table_init(&t, columns, 3);
	for (int i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, "kind", rows[i].kind);
		json_set_str(o, "name", rows[i].name);
		json_set_str(o, "detail", rows[i].detail);
		json_object_array_add(list, o);
		table_add(&t, (const char *const[]){rows[i].kind, rows[i].name, rows[i].detail});
	}
	if (json)
		print_json(list);
	else
		table_print(&t, stdout, output_width());
	table_release(&t);
	json_put(&list);
}

static int apply(void)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(mq_close_ptr) struct mq *mq = NULL;
	struct err e = {0};
	int code = load_settings(&s);

	if (code == EXIT_DONE)
		code = connect_mq(&s, &mq);
	if (code != EXIT_DONE)
		return code;
	if (!topology_apply(mq, &e))
		return complain(&e);
	say("declared");
	return EXIT_DONE;
}

static int topology_main(int argc, char **argv)
{
	bool json = false, dry_run = false;
	const struct arg_option options[] = {
		{"json", .flag = &json}, {"dry-run", .flag = &dry_run}, {0}};
	struct args operands;
	struct err e = {0};
	static const char *const subcommands[] = {"show", "apply"};
	int code = EXIT_DONE, what = 0;

	if (!args_parse(&operands, "topology", argc, argv, options, &e) ||
	    !args_count(&operands, "topology", 0, 1, "", &e))
		return complain(&e);
	if (operands.n)
		what = args_choose("subcommand of `cpoa topology`", operands.item[0], subcommands,
				   2, &e);
	if (what < 0)
		return complain(&e);
	if (what == 1 && dry_run)
		say("would declare these; what is there already stays as it is");
	else if (what == 1)
		code = apply();
	if (code == EXIT_DONE)
		print_rows(json);
	return code;
}

const struct command cmd_topology = {
	.name = "topology",
	.main = topology_main,
	.summary = "exchanges and queues: show, apply",
	.usage = "usage: cpoa topology [show|apply] [--dry-run] [--json]\n"
		 "\n"
		 "  show   the exchanges, queues and bindings that workers and senders rely on "
		 "(asks no server)\n"
		 "  apply  declares them on the broker of AMQP_URL; what is there already stays as "
		 "it is\n"
		 "\n"
		 "  --dry-run  with apply: says what would be declared, and declares nothing\n"
		 "  --json     an array of {kind, name, detail}\n"
		 "\n"
		 "A worker declares them too at its start, unless CPOA_DECLARE_TOPOLOGY=false.\n"
		 "Exit code 4: no broker; 5: something of that name is of another kind.\n",
};
