#include "cpoa/digest.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "cpoa/err.h"

/* Fetched once: EVP_sha256() has libcrypto look for an implementation each time, under its locks
 * (crypto(7), "Performance"). */
static EVP_MD *sha256, *sha1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static pthread_key_t context;

static void drop(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	if (!sha256 || !sha1)
		BUG("libcrypto has no SHA-256 or no SHA-1");
	if (pthread_key_create(&context, drop) != 0)
		BUG("no place for a thread's digest");
}

void digest(const void *data, size_t len, uint8_t out[DIGEST_SIZE])
{
	pthread_once(&once, fetch);
	if (EVP_Digest(data, len, out, NULL, sha256, NULL) != 1)
		BUG("libcrypto computes no SHA-256");
}

/* A thread's own, kept until its end: ids are named after few bytes, and to make a context for each
 * takes longer than the sum. */
static EVP_MD_CTX *thread_context(void)
{
	EVP_MD_CTX *ctx;

	pthread_once(&once, fetch);
	ctx = pthread_getspecific(context);
	if (!ctx) {
		ctx = EVP_MD_CTX_new();
		if (!ctx || pthread_setspecific(context, ctx) != 0)
			BUG("out of memory for a digest");
	}
	return ctx;
}

void digest_sha1(const void *head, size_t head_len, const void *tail, size_t tail_len,
		 uint8_t out[DIGEST_SHA1_SIZE])
{
	EVP_MD_CTX *ctx = thread_context();

	if (EVP_DigestInit_ex2(ctx, sha1, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, head, head_len) != 1 ||
	    EVP_DigestUpdate(ctx, tail, tail_len) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		BUG("libcrypto computes no SHA-1");
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
