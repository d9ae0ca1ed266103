/* cpoa dead show: one letter, what it holds, what was done with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/history.h"
#include "ctl/output.h"

struct wish {
	const char *id;
	bool json, payload, headers;
};

/* ---- as JSON ---- */

static void show_json(const struct letter *l, const struct db_result *history)
{
	struct json_object *o = letter_json(l);

	letter_put_body(l, o);
	json_set(o, "history", history_json(history));
	print_json(o);
	json_put(&o);
}

/* ---- for people ---- */

/* Line by line, each cleaned: what a sender wrote must not speak to the terminal. */
static void print_lines(const char *text)
{
	AUTO(strbuf_release) struct strbuf line;

	strbuf_init(&line, 4 * TEXT_CLEAN_MAX);
	while (*text) {
		size_t n = strcspn(text, "\n");
		AUTO(free_ptr) char *one = xstrndup(text, n);

		strbuf_reset(&line);
		text_clean(&line, one, 0);
		printf("  %s\n", line.buf);
		text += n + (text[n] == '\n');
	}
}

static void print_object(const char *title, struct json_object *o)
{
	if (!o)
		return;
	printf("\n%s\n", title);
	print_lines(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_body(const struct letter *l)
{
	struct json_object *o = json_object_new_object(), *body;

	letter_put_body(l, o);
	body = json_any(o, "body");
	if (body) {
		print_object("payload", body);
	} else {
		printf("\npayload, %zu bytes, no JSON\n", l->len);
		print_lines(json_str(o, "body_text") ? json_str(o, "body_text")
						     : json_str(o, "body_hex"));
	}
	json_put(&o);
}

static void print_head(const struct letter *l)
{
	char time[TIME_TEXT_SIZE], replays[24];

	print_field("dead letter", l->id);
	print_field("state", l->state);
	print_field("reason", l->reason);
	print_field("error", l->error);
	print_field("type", l->type);
	print_field("workflow", l->workflow_id);
	print_field("message", l->message_id);
	print_field("exchange", l->exchange);
	print_field("routing key", l->routing_key);
	print_field("first at", time_text(time, l->first_us));
	print_field("last at", time_text(time, l->last_us));
	print_field("edited", time_text(time, l->edited_us));
	snprintf(replays, sizeof(replays), "%lld", (long long)l->replays);
	print_field("replays", replays);
}

static void show(const struct wish *wish, const struct letter *l, const struct db_result *history)
{
	if (wish->json) {
		show_json(l, history);
		return;
	}
	if (wish->payload && output_width() == 0) {
		/* For a pipe: as it is. */
		fwrite(l->body, 1, l->len, stdout);
		return;
	}
	if (!wish->payload && !wish->headers) {
		print_head(l);
		print_object("properties", l->properties);
	}
	if (!wish->payload)
		print_object("headers", l->headers);
	if (!wish->headers)
		print_body(l);
	if (!wish->payload && !wish->headers) {
		if (l->edited_us)
			printf("\nedited; the payload as it came is kept in original_body\n");
		history_print(history);
	}
}

/* ---- the command ---- */

static int run(const struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL, *history = NULL;
	AUTO(letter_release) struct letter l = {0};
	struct err e = {0};
	int code = connect_db(&s, &db);

	if (code == EXIT_DONE)
		code = letter_find(&l, db, wish->id, &r);
	if (code != EXIT_DONE)
		return code;
	history = history_read(db, wish->id, l.workflow_id, &e);
	if (!history)
		return complain_query(&e);
	show(wish, &l, history);
	return EXIT_DONE;
}

int dead_show(int argc, char **argv)
{
	struct wish wish = {0};
	const struct arg_option options[] = {
		{"json", .flag = &wish.json},
		{"payload", .flag = &wish.payload},
		{"headers", .flag = &wish.headers},
		{0},
	};
	struct args operands;
	struct err e = {0};

	if (!args_parse(&operands, "dead show", argc, argv, options, &e) ||
	    !args_count(&operands, "dead show", 1, 1, "the id of a dead letter", &e))
		return complain(&e);
	wish.id = operands.item[0];
	if (!dead_id_ok(wish.id, &e))
		return complain(&e);
	return run(&wish);
}
