/*
 * charset: bytes from the web turned into UTF-8 that can be trusted.
 *
 * Which character set a page is in is decided as browsers decide it: a byte order mark, then the
 * charset of the Content-Type header, then the page's own <meta> within its first bytes; a page
 * that says nothing, or names a set that nobody knows, is UTF-8 if it is valid UTF-8 and
 * windows-1252 if it is not. As browsers do, "iso-8859-1" and "ascii" are read as windows-1252.
 *
 * What comes out is valid UTF-8 without NUL: broken bytes became U+FFFD, NULs are gone, surrogates
 * and overlong forms are broken bytes. Any thread; nothing is kept between calls.
 */
#ifndef HARVEST_CHARSET_H
#define HARVEST_CHARSET_H

#include <stddef.h>

enum { CHARSET_NAME_MAX = 40 };

/*
 * Writes the name that iconv(3) knows into `name`. `header` is the charset of the Content-Type
 * header, or the whole header ("text/html; charset=x"), or NULL. `bom` gets the length of the byte
 * order mark to skip.
 */
void charset_sniff(const char *bytes, size_t len, const char *header, char name[CHARSET_NAME_MAX],
		   size_t *bom);

/* The bytes as UTF-8, NUL-terminated; free() it. Never NULL. */
char *charset_to_utf8(const char *bytes, size_t len, const char *header, size_t *utf8_len);

/* The length (1 to 4) of the UTF-8 sequence at `s`, which has `len` bytes; 0 when it is broken. */
size_t charset_sequence(const char *s, size_t len);

#endif
