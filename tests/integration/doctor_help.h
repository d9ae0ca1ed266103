/* doctor_help: asking `cpoa doctor`, and looking through what it found. */
#ifndef DOCTOR_HELP_H
#define DOCTOR_HELP_H

#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "world_parts.h"

enum { ARGUMENTS = 16 };

/* ---- asking the doctor ---- */

static inline void put_json(void *o)
{
	json_object_put(o);
}

/* `cpoa doctor --json` with further "NAME=value"s; its exit code and what it found. */
static inline int examine_with(struct world *w, struct json_object **found,
			       const char *const *environment)
{
	const char *argv[ARGUMENTS] = {"/usr/bin/env"};
	struct err e = {0};
	const char *out;
	int n = 1, code;

	for (; *environment; environment++)
		argv[n++] = *environment;
	argv[n++] = getenv("CPOA_BIN");
	argv[n++] = "doctor";
	argv[n] = "--json";
	code = world_run(w, &out, argv);
	cr_assert_eq(json_read(out, strlen(out), JSON_DEPTH_MAX, JSON_STRICT, found, &e), JSON_OK,
		     "%s: %s", e.text, out);
	world_keep(w, *found, put_json);
	return code;
}
#define examine(w, found, ...) examine_with(w, found, (const char *const[]){__VA_ARGS__, NULL})

static inline int count(struct json_object *found, const char *verdict)
{
	int n = 0;

	for (size_t i = 0; i < json_object_array_length(found); i++)
		n += strcmp(json_str(json_object_array_get_idx(found, i), "verdict"), verdict) == 0;
	return n;
}

/* Whether there is a finding of that check and verdict with such a text and mend (NULL: none). */
static inline bool tells(struct json_object *found, const char *check, const char *verdict,
			 const char *text, const char *mend)
{
	for (size_t i = 0; i < json_object_array_length(found); i++) {
		struct json_object *o = json_object_array_get_idx(found, i);
		const char *its = json_str(o, "mend");

		if (strcmp(json_str(o, "check"), check) == 0 &&
		    strcmp(json_str(o, "verdict"), verdict) == 0 &&
		    strstr(json_str(o, "text"), text) && (mend ? its && strstr(its, mend) : !its))
			return true;
	}
	return false;
}
#define expect_told(found, ...)                    \
	cr_assert(tells(found, __VA_ARGS__), "%s", \
		  json_object_to_json_string_ext(found, JSON_C_TO_STRING_PRETTY))

/* A world in which nothing is wrong. */
static inline struct world *open_well(void)
{
	struct world *w = world_open();

	world_agents(w, "--style", "mixed");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), DONE);
	return w;
}

#endif
