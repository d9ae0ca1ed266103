/* cpoa version: what this is, and what it is made with. */
#include <stdio.h>
#include <string.h>

#include "cpoa/json.h"

#include "ctl/ctl.h"
#include "engine/build.h"

static int version_main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--json") == 0) {
		struct json_object *o = build_json();

		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
		json_put(&o);
		return EXIT_DONE;
	}
	if (argc > 1) {
		command_help(&cmd_version);
		return EXIT_USAGE;
	}
	printf("cpoa %s (%s, %s)\n", CPOA_VERSION, CPOA_COMMIT, build_compiler());
	build_libraries(stdout);
	return EXIT_DONE;
}

const struct command cmd_version = {
	.name = "version",
	.main = version_main,
	.summary = "version, commit, libraries",
	.usage = "usage: cpoa version [--json]\n",
};
