/* links: cpoa_harvest */
/*
 * Every form of an address that is not one of the public Internet, and every spelling of one.
 */
#include "harvest/guard.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cpoa/http.h"

static bool passes(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return guard_address_ok((struct sockaddr *)&v4, NULL);
	cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1, "%s", text);
	return guard_address_ok((struct sockaddr *)&v6, NULL);
}

Test(guard, addresses_that_are_not_public)
{
	static const char *const rows[] = {
		/* IPv4 */
		"0.0.0.0",
		"0.0.0.1",
		"0.255.255.255",
		"10.0.0.0",
		"10.1.2.3",
		"10.255.255.255",
		"100.64.0.0",
		"100.100.100.100",
		"100.127.255.255",
		"127.0.0.1",
		"127.0.0.2",
		"127.255.255.255",
		"169.254.0.1",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.0",
		"192.0.0.8",
		"192.0.0.170",
		"192.0.2.1",
		"192.88.99.1",
		"192.168.0.1",
		"192.168.255.255",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.7",
		"203.0.113.9",
		"224.0.0.1",
		"239.255.255.250",
		"240.0.0.1",
		"255.255.255.254",
		"255.255.255.255",
		/* IPv6 */
		"::",
		"::1",
		"::2",
		"fe80::1",
		"fe80::1:2:3:4",
		"febf::1",
		"fec0::1",
		"fc00::1",
		"fd00::1",
		"fdff:ffff::1",
		"ff02::1",
		"ff0e::1",
		"100::1",
		"100:0:0:1::1",
		"2001:db8::1",
		"2001:db8:ffff::1",
		"3fff::1",
		"3fff:fff::1",
		"3ffe::1",
		"5f00::1",
		"2001::1",
		"2001:0:4136:e378:8000:63bf:3fff:fdd2",
		"2001:1::1",
		"2001:2::1",
		"2001:10::1",
		"2001:20::1",
		"2001:1ff:ffff::1",
		"1::1",
		"4000::1",
		"e000::1",
		/* IPv4 within IPv6 */
		"::127.0.0.1",
		"::10.0.0.1",
		"::8.8.8.8",
		"::ffff:127.0.0.1",
		"::ffff:10.0.0.1",
		"::ffff:169.254.169.254",
		"::ffff:0.0.0.0",
		"::ffff:192.168.1.1",
		"::ffff:0:127.0.0.1",
		"::ffff:0:8.8.8.8",
		"64:ff9b::127.0.0.1",
		"64:ff9b::10.0.0.1",
		"64:ff9b::169.254.169.254",
		"64:ff9b:1::127.0.0.1",
		"64:ff9b:1::8.8.8.8",
		"64:ff9b:1:fffe::a00:1",
		"2002:7f00:1::",
		"2002:a00:1::1",
		"2002:a9fe:a9fe::1",
		"2002:c0a8:101::1",
		"2002:0:1::",
		"2002:e000:1::",
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++)
		cr_expect_not(passes(rows[r]), "%s", rows[r]);
}

Test(guard, addresses_that_are)
{
	static const char *const rows[] = {
		"1.1.1.1",	   "8.8.8.8",	      "9.255.255.255",	 "11.0.0.0",
		"100.63.255.255",  "100.128.0.0",     "126.255.255.255", "128.0.0.1",
		"169.253.255.255", "169.255.0.0",     "172.15.255.255",	 "172.32.0.0",
		"191.255.255.255", "192.0.1.1",	      "192.0.3.0",	 "192.167.255.255",
		"192.169.0.0",	   "198.17.255.255",  "198.20.0.0",	 "198.51.99.255",
		"203.0.112.255",   "203.0.114.0",     "223.255.255.255", "2606:4700::1111",
		"2001:200::1",	   "2001:4860::8888", "2a00:1450::1",	 "2001:db7::1",
		"2001:db9::1",	   "3ffd::1",	      "::ffff:8.8.8.8",	 "64:ff9b::8.8.8.8",
		"2002:808:808::1",
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++)
		cr_expect(passes(rows[r]), "%s", rows[r]);
}

Test(guard, another_family_does_not_pass)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};

	cr_expect_not(guard_address_ok((struct sockaddr *)&local, NULL));
}

