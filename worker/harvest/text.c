#include "harvest/text.h"

#include <string.h>

#include "harvest/charset.h"

/* What the bytes 0x80 to 0x9f mean in windows-1252: "&#146;" is written for an apostrophe. */
static const unsigned short c1[32] = {
	0x20ac, 0,	0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0,	0x017d, 0,	0,	0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,	0x017e, 0x0178,
};

enum kind { WORD, SPACE, NOTHING };

/* What the character of `n` bytes at `s` is to a reader. */
static enum kind kind_of(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	if (n == 1) {
		if (u[0] == ' ' || (u[0] >= '\t' && u[0] <= '\r'))
			return SPACE;
		return u[0] < 0x20 || u[0] == 0x7f ? NOTHING : WORD;
	}
	if (n == 2 && u[0] == 0xc2)
		return u[1] == 0xa0 || u[1] == 0x85 ? SPACE : u[1] == 0xad ? NOTHING : WORD;
	if (n != 3)
		return WORD;
	unsigned code = (u[0] & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
	if ((code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
	    code == 0x202f || code == 0x205f || code == 0x3000)
		return SPACE;
	if (code == 0x200b || code == 0x2060 || code == 0xfeff || code == 0x200e || code == 0x200f)
		return NOTHING;
	return WORD;
}

void text_init(struct text *t, size_t max)
{
	strbuf_init(&t->out, max);
	t->start = 0;
	t->space = false;
}

void text_release(struct text *t)
{
	strbuf_release(&t->out);
}

static void add_word(struct text *t, const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	if (t->space && t->out.len > t->start)
		strbuf_addc(&t->out, ' ');
	t->space = false;
	if (n != 2 || u[0] != 0xc2 || u[1] > 0x9f) {
		strbuf_add(&t->out, s, n);
		return;
	}
	unsigned code = c1[u[1] - 0x80];
	if (code == 0)
		return;
	char utf8[3] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
			(char)(0x80 | (code & 0x3f))};
	if (code >= 0x800) {
		strbuf_add(&t->out, utf8, 3);
	} else {
		utf8[1] = (char)(0xc0 | code >> 6);
		strbuf_add(&t->out, utf8 + 1, 2);
	}
}

void text_add(struct text *t, const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		/* The long runs of letters in one go. */
		size_t n = i;
		while (n < len && s[n] > ' ' && s[n] < 0x7f)
			n++;
		if (n > i) {
			add_word(t, s + i, n - i);
			i = n;
			continue;
		}
		n = charset_sequence(s + i, len - i);
		if (n == 0) {
			i++;
			continue;
		}
		enum kind kind = kind_of(s + i, n);
		if (kind == SPACE)
			t->space = true;
		else if (kind == WORD)
			add_word(t, s + i, n);
		i += n;
	}
}

void text_break(struct text *t)
{
	if (t->out.len > t->start)
		strbuf_addc(&t->out, '\n');
	t->start = t->out.len;
	t->space = false;
}

size_t text_measure(const char *s, size_t len)
{
	size_t n = 0;
	bool space = true;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c <= ' ') {
			n += space ? 0 : 1;
			space = true;
		} else if ((c & 0xc0) != 0x80) {
			n += c >= 0xe3 && c <= 0xed ? 2 : 1;
			space = false;
		}
	}
	return n;
}
