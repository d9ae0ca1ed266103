/* links: cpoa_world cpoa_db cpoa_mq */
/* Snippets, searches, explorations, landing pages and categories, from the message to the event:
 * agents.md §1.2-§1.6, §4.4. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "orders.h"
#include "world_parts.h"

/* ---- what all have ---- */

static struct json_object *expect_end(struct world *w, const char *id, const char *status)
{
	struct json_object *end = world_end(w, id);

	cr_assert_str_eq(json_at(end, "data.status"), status, "%s: %s", json_at(end, "data.status"),
			 json_at(end, "data.error"));
	cr_assert_eq(world_events(w, "started", id), 1);
	cr_assert_eq(world_events(w, "progress", id), 0);
	cr_assert_eq(world_events(w, NULL, id), 1);
	return json_obj(json_obj(end, "data"), "result");
}

static void expect_rows(struct world *w, const char *id, const char *expected)
{
	same(world_rows(w,
			"SELECT agent_name, count(*), min(task_order), max(task_order),"
			" bool_and(status = 'completed' AND end_timestamp >= start_timestamp"
			" AND error_details_json IS NULL) FROM task_instances"
			" WHERE workflow_id = '%s' GROUP BY 1 ORDER BY 1",
			id),
	     expected);
}

static void expect_workflow(struct world *w, const char *id, const char *expected)
{
	same(world_rows(w,
			"SELECT trigger_event_type, overall_status, context_data_json, "
			"error_message FROM workflow_instances WHERE workflow_id = '%s'",
			id),
	     expected);
}

/* Every snippet of the list stands in topics_snippets, under an id that is a UUID. */
static void expect_saved(struct world *w, struct json_object *list, size_t n)
{
	cr_assert_eq(json_object_array_length(list), n, "%zu", json_object_array_length(list));
	for (size_t i = 0; i < n; i++) {
		struct json_object *s = json_object_array_get_idx(list, i);

		has(json_at(s, "snippet_id"), "snippet_");
		has(json_at(s, "image_url"), "gs://");
		same(world_rows(w,
				"SELECT type, title, image_url, cover_art_prompt,"
				" llm_model_used_for_snippet, relevance_score,"
				" original_topic_details->>'topic_id', uuid_extract.v FROM "
				"topics_snippets, LATERAL (SELECT substr(id::text, 15, 1) AS v) "
				"uuid_extract WHERE original_topic_details->>'snippet_id' = '%s'",
				json_at(s, "snippet_id")),
		     world_format(w, "snippet|%s|%s|%s|stand-in|0.5|%s|5", json_at(s, "title"),
				  json_at(s, "image_url"), json_at(s, "cover_art_prompt"),
				  json_at(s, "topic_id")));
	}
}

/* Each call has its own key, made of the job's, and tells of the workflow. */
static void expect_keys(struct world *w, const char *name, int topics)
{
	static const char *const agents[] = {"tda", "sca", "iga"};
	const char *id = world_id(w, name);

	for (int a = 0; a < 3; a++) {
		struct json_object *calls = world_calls(
			w, world_format(w, "agent=%s&kind=submit&workflow_id=%s", agents[a], id));
		int n = (int)json_object_array_length(calls);

		cr_assert_eq(n, a ? topics : 1, "%s: %d", agents[a], n);
		for (int i = 0; i < n; i++) {
			struct json_object *call = json_object_array_get_idx(calls, (size_t)i);
			const char *key = world_format(w, "%s_%s", name, agents[a]);

			if (a == 1)
				key = world_format(w, "%s_%s", key, json_at(call, "body.topic_id"));
			has(json_at(call, "key"), key);
			cr_assert(a == 2 || !strcmp(json_at(call, "key"), key), "%s", key);
			has(json_at(call, "headers.traceparent"), "00-");
			same(json_at(call, "headers.x-workflow-id"), id);
		}
	}
	same(world_rows(w,
			"SELECT count(*) FROM task_instances WHERE workflow_id = '%s'"
			" AND call_name ~ '^(tda|sca|iga)' AND '%s_' || call_name <>"
			" ALL (ARRAY(SELECT value FROM jsonb_each_text(input_params_json)"
			" WHERE key ~ '^idempotency_key_for_'))",
			id, name),
	     "0");
}

/* ---- each type ---- */

