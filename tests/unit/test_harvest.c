/* links: cpoa_harvest */
/*
 * A harvest of a web that is made here (harvest_web.h): good pages, bad pages, and servers that
 * mean harm.
 */
#include "harvest_web.h"

static void set_up(void)
{
	struct err e = {0};

	cr_assert(http_global_init(&e));
	n_found = 0;
	searches = 0;
	start_server(&web, serve_web);
	start_server(&trap, trapped);
}

static void tear_down(void)
{
	stop_server(&web);
	stop_server(&trap);
}

TestSuite(harvest, .init = set_up, .fini = tear_down);

/* ---- what is never connected to ---- */

/* clang-format off */
static const char *const forms[] = {
	"127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.255.255.254", "2130706433",
	"0x7f000001", "017700000001", "0177.0.0.1", "0x7f.0.0.1", "0x7f.1", "0177.1",
	"127.0.0.0x1", "%31%32%37.0.0.1", "0.0.0.0", "0", "0x0", "00.0.0.0", "0.0.0.1",
	"0.1.2.3", "localhost", "LOCALHOST", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
	"[0000::0001]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
	"[::FFFF:0:127.0.0.1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::ffff:0.0.0.0]",
	"[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a00:1]",
	"[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2002:c0a8:1::1]",
	"[2001:0:7f00:1::1]", "[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]",
	"[ff02::1]", "[2001:db8::1]", "[100::1]", "10.0.0.1", "10.255.255.255", "167772161",
	"0xa000001", "012.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.1",
	"0xc0.0xa8.0.1", "3232235521", "169.254.169.254", "2852039166", "0xa9fea9fe",
	"[::ffff:169.254.169.254]", "169.254.1.1", "100.64.0.1", "100.127.255.254", "192.0.0.1",
	"192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.254",
	"192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	"4294967295", "site.test", "private.test", "both.test",
};
/* clang-format on */

enum { FORMS = sizeof(forms) / sizeof(*forms) };

static void expect_blocked(struct json_object *result, const char *form)
{
	struct json_object *s = source(result, 0);
	const char *outcome = json_str(s, "outcome");

	/* "localhost" is nobody's name here, as it should be. */
	cr_expect(strcmp(outcome, "ssrf_blocked") == 0 || (strcasecmp(form, "localhost") == 0 &&
							   strcmp(outcome, "fetch_error") == 0),
		  "%s: %s, %s", form, outcome, json_str(s, "message"));
	cr_expect_str_eq(json_str(result, "status"), "failure");
	cr_expect_null(json_str(result, "content"));
}

Test(harvest, no_form_of_an_address_of_our_own_is_connected_to)
{
	for (int i = 0; i < FORMS; i++) {
		char text[128];
		struct json_object *result;

		snprintf(text, sizeof(text), "http://%s:%d/", forms[i], trap.port);
		result = harvest(text);
		expect_blocked(result, forms[i]);
		json_put(&result);
	}
	cr_expect_eq(trap.accepted, 0);
	cr_expect_eq(web.accepted, 0);
}

Test(harvest, nor_is_a_redirect_to_one_followed)
{
	for (int i = 0; i < FORMS; i++) {
		char path[128];
		struct json_object *result;

		snprintf(path, sizeof(path), "/to/%s", forms[i]);
		result = harvest(url(path));
		expect_blocked(result, forms[i]);
		json_put(&result);
	}
	cr_expect_eq(trap.accepted, 0);
	cr_expect_eq(web.accepted, FORMS);
}

Test(harvest, nor_what_a_search_finds)
{
	struct json_object *result;

	for (int i = 0; i < 20; i++)
		snprintf(found[n_found++], sizeof(found[0]), "http://%s:%d/", forms[i], trap.port);
	result = harvest("tea");
	cr_expect_str_eq(json_str(result, "status"), "failure");
	for (size_t i = 0; i < json_object_array_length(json_arr(result, "sources")); i++)
		expect_outcome(result, i, "ssrf_blocked", "address refused");
	cr_expect_eq(trap.accepted, 0);
	json_put(&result);
}

