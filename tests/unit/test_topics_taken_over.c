/* links: cpoa_workflows cpoa_agents cpoa_core cpoa_mq */
/* Workflows that fan out and whose workers die: another one goes on from their rows. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topics_help.h"

#define STORED	   "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
#define TAKEN(id)  "{\"task_id\":\"" id "\",\"status_url\":\"/" id "\"}"
#define DONE(body) "{\"status\":\"SUCCESS\",\"result\":" body "}"
#define TOPICS                                                                      \
	"{\"status\":\"success\",\"topics\":[{\"topic_id\":\"a\",\"title\":\"A\"}," \
	"{\"title\":\"no id\"},{\"topic_id\":\"a\",\"title\":\"A again\"}]}"
#define TEXT(id)  "{\"snippet_id\":\"s" id "\",\"title\":\"" id "\",\"cover_art_prompt\":\"p\"}"
#define BARE(id)  "{\"snippet_id\":\"s" id "\",\"title\":\"" id "\"}"
#define IMAGE	  "{\"image_url\":\"gs://i\"}"
#define STEPS_MAX 12

static struct many m;

static void setup(void)
{
	many_open(&m);
}

static void teardown(void)
{
	many_close(&m);
}

TestSuite(topics_taken_over, .init = setup, .fini = teardown);

struct step {
	const char *name;
	int status;
	const char *body;
};

static const struct story {
	const char *type, *job;
	enum run_status status;
	int saves;
	struct step steps[STEPS_MAX];
} stories[] = {
	/* clang-format off */
	{"search_results_generation", "{\"query\":\"q\"}", STATUS_COMPLETED, 3, {
		{"tda", 200, TOPICS},
		{"sca_a_2", 200, TEXT("2")},
		{"sca_a", 200, BARE("0")},
		{"iga_s2", 200, IMAGE},
		{"sca_tda_topic_search_1", 200, TEXT("1")},
		{"iga_s1", 400, NULL}}},
	{"search_results_generation", "{\"query\":\"q\"}", STATUS_COMPLETED_WITH_ERRORS, 1, {
		{"tda", 202, TAKEN("t")},
		{"tda", 200, DONE(TOPICS)},
		{"sca_a", 202, TAKEN("a")},
		{"sca_a_2", 500, NULL},
		{"sca_a", 500, "{\"status\":\"FAILURE\"}"},
		{"sca_tda_topic_search_1", 202, TAKEN("1")},
		{"sca_tda_topic_search_1", 200, DONE(TEXT("1"))},
		{"iga_s1", 202, TAKEN("i")},
		{"iga_s1", 200, DONE(IMAGE)}}},
	{"search_results_generation", "{\"query\":\"q\"}", STATUS_FAILED, 0, {
		{"tda", 200, TOPICS},
		{"sca_a_2", 400, NULL},
		{"sca_a", 200, "{}"},
		{"sca_tda_topic_search_1", 200, "<html>"}}},
	{"topic_exploration", "{\"current_topic_id\":\"" STORED "\"}", STATUS_COMPLETED, 3, {
		{"topic_" STORED, 200, "{\"found\":true,\"title\":\"T\",\"keywords\":[\"k\"]}"},
		{"tda", 200, TOPICS},
		{"sca_a", 200, BARE("0")},
		{"sca_tda_topic_explore_1", 200, BARE("1")},
		{"sca_a_2", 200, BARE("2")}}},
	{"topic_exploration", "{\"current_topic_id\":\"" STORED "\"}", STATUS_FAILED, 0, {
		{"topic_" STORED, 200, "{\"found\":false}"}}},
	{"landing_page_snippets", "{\"limit\":1}", STATUS_COMPLETED_WITH_ERRORS, 1, {
		{"tda", 200, TOPICS},
		{"sca_a", 400, NULL},
		{"sca_tda_topic_lp_1", 200, TEXT("1")},
		{"iga_s1", 200, IMAGE}}},
	{"landing_page_snippets", "{\"limit\":2}", STATUS_FAILED, 0, {
		{"tda", 200, "{\"status\":\"success_no_topics\"}"}}},
	/* clang-format on */
};

static int length_of(const struct story *s)
{
	int n = 0;

	while (n < STEPS_MAX && s->steps[n].name)
		n++;
	return n;
}