static void play_search(struct world *w)
{
	const char *id = order_search(w, "tidal-energy");
	struct json_object *result = expect_end(w, id, "completed");

	same(json_at(result, "workflow_id"), id);
	same(json_at(result, "error"), "absent");
	expect_saved(w, json_arr(result, "search_results"), 7);
	expect_rows(w, id,
		    "IGA|7|2|8|t\nSCA|7|2|8|t\nSnippetGenerationSearchItem|7|2|8|t\n"
		    "TDA_Search|1|1|1|t");
	expect_workflow(w, id,
			"search_results_generation|completed|{\"search_query\": \"tidal-energy\", "
			"\"generated_snippet_count\": 7}|null");
	expect_keys(w, "tidal-energy", 7);
	has(json_at(result, "search_results.0.title"), "The quiet rise of");
	has(json_at(result, "search_results.6.title"), "A short history of");
}

static void play_exploration(struct world *w)
{
	const char *topic = world_id(w, "stored"), *id;
	struct json_object *result;

	world_sql(w,
		  "INSERT INTO topics_snippets (id, type, title, keywords, generation_timestamp)"
		  " VALUES ('%s', 'topic', 'Tides', '[\"moon\", \"sea\"]', now())",
		  topic);
	id = order(
		w, "topic_exploration", "explore",
		world_format(w, "{\"current_topic_id\":\"%s\",\"depth_mode\":\"deeper\"}", topic));
	result = expect_end(w, id, "completed");
	expect_saved(w, json_arr(result, "explored_topics"), 3);
	expect_rows(w, id,
		    "IGA|3|2|4|t\nSCA|3|2|4|t\nSTORE|1|0|0|t\n"
		    "SnippetGenerationExplorationItem|3|2|4|t\nTDA_Exploration|1|1|1|t");
	expect_workflow(w, id,
			"topic_exploration|completed|{\"tda_query\": \"moon sea\", "
			"\"generated_snippet_count\": 3}|null");
	expect_keys(w, "explore", 3);

	/* A snippet is no topic, and an unknown topic is none either. */
	id = order(w, "topic_exploration", "explore-nothing",
		   world_format(w, "{\"current_topic_id\":\"%s\"}", world_id(w, "nowhere")));
	result = expect_end(w, id, "failed");
	same(json_at(result, "error"), "TDA_QUERY_CONSTRUCTION_FAILED");
	same(json_at(result, "explored_topics"), "[]");
}

static void play_page(struct world *w)
{
	const char *id = order(w, "landing_page_snippets", "page",
			       "{\"limit\":4,\"user_preferences\":{\"preferred_categories\":"
			       "[\"Arts\",\"Science\"]}}");
	struct json_object *result = expect_end(w, id, "completed");

	same(json_at(result, "source"), "generation");
	expect_saved(w, json_arr(result, "snippets"), 4);
	expect_rows(w, id,
		    "IGA|4|2|5|t\nSCA|4|2|5|t\nSnippetGenerationLoopItem|4|2|5|t\nTDA|1|1|1|t");
	expect_workflow(w, id,
			"landing_page_snippets|completed|{\"tda_query\": \"Arts Science\", "
			"\"requested_limit\": 4, \"generated_snippet_count\": 4}|null");
	expect_keys(w, "page", 4);
	same(json_at(world_calls(w, world_format(w, "agent=tda&kind=submit&workflow_id=%s", id)),
		     "0.body.limit"),
	     "8");
}

static void play_snippet(struct world *w)
{
	const char *id = order(w, "snippet_generation", "alone",
			       "{\"topic_info\":{\"topic_id\":\"t1\",\"title_suggestion\":\"Bees\","
			       "\"original_topic_details_from_tda\":{\"topic_id\":\"t1\"}}}");
	struct json_object *result = expect_end(w, id, "completed"),
			   *list = json_object_new_array();

	json_object_array_add(list, json_object_get(result));
	expect_saved(w, list, 1);
	json_object_put(list);
	same(json_at(result, "title"), "Bees");
	expect_rows(w, id, "IGA|1|1|1|t\nSCA|1|1|1|t");
	expect_workflow(w, id, "snippet_generation|completed|null|null");
}

