/* links: cpoa_ctl */
/*
 * The arguments of `cpoa enqueue` as a job's body, and the order that is made of them.
 */
#include "ctl/body.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/json.h"

#include "ctl/order.h"

static const char *text_of(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
}

Test(ctl_body, arguments_are_text_or_json_and_nest)
{
	static const char *const rows[] = {
		"topic=Black holes", "n:=7",	    "list:=[1,\"x\"]",	 "empty=",
		"a.b.c=deep",	     "a.b.d:=true", "url=http://x/?q=1", "topic=Later wins",
		"none:=null",
	};
	struct json_object *body = json_object_new_object();
	struct err e = {0};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		cr_assert(body_set(body, "--arg", rows[r], &e), "%s: %s", rows[r], e.text);
	cr_expect_str_eq(text_of(body),
			 "{\"topic\":\"Later wins\",\"n\":7,\"list\":[1,\"x\"],\"empty\":\"\","
			 "\"a\":{\"b\":{\"c\":\"deep\",\"d\":true}},\"url\":\"http:\\/\\/x\\/"
			 "?q=1\",\"none\":null}");
	json_put(&body);
}

Test(ctl_body, other_arguments_are_refused_with_a_sentence)
{
	static const struct {
		const char *assignment, *says;
	} rows[] = {
		{"topic", "name=text"},	   {"=x", "no name"},	   {":=1", "no name"},
		{"a.=x", "empty name"},	   {".a=x", "empty name"}, {"a..b=x", "empty name"},
		{"s.t=x", "is no object"}, {"n:=[1", "not JSON"},  {"n:=1 2", "--arg n"},
		{"b=\xff", "UTF-8"},	   {"\xff=b", "UTF-8"},	   {"n:=\"\\u0000\"", "--arg n"},
	};
	struct json_object *body = json_object_new_object();
	struct err e = {0};

	cr_assert(body_set(body, "--arg", "s=text", &e));
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		cr_expect_not(body_set(body, "--arg", rows[r].assignment, &e), "%s",
			      rows[r].assignment);
		cr_expect_eq(e.class, ERR_USAGE);
		cr_expect(strstr(e.text, rows[r].says), "%s: %s", rows[r].assignment, e.text);
	}
	json_put(&body);
}

static struct json_object *read_text(const char *text, struct err *e)
{
	char path[] = "/tmp/test_ctl_body.XXXXXX";
	int fd = mkstemp(path);
	struct json_object *body;

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	body = body_read(path, e);
	unlink(path);
	return body;
}

Test(ctl_body, a_file_holds_an_object)
{
	struct err e = {0};
	struct json_object *body = read_text("{\"topic\":\"x\"}\n", &e);

	cr_assert(body, "%s", e.text);
	cr_expect_str_eq(json_str(body, "topic"), "x");
	json_put(&body);
	cr_expect_null(read_text("[1]", &e));
	cr_expect(strstr(e.text, "no JSON object"), "%s", e.text);
	cr_expect_null(read_text("null", &e));
	cr_expect_null(read_text("{\"a\":", &e));
	cr_expect_eq(e.class, ERR_USAGE);
	cr_expect_null(body_read("/nowhere/at/all", &e));
	cr_expect(strstr(e.text, "/nowhere/at/all"), "%s", e.text);
	body = body_read(NULL, &e);
	cr_assert(body);
	cr_expect_str_eq(text_of(body), "{}");
	json_put(&body);
}

static void fill(struct order *o)
{
	struct err e = {0};

	cr_assert(order_fill(o, &e), "%s", e.text);
}

Test(ctl_body, an_order_has_ids_a_trace_and_a_task)
{
	struct order o = {.type = "podcast_generation", .args = {{"topic=Tea"}, 1}};
	struct cpoa_client_job job;
	struct uuid id;
	struct trace trace;
	struct err e = {0};

	unsetenv("TRACEPARENT");
	fill(&o);
	cr_expect(order_check(&o, &e), "%s", e.text);
	job = order_job(&o);
	cr_expect_str_eq(job.type, "podcast_generation");
	cr_expect_str_eq(job.arguments, o.text);
	cr_expect(uuid_from_text(&id, job.message_id));
	cr_expect(uuid_from_text(&id, json_str(o.body, "task_id")));
	cr_expect_null(json_str(o.body, "client_id"), "nobody waits");
	cr_expect(uuid_from_text(&id, job.workflow_id));
	cr_expect(trace_parse(&trace, job.traceparent));
	cr_expect_null(job.idempotency_key);
	cr_expect_null(job.tracestate);
	cr_expect(!job.reply);
	order_release(&o);
}

Test(ctl_body, the_same_order_under_a_key_has_the_same_body)
{
	struct order a = {
		.type = "podcast_generation", .args = {{"topic=Tea"}, 1}, .key = "k", .wait = true};
	struct order b = {.type = "podcast_generation", .args = {{"topic=Tea"}, 1}, .key = "k"};
	struct order c = {.type = "podcast_generation", .args = {{"topic=Tea"}, 1}, .key = "other"};

	fill(&a);
	fill(&b);
	fill(&c);
	cr_expect_str_eq(a.text, b.text);
	cr_expect_str_neq(a.text, c.text);
	cr_expect_str_neq(a.message_id, b.message_id);
	cr_expect_str_neq(a.workflow_id, b.workflow_id);
	order_release(&a);
	order_release(&b);
	order_release(&c);
}

Test(ctl_body, the_callers_trace_goes_on)
{
	struct order o = {.type = "popular_categories"};
	struct err e = {0};

	setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 1);
	setenv("TRACESTATE", "a=b", 1);
	fill(&o);
	cr_expect(order_check(&o, &e), "a type that this version does not run is still one: %s",
		  e.text);
	cr_expect_eq(strncmp(o.traceparent, "00-0af7651916cd43dd8448eb211c80319c-", 36), 0);
	cr_expect_str_eq(order_job(&o).tracestate, "a=b");
	order_release(&o);
}

Test(ctl_body, what_no_worker_would_take_is_not_ordered)
{
	static const struct {
		struct order order;
		const char *says;
	} rows[] = {
		{{.type = "nonsense"}, "no type of job"},
		{{.type = "podcast_generation"}, "'topic' is missing"},
		{{.type = "podcast_generation", .args = {{"topic=x", "user_id=y"}, 2}},
		 "'user_id'"},
		{{.type = "podcast_generation", .args = {{"topic=x"}, 1}, .workflow = "7"},
		 "--workflow-id"},
		{{.type = "podcast_generation", .args = {{"topic=x"}, 1}, .key = "a\nb"},
		 "--idempotency-key"},
		{{.type = "podcast_generation", .args = {{"topic=x"}, 1}, .key = ""},
		 "--idempotency-key"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct order o = rows[r].order;
		struct err e = {0};

		cr_expect_not(order_fill(&o, &e) && order_check(&o, &e), "row %zu", r);
		cr_expect_eq(e.class, ERR_USAGE);
		cr_expect(strstr(e.text, rows[r].says), "row %zu: %s", r, e.text);
		order_release(&o);
	}
}
