/*
 * body: a job's arguments put together from the command line. Pure.
 */
#ifndef CTL_BODY_H
#define CTL_BODY_H

#include <json-c/json.h>

#include "cpoa/err.h"

#include "ctl/args.h"

/*
 * Reads an object from FILE ("-": stdin; NULL: an empty one). NULL on failure (ERR_USAGE). A new
 * reference.
 */
MUST_CHECK struct json_object *body_read(const char *file, struct err *e);

/*
 * Sets one argument: "k=text", "k:=json", and "a.b=text" for a member of a member, which is made if
 * it is missing. `option` is what the sentence calls it ("--arg"). False (ERR_USAGE): a sentence.
 */
MUST_CHECK bool body_set(struct json_object *body, const char *option, const char *assignment,
			 struct err *e);

#endif
