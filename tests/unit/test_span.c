/* links: cpoa_engine */
/* A span in OTLP's JSON, and the lists of OpenTelemetry's variables. */
#include "engine/span.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "engine/otel.h"

static const struct trace trace = {
	.trace_id = {0x4b, 0xf9, [15] = 0x36}, .span_id = {0, 0xf0, [7] = 0xb7}, .flags = 1};

/* As JSON that is read back: what cannot be read fails. */
static const char *written(const struct span *span)
{
	static struct strbuf sb;
	struct json_object *o;
	struct err e;

	if (!sb.buf)
		strbuf_init(&sb, 1 << 20);
	strbuf_reset(&sb);
	span_json(&sb, span);
	cr_assert_eq(json_read(sb.buf, sb.len, JSON_DEPTH_MAX, JSON_STRICT, &o, &e), JSON_OK,
		     "%s: %s", e.text, sb.buf);
	json_put(&o);
	return sb.buf;
}

Test(span, is_written_as_otlp_has_it)
{
	struct span span;

	span_begin(&span, SPAN_CLIENT, &trace, "call PSWA");
	span.parent[0] = 1;
	span.start_us = INT64_C(1749893400123456);
	span.end_us = INT64_C(1749893400123457);
	span.taken_us = INT64_C(1749893400000001);
	span.claims = 2;
	span_state(&span, "vendor=1");
	span_text(&span, "a", "x\"\\\n\xff y");
	span_text(&span, "none", NULL);
	span_text(&span, "empty", "");
	span_number(&span, "n", INT64_C(-9007199254740993));
	span_fail(&span, "timeout", "too late");
	cr_expect_str_eq(
		written(&span),
		"{\"traceId\":\"4bf90000000000000000000000000036\",\"spanId\":\"00f00000000000b7\","
		"\"parentSpanId\":\"0100000000000000\",\"traceState\":\"vendor=1\",\"flags\":1,"
		"\"name\":\"call PSWA\",\"kind\":3,"
		"\"startTimeUnixNano\":\"1749893400123456000\","
		"\"endTimeUnixNano\":\"1749893400123457000\","
		"\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"x\\\"\\\\\\u000a"
		"\xEF\xBF\xBD y\"}},"
		"{\"key\":\"n\",\"value\":{\"intValue\":\"-9007199254740993\"}},"
		"{\"key\":\"error.type\",\"value\":{\"stringValue\":\"timeout\"}}],"
		"\"events\":[{\"timeUnixNano\":\"1749893400000001000\",\"name\":\"taken over\","
		"\"attributes\":[{\"key\":\"cpoa.claims\",\"value\":{\"intValue\":\"2\"}}]}],"
		"\"status\":{\"code\":2,\"message\":\"too late\"}}");
}

Test(span, a_clock_that_went_back_makes_no_negative_time)
{
	struct span span;

	span_begin(&span, SPAN_INTERNAL, &trace, "x");
	span.start_us = 5;
	span.end_us = 4;
	cr_assert(strstr(written(&span), "\"endTimeUnixNano\":\"5000\""));
	cr_assert_null(strstr(written(&span), "parentSpanId"));
	cr_assert_null(strstr(written(&span), "status"));
}

Test(span, takes_what_has_room)
{
	struct span span;
	char *copy, *text = xmalloc(100000);

	memset(text, 'x', 99999);
	text[99999] = '\0';
	span_begin(&span, SPAN_CLIENT, &trace, text);
	span_state(&span, text);
	cr_assert_eq(strlen(span.text + span.name), SPAN_VALUE_MAX);
	cr_assert_eq(span.state, 0, "half a list would be another list");
	for (int i = 0; i < 2 * SPAN_ATTRIBUTES_MAX; i++)
		span_text(&span, "k", text);
	span_fail(&span, text, text);
	cr_assert_leq(span_size(&span), sizeof(span));
	cr_assert_leq(span.n, SPAN_ATTRIBUTES_MAX);
	copy = xmalloc(span_size(&span));
	memcpy(copy, &span, span_size(&span));
	written((const struct span *)(void *)copy);
	free(copy);
	free(text);
}