/* A name whose answers change: the address that is connected to is judged, each time. */
Test(harvest, a_name_that_changes_its_mind)
{
	char text[128];

	snprintf(text, sizeof(text), "http://rebind.test:%d/", trap.port);
	for (int i = 0; i < 3; i++) {
		struct json_object *result = harvest(text);

		expect_blocked(result, text);
		json_put(&result);
	}
	cr_expect_eq(rebind_asked, 3);
	cr_expect_eq(trap.accepted, 0);
}

/* ---- the guard at the moment of connecting, with 127.0.0.2 for a public address ---- */

static bool is_second(const struct sockaddr *address, void *ctx)
{
	struct sockaddr_in v4;

	++*(int *)ctx;
	memcpy(&v4, address, sizeof(v4));
	return address->sa_family == AF_INET && v4.sin_addr.s_addr == htonl(0x7f000002);
}

static void note_done(struct http_request *r)
{
	*(bool *)r->owner = true;
}

/* Each time with a client that knows nothing of the last time. */
static void expect_judged(const char *host, bool reached)
{
	struct http_options o = {.user_agent = "test"};
	struct err e = {0};
	struct http *client = http_new(&o, &e);
	bool done = false;
	int judged = 0, before = web.accepted;
	char text[128];
	struct http_request r = {
		.method = "GET",
		.url = text,
		.timeout_ms = 5000,
		.body_max = 1 << 20,
		.done = note_done,
		.owner = &done,
		.address_ok = is_second,
		.address_ctx = &judged,
	};

	cr_assert(client);
	snprintf(text, sizeof(text), "http://%s:%d/article", host, web.port);
	http_start(client, &r);
	while (!done) {
		struct pollfd p = {.fd = http_fd(client), .events = POLLIN};

		poll(&p, 1, http_wait_ms(client));
		http_work(client);
	}
	cr_expect_eq(r.outcome, reached ? HTTP_ANSWERED : HTTP_UNREACHABLE, "%s: %s", host,
		     r.error);
	cr_expect_eq(r.address_refused, !reached);
	cr_expect_str_eq(r.error, reached ? "" : "address refused");
	cr_expect_gt(judged, 0);
	cr_expect_eq(web.accepted - before, reached ? 1 : 0);
	http_request_release(&r);
	http_free(client);
}

Test(harvest, each_answer_of_a_name_server_is_judged)
{
	expect_judged("turn.test", true);  /* public first, */
	expect_judged("turn.test", false); /* private next */
	expect_judged("two.test", true);   /* both at once: the one that may be */
	expect_judged("site.test", false);
	expect_judged("127.0.0.1", false);
	expect_judged("127.0.0.2", true);
}

Test(harvest, an_exempt_host_is_reached_by_that_name_and_port_alone)
{
	char text[128];
	struct json_object *result;

	snprintf(text, sizeof(text), "http://home.test:%d/article", web.port);
	result = harvest(text);
	cr_expect_str_eq(json_str(result, "status"), "success");
	json_put(&result);
	snprintf(text, sizeof(text), "http://home.test:%d/", trap.port);
	result = harvest(text);
	expect_blocked(result, text);
	json_put(&result);
	snprintf(text, sizeof(text), "http://site.test:%d/article", web.port);
	result = harvest(text);
	expect_blocked(result, text);
	json_put(&result);
	cr_expect_eq(trap.accepted, 0);
}

Test(harvest, the_search_engine_is_judged_too)
{
	struct harvest_options o = options();
	struct json_object *result;

	o.allow_hosts = "";
	result = harvest_with(&o, "tea");
	cr_expect(strstr(json_str(result, "message"), "Error during web search for topic 'tea': "
						      "address refused; WCHA_ALLOW_HOSTS"));
	cr_expect_eq(web.accepted, 0);
	json_put(&result);
}

static void expect_page(const char *path, const char *outcome, const char *message)
{
	struct json_object *result = harvest(url(path));
	bool ok = strcmp(outcome, "ok") == 0;

	cr_expect_str_eq(json_str(result, "status"), ok ? "success" : "failure", "%s", path);
	cr_expect_eq(json_str(result, "content") != NULL, ok, "%s", path);
	cr_expect_eq(json_object_array_length(json_arr(result, "source_urls")), ok ? 1 : 0);
	expect_outcome(result, 0, outcome, message);
	json_put(&result);
}

/* ---- what ends by its ceiling ---- */

