/* links: cpoa_ctl */
/*
 * What commands that change many things have in common: groups, pace, the command line that goes
 * on; and a dead letter as a message again.
 */
#include "ctl/change.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "ctl/dead.h"

/* ---- groups ---- */

Test(ctl_change, groups_count_and_sort)
{
	struct groups g = {0};
	struct json_object *list;

	groups_add(&g, "a", "x");
	groups_add(&g, "b", NULL);
	groups_add(&g, "b", NULL);
	groups_add(&g, "a", "y");
	list = groups_json(&g, "reason", "type");
	cr_assert_str_eq(json_object_to_json_string_ext(json_object_array_get_idx(list, 0),
							JSON_C_TO_STRING_PLAIN),
			 "{\"reason\":\"b\",\"type\":null,\"count\":2}");
	cr_assert_eq(json_object_array_length(list), 3);
	json_put(&list);
}

/* ---- pace ---- */

static int64_t mono_us;

static int64_t read_mono(void *ctx)
{
	(void)ctx;
	return mono_us;
}

Test(ctl_change, pace_keeps_to_the_rate)
{
	const struct clock_source source = {.mono_us = read_mono, .wall_us = read_mono};
	static const char *const wrong[] = {"", "0", "-1", "many", "5/m", "5 /s", "1e9"};
	struct pace p;
	struct err e = {0};

	clock_use(&source);
	mono_us = 1000000;
	cr_assert(pace_begin(&p, "20/s", &e));
	cr_assert_eq(pace_take(&p, 200), 1, "the first at once");
	mono_us += 500000;
	cr_assert_eq(pace_take(&p, 200), 10);
	mono_us += 10000000;
	cr_assert_eq(pace_take(&p, 150), 150, "no more than is wanted");
	cr_assert(pace_begin(&p, NULL, &e));
	cr_assert_eq(pace_take(&p, 200), 200);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		cr_assert_not(pace_begin(&p, wrong[i], &e), "%s", wrong[i]);
		cr_assert_eq(e.class, ERR_USAGE);
	}
	clock_use(NULL);
}

/* ---- the audit ---- */

Test(ctl_change, command_can_be_typed_again)
{
	static char words[][16] = {"replay", "--error",	      "it's $HOME", "--rate=5/s",
				   "",	     "--reason-text", "\xff"};
	char *argv[7];
	struct audit a;

	for (int i = 0; i < 7; i++)
		argv[i] = words[i];
	audit_begin(&a, "replay", "why", "cpoa dead", 7, argv);
	cr_assert_str_eq(a.command, "cpoa dead replay --error 'it'\\''s $HOME' --rate=5/s '' "
				    "--reason-text ?");
	cr_assert(*a.who && *a.host);
	cr_assert_eq(strlen(a.replay_id), UUID_TEXT_SIZE - 1);
	audit_release(&a);
}

/* ---- a letter ---- */

static struct letter letter_of(const char *properties, const char *headers, const char *body)
{
	return (struct letter){
		.id = "7",
		.reason = "invalid_job",
		.type = "podcast_generation",
		.exchange = "cpoa.dead",
		.routing_key = "podcast_generation",
		.state = "dead",
		.replays = 2,
		.properties = json_tokener_parse(properties),
		.headers = json_tokener_parse(headers),
		.body = strdup(body),
		.len = strlen(body),
	};
}

static const char *header_of(const struct mq_publish *m, const char *name)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (strcasecmp(m->headers[i].name, name) == 0)
			return m->headers[i].value;
	return NULL;
}

Test(ctl_change, letter_keeps_what_its_sender_wrote)
{
	struct letter l = letter_of(
		"{\"message_id\":\"m\",\"reply_to\":\"r\"}",
		"{\"x-workflow-id\":\"w\",\"X-IDEMPOTENCY-KEY\":\"k\",\"X-Death\":\"d\","
		"\"x-delivery-count\":\"3\",\"CC\":\"other\",\"BCC\":\"o\",\"tenant\":\"t\","
		"\"x-replay-count\":\"1\"}",
		"{}");
	struct letter_room room;
	struct audit a = {.replay_id = "id", .who = "ann"};
	struct mq_publish m;
	struct err e = {0};

	cr_assert(letter_message(&l, &a, &room, &m, &e), "%s", e.text);
	cr_assert_str_eq(m.exchange, "cpoa.jobs", "not into the dead letters again");
	cr_assert_str_eq(m.routing_key, "podcast_generation");
	cr_assert_str_eq(m.message_id, "m");
	cr_assert_str_eq(m.reply_to, "r");
	cr_assert(m.persistent && m.mandatory);
	cr_assert_str_eq(header_of(&m, "X-Workflow-ID"), "w");
	cr_assert_str_eq(header_of(&m, "X-Idempotency-Key"), "k");
	cr_assert_str_eq(header_of(&m, "tenant"), "t");
	cr_assert_str_eq(header_of(&m, "x-replay-count"), "3");
	cr_assert_str_eq(header_of(&m, "x-replayed-by"), "ann");
	cr_assert_str_eq(header_of(&m, "x-dead-letter-id"), "7");
	cr_assert_null(header_of(&m, "x-death"));
	cr_assert_null(header_of(&m, "x-delivery-count"));
	cr_assert_null(header_of(&m, "CC"));
	cr_assert_null(header_of(&m, "BCC"));
	letter_release(&l);
}

Test(ctl_change, letter_that_is_not_whole_stays)
{
	struct letter cut = letter_of("{\"message_id\":\"m\",\"body_size\":99}", "{}", "{"),
		      few = letter_of("{\"message_id\":\"m\",\"headers_cut\":1}", "{}", "{}");
	struct letter_room room;
	struct audit a = {.who = "ann"};
	struct mq_publish m;
	struct err e = {0};

	cr_assert_not(letter_message(&cut, &a, &room, &m, &e));
	cr_assert(strstr(e.text, "1 of its 99 bytes"), "%s", e.text);
	cr_assert_not(letter_message(&few, &a, &room, &m, &e));
	cr_assert(strstr(e.text, "headers"), "%s", e.text);
	letter_release(&cut);
	letter_release(&few);
}

Test(ctl_change, letter_is_judged_as_a_worker_would)
{
	static const char good[] =
		"{\"topic\":\"t\",\"task_id\":\"0b2a9c5e-27a4-4f6b-9a55-0d8e1f6f2a11\"}";
	struct letter l = letter_of("{\"message_id\":\"m\"}", "{}", good),
		      bad = letter_of("{\"message_id\":\"m\"}", "{}", "{\"topic\":7}"),
		      nameless = letter_of("{}", "{}", good);
	struct err e = {0};

	cr_assert(letter_check(&l, &e), "%s", e.text);
	cr_assert_not(letter_check(&bad, &e));
	cr_assert(strstr(e.text, "'topic'"), "%s", e.text);
	cr_assert_not(letter_check(&nameless, &e));
	cr_assert(strstr(e.text, "message_id"), "%s", e.text);
	letter_release(&l);
	letter_release(&bad);
	letter_release(&nameless);
}
