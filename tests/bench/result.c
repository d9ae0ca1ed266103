/* result: one line of JSON. */
#include "result.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpoa/json.h"

struct json_object *result_new(void)
{
	return json_object_new_object();
}

void result_set(struct json_object *values, const char *name, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6g", value);
	json_set(values, name, json_object_new_double_s(value, text));
}

void result_set_cpu(struct json_object *values, const struct watches *w, double podcasts)
{
	char name[64];
	double sum = 0;

	for (int i = 0; i < w->n; i++) {
		if (!w->of[i].pid)
			continue;
		snprintf(name, sizeof(name), "cpu_%s", w->of[i].name);
		result_set(values, name, w->of[i].cpu_s * 1000 / podcasts);
		sum += w->of[i].cpu_s;
	}
	result_set(values, "cpu_sum", sum * 1000 / podcasts);
	result_set(values, "others", watch_others_percent(w));
}

void result_print(const char *scenario, struct json_object *values)
{
	struct json_object *line = json_object_new_object();
	char *text;

	json_set_str(line, "scenario", scenario);
	json_set(line, "values", values);
	text = json_text(line, NULL);
	puts(text);
	fflush(stdout);
	free(text);
	json_put(&line);
}