Test(harvest, ceilings)
{
	struct harvest_options o = options();
	int64_t begun = clock_mono_ms();
	struct json_object *result;

	expect_page("/endless", "fetch_error", "passes 262144 bytes");
	expect_page("/bomb", "fetch_error", "passes 262144 bytes");
	expect_page("/headers", "fetch_error", "headers");
	expect_page("/chain/4", "fetch_error", "more than 3 redirects");
	expect_page("/chain/1000", "fetch_error", "more than 3 redirects");
	cr_expect_lt(clock_mono_ms() - begun, 9000, "none of them by its time");
	o.timeout_ms = 300;
	begun = clock_mono_ms();
	result = harvest_with(&o, url("/drip"));
	expect_outcome(result, 0, "fetch_error", "timed out");
	cr_expect_lt(clock_mono_ms() - begun, 5000);
	json_put(&result);
}

/* ---- pages ---- */

Test(harvest, pages)
{
	expect_page("/article", "ok", "characters");
	expect_page("/chain/3", "ok", "characters");
	expect_page("/untyped", "ok", "");
	expect_page("/xhtml", "ok", "");
	expect_page("/pdf", "fetch_error", "not a page of HTML but application/pdf");
	expect_page("/plain", "fetch_error", "not a page of HTML but text/plain");
	expect_page("/short", "content_too_short", "150 are wanted");
	expect_page("/empty", "no_content_extracted", "no main text");
	expect_page("/missing", "fetch_error", "HTTP 404");
	expect_page("/close", "fetch_error", "");
	expect_page("/nowhere", "fetch_error", "HTTP 301 to nowhere");
	expect_page("/to-file", "unsafe_url", "file:///etc/passwd");
}

static void expect_text(const char *path, const char *word)
{
	struct json_object *result = harvest(url(path));
	const char *content = json_str(result, "content");

	cr_assert(content, "%s: %s", path, json_str(result, "message"));
	cr_expect(strstr(content, word), "%s: '%s' is not in: %s", path, word, content);
	cr_expect(utf8_ok(content, strlen(content)));
	json_put(&result);
}

Test(harvest, character_sets)
{
	expect_text("/latin", "Caf\xC3\xA9");
	expect_text("/sjis", "\xE7\x81\xAF\xE5\x8F\xB0");
	expect_text("/meta", "\xD0\x9C\xD0\xB0\xD1\x8F\xD0\xBA");
	expect_text("/broken", "\xEF\xBF\xBD(");
}

/* ---- searches ---- */

Test(harvest, a_topic)
{
	struct json_object *result, *urls;
	char expected[512];

	find("/article?1");
	find("/short");
	find("/article?1#again");
	find("/missing");
	find("/article?2");
	snprintf(found[n_found++], sizeof(found[0]), "ftp://files.example/");
	result = harvest("tea & biscuits");
	cr_expect_str_eq(json_str(result, "status"), "success");
	urls = json_arr(result, "source_urls");
	cr_assert_eq(json_object_array_length(urls), 2);
	cr_expect_str_eq(json_object_get_string(json_object_array_get_idx(urls, 0)),
			 url("/article?1"));
	cr_expect_str_eq(json_object_get_string(json_object_array_get_idx(urls, 1)),
			 url("/article?2"));
	snprintf(expected, sizeof(expected), "Source: %s\n" SENTENCE, url("/article?1"));
	cr_expect_eq(strncmp(json_str(result, "content"), expected, strlen(expected)), 0);
	snprintf(expected, sizeof(expected), SENTENCE "\n\n---\n\nSource: %s\n" SENTENCE,
		 url("/article?2"));
	cr_expect(strstr(json_str(result, "content"), expected), "%s", json_str(result, "content"));
	cr_expect_eq(strncmp(json_str(result, "message"),
			     "Successfully consolidated content from 2 out of 5 URLs for topic "
			     "'tea & biscuits'. Failures: ",
			     91),
		     0, "%s", json_str(result, "message"));
	expect_outcome(result, 0, "ok", "");
	expect_outcome(result, 1, "content_too_short", "");
	expect_outcome(result, 2, "fetch_error", "404");
	expect_outcome(result, 3, "ok", "");
	expect_outcome(result, 4, "unsafe_url", "ftp");
	json_put(&result);
}

