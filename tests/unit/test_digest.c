#include "cpoa/digest.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* The vectors of FIPS 180-4 (NIST's examples). */
Test(digest, vectors)
{
	static const struct {
		const char *data, *text;
	} rows[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint8_t d[DIGEST_SIZE];
		char text[DIGEST_TEXT_SIZE];

		digest(rows[r].data, strlen(rows[r].data), d);
		digest_text(d, text);
		cr_expect_str_eq(text, rows[r].text);
	}
}

Test(digest, a_million_bytes_and_none)
{
	char *data = malloc(1000000);
	uint8_t d[DIGEST_SIZE];
	char text[DIGEST_TEXT_SIZE];

	memset(data, 'a', 1000000);
	digest(data, 1000000, d);
	digest_text(d, text);
	cr_expect_str_eq(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	digest(NULL, 0, d);
	digest_text(d, text);
	cr_expect_str_eq(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	free(data);
}
