/*
 * asf.c - the Audio Stream Feeder: the two endpoints that it is pushed to (agents.md §2.7, §2.8)
 *
 * Its streams are a map in memory, which a restart loses, as in the original. What it has taken
 * goes besides into the journal, a JSON object a line, which a restart does not lose: by it a test
 * knows what has ever arrived.
 */
#include "standin.h"

#include <string.h>

static void answer_taken(struct answer *answer, struct json_object *body)
{
	answer_json(answer, 200, body);
}

/* Before it is answered: what was answered is in the journal, whatever happens to us. */
static void note(struct standin *standin, const char *kind, const struct request *request)
{
	FILE *f = standin->options.asf_journal ? fopen(standin->options.asf_journal, "a") : NULL;

	if (!f)
		return;
	(void)fprintf(f, "{\"kind\":\"%s\",\"time_ms\":%lld,\"body\":%s}\n", kind,
		      (long long)clock_wall_ms(),
		      json_object_to_json_string_ext(request->json, JSON_C_TO_STRING_PLAIN));
	(void)fclose(f);
}

static bool check_object(const struct request *request, const char *malformed, const char *invalid,
			 struct answer *answer)
{
	if (!request->json_valid)
		answer_error(answer, 400, malformed, "The body is not JSON.");
	else if (!json_object_is_type(request->json, json_type_object))
		answer_error(answer, 400, invalid, "The body is no object.");
	else
		return true;
	return false;
}

static void notify(struct standin *standin, const struct request *request, struct answer *answer)
{
	const char *stream = json_text(request->json, "stream_id");
	const char *path = json_text(request->json, "filepath");
	struct json_object *body;

	if (!check_object(request, "ASF_NOTIFY_MALFORMED_JSON", "ASF_NOTIFY_INVALID_PAYLOAD",
			  answer))
		return;
	if (is_blank(stream)) {
		answer_error(answer, 400, "ASF_NOTIFY_INVALID_STREAM_ID", "stream_id is needed.");
		return;
	}
	if (is_blank(path)) {
		answer_error(answer, 400, "ASF_NOTIFY_INVALID_FILEPATH", "filepath is needed.");
		return;
	}
	if (!standin->streams)
		standin->streams = json_object_new_object();
	json_put_text(standin->streams, stream, path);
	note(standin, "stream", request);
	body = json_object_new_object();
	json_put_text(body, "message", "Notification received successfully");
	json_put_text(body, "stream_id", stream);
	answer_taken(answer, body);
}

static bool known_event(const char *name)
{
	return name && (strcmp(name, "generation_status") == 0 || strcmp(name, "task_error") == 0);
}

static void update(struct standin *standin, const struct request *request, struct answer *answer)
{
	const char *client = json_text(request->json, "client_id");
	struct json_object *body;

	if (!check_object(request, "ASF_SENDUI_MALFORMED_JSON", "ASF_SENDUI_INVALID_PAYLOAD",
			  answer))
		return;
	if (is_blank(client)) {
		answer_error(answer, 400, "ASF_SENDUI_INVALID_CLIENT_ID", "client_id is needed.");
		return;
	}
	if (!known_event(json_text(request->json, "event_name"))) {
		answer_error(answer, 400, "ASF_SENDUI_INVALID_EVENT_NAME", "Unknown event_name.");
		return;
	}
	if (!json_object_is_type(json_member(request->json, "data"), json_type_object)) {
		answer_error(answer, 400, "ASF_SENDUI_MISSING_DATA", "data is needed.");
		return;
	}
	if (standin->options.asf_stuck && strcmp(client, standin->options.asf_stuck) == 0) {
		answer->manner = ANSWER_HANG;
		answer->due_us = HOLD_FOREVER;
		return;
	}
	note(standin, "ui", request);
	body = json_object_new_object();
	json_put_text(body, "status", "success");
	json_put_text(body, "message", "UI update sent.");
	answer_taken(answer, body);
}

static void get_streams(struct standin *standin, struct answer *answer)
{
	answer_json(answer, 200,
		    standin->streams ? json_object_get(standin->streams)
				     : json_object_new_object());
}

bool asf_route(struct standin *standin, const struct request *request, struct answer *answer)
{
	static const struct {
		const char *path;
		void (*handle)(struct standin *, const struct request *, struct answer *);
	} routes[] = {
		{"/asf/internal/notify_new_audio", notify},
		{"/asf/internal/send_ui_update", update},
	};

	if (strcmp(request->path, "/asf/streams") == 0) {
		get_streams(standin, answer);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(request->path, routes[i].path) != 0)
			continue;
		if (strcmp(request->method, "POST") != 0)
			answer_error(answer, 405, "METHOD_NOT_ALLOWED", "Not by this method.");
		else if (standin->options.asf_status)
			answer_error(answer, (unsigned)standin->options.asf_status, "ASF_SIMULATED",
				     "A fault that was asked for.");
		else
			routes[i].handle(standin, request, answer);
		return true;
	}
	return false;
}