Test(harvest, only_as_many_results_as_asked_for)
{
	struct harvest_options o = options();
	struct json_object *result;

	o.max_results = 3;
	for (int i = 0; i < 6; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/article?%d", i);
		find(path);
	}
	result = harvest_with(&o, "tea");
	cr_expect_eq(json_object_array_length(json_arr(result, "sources")), 3);
	json_put(&result);
}

Test(harvest, content_is_cut_between_words)
{
	struct harvest_options o = options();
	struct json_object *result;
	const char *content;

	find("/article?1");
	find("/article?2");
	o.content_max = 200;
	result = harvest_with(&o, "tea");
	content = json_str(result, "content");
	cr_assert(content);
	cr_expect_leq(strlen(content), 200);
	cr_expect_gt(strlen(content), 150);
	/* What is not in the content is no source of it. */
	cr_expect_eq(json_object_array_length(json_arr(result, "source_urls")), 1);
	cr_expect_eq(json_object_array_length(json_arr(result, "sources")), 2);
	json_put(&result);
}

static void expect_failure(const char *path, const char *beginning, int expected_searches)
{
	struct harvest_options o = options();
	struct json_object *result;
	char template[128];

	snprintf(template, sizeof(template), "http://127.0.0.1:%d%s?q={query}", web.port, path);
	o.search_url = template;
	searches = 0;
	result = harvest_with(&o, "tea");
	cr_expect_str_eq(json_str(result, "status"), "failure");
	cr_expect(json_object_object_get_ex(result, "content", NULL));
	cr_expect_null(json_any(result, "content"));
	cr_expect_eq(strncmp(json_str(result, "message"), beginning, strlen(beginning)), 0, "%s",
		     json_str(result, "message"));
	cr_expect_eq(searches, expected_searches, "%s: %d", path, searches);
	json_put(&result);
}

Test(harvest, failures_as_the_original_words_them)
{
	expect_failure("/search", "WCHA: No search results found for topic 'tea'.", 1);
	expect_failure(
		"/search/refuses",
		"Error during web search for topic 'tea': the search engine answered HTTP 403", 1);
	expect_failure(
		"/search/later",
		"Error during web search for topic 'tea': the search engine answered HTTP 429", 1);
	expect_failure("/search/robot",
		       "Error during web search for topic 'tea': the search engine asks whether",
		       4);
	expect_failure(
		"/missing",
		"Error during web search for topic 'tea': the search engine answered HTTP 404", 0);
	find("/short");
	find("/missing");
	expect_failure("/search",
		       "WCHA: Failed to harvest usable content from any of the 2 URLs for topic "
		       "'tea'. Failures: ",
		       1);
}

Test(harvest, a_search_that_fails_is_tried_again)
{
	struct harvest_options o = options();
	struct json_object *result;
	char template[128];

	find("/article");
	snprintf(template, sizeof(template), "http://127.0.0.1:%d/search/flaky?q={query}",
		 web.port);
	o.search_url = template;
	result = harvest_with(&o, "tea");
	cr_expect_str_eq(json_str(result, "status"), "success", "%s", json_str(result, "message"));
	cr_expect_eq(searches, 3);
	json_put(&result);
}

/* ---- many ---- */

static void count(struct harvest *h, void *owner)
{
	int *left = owner;

	--*left;
	harvest_free(h);
}

Test(harvest, many_at_once_and_some_taken_back)
{
	enum { N = 40 };
	struct harvest_options o = options();
	struct err e = {0};
	struct harvests *all = harvests_new(&o, &e);
	struct harvest *all_of[N];
	int left = N;

	for (int i = 0; i < 3; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/article?%d", i);
		find(path);
	}
	for (int i = 0; i < N; i++)
		all_of[i] = harvest_start(all, "tea", i % 2 ? NULL : url("/drip"), count, &left);
	for (int i = 0; i < 10; i++) {
		poll(NULL, 0, 1);
		harvests_work(all);
	}
	for (int i = 0; i < N; i += 2, left--)
		harvest_free(all_of[i]);
	while (left) {
		struct pollfd p = {.fd = harvests_fd(all), .events = POLLIN};

		poll(&p, 1, harvests_wait_ms(all, 1000));
		harvests_work(all);
	}
	harvests_free(all);
}
