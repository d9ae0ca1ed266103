/* nearest: which name was meant. */
#include "cpoa/nearest.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *meant(const char *word)
{
	static const char *const names[] = {"worker", "workflow", "events",  "doctor",
					    "prune",  "health",	  "harvest", "migrate"};
	struct nearest n = nearest_to(word, strlen(word));

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		nearest_try(&n, names[i]);
	return n.found ? n.found : "";
}

Test(nearest, finds_what_was_meant_and_nothing_else)
{
	static const struct {
		const char *word, *name;
	} rows[] = {
		{"workfow", "workflow"},
		{"wrokflow", "workflow"},
		{"workflows", "workflow"},
		{"Doctor", "doctor"},
		{"docter", "doctor"},
		{"doc", "doctor"},
		{"evnets", "events"},
		{"event", "events"},
		{"prnue", "prune"},
		{"work", "worker"},
		{"harvets", "harvest"},
		{"migarte", "migrate"},
		{"", ""},
		{"x", ""},
		{"dog", ""},
		{"completely-else", ""},
		{"helath", "health"},
		{"upgrade", ""},
	};
	char longest[2 * NEAREST_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_str_eq(meant(rows[i].word), rows[i].name, "%s: %s", rows[i].word,
				 meant(rows[i].word));
	memset(longest, 'w', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	cr_expect_str_eq(meant(longest), "");
}