static void play_categories(struct world *w)
{
	const char *id = order(w, "popular_categories", "categories", "{}");
	struct json_object *result = expect_end(w, id, "completed");

	same(json_at(result, "categories.0"), "Business");
	same(json_at(result, "categories.7"), "Arts");
	expect_rows(w, id, "");
}

static void play_all(const char *style)
{
	struct world *w = world_open();

	world_agents(w, "--style", style);
	world_worker(w, NULL);
	play_search(w);
	play_exploration(w);
	play_page(w);
	play_snippet(w);
	play_categories(w);
	same(world_rows(w, "SELECT count(*) FROM topics_snippets WHERE type = 'snippet'"), "15");
	same(world_rows(w, "SELECT count(*), min(reason) FROM dead_letters"),
	     "1|TDA_QUERY_CONSTRUCTION_FAILED");
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	world_close(w);
}

Test(orchestrations, answered_in_one_go)
{
	play_all("sync");
}

Test(orchestrations, answered_by_polling)
{
	play_all("async");
}

Test(orchestrations, answered_in_both_ways)
{
	play_all("mixed");
}

/* ---- what users are shown ---- */

static void expect_last_word(struct world *w, const char *id, const char *event, const char *status,
			     const char *message)
{
	struct json_object *end = world_end(w, id);

	same(json_at(end, "data.ui.client_id"), "browser");
	same(json_at(end, "data.ui.event_name"), event);
	same(json_at(end, "data.ui.data.final_status"), status);
	same(json_at(end, "data.ui.data.message"), message);
	same(json_at(end, "data.ui.data.is_terminal"), "true");
}

Test(orchestrations, tell_their_end_to_the_client)
{
	static const struct {
		const char *type, *arguments, *message;
	} rows[] = {
		{"search_results_generation", "\"query\":\"q\",", "Search complete!"},
		{"topic_exploration", "\"keywords\":[\"k\"],", "Exploration complete!"},
		{"landing_page_snippets", "\"limit\":1,", "Landing page complete!"},
		{"snippet_generation", "\"topic_info\":{\"title_suggestion\":\"t\"},",
		 "Snippet generation complete!"},
		{"popular_categories", "", "Categories listed."},
	};
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_last_word(
			w,
			order(w, rows[i].type, rows[i].type,
			      world_format(w, "{%s\"client_id\":\"browser\"}", rows[i].arguments)),
			"generation_status", "completed", rows[i].message);
	expect_last_word(w, order(w, "topic_exploration", "nothing", "{\"client_id\":\"browser\"}"),
			 "task_error", "failed",
			 "neither keywords nor a stored topic under current_topic_id give a query");
	same(json_at(world_end(w, order_search(w, "nobody")), "data.ui"), "absent");
	world_close(w);
}

/* ---- how long it takes ---- */

static void time_search(struct world *w, const char *style, const char *name)
{
	int64_t began, took;
	const char *id;

	world_control(w, world_format(w, "{\"style\":\"%s\"}", style));
	began = clock_mono_ms();
	id = order_search(w, name);
	expect_end(w, id, "completed");
	took = clock_mono_ms() - began;
	cr_assert(took >= 2000 && took < 2500, "%s: %lld ms", style, (long long)took);
}

Test(orchestrations, search_of_seven_topics_takes_as_long_as_one)
{
	struct world *w = world_open();

	world_agents(w, "--latency-sca", "1000", "--latency-iga", "1000");
	world_worker(w, NULL);
	time_search(w, "sync", "quick");
	time_search(w, "async", "quick-polled");
	world_close(w);
}

/* ---- whoever asked is told ---- */

static struct mq_message *next_delivery(struct mq *mq)
{
	int64_t until = clock_mono_ms() + SOON_MS;
	struct mq_event ev;
	struct err e;

	while (clock_mono_ms() < until) {
		cr_assert(mq_next(mq, &ev, 100, &e), "%s", e.text);
		if (ev.kind == MQ_DELIVERY)
			return ev.message;
		cr_assert_eq(ev.kind, MQ_NOTHING, "%s", ev.text);
	}
	cr_assert_fail("nobody answers");
	return NULL;
}

/* A gateway that must answer at once: direct reply-to has no queue, so it is one connection that
 * asks and is told. */
