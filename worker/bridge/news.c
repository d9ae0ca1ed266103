/* news: from an event to bodies for the ASF. */
#include "bridge/news.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "core/event.h"

enum { DEPTH_MAX = 64 };

/* A notice of an object that names its key in `member`. No object: nothing to pass on. */
static bool take_notice(struct notice *n, struct json_object *o, const char *member, struct err *e)
{
	const char *key = json_str(o, member);

	if (!o)
		return true;
	if (!key || !*key || strlen(key) > NEWS_KEY_MAX)
		return err_set(e, ERR_REJECT, "its %s is missing, or longer than %d bytes", member,
			       NEWS_KEY_MAX);
	n->body = json_text(o, &n->len);
	if (n->len > NEWS_BODY_MAX) {
		err_set(e, ERR_REJECT, "what it has for %s %.64s takes %zu bytes, more than %d",
			member, key, n->len, NEWS_BODY_MAX);
		free(n->body);
		*n = (struct notice){0};
		return false;
	}
	n->key = xstrdup(key);
	return true;
}

/* The last part of the CloudEvents type. */
static bool is_terminal(struct json_object *event)
{
	const char *type = json_str(event, "type"), *dot = type ? strrchr(type, '.') : NULL;
	enum event_kind kind;

	return dot && event_kind_from_name(dot + 1, &kind) && kind != EVENT_STARTED &&
	       kind != EVENT_PROGRESS;
}

static bool parse(struct json_object **o, const char *text, size_t len, struct err *e)
{
	if (json_read(text, len, DEPTH_MAX, JSON_MEND, o, e) != JSON_OK) {
		e->class = ERR_REJECT;
		return false;
	}
	return json_object_is_type(*o, json_type_object) ||
	       err_set(e, ERR_REJECT, "it is no JSON object");
}

bool news_read(struct news *news, const char *text, size_t len, struct err *e)
{
	AUTO(json_put) struct json_object *event = NULL;
	struct json_object *data;
	const char *subject;
	bool stream, ui;

	*news = (struct news){0};
	if (!parse(&event, text, len, e))
		return false;
	data = json_obj(event, "data");
	subject = json_str(event, "subject");
	snprintf(news->workflow, sizeof(news->workflow), "%s", subject ? subject : "");
	news->terminal = is_terminal(event);
	if (!clock_parse(json_str(event, "time"), &news->time_us))
		news->time_us = 0;
	stream = take_notice(&news->stream, json_obj(data, "stream"), "stream_id", e);
	ui = take_notice(&news->ui, json_obj(data, "ui"), "client_id", e);
	return stream && ui;
}

bool news_read_stream(struct news *news, const char *text, size_t len, struct err *e)
{
	AUTO(json_put) struct json_object *stream = NULL;

	*news = (struct news){.terminal = true};
	return parse(&stream, text, len, e) && take_notice(&news->stream, stream, "stream_id", e);
}

void news_release(struct news *news)
{
	free(news->stream.key);
	free(news->stream.body);
	free(news->ui.key);
	free(news->ui.body);
	*news = (struct news){0};
}