/* Tells the story with an interruption before each answer whose bit is set. */
static void tell(const struct story *s, unsigned interruptions)
{
	teardown();
	setup();
	many_start(&m, s->type, s->job);
	for (int i = 0; i < length_of(s); i++) {
		cr_assert_eq(m.w.ended, 0, "%s, step %d", s->type, i);
		if (interruptions >> i & 1)
			many_take_over(&m);
		many_land(&m, s->steps[i].name, s->steps[i].status, s->steps[i].body);
	}
	cr_assert_eq(m.w.ended, 1, "%s at %x waits for %s", s->type, interruptions, many_out(&m));
	cr_assert_eq(m.w.status, s->status, "%s at %x", s->type, interruptions);
	cr_assert_eq(m.w.n_saves, s->saves, "%s at %x", s->type, interruptions);
	cr_assert_eq(m.w.n_events, 2);
}

Test(topics_taken_over, end_with_the_same_event_to_the_byte)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		const struct story *s = &stories[i];
		char *whole, *context;
		int rows;

		tell(s, 0);
		whole = xstrdup(m.w.terminal);
		context = xstrdup(m.w.context ? m.w.context : "none");
		rows = m.n_rows;
		for (unsigned bits = 1; bits < 1U << length_of(s); bits++) {
			tell(s, bits);
			cr_assert_str_eq(m.w.terminal, whole, "story %zu, at %x", i, bits);
			cr_assert_str_eq(m.w.context ? m.w.context : "none", context);
			cr_assert_eq(m.n_rows, rows, "story %zu, at %x", i, bits);
		}
		free(whole);
		free(context);
	}
}

/* Whatever had landed stays landed (many_send insists), what was accepted is polled on, and what
 * was neither is submitted again under its key. */
Test(topics_taken_over, ask_again_for_what_was_on_its_way_only)
{
	const struct story *s = &stories[1];
	char *request;

	many_start(&m, s->type, s->job);
	for (int i = 0; i < 5; i++)
		many_land(&m, s->steps[i].name, s->steps[i].status, s->steps[i].body);
	request = xstrdup(help_call(m.run, "sca_tda_topic_search_1")->request);
	many_take_over(&m);
	cr_assert_str_eq(many_out(&m), "sca_tda_topic_search_1");
	cr_assert_str_eq(help_call(m.run, "sca_tda_topic_search_1")->request, request);
	cr_assert_eq(many_row(&m, "sca_tda_topic_search_1")->submitted, 2);
	cr_assert_eq(many_row(&m, "tda")->submitted, 1);
	cr_assert_eq(many_row(&m, "sca_a")->submitted, 1);
	cr_assert_eq(many_row(&m, "sca_a_2")->submitted, 1);
	many_land(&m, "sca_tda_topic_search_1", 202, TAKEN("1"));
	many_take_over(&m);
	cr_assert_eq(many_row(&m, "sca_tda_topic_search_1")->submitted, 2, "it is polled on");
	cr_assert_gt(many_row(&m, "sca_tda_topic_search_1")->polled, 0);
	free(request);
}

/* Items have no request: one without a reply goes on, one with a reply has ended. */
Test(topics_taken_over, items_go_on_or_have_ended)
{
	const struct story *s = &stories[0];

	many_start(&m, s->type, s->job);
	for (int i = 0; i < 3; i++)
		many_land(&m, s->steps[i].name, s->steps[i].status, s->steps[i].body);
	cr_assert(many_row(&m, "item_0")->landed);
	cr_assert(!many_row(&m, "item_1")->landed && !many_row(&m, "item_2")->landed);
	many_take_over(&m);
	cr_assert_eq(help_call(m.run, "item_0")->state, CALL_LANDED);
	cr_assert_eq(help_call(m.run, "item_2")->state, CALL_PLANNED);
	for (int i = 3; i < length_of(s); i++)
		many_land(&m, s->steps[i].name, s->steps[i].status, s->steps[i].body);
	cr_assert(many_row(&m, "item_1")->landed && many_row(&m, "item_2")->landed);
	HELP_IS(many_the_row(&m, "item_2")->summary, "/image_url_present", "true");
	HELP_IS(many_the_row(&m, "item_1")->summary, "/image_url_present", "false");
}
