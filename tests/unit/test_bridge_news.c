/* links: cpoa_bridge */
/* What an event has for the ASF (worker/bridge/news.h). */
#include "bridge/news.h"

#include <criterion/criterion.h>
#include <string.h>

#include "cpoa/strbuf.h"

static bool read_text(struct news *news, const char *text)
{
	struct err e = {0};
	bool read = news_read(news, text, strlen(text), &e);

	cr_assert(read || (e.class == ERR_REJECT && *e.text));
	return read;
}

static void expect_notice(const struct notice *n, const char *key, const char *body)
{
	cr_assert_str_eq(n->key ? n->key : "none", key);
	cr_assert_str_eq(n->body ? n->body : "none", body);
	cr_assert_eq(n->len, n->body ? strlen(n->body) : 0);
}

Test(news, both_bodies_are_what_the_event_says)
{
	struct news news;

	cr_assert(read_text(&news,
			    "{\"type\":\"aethercast.cpoa.podcast_generation.completed\","
			    "\"subject\":\"w1\",\"time\":\"2025-06-14T09:30:00.123Z\",\"data\":{"
			    "\"ui\":{\"client_id\":\"c\",\"event_name\":\"generation_status\","
			    "\"data\":{\"message\":\"Fertig: \\u00fc\",\"is_terminal\":true}},"
			    "\"stream\":{\"stream_id\":\"s\",\"filepath\":\"gs://a/b.wav\"},"
			    "\"result\":{\"big\":[1,2,3]}}}"));
	expect_notice(&news.ui, "c",
		      "{\"client_id\":\"c\",\"event_name\":\"generation_status\","
		      "\"data\":{\"message\":\"Fertig: \xc3\xbc\",\"is_terminal\":true}}");
	expect_notice(&news.stream, "s", "{\"stream_id\":\"s\",\"filepath\":\"gs://a/b.wav\"}");
	cr_assert_str_eq(news.workflow, "w1");
	cr_assert(news.terminal);
	cr_assert_eq(news.time_us, INT64_C(1749893400123000));
	news_release(&news);
}

Test(news, what_an_event_lacks_is_nothing)
{
	static const struct {
		const char *text;
		bool terminal;
	} rows[] = {
		{"{}", false},
		{"{\"data\":null}", false},
		{"{\"data\":{\"ui\":\"c\",\"stream\":[]}}", false},
		{"{\"type\":7,\"time\":true,\"subject\":{},\"data\":{}}", false},
		{"{\"type\":\"completed\"}", false},
		{"{\"type\":\"a.progress\",\"data\":{}}", false},
		{"{\"type\":\"a.started\",\"data\":{}}", false},
		{"{\"type\":\"a.failed\",\"data\":{}}", true},
		{"{\"type\":\"a.cancelled\",\"data\":{}}", true},
		{"{\"type\":\"a.whatever\",\"data\":{}}", false},
	};
	struct news news;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert(read_text(&news, rows[i].text), "%s", rows[i].text);
		expect_notice(&news.ui, "none", "none");
		expect_notice(&news.stream, "none", "none");
		cr_assert_eq(news.terminal, rows[i].terminal, "%s", rows[i].text);
		cr_assert_eq(news.time_us, 0);
		news_release(&news);
	}
}

Test(news, what_cannot_be_passed_on_is_refused_and_the_rest_is_kept)
{
	struct news news;
	struct strbuf sb;

	cr_assert(!read_text(&news, "no JSON"));
	news_release(&news);
	cr_assert(!read_text(&news, "[]"));
	news_release(&news);
	cr_assert(!read_text(&news, "{\"data\":{\"stream\":{\"stream_id\":\"\"},"
				    "\"ui\":{\"client_id\":\"c\"}}}"));
	expect_notice(&news.stream, "none", "none");
	expect_notice(&news.ui, "c", "{\"client_id\":\"c\"}");
	news_release(&news);
	strbuf_init(&sb, 1 << 20);
	strbuf_adds(&sb, "{\"data\":{\"ui\":{\"client_id\":\"c\",\"data\":\"");
	for (int i = 0; i < NEWS_BODY_MAX; i++)
		strbuf_addc(&sb, 'x');
	strbuf_adds(&sb, "\"},\"stream\":{\"stream_id\":\"s\"}}}");
	cr_assert(!read_text(&news, sb.buf));
	expect_notice(&news.ui, "none", "none");
	expect_notice(&news.stream, "s", "{\"stream_id\":\"s\"}");
	news_release(&news);
	strbuf_release(&sb);
}
