/* tda.c - the topic discoverer: agents.md §2.6 */
#include "standin.h"

#include <string.h>

enum { LIMIT_DEFAULT = 5, LIMIT_MAX = 50, QUERY_CHARS_MAX = 200 };

static const char *const angles[] = {
	"The quiet rise of",	 "What nobody tells you about",
	"A beginner's guide to", "The people behind",
	"Five myths about",	 "The price of",
	"A short history of",	 "Where next for",
};
static const char *const categories[] = {"Technology", "Science", "Business", "Culture", "Health"};

static void put_words(struct json_object *topic, const char *query, size_t query_len)
{
	struct json_object *keywords = json_object_new_array();
	size_t at = 0;

	while (at < query_len) {
		size_t len = strcspn(query + at, " \t\n,");

		if (len > query_len - at)
			len = query_len - at;
		if (len > 0)
			json_object_array_add(keywords,
					      json_object_new_string_len(query + at, (int)len));
		at += len + 1;
	}
	json_object_object_add(topic, "keywords", keywords);
}

static void put_source(struct json_object *topic, const char *title, const char *id)
{
	struct json_object *sources = json_object_new_array();
	struct json_object *source = json_object_new_object();
	char url[80];

	(void)snprintf(url, sizeof(url), "https://news.example.com/%s", id);
	json_put_text(source, "url", url);
	json_put_text(source, "title", title);
	json_put_text(source, "source_name", "Example News");
	json_object_array_add(sources, source);
	json_object_object_add(topic, "potential_sources", sources);
}

static struct json_object *topic_new(const struct job *job, const char *query, size_t i)
{
	struct json_object *topic = json_object_new_object();
	struct json_object *details = json_object_new_object();
	uint64_t hash = hash_bytes(job->hash, &i, sizeof(i));
	size_t len = utf8_prefix(query, QUERY_CHARS_MAX);
	struct buf text = {0};
	char id[37], published[32];

	id_format((struct id){hash, hash_bytes(hash, "topic", 5)}, id);
	time_from_hash(hash, published);
	json_put_text(topic, "topic_id", id);
	json_put_text(topic, "source_feed_name", "stand-in");
	buf_addf(&text, "%s %.*s", angles[i % ARRAY_SIZE(angles)], (int)len, query);
	if (i >= ARRAY_SIZE(angles))
		buf_addf(&text, ", part %zu", i / ARRAY_SIZE(angles) + 1);
	json_put_text(topic, "title_suggestion", text.data);
	put_source(topic, text.data, id);
	text.len = 0;
	buf_addf(&text, "Topic number %zu on %.*s: why it matters, and who is concerned.", i + 1,
		 (int)len, query);
	json_put_text(topic, "summary", text.data);
	put_words(topic, query, len);
	json_object_object_add(topic, "relevance_score",
			       json_object_new_double((double)(100 - i) / 100.0));
	json_put_text(topic, "publication_date", published);
	json_put_text(topic, "category_suggestion", categories[hash % ARRAY_SIZE(categories)]);
	json_object_object_add(details, "rank", json_object_new_int64((int64_t)i + 1));
	json_object_object_add(topic, "original_topic_details", details);
	buf_release(&text);
	return topic;
}

static void work(const struct job *job, struct outcome *outcome)
{
	const char *query = json_text(job->body, "query");
	struct json_object *limit = json_member(job->body, "limit");
	size_t n = limit ? (size_t)json_object_get_int(limit) : LIMIT_DEFAULT;
	struct json_object *topics = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(topics, topic_new(job, query ? query : "the news", i));
	outcome->result = json_object_new_object();
	json_put_text(outcome->result, "status", "success");
	json_object_object_add(outcome->result, "discovered_topics", topics);
	json_put_text(outcome->result, "message", "Topics were discovered.");
}

static bool check(const struct json_object *body, struct refusal *refusal)
{
	struct json_object *limit = json_member(body, "limit");
	int64_t n = json_object_get_int64(limit);

	if (body && !json_object_is_type(body, json_type_object))
		return refuse(refusal, "TDA_MALFORMED_JSON", "The body must be a JSON object.");
	if (json_member(body, "query") && is_blank(json_text(body, "query")))
		return refuse(refusal, "TDA_INVALID_QUERY", "'query' must be a non-empty string.");
	if (limit && !json_object_is_type(limit, json_type_int))
		return refuse(refusal, "TDA_INVALID_LIMIT_TYPE", "'limit' must be an integer.");
	if (limit && (n < 1 || n > LIMIT_MAX))
		return refuse(refusal, "TDA_INVALID_LIMIT_RANGE", "'limit' must be 1 to 50.");
	return true;
}

static const struct scenario scenarios[] = {
	{.name = "tda_error",
	 .state = "FAILURE",
	 .http = 500,
	 .replace = "{\"error\":{\"type\":\"task_failed\",\"message\":\"Simulated TDA error.\"}}"},
	{.name = "tda_endpoint_error",
	 .refuse_http = 500,
	 .replace = "{\"error_code\":\"TDA_SIMULATED_ENDPOINT_ERROR\","
		    "\"message\":\"Simulated error of the endpoint.\"}"},
	{.name = "no_topics",
	 .replace =
		 "{\"status\":\"success_no_topics\",\"topics\":[],\"message\":\"Nothing found.\"}"},
	{.name = "error_status",
	 .http = 500,
	 .replace =
		 "{\"status\":\"error\",\"topics\":[],\"message\":\"Simulated logical error.\"}"},
	{.name = NULL},
};

const struct agent tda_agent = {
	.id = TDA,
	.name = "tda",
	.title = "TDA",
	.path = {"/discover_topics"},
	.status_path = "/v1/tasks/",
	.busy_state = "STARTED",
	.conflict_http = 409,
	.key_required = true,
	.body_optional = true,
	.check = check,
	.work = work,
	.scenarios = scenarios,
};
