#include "cpoa/digest.h"

#include <openssl/evp.h>

#include "cpoa/err.h"

void digest(const void *data, size_t len, uint8_t out[DIGEST_SIZE])
{
	if (EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) != 1)
		BUG("libcrypto has no SHA-256");
}

void digest_text(const uint8_t d[DIGEST_SIZE], char out[DIGEST_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		*out++ = hex[d[i] >> 4];
		*out++ = hex[d[i] & 15];
	}
	*out = '\0';
}
