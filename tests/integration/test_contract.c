/* links: cpoa_world cpoa_db cpoa_mq */
/*
 * The contract's examples (include/examples/jobs) are jobs: a worker takes each of them and brings
 * it to an end, and what it tells of them fits the schemas.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static const char *contents(struct world *w, const char *path)
{
	char text[16384];
	FILE *f = fopen(path, "r");
	size_t n;

	cr_assert(f, "%s", path);
	n = fread(text, 1, sizeof(text) - 1, f);
	cr_assert_lt(n, sizeof(text) - 1, "%s is too long", path);
	text[n] = '\0';
	fclose(f);
	return world_format(w, "%s", text);
}

/* examples/jobs/TYPE[.VARIANT].json; returns the workflow's id. */
static const char *order(struct world *w, const char *folder, const char *file)
{
	const char *id = world_id(w, file);

	world_publish(w,
		      &(struct job_spec){
			      .routing_key = world_format(w, "%.*s", (int)strcspn(file, "."), file),
			      .content_type = "application/json",
			      .message_id = file,
			      .headers = {{"X-Workflow-ID", id}},
			      .body = contents(w, world_format(w, "%s/%s", folder, file)),
		      });
	return id;
}

static const char *expected_status(const char *file)
{
	if (strstr(file, ".with_errors."))
		return "completed_with_errors";
	return strstr(file, ".failing.") || strstr(file, ".unknown_") ? "failed" : "completed";
}

static int order_all(struct world *w, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	cr_assert(dir, "%s", folder);
	while ((entry = readdir(dir))) {
		if (!strstr(entry->d_name, ".json"))
			continue;
		order(w, folder, entry->d_name);
		n++;
	}
	world_await_ends(w, n, 3LL * SOON_MS);
	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (strstr(entry->d_name, ".json"))
			cr_expect_str_eq(
				json_at(world_end(w, world_id(w, entry->d_name)), "data.status"),
				expected_status(entry->d_name), "%s", entry->d_name);
	closedir(dir);
	return n;
}

Test(contract, every_example_of_a_job_is_taken_and_what_is_told_of_it_fits_the_schemas)
{
	struct world *w = world_open();
	const char *folder = getenv("CPOA_EXAMPLES"), *judge = getenv("CPOA_CONTRACT_SH"), *out;

	if (!folder || !judge)
		cr_skip("CPOA_EXAMPLES is unset");
	world_agents(w, "--style", "mixed");
	world_worker(w, NULL);
	cr_assert_geq(order_all(w, folder), 6);
	cr_assert_eq(
		world_run(w, &out, (const char *const[]){judge, "recorded", world_record(w), NULL}),
		0, "%s", out);
	world_close(w);
}
