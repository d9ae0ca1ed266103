/*
 * fuzz_job: a message at the door, and the first pass of its workflow.
 *
 * A line "name: value" is a property (message_id, content_type, reply_to, correlation_id) or else a
 * header; after an empty line comes the body. The first byte chooses the workflow.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "core/run.h"
#include "workflows/workflows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct mq_message m;
	struct mq_header headers[MQ_HEADERS_MAX];
	char *text;
};

static void take_line(struct input *in, char *line)
{
	char *value = strstr(line, ": ");
	const char **property = NULL;

	if (!value)
		return;
	*value = '\0';
	value += 2;
	if (strcmp(line, "message_id") == 0)
		property = &in->m.message_id;
	else if (strcmp(line, "content_type") == 0)
		property = &in->m.content_type;
	else if (strcmp(line, "reply_to") == 0)
		property = &in->m.reply_to;
	else if (strcmp(line, "correlation_id") == 0)
		property = &in->m.correlation_id;
	if (property)
		*property = value;
	else if (in->m.n_headers < MQ_HEADERS_MAX)
		in->headers[in->m.n_headers++] = (struct mq_header){line, value};
}

static void read_input(struct input *in, const uint8_t *data, size_t size)
{
	char *line = in->text = xstrndup((const char *)data, size), *end;
	size_t head;

	in->m = (struct mq_message){.routing_key = "podcast_generation", .headers = in->headers};
	while (*line && *line != '\n' && (end = strchr(line, '\n'))) {
		*end = '\0';
		take_line(in, line);
		line = end + 1;
	}
	if (*line == '\n')
		line++;
	head = (size_t)(line - in->text);
	in->m.body = (const char *)data + (head < size ? head : size);
	in->m.body_len = in->m.body_size = head < size ? size - head : 0;
}

/* What is told and stored must be text that PostgreSQL and a consumer take. */
static void check(const struct run *run)
{
	for (const struct mail *mail = run->change.events.head; mail; mail = mail->next) {
		const struct event *event = (const struct event *)(const void *)mail;

		if (!utf8_ok(event->body, event->len))
			BUG("an event is no text");
	}
	for (const struct call *call = run->calls; call; call = call->next)
		if (!header_safe(call->key, KEY_MAX + 1 + NAME_MAX_BYTES) ||
		    (call->request && !utf8_ok(call->request, call->request_len)))
			BUG("a call's key or request is unfit");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy policy = {.content_max = 50000, .websocket_url = "ws://asf"};
	struct err e = {0};
	struct input in;
	struct run *run;

	if (size < 1)
		return 0;
	read_input(&in, data + 1, size - 1);
	run = run_new(&policy);
	run->lease = 1;
	run->started_us = 1760000000000000;
	run->verdict = job_read(&run->job, &run->arena, workflows[data[0] % WORKFLOW_COUNT], &in.m,
				&run->args, &e);
	if (run->verdict == JOB_GOOD) {
		run_pass(run, run->started_us);
		check(run);
	} else if (!*e.text || !utf8_ok(e.text, strlen(e.text))) {
		BUG("a refusal without a sentence");
	}
	run_unref(run);
	free(in.text);
	return 0;
}
