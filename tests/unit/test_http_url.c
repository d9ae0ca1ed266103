/* links: cpoa_http */
#include <criterion/criterion.h>
#include <string.h>

#include "cpoa/http.h"

Test(http_url, resolve)
{
	static const struct {
		const char *base, *reference, *want; /* NULL: refused */
	} rows[] = {
		{"http://a.example/b/c?d#e", "f", "http://a.example/b/f"},
		{"http://a.example/b/c?d#e", "/f?g=1", "http://a.example/f?g=1"},
		{"http://a.example/b/c", "../f", "http://a.example/f"},
		{"http://a.example/b/c", "../../../f", "http://a.example/f"},
		{"http://a.example/b/c", "//other.example/x", "http://other.example/x"},
		{"http://a.example/b/c", "https://other.example", "https://other.example/"},
		{"http://a.example/b/c?d", "#top", "http://a.example/b/c?d"},
		{"http://a.example/b/c?d", "", "http://a.example/b/c?d"},
		{"http://a.example/b/c?d", "?e", "http://a.example/b/c?e"},
		{"http://a.example:8080/b", "c", "http://a.example:8080/c"},
		{"http://a.example/", "HTTP://Other.Example/X", "http://Other.Example/X"},
		{"http://a.example/", "http://user:pass@b.example/", "http://b.example/"},
		{"http://a.example/", "a b/\xc3\xa9", "http://a.example/a%20b/%c3%a9"},
		{"http://a.example/", "a%20b", "http://a.example/a%20b"},
		{"http://a.example/", "http://[::1]:80/x", "http://[::1]:80/x"},
		{"http://a.example:8080", "/v1/tasks/0a-B_c~d",
		 "http://a.example:8080/v1/tasks/0a-B_c~d"},
		{"http://a.example:80?q", "/f", "http://a.example:80/f"},
		{"https://A.example:08/b", "/f", "https://A.example:8/f"},
		{"https://a.example:/b", "/f", "https://a.example/f"},
		{"HTTP://a.example/b", "/f", "http://a.example/f"},
		{"http://1.2.3.4:5/b", "/f/", "http://1.2.3.4:5/f/"},
		{"http://0x7f.1/b", "/f", "http://127.0.0.1/f"},
		{"http://1.2.3.04/b", "/f", "http://1.2.3.4/f"},
		{"http://me:secret@a.example/b", "/f", "http://a.example/f"},
		{"http://a.example/b", "/f/../g/./h", "http://a.example/g/h"},
		{"http://a.example/b", "/f?a=/../b", "http://a.example/f?a=/../b"},
		{"http://a.example/b", "/f#g", "http://a.example/f"},
		{"http://a.example/b", "/f g", "http://a.example/f%20g"},
		{"http://a.example/b", "/", "http://a.example/"},
		{"http://a.example/b", "//c", "http://c/"},
		{"http://a.example:65536/b", "/f", NULL},
		{"http://a.example:1234567/b", "/f", NULL},
		{"http://a.example/", "ftp://b.example/", NULL},
		{"http://a.example/", "javascript:alert(1)", NULL},
		{"http://a.example/", "file:///etc/passwd", NULL},
		{"http://a.example/", "data:text/plain,x", NULL},
		{"http://a.example/", "http://b.example:99999/", NULL},
		{"http://a.example/", "http://b.example/\r\nX: y", NULL},
		{"http://a.example/", "http://", NULL},
		{"nonsense base", "x", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[HTTP_URL_MAX] = "";
		struct err e = {0};
		bool ok = http_resolve(rows[i].base, rows[i].reference, out, &e);

		cr_expect_eq(ok, rows[i].want != NULL, "%s + %s: %s%s", rows[i].base,
			     rows[i].reference, out, e.text);
		cr_expect_str_eq(out, rows[i].want ? rows[i].want : "", "%s + %s", rows[i].base,
				 rows[i].reference);
		cr_expect_eq(e.class, ok ? ERR_NONE : ERR_REJECT);
	}
}

Test(http_url, a_long_url_is_refused)
{
	char reference[HTTP_URL_MAX + 100], out[HTTP_URL_MAX];
	struct err e = {0};

	memset(reference, 'x', sizeof(reference) - 1);
	reference[sizeof(reference) - 1] = '\0';
	cr_assert_not(http_resolve("http://a.example/", reference, out, &e));
	cr_assert_eq(e.class, ERR_REJECT);
	reference[HTTP_URL_MAX - 1 - strlen("http://a.example/")] = '\0';
	cr_assert(http_resolve("http://a.example/", reference, out, &e));
	cr_assert_eq(strlen(out), HTTP_URL_MAX - 1);
}

Test(http_url, what_is_said_of_a_bad_one_has_no_password)
{
	static const char *const bad[] = {
		"http://me:secret@[bad/x", "http://me:sec/secret@host:99999/",
		"ftp://me:secret@host/",   "me:secret@host",
		"http://me:secret@",	   "//me:secret@host:x/"};
	char out[HTTP_URL_MAX];
	struct http_url url;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};

		cr_expect_not(http_url_read(&url, bad[i], &e), "%s", bad[i]);
		cr_expect_null(strstr(e.text, "sec"), "%s", e.text);
		e = (struct err){0};
		cr_expect_not(http_resolve(bad[i], "/", out, &e), "%s", bad[i]);
		cr_expect_null(strstr(e.text, "sec"), "%s", e.text);
		e = (struct err){0};
		if (!http_resolve("http://host/", bad[i], out, &e))
			cr_expect_null(strstr(e.text, "sec"), "%s", e.text);
	}
}

Test(http_url, same_origin)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"http://a.example/x", "http://a.example/y?z", true},
		{"http://a.example", "http://A.EXAMPLE:80/", true},
		{"https://a.example", "https://a.example:443/", true},
		{"http://a.example", "https://a.example", false},
		{"http://a.example:81", "http://a.example", false},
		{"http://a.example", "http://b.example", false},
		{"http://a.example", "http://a.example.evil/", false},
		{"http://a.example", "http://a.example@evil/", false},
		{"http://u:p@a.example", "http://a.example", true},
		{"http://[::1]/", "http://[::1]:80/", true},
		{"nonsense", "nonsense", false},
		{"http://a.example", "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(http_same_origin(rows[i].a, rows[i].b), rows[i].same, "%s and %s",
			     rows[i].a, rows[i].b);
}

Test(http_url, escape)
{
	struct strbuf out;

	strbuf_init(&out, 100);
	strbuf_adds(&out, "q=");
	http_escape(&out, "a b&c=d/\xc3\xa9?#-_.~");
	cr_assert_str_eq(out.buf, "q=a%20b%26c%3Dd%2F%C3%A9%3F%23-_.~");
	strbuf_reset(&out);
	http_escape(&out, "");
	cr_assert_str_eq(out.buf, "");
	strbuf_release(&out);
}
