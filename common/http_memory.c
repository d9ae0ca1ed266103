/*
 * Where libcurl's memory comes from. All but one kind of it is malloc's.
 *
 * libcurl takes a buffer for the answer when a request begins, and an agent may think for half a
 * minute before there is one: ten thousand open requests hold ten thousand buffers with nothing in
 * them. From malloc they cost memory all the same, for it keeps notes in what is free, and what was
 * used before stays with the process. Here a buffer is whole pages in a place of their own: none is
 * there before its answer comes, and only so many that were used are kept for the next request.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "http_private.h"

enum {
	PLACES = 1 << 16, /* beyond them malloc will do */
	USED_MAX = 256,	  /* kept with their pages */
};

static struct {
	pthread_mutex_t lock;
	char *base; /* NULL: there is no such place */
	int n_taken, n_used, n_empty;
	int used[USED_MAX];
	int empty[PLACES];
} buffers = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const size_t all_bytes = (size_t)PLACES * HTTP_BUFFER_BYTES;

static bool is_buffer(const void *p)
{
	return (uintptr_t)p - (uintptr_t)buffers.base < all_bytes && buffers.base;
}

static void *buffer_take(void)
{
	int i = -1;

	pthread_mutex_lock(&buffers.lock);
	if (buffers.n_used)
		i = buffers.used[--buffers.n_used];
	else if (buffers.n_empty)
		i = buffers.empty[--buffers.n_empty];
	else if (buffers.base && buffers.n_taken < PLACES)
		i = buffers.n_taken++;
	pthread_mutex_unlock(&buffers.lock);
	return i < 0 ? malloc(HTTP_BUFFER_BYTES) : buffers.base + (size_t)i * HTTP_BUFFER_BYTES;
}

static void buffer_give(char *p)
{
	int i = (int)((size_t)(p - buffers.base) / HTTP_BUFFER_BYTES);

	pthread_mutex_lock(&buffers.lock);
	if (buffers.n_used < USED_MAX) {
		buffers.used[buffers.n_used++] = i;
	} else {
		(void)madvise(p, HTTP_BUFFER_BYTES, MADV_DONTNEED);
		buffers.empty[buffers.n_empty++] = i;
	}
	pthread_mutex_unlock(&buffers.lock);
}

/* ---- what libcurl calls ---- */

static void *take(size_t size)
{
	return size == HTTP_BUFFER_BYTES ? buffer_take() : malloc(size);
}

static void give(void *p)
{
	if (is_buffer(p))
		buffer_give(p);
	else
		free(p);
}

static void *resize(void *p, size_t size)
{
	void *copy;

	if (!is_buffer(p))
		return realloc(p, size);
	copy = malloc(size);
	if (!copy)
		return NULL;
	memcpy(copy, p, size < HTTP_BUFFER_BYTES ? size : HTTP_BUFFER_BYTES);
	buffer_give(p);
	return copy;
}

CURLcode http_memory_init(void)
{
	/* Address space, not memory. Where that is refused, malloc does for all. */
	void *base = mmap(NULL, all_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!buffers.base && base != MAP_FAILED) {
		/* A huge page would bring a hundred buffers at the first byte of one. */
		(void)madvise(base, all_bytes, MADV_NOHUGEPAGE);
		buffers.base = base;
	} else if (base != MAP_FAILED) {
		munmap(base, all_bytes);
	}
	return curl_global_init_mem(CURL_GLOBAL_ALL, take, give, resize, strdup, calloc);
}
