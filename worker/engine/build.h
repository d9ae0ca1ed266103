/* build: what this binary is: version, commit, compiler, libraries. CPOA_VERSION and CPOA_COMMIT
 * come from CMake. */
#ifndef ENGINE_BUILD_H
#define ENGINE_BUILD_H

#include <json-c/json.h>
#include <stdio.h>

const char *build_compiler(void);

/* One line a library: "libpq 15.20". */
void build_libraries(FILE *out);

/* {"version","commit","compiler","libraries":{…}}; json_object_put it. */
struct json_object *build_json(void);

#endif
