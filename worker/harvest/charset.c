#include "harvest/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpoa/err.h"
#include "cpoa/strbuf.h"

enum {
	META_WITHIN = 4096, /* bytes in which a page says its character set; browsers: 1024 */
	CHUNK = 8192
};

static const char replacement[] = "\xef\xbf\xbd";

/* Labels whose meaning on the web is not what iconv takes them for. */
static const struct {
	const char *label, *name;
} aliases[] = {
	{"ansi_x3.4-1968", "WINDOWS-1252"},
	{"ascii", "WINDOWS-1252"},
	{"us-ascii", "WINDOWS-1252"},
	{"iso-8859-1", "WINDOWS-1252"},
	{"iso8859-1", "WINDOWS-1252"},
	{"iso_8859-1", "WINDOWS-1252"},
	{"latin1", "WINDOWS-1252"},
	{"l1", "WINDOWS-1252"},
	{"x-cp1252", "WINDOWS-1252"},
	{"iso-8859-9", "WINDOWS-1254"},
	{"latin5", "WINDOWS-1254"},
	{"iso-8859-11", "WINDOWS-874"},
	{"tis-620", "WINDOWS-874"},
	{"x-cp1250", "WINDOWS-1250"},
	{"x-cp1251", "WINDOWS-1251"},
	{"shift_jis", "CP932"},
	{"shift-jis", "CP932"},
	{"sjis", "CP932"},
	{"x-sjis", "CP932"},
	{"windows-31j", "CP932"},
	{"x-euc-jp", "EUC-JP"},
	{"euc-kr", "CP949"},
	{"ks_c_5601-1987", "CP949"},
	{"ksc5601", "CP949"},
	{"korean", "CP949"},
	{"windows-949", "CP949"},
	{"gb2312", "GB18030"},
	{"gbk", "GB18030"},
	{"x-gbk", "GB18030"},
	{"big5", "BIG5-HKSCS"},
	{"x-x-big5", "BIG5-HKSCS"},
	{"utf8", "UTF-8"},
	{"unicode-1-1-utf-8", "UTF-8"},
	{"utf-16", "UTF-16LE"},
	{"unicode", "UTF-16LE"},
};

size_t charset_sequence(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n;
	if (len == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		n = 2;
	else if ((u[0] & 0xf0) == 0xe0)
		n = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return n;
}

/* Whether all is UTF-8; a page that was cut in the middle of a character is. */
static bool is_utf8(const char *s, size_t len)
{
	size_t i = 0, n;
	while (i < len && (n = charset_sequence(s + i, len - i)) > 0)
		i += n;
	if (i == len)
		return true;
	if (i == 0 || len - i > 3 || ((unsigned char)s[i] & 0xc0) != 0xc0)
		return false;
	for (i++; i < len && ((unsigned char)s[i] & 0xc0) == 0x80; i++)
		;
	return i == len;
}

/* The name for a label of `len` bytes; false when iconv does not know it. */
static bool resolve(const char *label, size_t len, char name[CHARSET_NAME_MAX])
{
	while (len > 0 && strchr(" \t\r\n\f\"'", label[0]) != NULL) {
		label++;
		len--;
	}
	size_t n = 0;
	while (n < len && n < CHARSET_NAME_MAX - 1 &&
	       (isalnum((unsigned char)label[n]) || strchr("-_.:+", label[n]) != NULL) &&
	       label[n] != '\0')
		n++;
	if (n == 0)
		return false;
	memcpy(name, label, n);
	name[n] = '\0';
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcasecmp(name, aliases[i].label) == 0) {
			size_t size = strlen(aliases[i].name) + 1;
			memcpy(name, aliases[i].name, size);
			return true;
		}
	iconv_t cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1)
		return false;
	iconv_close(cd);
	return true;
}

/* "text/html; charset=x" or "x". */
static bool from_header(const char *header, char name[CHARSET_NAME_MAX])
{
	const char *at = strcasestr(header, "charset");
	if (at != NULL) {
		at += strlen("charset");
		at += strspn(at, " \t");
		if (*at != '=')
			return false;
		at++;
	} else if (strchr(header, '/') != NULL) {
		return false;
	} else {
		at = header;
	}
	return resolve(at, strlen(at), name);
}