/* ---- otel ---- */

static struct settings base(void)
{
	static char none[] = "";

	return (struct settings){.otlp_url = none,
				 .otlp_traces_url = none,
				 .otlp_headers = none,
				 .otel_service = none,
				 .otel_resource = none};
}

Test(otel, the_address)
{
	static const struct {
		const char *url, *traces_url, *expected;
	} rows[] = {
		{"", "", NULL},
		{"http://c:4318", "", "http://c:4318/v1/traces"},
		{"http://c:4318//", "", "http://c:4318/v1/traces"},
		{"http://c/x", "", "http://c/x/v1/traces"},
		{"http://c", "http://d/y", "http://d/y"},
		{"", "https://d", "https://d"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings s = base();
		struct otel o;
		struct err e = {0};

		s.otlp_url = xstrdup(rows[i].url);
		s.otlp_traces_url = xstrdup(rows[i].traces_url);
		cr_assert(otel_setup(&o, &s, "w", &e));
		if (rows[i].expected)
			cr_expect_str_eq(o.url, rows[i].expected);
		else
			cr_expect_null(o.url);
		otel_release(&o);
		free(s.otlp_url);
		free(s.otlp_traces_url);
	}
}

Test(otel, lists)
{
	static const struct {
		const char *headers, *expected; /* joined by '|'; NULL: refused */
	} rows[] = {
		{"", ""},
		{" , ,", ""},
		{"a=b", "a: b"},
		{" a = b , c=d=e,", "a: b|c: d=e"},
		{"a=%2C%zz%4", "a: ,%zz%4"},
		{"a=%00", "a: %00"},
		{"a=", "a: "},
		{"a", NULL},
		{"=b", NULL},
		{"a b=c", NULL},
		{"a:b=c", NULL},
		{"a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings s = base();
		struct strbuf text;
		struct otel o;
		struct err e = {0};
		bool good;

		s.otlp_url = xstrdup("http://c");
		s.otlp_headers = xstrdup(rows[i].headers);
		good = otel_setup(&o, &s, "w", &e);
		cr_expect_eq(good, rows[i].expected != NULL, "%s", rows[i].headers);
		strbuf_init(&text, 4096);
		for (int j = 0; j < o.n_headers; j++)
			strbuf_addf(&text, "%s%s", j ? "|" : "", o.headers[j]);
		if (rows[i].expected)
			cr_expect_str_eq(text.buf, rows[i].expected);
		else
			cr_expect(strstr(e.text, "OTEL_EXPORTER_OTLP_HEADERS"), "%s", e.text);
		strbuf_release(&text);
		otel_release(&o);
		free(s.otlp_url);
		free(s.otlp_headers);
	}
}

Test(otel, who_sends)
{
	static const struct {
		const char *service, *resource, *expected;
	} rows[] = {
		{"", "", "\"service.name\",\"value\":{\"stringValue\":\"cpoa\""},
		{"", "service.name=x", "\"service.name\",\"value\":{\"stringValue\":\"x\""},
		{"y", "service.name=x", "\"service.name\",\"value\":{\"stringValue\":\"y\""},
		{"y", "k=%22%0a", "\"k\",\"value\":{\"stringValue\":\"\\\"\\u000a\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings s = base();
		struct otel o;
		struct err e = {0};

		s.otlp_url = xstrdup("http://c");
		s.otel_service = xstrdup(rows[i].service);
		s.otel_resource = xstrdup(rows[i].resource);
		cr_assert(otel_setup(&o, &s, "host:1", &e), "%s", e.text);
		cr_expect(strstr(o.resource, rows[i].expected), "%s", o.resource);
		cr_expect(strstr(o.resource, "host:1"));
		otel_release(&o);
		free(s.otlp_url);
		free(s.otel_service);
		free(s.otel_resource);
	}
}
