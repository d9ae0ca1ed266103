/* admin.c - what tests ask of the stand-ins: /calls /stats /health /control */
#include "standin.h"

#include <string.h>

static void get_calls(struct standin *standin, const struct request *request, struct answer *answer)
{
	struct buf body = {0};

	record_write(&standin->record, request, &body);
	answer_text(answer, 200, &body);
}

static void delete_calls(struct standin *standin, const struct request *request,
			 struct answer *answer)
{
	struct buf body = {0};

	(void)request;
	record_clear(&standin->record);
	store_trim(&standin->store, 0);
	for (size_t i = 0; i < AGENT_N; i++) {
		/* What is under way is still under way. */
		unsigned long in_flight = standin->stats[i].in_flight;

		standin->stats[i] =
			(struct stats){.in_flight = in_flight, .max_in_flight = in_flight};
	}
	buf_adds(&body, "{\"status\":\"reset\"}\n");
	answer_text(answer, 200, &body);
}

static void get_stats(struct standin *standin, const struct request *request, struct answer *answer)
{
	struct buf body = {0};

	(void)request;
	for (size_t i = 0; i < AGENT_N; i++) {
		const struct stats *s = &standin->stats[i];

		buf_addf(&body,
			 "%s\"%s\":{\"submits\":%lu,\"distinct_keys\":%lu,\"repeats\":%lu,"
			 "\"polls\":%lu,\"key_conflicts\":%lu,\"in_flight\":%lu,"
			 "\"max_in_flight\":%lu}",
			 i ? ",\n " : "{", agents[i]->name, s->submits, s->distinct_keys,
			 s->repeats, s->polls, s->key_conflicts, s->in_flight, s->max_in_flight);
	}
	buf_adds(&body, "}\n");
	answer_text(answer, 200, &body);
}

static void get_health(struct standin *standin, const struct request *request,
		       struct answer *answer)
{
	struct buf body = {0};

	(void)standin;
	(void)request;
	buf_adds(&body, "{\"status\":\"ok\"}\n");
	answer_text(answer, 200, &body);
}

static void post_control(struct standin *standin, const struct request *request,
			 struct answer *answer)
{
	char error[160] = "a JSON object expected";
	struct buf body = {0};

	if (!json_object_is_type(request->json, json_type_object) ||
	    !options_control(&standin->options, request->json, error)) {
		answer_error(answer, 400, "INVALID_CONTROL", error);
		return;
	}
	buf_adds(&body, "{\"status\":\"changed\"}\n");
	answer_text(answer, 200, &body);
}

static const struct {
	const char *method;
	const char *path;
	void (*handle)(struct standin *, const struct request *, struct answer *);
} routes[] = {
	{"GET", "/calls", get_calls},	    {"DELETE", "/calls", delete_calls},
	{"GET", "/stats", get_stats},	    {"GET", "/health", get_health},
	{"POST", "/control", post_control},
};

bool admin_route(struct standin *standin, const struct request *request, struct answer *answer)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, request->path) == 0 &&
		    strcmp(routes[i].method, request->method) == 0) {
			routes[i].handle(standin, request, answer);
			return true;
		}
	}
	return false;
}