Test(guard, only_http_with_a_host_and_nobody_s_name)
{
	static const struct {
		const char *url;
		bool ok;
	} rows[] = {
		{"http://example.com/", true},
		{"HTTPS://example.com", true},
		{"http://example.com:8080/a?b#c", true},
		{"http://[2001:db8::1]/", true}, /* its address is judged when it is connected to */
		{"http://example.com/a b", true},
		{"http://u@example.com/", false},
		{"http://u:p@example.com/", false},
		{"http://:p@example.com/", false},
		{"http:///path", true}, /* of host "path": browsers, too, swallow the slash */
		{"http://", false},
		{"http://:80/", false},
		{"//example.com/", false},
		{"/path", false},
		{"", false},
		{"ftp://example.com/", false},
		{"file:///etc/passwd", false},
		{"gopher://example.com/", false},
		{"javascript:alert(1)", false},
		{"data:text/html,x", false},
		{"ws://example.com/", false},
		{"dict://example.com/", false},
		{"http://exa mple.com/", false},
		{"http://example.com:99999/", false},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		struct err e = {0};

		cr_expect_eq(guard_url_ok(rows[r].url, &e), rows[r].ok, "'%s': %s", rows[r].url,
			     e.text);
		cr_expect_eq(e.class, rows[r].ok ? ERR_NONE : ERR_REJECT, "'%s'", rows[r].url);
	}
}

/* However it is spelled, it is one host to us: the one that is connected to. */
Test(guard, spellings_of_numbers)
{
	static const struct {
		const char *url, *host;
	} rows[] = {
		{"http://2130706433/", "127.0.0.1"},
		{"http://0x7f000001/", "127.0.0.1"},
		{"http://017700000001/", "127.0.0.1"},
		{"http://127.1/", "127.0.0.1"},
		{"http://0177.0.0.1/", "127.0.0.1"},
		{"http://0x7f.1/", "127.0.0.1"},
		{"http://127.0.1/", "127.0.0.1"},
		{"http://%31%32%37.0.0.1/", "127.0.0.1"},
		{"http://LOCALHOST/", "localhost"},
		{"http://0/", "0.0.0.0"},
		{"http://[::FFFF:7F00:1]/", "[::ffff:127.0.0.1]"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		struct http_url url;
		struct err e = {0};

		cr_assert(http_url_read(&url, rows[r].url, &e), "%s: %s", rows[r].url, e.text);
		/* libcurl may write the same IPv6 address in another way. */
		if (rows[r].host[0] != '[')
			cr_expect_str_eq(url.host, rows[r].host, "%s", rows[r].url);
	}
}

Test(guard, hosts_that_are_exempt)
{
	static const struct {
		const char *list, *url;
		bool allowed;
	} rows[] = {
		{"", "http://localhost/", false},
		{"localhost", "http://localhost/", true},
		{"localhost", "https://LOCALHOST:8443/x", true},
		{"localhost:80", "http://localhost/", true},
		{"localhost:80", "https://localhost/", false},
		{"localhost:8080", "http://localhost:80/", false},
		{"localhost:", "http://localhost/", false},
		{"localhost:80x", "http://localhost/", false},
		{"a, localhost:8080 ,b", "http://localhost:8080/", true},
		{"a,,b", "http://b/", true},
		{",", "http://b/", false},
		{"local", "http://localhost/", false},
		{"localhost", "http://localhost.example.com/", false},
		{"localhost", "http://local/", false},
		{"127.0.0.1:9", "http://2130706433:9/", true},
		{"127.0.0.1:9", "http://127.0.0.1:99/", false},
		{"[::1]:9", "http://[::1]:9/", true},
		{"[::1]", "http://[::1]:9/", true},
		{"example.com", "http://localhost@example.com/",
		 true}, /* which guard_url_ok refuses */
		{"localhost", "http://localhost@example.com/", false},
		{"localhost", "not a URL", false},
		{"localhost", "ftp://localhost/", false},
	};

	cr_expect_not(guard_allows(NULL, "http://localhost/"));
	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++)
		cr_expect_eq(guard_allows(rows[r].list, rows[r].url), rows[r].allowed,
			     "'%s' in '%s'", rows[r].url, rows[r].list);
}
