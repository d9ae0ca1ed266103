/*
 * digest: SHA-256 (FIPS 180-4), by libcrypto. Any thread.
 */
#ifndef CPOA_DIGEST_H
#define CPOA_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_TEXT_SIZE = 65 };

void digest(const void *data, size_t len, uint8_t out[DIGEST_SIZE]);
void digest_text(const uint8_t d[DIGEST_SIZE],
		 char out[DIGEST_TEXT_SIZE]); /* lower-case hexadecimal */

#endif
