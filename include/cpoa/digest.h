/*
 * digest: SHA-256 and SHA-1 (FIPS 180-4), by libcrypto. Any thread.
 */
#ifndef CPOA_DIGEST_H
#define CPOA_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_TEXT_SIZE = 65, DIGEST_SHA1_SIZE = 20 };

void digest(const void *data, size_t len, uint8_t out[DIGEST_SIZE]);
void digest_text(const uint8_t d[DIGEST_SIZE],
		 char out[DIGEST_TEXT_SIZE]); /* lower-case hexadecimal */

/* SHA-1 of head and tail together: for names (RFC 9562), not for anything to be kept from anybody.
 */
void digest_sha1(const void *head, size_t head_len, const void *tail, size_t tail_len,
		 uint8_t out[DIGEST_SHA1_SIZE]);

#endif
