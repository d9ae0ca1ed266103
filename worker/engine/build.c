/* build: the versions as CMake's pkg-config saw them. */
#include "engine/build.h"

#include "cpoa/json.h"

static const struct {
	const char *name, *version;
} libraries[] = {
	{"librabbitmq", CPOA_LIB_RABBITMQ}, {"libpq", CPOA_LIB_PQ},
	{"libcurl", CPOA_LIB_CURL},	    {"json-c", CPOA_LIB_JSONC},
	{"libmicrohttpd", CPOA_LIB_MHD},
};

const char *build_compiler(void)
{
#ifdef __clang__
	return "clang " __clang_version__;
#else
	return "gcc " __VERSION__;
#endif
}

void build_libraries(FILE *out)
{
	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
		fprintf(out, "%s %s\n", libraries[i].name, libraries[i].version);
}

struct json_object *build_json(void)
{
	struct json_object *o = json_object_new_object(), *libs = json_object_new_object();

	json_set_str(o, "version", CPOA_VERSION);
	json_set_str(o, "commit", CPOA_COMMIT);
	json_set_str(o, "compiler", build_compiler());
	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
		json_set_str(libs, libraries[i].name, libraries[i].version);
	json_set(o, "libraries", libs);
	return o;
}
