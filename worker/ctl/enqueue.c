/* cpoa enqueue: publishes a job, and shows what becomes of it. */
#include <stdio.h>
#include <string.h>

#include "cpoa/client.h"
#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/args.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/order.h"
#include "ctl/output.h"
#include "ctl/wait.h"

struct wish {
	struct order order;
	const char *format;
	bool json;
	int64_t timeout_us;
};

static void print_receipt(const struct wish *wish)
{
	const struct order *o = &wish->order;
	struct json_object *receipt;

	if (!wish->json) {
		puts(o->workflow_id);
		fflush(stdout);
		return;
	}
	if (o->wait) {
		say("workflow %s", o->workflow_id);
		return;
	}
	receipt = json_object_new_object();
	json_set_str(receipt, "workflow_id", o->workflow_id);
	json_set_str(receipt, "message_id", o->message_id);
	json_set_str(receipt, "type", o->type);
	json_set_str(receipt, "idempotency_key", o->key);
	json_set_str(receipt, "traceparent", o->traceparent);
	print_json(receipt);
	json_put(&receipt);
}

static int send(struct cpoa_client *client, const struct wish *wish)
{
	const struct cpoa_client_job job = order_job(&wish->order);
	struct cpoa_client_ticket ticket;
	struct cpoa_client_error error = {0};

	if (!cpoa_client_enqueue(client, &job, &ticket, &error))
		return complain_client(&error);
	print_receipt(wish);
	return EXIT_DONE;
}

static int send_and_wait(struct cpoa_client *client, const struct settings *s,
			 const struct wish *wish)
{
	const struct order *o = &wish->order;
	struct wait wait = {
		.settings = s,
		.client = client,
		.type = o->type,
		.workflow_id = o->workflow_id,
		.message_id = o->message_id,
		.key = o->key,
		.arguments = o->text,
		.json = wish->json,
		.timeout_us = wish->timeout_us,
	};
	struct cpoa_client_error error = {0};
	int code;

	if (!cpoa_client_follow(client, o->type, &error))
		return complain_client(&error);
	wait.began_us = clock_mono_us();
	wait.began_wall_us = clock_wall_us();
	code = send(client, wish);
	if (code != EXIT_DONE)
		return code;
	interrupt_catch();
	return wait_for_end(&wait);
}

static int run(struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	struct cpoa_client *client;
	struct err e = {0};
	int code;

	if (!order_fill(&wish->order, &e) || !order_check(&wish->order, &e))
		return complain(&e);
	code = connect_client(&s, &client);
	if (code != EXIT_DONE)
		return code;
	if (*wish->order.task_id)
		say("task_id %s", wish->order.task_id);
	code = wish->order.wait ? send_and_wait(client, &s, wish) : send(client, wish);
	cpoa_client_close(client);
	return code;
}

static bool read_wish(struct wish *wish, int argc, char **argv, struct err *e)
{
	struct order *o = &wish->order;
	const struct arg_option options[] = {
		{"arg", .list = &o->args},
		{"json", .text = &o->file},
		{"idempotency-key", .text = &o->key},
		{"workflow-id", .text = &o->workflow},
		{"client-id", .text = &o->client},
		{"wait", .flag = &o->wait},
		{"timeout", .duration_us = &wish->timeout_us},
		{"format", .text = &wish->format},
		{0},
	};
	struct args operands;

	if (!args_parse(&operands, "enqueue", argc, argv, options, e) ||
	    !args_count(&operands, "enqueue", 1, 1, "a type of job", e))
		return false;
	o->type = operands.item[0];
	if (wish->format && strcmp(wish->format, "json") != 0 && strcmp(wish->format, "text") != 0)
		return err_set(e, ERR_USAGE, "--format is '%.64s'; it must be text or json",
			       wish->format);
	wish->json = wish->format && strcmp(wish->format, "json") == 0;
	return !wish->timeout_us || o->wait || err_set(e, ERR_USAGE, "--timeout is for --wait");
}

static int enqueue_main(int argc, char **argv)
{
	struct wish wish = {0};
	struct err e = {0};
	int code;

	if (!read_wish(&wish, argc, argv, &e))
		return complain(&e);
	code = run(&wish);
	order_release(&wish.order);
	return code;
}

const struct command cmd_enqueue = {
	.name = "enqueue",
	.main = enqueue_main,
	.summary = "publishes a job; --wait shows it through",
	.usage = "usage: cpoa enqueue TYPE [--arg k=v ...] [--json FILE|-] [--idempotency-key K] "
		 "[--workflow-id U]\n"
		 "                    [--client-id C] [--wait [--timeout S]] [--format text|json]\n"
		 "\n"
		 "  cpoa enqueue podcast_generation --arg topic='Black holes' --wait\n"
		 "  cpoa enqueue podcast_generation --arg topic=Tea --arg "
		 "voice_params.speaking_rate:=1.1\n"
		 "\n"
		 "Publishes a job to exchange cpoa.jobs and prints the id of its workflow. A job "
		 "that no worker would\n"
		 "take is not published.\n"
		 "\n"
		 "  --arg k=v            an argument of the job: text. k:=v is a JSON value, a.b=v "
		 "a member of member a\n"
		 "  --json FILE          all arguments as a JSON object (- is stdin); --arg goes "
		 "over it\n"
		 "  --idempotency-key K  the same job twice under one key is run once\n"
		 "  --workflow-id U      the id to be given to its workflow; else a random one\n"
		 "  --client-id C        whom the events are for; with --wait or a key, "
		 "cpoa-enqueue if none is given\n"
		 "  --wait               shows each stage as it happens, then the result\n"
		 "  --timeout S          with --wait: not longer than this: 30, 90s, 15m\n"
		 "  --format json        the ids as an object; with --wait each event on a line\n"
		 "\n"
		 "A podcast_generation without task_id gets a random one. TRACEPARENT and "
		 "TRACESTATE of the environment\n"
		 "are carried on. Waiting sees more with PostgreSQL configured: a refusal, and an "
		 "end whose event was\n"
		 "missed.\n"
		 "Exit code 0: published, or with --wait completed; 1: failed, cancelled, or not "
		 "ended in time;\n"
		 "2: usage, or arguments that the job may not have; 4: no broker, or no queue; 5: "
		 "refused by a worker.\n",
};