Test(orchestrations, search_is_told_by_direct_reply_to)
{
	struct world *w = world_open();
	struct job_spec job =
		order_spec(w, "search_results_generation", "asked", "{\"query\":\"tides\"}");
	struct mq_publish p = {
		.exchange = "cpoa.jobs",
		.routing_key = job.routing_key,
		.content_type = job.content_type,
		.message_id = job.message_id,
		.correlation_id = "question 1",
		.reply_to = "amq.rabbitmq.reply-to",
		.persistent = true,
		.headers = job.headers,
		.n_headers = 2,
		.body = job.body,
		.len = strlen(job.body),
	};
	struct mq_options o = {.url = w->amqp_url, .name = "gateway", .body_max = 1 << 20};
	struct mq_message *m;
	struct err e;
	struct mq *mq;

	world_agents(w, NULL);
	world_worker(w, NULL);
	o.connect_timeout_ms = 5000;
	mq = mq_open(&o, &e);
	cr_assert(mq, "%s", e.text);
	cr_assert(mq_consume(mq, "amq.rabbitmq.reply-to", "replies", true, &e), "%s", e.text);
	cr_assert(mq_publish(mq, &p, NULL, &e), "%s", e.text);
	m = next_delivery(mq);
	expect_end(w, world_id(w, "asked"), "completed");
	same(m->correlation_id, "question 1");
	same(m->content_type, "application/cloudevents+json");
	same(m->body, world_event(w, "completed", NULL, 0, SOON_MS)->message->body);
	mq_message_free(m);
	mq_close(mq);
	world_close(w);
}

/* ---- arguments ---- */

static const struct {
	const char *type, *body, *field;
} refused[] = {
	/* clang-format off */
	{"snippet_generation", "{}", "'topic_info'"},
	{"snippet_generation", "{\"topic_info\":[]}", "'topic_info'"},
	{"snippet_generation", "{\"topic_info\":{}}", "'title_suggestion'"},
	{"snippet_generation", "{\"topic_info\":{\"title_suggestion\":\" \"}}", "'title_suggestion'"},
	{"snippet_generation", "{\"topic_info\":{\"title_suggestion\":\"t\",\"topic_id\":7}}", "'topic_id'"},
	{"search_results_generation", "{}", "'query'"},
	{"search_results_generation", "{\"query\":\"\"}", "'query'"},
	{"search_results_generation", "{\"query\":7}", "'query'"},
	{"search_results_generation", "{\"query\":\"q\",\"user_preferences\":\"x\"}", "'user_preferences'"},
	{"topic_exploration", "{\"current_topic_id\":[]}", "'current_topic_id'"},
	{"topic_exploration", "{\"keywords\":\"k\"}", "'keywords'"},
	{"topic_exploration", "{\"keywords\":[1]}", "'keywords[0]'"},
	{"topic_exploration", "{\"keywords\":[\"k\"],\"depth_mode\":\"\"}", "'depth_mode'"},
	{"landing_page_snippets", "{\"limit\":0}", "'limit'"},
	{"landing_page_snippets", "{\"limit\":21}", "'limit'"},
	{"landing_page_snippets", "{\"limit\":\"5\"}", "'limit'"},
	{"landing_page_snippets", "{\"user_preferences\":[]}", "'user_preferences'"},
	{"popular_categories", "{\"user_id\":\"ann\"}", "'user_id'"},
	/* clang-format on */
};

Test(orchestrations, with_bad_arguments_are_refused)
{
	const size_t n = sizeof(refused) / sizeof(*refused);
	struct world *w = world_open();

	world_agents(w, NULL);
	world_worker(w, NULL);
	for (size_t i = 0; i < n; i++)
		order(w, refused[i].type, world_format(w, "r%zu", i), refused[i].body);
	cr_assert(await_rows(w, world_format(w, "%zu", n), "SELECT count(*) FROM dead_letters",
			     SOON_MS));
	for (size_t i = 0; i < n; i++) {
		const char *row = world_rows(w,
					     "SELECT reason, type, error_text FROM dead_letters "
					     "WHERE message_id = 'r%zu'",
					     i);

		has(row, world_format(w, "invalid_job|%s|", refused[i].type));
		has(row, refused[i].field);
	}
	same(world_rows(w, "SELECT count(*) FROM workflow_instances"), "0");
	cr_assert_eq(world_call_count(w, ""), 0);
	world_close(w);
}
