/* mix: weights, and a body for each type (agents.md §1). */
#include "ctl/mix.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/order.h"

static int type_index(const char *name)
{
	int i = 0;

	while (strcmp(workflow_types[i], name) != 0)
		i++;
	return i;
}

static bool read_part(struct mix *m, char *part, struct err *e)
{
	char *equals = strchr(part, '='), *end = NULL;
	long weight = 1;

	if (equals) {
		*equals = '\0';
		weight = strtol(equals + 1, &end, 10);
	}
	if (!order_type(part, e))
		return err_wrap(e, "--mix");
	if (equals && (end == equals + 1 || *end || weight < 1 || weight > MIX_WEIGHT_MAX))
		return err_set(
			e, ERR_USAGE,
			"--mix gives %s the weight '%.32s'; it must be a number from 1 to %d", part,
			equals + 1, MIX_WEIGHT_MAX);
	if (m->weight[type_index(part)])
		return err_set(e, ERR_USAGE, "--mix names %s twice", part);
	m->weight[type_index(part)] = (int)weight;
	return true;
}

bool mix_read(struct mix *m, const char *text, struct err *e)
{
	char *copy = xstrdup(text), *rest = copy, *part;
	bool good = true;

	*m = (struct mix){0};
	while (good && (part = strsep(&rest, ",")))
		good = read_part(m, part, e);
	free(copy);
	return good;
}

int mix_next(struct mix *m)
{
	int chosen = -1, sum = 0;

	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		sum += m->weight[i];
		m->due[i] += m->weight[i];
		if (m->weight[i] && (chosen < 0 || m->due[i] > m->due[chosen]))
			chosen = i;
	}
	m->due[chosen] -= sum;
	return chosen;
}

void mix_arguments(struct strbuf *out, int type, int64_t n, const struct uuid *workflow)
{
	char id[UUID_TEXT_SIZE];
	long long number = (long long)n;

	uuid_to_text(workflow, id);
	switch ((enum workflow_index)type) {
	case WORKFLOW_PODCAST:
		strbuf_addf(out, "{\"topic\":\"Load, number %lld\",\"task_id\":\"%s\"}", number,
			    id);
		break;
	case WORKFLOW_SNIPPET:
		strbuf_addf(out,
			    "{\"topic_info\":{\"title_suggestion\":\"Load, number %lld\","
			    "\"topic_id\":\"%s\"}}",
			    number, id);
		break;
	case WORKFLOW_SEARCH:
		strbuf_addf(out, "{\"query\":\"load, number %lld (%.8s)\"}", number, id);
		break;
	case WORKFLOW_EXPLORATION:
		strbuf_addf(out, "{\"keywords\":[\"load\",\"number %lld\",\"%.8s\"]}", number, id);
		break;
	case WORKFLOW_LANDING:
		strbuf_adds(out, "{\"limit\":3}");
		break;
	case WORKFLOW_CATEGORIES:
	case WORKFLOW_COUNT:
		strbuf_adds(out, "{}");
		break;
	}
}