/* Finds `word` in any case; returns what follows it, or NULL. */
static const char *after(const char *s, const char *end, const char *word)
{
	size_t n = strlen(word);
	for (; (size_t)(end - s) >= n; s++)
		if (strncasecmp(s, word, n) == 0)
			return s + n;
	return NULL;
}

static bool from_meta(const char *bytes, size_t len, char name[CHARSET_NAME_MAX])
{
	const char *end = bytes + (len < META_WITHIN ? len : META_WITHIN);
	const char *at = bytes;
	while ((at = after(at, end, "<meta")) != NULL) {
		const char *close = memchr(at, '>', (size_t)(end - at));
		if (close == NULL)
			return false;
		const char *value = after(at, close, "charset");
		while (value != NULL && value < close && strchr(" \t\r\n", *value) != NULL)
			value++;
		if (value != NULL && value < close && *value == '=' &&
		    resolve(value + 1, (size_t)(close - value - 1), name)) {
			/* Who could read the meta element has not got UTF-16. */
			if (strncasecmp(name, "utf-16", 6) == 0)
				memcpy(name, "UTF-8", sizeof("UTF-8"));
			return true;
		}
		at = close;
	}
	return false;
}

void charset_sniff(const char *bytes, size_t len, const char *header, char name[CHARSET_NAME_MAX],
		   size_t *bom)
{
	static const struct {
		const char *mark;
		size_t len;
		const char *name;
	} marks[] = {
		{"\xef\xbb\xbf", 3, "UTF-8"},
		{"\xfe\xff", 2, "UTF-16BE"},
		{"\xff\xfe", 2, "UTF-16LE"},
	};
	*bom = 0;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (len >= marks[i].len && memcmp(bytes, marks[i].mark, marks[i].len) == 0) {
			memcpy(name, marks[i].name, strlen(marks[i].name) + 1);
			*bom = marks[i].len;
			return;
		}
	if (header != NULL && from_header(header, name))
		return;
	if (from_meta(bytes, len, name))
		return;
	const char *guess = is_utf8(bytes, len) ? "UTF-8" : "WINDOWS-1252";
	memcpy(name, guess, strlen(guess) + 1);
}

/* Adds valid UTF-8 as it is, U+FFFD for each byte that is not, and no NUL. */
static void add_checked(struct strbuf *out, const char *s, size_t len)
{
	size_t start = 0;
	for (size_t i = 0; i < len;) {
		size_t n = charset_sequence(s + i, len - i);
		if (n > 0 && s[i] != '\0') {
			i += n;
			continue;
		}
		strbuf_add(out, s + start, i - start);
		if (n == 0)
			strbuf_adds(out, replacement);
		i++;
		start = i;
	}
	strbuf_add(out, s + start, len - start);
}

static void convert(iconv_t cd, struct strbuf *out, const char *bytes, size_t len)
{
	char chunk[CHUNK];
	/* iconv does not write to its input; its prototype only says so badly. */
	union {
		const char *in;
		char *unconst;
	} at = {bytes};
	size_t left = len;
	for (;;) {
		char *to = chunk;
		size_t room = sizeof(chunk);
		size_t rc = iconv(cd, left > 0 ? &at.unconst : NULL, &left, &to, &room);
		int errnum = errno;
		add_checked(out, chunk, sizeof(chunk) - room);
		if (rc != (size_t)-1 && left == 0)
			return;
		if (rc == (size_t)-1 && errnum != E2BIG) {
			strbuf_adds(out, replacement);
			if (left <= 1)
				return;
			at.in++;
			left--;
		}
	}
}

char *charset_to_utf8(const char *bytes, size_t len, const char *header, size_t *utf8_len)
{
	char name[CHARSET_NAME_MAX];
	size_t bom;
	charset_sniff(bytes, len, header, name, &bom);
	bytes += bom;
	len -= bom;
	/* No byte becomes more than one character, and a byte that is broken takes three. */
	AUTO(strbuf_release) struct strbuf out;
	strbuf_init(&out, 4 * len + 16);
	strbuf_grow(&out, len);
	iconv_t cd = strcasecmp(name, "UTF-8") == 0 ? (iconv_t)-1 : iconv_open("UTF-8", name);
	if (cd != (iconv_t)-1) {
		convert(cd, &out, bytes, len);
		iconv_close(cd);
	} else {
		add_checked(&out, bytes, len);
	}
	return strbuf_detach(&out, utf8_len);
}
