/*
 * wcha.c - the web content harvester: writes an article about whatever topic it is given
 *
 * agents.md §2.1. The content has the shape of the original's: parts that begin with their
 * source, divided by "---".
 */
#include "standin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SENTENCES = 5, TOPIC_CHARS_MAX = 120 };

/* "@" stands for the topic. */
/* clang-format off */
static const char *const article[WCHA_PARAGRAPHS][SENTENCES] = {
	{
		"Few subjects have moved from the margins to the centre of attention as "
			"quickly as @.",
		"A decade ago, @ was a matter for specialists; today it turns up at breakfast "
			"tables.",
		"Ask ten people what @ means to them and you will hear at least eleven answers.",
		"The interest in @ is not a fashion, say those who have followed it from the "
			"beginning.",
		"What makes @ worth a closer look is how many ordinary things depend on it.",
	},
	{
		"The history of @ is longer than most of its admirers suspect.",
		"Early accounts describe experiments in draughty workshops, paid for out of "
			"private pockets.",
		"For years progress was measured in failures, each of which was carefully "
			"written down.",
		"The turning point came when two groups that had never met discovered that "
			"they were working on the same question.",
		"Their letters, now kept in a municipal archive, read like a conversation "
			"between friends.",
	},
	{
		"At its core, @ rests on an idea that fits on the back of an envelope.",
		"Small parts, each of them simple, are arranged so that the whole does what no "
			"part could do alone.",
		"The difficulty lies in the arrangement: a slight change at one end is felt at "
			"the other.",
		"Engineers like to compare it to an orchestra that has to play in tune without "
			"a conductor.",
		"Once that is understood, most of what has been written about @ becomes easier "
			"to follow.",
	},
	{
		"The people who work on @ every day tend to speak about it without grand words.",
		"\"You learn to listen before you touch anything,\" says one of them, who has "
			"done the job for thirty years.",
		"Training takes time, and there are still far too few places that offer it.",
		"Newcomers are often surprised by how much of the work is done with pencil and "
			"paper.",
		"What keeps them, they say, is the moment when everything suddenly falls into "
			"place.",
	},
	{
		"There is also money at stake, and more of it each year.",
		"Surveys suggest that spending on @ has roughly doubled since the beginning of "
			"the decade.",
		"Small companies feel the pressure most, because the tools are expensive and "
			"change quickly.",
		"Public funding has helped, though the rules for getting it fill a binder of "
			"their own.",
		"Whether the investment pays off is a question that honest accountants answer "
			"with a shrug.",
	},
	{
		"Critics point out that the promises made about @ have not always been kept.",
		"They ask who decides, who benefits, and who is left to clear up when "
			"something goes wrong.",
		"Some of these concerns have been met with better standards and more open records.",
		"Others remain, and even supporters agree that they deserve more than a footnote.",
		"A calm debate, held in public and with the numbers on the table, would serve "
			"everyone.",
	},
	{
		"What comes next for @ is harder to say than the headlines make it seem.",
		"The most likely future is an undramatic one, made of many small improvements.",
		"Several teams expect first results within two years, and all of them warn "
			"against haste.",
		"If they are right, @ will one day be so common that nobody talks about it any "
			"more.",
		"Until then there is plenty left to find out, and plenty of reason to keep asking.",
	},
};
/* clang-format on */

static const char *const sources[] = {
	"https://encyclopedia.example.org/articles/",
	"https://www.daily-courier.example.com/features/",
	"https://review.example.net/essays/",
};

static void add_sentence(struct buf *out, const char *sentence, const char *topic, size_t topic_len)
{
	const char *at;

	while ((at = strchr(sentence, '@')) != NULL) {
		buf_add(out, sentence, (size_t)(at - sentence));
		buf_add(out, topic, topic_len);
		sentence = at + 1;
	}
	buf_adds(out, sentence);
}

void wcha_paragraph(struct buf *out, size_t n, const char *topic)
{
	size_t topic_len = utf8_prefix(topic, TOPIC_CHARS_MAX);

	for (size_t i = 0; i < SENTENCES; i++) {
		if (i > 0)
			buf_adds(out, " ");
		add_sentence(out, article[n][i], topic, topic_len);
	}
}

static void work(const struct job *job, struct outcome *outcome)
{
	const char *url = json_text(job->body, "url"), *topic = json_text(job->body, "topic");
	size_t source_n = url ? 1 : 2 + job->hash % 2;
	struct json_object *urls = json_object_new_array();
	struct buf content = {0}, source = {0}, message = {0};
	size_t done = 0;

	if (!topic)
		topic = "this page";
	for (size_t i = 0; i < source_n; i++) {
		size_t until = WCHA_PARAGRAPHS * (i + 1) / source_n;

		source.len = 0;
		buf_addf(&source, "%s%012llx", sources[i],
			 (unsigned long long)(hash_bytes(i, topic, strlen(topic)) >> 16));
		json_object_array_add(urls, json_object_new_string(url ? url : source.data));
		buf_addf(&content, "%sSource: %s\n", i ? "\n\n---\n\n" : "",
			 url ? url : source.data);
		for (size_t first = done; done < until; done++) {
			if (done > first)
				buf_adds(&content, "\n\n");
			wcha_paragraph(&content, done, topic);
		}
	}
	/* Articles about one topic differ, so that a test sees when one is taken for another. */
	buf_addf(&content, " This was article number %llu of our series.",
		 (unsigned long long)(job->hash % 1000000));
	buf_addf(&message,
		 "Successfully consolidated content from %zu out of %zu URLs for topic '%.*s'.",
		 source_n, source_n, (int)utf8_prefix(topic, TOPIC_CHARS_MAX), topic);
	outcome->result = json_object_new_object();
	json_put_text(outcome->result, "status", "success");
	json_put_text(outcome->result, "content", content.data);
	json_object_object_add(outcome->result, "source_urls", urls);
	json_put_text(outcome->result, "message", message.data);
	buf_release(&content);
	buf_release(&source);
	buf_release(&message);
}

static bool check(const struct json_object *body, struct refusal *refusal)
{
	const char *url = json_text(body, "url");

	if (!json_object_is_type(body, json_type_object))
		return refuse(refusal, "WCHA_INVALID_PAYLOAD", "The body must be a JSON object.");
	if (is_blank(url) && is_blank(json_text(body, "topic")))
		return refuse(refusal, "WCHA_MISSING_PARAMETERS", "'topic' or 'url' is required.");
	if (url && strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return refuse(refusal, "ssrf_blocked", "Only http and https URLs are harvested.");
	return true;
}

static const struct scenario scenarios[] = {
	{.name = "failure",
	 .replace = "{\"status\":\"failure\",\"content\":null,\"source_urls\":[],\"message\":"
		    "\"WCHA: Failed to harvest usable content from any of the 3 URLs.\"}"},
	{.name = "empty", .patch = "{\"content\":\"\"}"},
	{.name = "http_404",
	 .refuse_http = 404,
	 .replace = "{\"status\":\"failure\",\"content\":null,\"source_urls\":[],\"message\":"
		    "\"WCHA: No search results found for topic.\"}"},
	{.name = NULL},
};

const struct agent wcha_agent = {
	.id = WCHA,
	.name = "wcha",
	.title = "WCHA",
	.path = {"/harvest"},
	.status_path = "/v1/tasks/",
	.busy_state = "STARTED",
	.conflict_http = 409,
	.check = check,
	.work = work,
	.scenarios = scenarios,
};
